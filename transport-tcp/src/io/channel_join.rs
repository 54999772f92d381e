//! Further connections of sessions that are being accepted: each is passed to the task that accepts
//! its session.

use std::sync::Arc;

use parking_lot::Mutex;
use refs::NodeName;
use smol::channel::{Receiver, Sender, bounded};

use super::{
    failure::Failure,
    handshake_io::{self, Opened},
};
use crate::proto::{
    channels::join::JoinTable,
    handshake::{
        HandshakeError, Identity,
        attach::{Attach, Bond},
        frames,
        proof::Binding,
    },
    wire::Kind,
};

/// The sessions that wait for further connections.
#[derive(Default)]
pub(crate) struct ChannelJoins {
    waiting: Mutex<JoinTable<Sender<Opened>>>,
}

impl ChannelJoins {
    /// Starts to wait for `connections` connections of `peer`. They may arrive as soon as the peer
    /// has the bond.
    pub(crate) fn begin(self: &Arc<Self>, bond: Bond, peer: &NodeName, connections: usize) -> ChannelJoin {
        let (senders, arrivals): (Vec<_>, _) = (0..connections).map(|_| bounded(1)).unzip();
        self.waiting.lock().begin(bond.clone(), peer.clone(), senders);
        ChannelJoin { bond, arrivals, joins: self.clone() }
    }

    /// Returns the sender to the waiting session to which a connection belongs. `body` is the body
    /// of the connection's ATTACH, which proves that it belongs to that session.
    pub(crate) fn attach(
        &self,
        me: &Identity,
        body: &[u8],
        opened: &Opened,
    ) -> Result<Sender<Opened>, Failure> {
        let attach = Attach::read(body)?;
        let mut waiting = self.waiting.lock();
        opened.stream.check_peer_name(waiting.peer(&attach)?)?;
        Ok(waiting.take(me, &attach, Binding(opened.stream.binding()?))?)
    }
}

/// Waits for the further connections of one session. On drop the session waits no more.
pub(crate) struct ChannelJoin {
    bond: Bond,
    arrivals: Vec<Receiver<Opened>>,
    joins: Arc<ChannelJoins>,
}

impl ChannelJoin {
    /// Returns all connections, in the order of their channels, once each has received the
    /// confirmation.
    pub(crate) async fn complete(self, me: &Identity) -> Result<Vec<Opened>, Failure> {
        let mut connections = Vec::new();
        for arrival in &self.arrivals {
            connections.push(arrival.recv().await.map_err(|_| HandshakeError::Dropped)?);
        }
        for (index, connection) in connections.iter().enumerate() {
            let proof = self.bond.confirm(me, index as u8 + 1, Binding(connection.stream.binding()?));
            handshake_io::send(&connection.stream, &frames::encode(Kind::Attach, &proof)).await?;
        }
        Ok(connections)
    }
}

impl Drop for ChannelJoin {
    fn drop(&mut self) {
        self.joins.waiting.lock().end(self.bond.id());
    }
}
