//! Further connections of sessions that are being accepted: each is handed to the task that accepts
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
    /// Begins to wait for so many connections of that peer. They may come as soon as the peer knows
    /// the bond.
    pub(crate) fn begin(self: &Arc<Self>, bond: Bond, peer: &NodeName, connections: usize) -> ChannelJoin {
        let (places, arrivals): (Vec<_>, _) = (0..connections).map(|_| bounded(1)).unzip();
        self.waiting.lock().begin(bond.clone(), peer.clone(), places);
        ChannelJoin { bond, arrivals, joins: self.clone() }
    }

    /// Hands a connection over whose ATTACH has that body, once it has proved that it belongs to a
    /// session that waits.
    pub(crate) fn attach(
        &self,
        me: &Identity,
        body: &[u8],
        opened: &Opened,
    ) -> Result<Sender<Opened>, Failure> {
        let attach = Attach::read(body)?;
        let mut waiting = self.waiting.lock();
        opened.stream.vouches_for(waiting.peer(&attach)?)?;
        Ok(waiting.take(me, &attach, Binding(opened.stream.binding()?))?)
    }
}

/// Waits for the further connections of one session. On drop it is forgotten.
pub(crate) struct ChannelJoin {
    bond: Bond,
    arrivals: Vec<Receiver<Opened>>,
    joins: Arc<ChannelJoins>,
}

impl ChannelJoin {
    /// All of them, in the order of their channels, once each was told that the session stands.
    pub(crate) async fn complete(self, me: &Identity) -> Result<Vec<Opened>, Failure> {
        let mut connections = Vec::new();
        for arrival in &self.arrivals {
            connections.push(arrival.recv().await.map_err(|_| HandshakeError::Dropped)?);
        }
        for (at, connection) in connections.iter().enumerate() {
            let proof = self.bond.confirm(me, at as u8 + 1, Binding(connection.stream.binding()?));
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
