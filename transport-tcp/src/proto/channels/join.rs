//! Sessions that wait for further connections, and the assignment of such connections to them.

use std::collections::HashMap;

use refs::NodeName;

use crate::proto::handshake::{
    HandshakeError, Identity,
    attach::{Attach, Bond, BondId},
    proof::Binding,
};

/// The waiting sessions. `P` is the place of one connection. There are never more entries than
/// handshakes in progress.
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
    /// Adds a session with that peer that waits for one connection for each place. They may arrive
    /// as soon as the peer has the bond.
    pub(crate) fn begin(&mut self, bond: Bond, peer: NodeName, places: impl IntoIterator<Item = P>) {
        let places = places.into_iter().map(Some).collect();
        self.waiting.insert(bond.id(), Waiting { bond, peer, places });
    }

    /// Removes a session.
    pub(crate) fn end(&mut self, bond: BondId) {
        self.waiting.remove(&bond);
    }

    /// The peer of the session to which a connection with that ATTACH claims to belong.
    pub(crate) fn peer(&self, attach: &Attach<'_>) -> Result<&NodeName, HandshakeError> {
        Ok(&self.waiting.get(&attach.bond).ok_or(NOT_EXPECTED)?.peer)
    }

    /// Takes the place of a connection whose ATTACH proves that it belongs to that session.
    pub(crate) fn take(
        &mut self,
        me: &Identity,
        attach: &Attach<'_>,
        binding: Binding,
    ) -> Result<P, HandshakeError> {
        let waiting = self.waiting.get_mut(&attach.bond).ok_or(NOT_EXPECTED)?;
        waiting.bond.verify(me, attach, binding)?;
        let place = usize::from(attach.channel).checked_sub(1);
        place.and_then(|place| waiting.places.get_mut(place)?.take()).ok_or(NOT_EXPECTED)
    }
}

const NOT_EXPECTED: HandshakeError =
    HandshakeError::Malformed("a connection to a session that does not wait for it");
