//! Sessions that stand once their further connections are there: where those find the one they belong to.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use refs::NodeName;
use smol::channel::{Receiver, Sender, bounded};

use crate::{
    io::handshake_io::HandshakeIo,
    net::stream::Stream,
    proto::{
        handshake::{
            Failure, Identity,
            attach::{Attach, Bond, BondId},
        },
        wire::Kind,
    },
};

/// The sessions that wait. There are never more than handshakes under way.
#[derive(Default)]
pub(crate) struct ChannelJoins {
    waiting: Mutex<HashMap<BondId, Waiting>>,
}

struct Waiting {
    bond: Bond,
    peer: NodeName,
    /// Where each connection goes, by channel counted from 1; none once it was taken.
    places: Vec<Option<Sender<HandshakeIo>>>,
}

impl ChannelJoins {
    /// Begins to wait for so many connections of that peer. They may come as soon as the peer knows the bond.
    pub(crate) fn begin(self: &Arc<Self>, bond: Bond, peer: &NodeName, connections: usize) -> ChannelJoin {
        let (places, arrivals) =
            (0..connections).map(|_| bounded(1)).map(|(to, from)| (Some(to), from)).unzip();
        self.waiting.lock().insert(bond.id(), Waiting { bond: bond.clone(), peer: peer.clone(), places });
        ChannelJoin { bond, arrivals, channel_joins: self.clone() }
    }

    /// The place of a connection whose ATTACH has that body, once it has proved that it belongs there. The place takes
    /// one connection, and is closed if the session does not wait any more.
    pub(crate) fn place(
        &self,
        me: &Identity,
        body: &[u8],
        stream: &Stream,
    ) -> Result<Sender<HandshakeIo>, Failure> {
        let attach = Attach::read(body)?;
        let mut waiting = self.waiting.lock();
        let unknown = Failure::Malformed("a connection to a session that does not wait for it");
        let Some(waiting) = waiting.get_mut(&attach.bond) else { return Err(unknown) };
        stream.vouches_for(&waiting.peer)?;
        waiting.bond.verify(me, &attach, stream.binding()?)?;
        let place = usize::from(attach.channel).checked_sub(1);
        place.and_then(|place| waiting.places.get_mut(place)?.take()).ok_or(unknown)
    }
}

/// Waits for the further connections of one session. Dropped, it is forgotten.
pub(crate) struct ChannelJoin {
    bond: Bond,
    arrivals: Vec<Receiver<HandshakeIo>>,
    channel_joins: Arc<ChannelJoins>,
}

impl ChannelJoin {
    /// All of them, in the order of their channels, once each was told that the session stands.
    pub(crate) async fn complete(self, me: &Identity) -> Result<Vec<HandshakeIo>, Failure> {
        let mut connections = Vec::new();
        for arrival in &self.arrivals {
            connections.push(arrival.recv().await.map_err(|_| Failure::Dropped)?);
        }
        for (at, connection) in connections.iter_mut().enumerate() {
            let proof = self.bond.confirm(me, at as u8 + 1, connection.stream().binding()?);
            connection.send(Kind::Attach, &proof).await?;
        }
        Ok(connections)
    }
}

impl Drop for ChannelJoin {
    fn drop(&mut self) {
        self.channel_joins.waiting.lock().remove(&self.bond.id());
    }
}
