//! Sessions that stand once their further connections are there: which session such a connection
//! belongs to.

use std::collections::HashMap;

use refs::NodeName;

use crate::proto::handshake::{
    HandshakeError, Identity,
    attach::{Attach, Bond, BondId},
    proof::Binding,
};

/// The sessions that wait. `P` is the place of one connection. There are never more than handshakes
/// in progress.
#[derive(Debug)]
pub(crate) struct JoinTable<P> {
    waiting: HashMap<BondId, Waiting<P>>,
}

#[derive(Debug)]
struct Waiting<P> {
    bond: Bond,
    peer: NodeName,
    /// The place of each connection, by channel counted from 1; `None` once it was taken.
    places: Vec<Option<P>>,
}

impl<P> Default for JoinTable<P> {
    fn default() -> Self {
        JoinTable { waiting: HashMap::new() }
    }
}

impl<P> JoinTable<P> {
    /// A session with that peer waits for a connection for each place. They may come as soon as the
    /// peer knows the bond.
    pub(crate) fn begin(&mut self, bond: Bond, peer: NodeName, places: impl IntoIterator<Item = P>) {
        let places = places.into_iter().map(Some).collect();
        self.waiting.insert(bond.id(), Waiting { bond, peer, places });
    }

    /// The session does not wait any more.
    pub(crate) fn end(&mut self, bond: BondId) {
        self.waiting.remove(&bond);
    }

    /// The peer of the session to which a connection with that ATTACH says it belongs.
    pub(crate) fn peer(&self, attach: &Attach<'_>) -> Result<&NodeName, HandshakeError> {
        Ok(&self.waiting.get(&attach.bond).ok_or(UNKNOWN)?.peer)
    }

    /// Takes the place of a connection that proves, by its ATTACH over that connection, that it
    /// belongs there.
    pub(crate) fn take(
        &mut self,
        me: &Identity,
        attach: &Attach<'_>,
        binding: Binding,
    ) -> Result<P, HandshakeError> {
        let waiting = self.waiting.get_mut(&attach.bond).ok_or(UNKNOWN)?;
        waiting.bond.verify(me, attach, binding)?;
        let place = usize::from(attach.channel).checked_sub(1);
        place.and_then(|place| waiting.places.get_mut(place)?.take()).ok_or(UNKNOWN)
    }
}

const UNKNOWN: HandshakeError =
    HandshakeError::Malformed("a connection to a session that does not wait for it");
