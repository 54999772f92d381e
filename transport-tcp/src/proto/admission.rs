//! Limits the inbound connections that have not proved their node yet: their total number, and
//! their number per address.
//!
//! Such connections cost an attacker nothing, so a new connection takes the place of one from the
//! address that has most places. An attacker with fewer addresses than there are places cannot keep
//! a node out: the node's address has the fewest places, and it needs its place for milliseconds.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

/// The unauthenticated connections, each with a handle by which it can be closed.
#[derive(Debug)]
pub(crate) struct AdmissionTable<H> {
    max: usize,
    max_per_address: usize,
    places: BTreeMap<Ticket, Place<H>>,
    /// Number of places of each origin; none of them is zero.
    by_origin: BTreeMap<Origin, usize>,
    next: Ticket,
}

/// Identifies a place. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Place<H> {
    origin: Origin,
    handle: H,
}

/// The decision about a new connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<H> {
    /// The connection has a place.
    Admitted(Ticket),
    /// The connection has a place, and this other connection must be closed for it.
    InPlaceOf(H, Ticket),
    /// The connection's address has the maximum number of places.
    AddressBusy,
}

impl<H> AdmissionTable<H> {
    /// At most `max` places, at most `max_per_address` of them for one address; both at least 1.
    pub(crate) const fn new(max: usize, max_per_address: usize) -> Self {
        AdmissionTable {
            max,
            max_per_address,
            places: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            next: Ticket(0),
        }
    }

    /// Adds a connection. Takes time in proportion to the number of places, but only when none is
    /// free.
    pub(crate) fn arrived(&mut self, from: IpAddr, handle: H) -> Admission<H> {
        let origin = Origin::of(from);
        let of_origin = self.by_origin.get(&origin).copied().unwrap_or(0);
        if of_origin >= self.max_per_address {
            return Admission::AddressBusy;
        }
        let ticket = self.next;
        self.next.0 += 1;
        self.by_origin.insert(origin, of_origin + 1);
        self.places.insert(ticket, Place { origin, handle });
        if self.places.len() <= self.max {
            return Admission::Admitted(ticket);
        }
        let closed = self.left(self.eviction_candidate()).expect("it has a place");
        Admission::InPlaceOf(closed, ticket)
    }

    /// Removes a connection that has proved its node or has ended. `None` if another connection has
    /// taken its place.
    pub(crate) fn left(&mut self, ticket: Ticket) -> Option<H> {
        let Place { origin, handle } = self.places.remove(&ticket)?;
        let of_origin = self.by_origin.get_mut(&origin).expect("it is counted as long as it is here");
        *of_origin -= 1;
        if *of_origin == 0 {
            self.by_origin.remove(&origin);
        }
        Some(handle)
    }

    /// The oldest connection of the address with most places; the oldest of all of these addresses
    /// if several have equally many.
    fn eviction_candidate(&self) -> Ticket {
        let held = |place: &Place<H>| self.by_origin[&place.origin];
        let most = self.places.iter().max_by_key(|(ticket, place)| (held(place), Reverse(**ticket)));
        *most.expect("a connection has just arrived").0
    }
}

/// One address for this purpose: an IPv4 address, or the 64 bits of an IPv6 address that its owner
/// cannot choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Origin(IpAddr);

impl Origin {
    fn of(address: IpAddr) -> Self {
        Origin(match address.to_canonical() {
            IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
            v4 => v4,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(host: u8) -> IpAddr {
        [10, 0, 0, host].into()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_has_its_share_and_others_have_theirs() {
        let mut table = AdmissionTable::new(10, 2);
        let Admission::Admitted(first) = table.arrived(at(1), "first") else { panic!("there is room") };
        assert!(matches!(table.arrived(at(1), "second"), Admission::Admitted(_)));
        assert_eq!(table.arrived(at(1), "third"), Admission::AddressBusy);
        assert!(matches!(table.arrived(at(2), "another"), Admission::Admitted(_)));
        assert_eq!(table.left(first), Some("first"));
        assert!(matches!(table.arrived(at(1), "third"), Admission::Admitted(_)));
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_of_the_busiest_address_goes() {
        let mut table = AdmissionTable::new(4, 4);
        for (host, who) in [(1, "true"), (2, "a"), (3, "b"), (2, "c")] {
            assert!(matches!(table.arrived(at(host), who), Admission::Admitted(_)));
        }
        let evicted = |admission| match admission {
            Admission::InPlaceOf(who, _) => who,
            other => panic!("{other:?}"),
        };
        assert_eq!(evicted(table.arrived(at(3), "d")), "a", "2 and 3 hold two each, and it came first");
        assert_eq!(evicted(table.arrived(at(3), "e")), "b");
        // From here on no address has more than two places, and one with a third connection loses
        // its own first.
        assert_eq!(evicted(table.arrived(at(3), "f")), "d");
        assert_eq!(evicted(table.arrived(at(4), "g")), "e");
        assert_eq!(evicted(table.arrived(at(5), "h")), "true", "all hold one: the oldest");
    }

    #[test]
    fn a_connection_that_has_lost_its_place_cannot_give_it_back() {
        let mut table = AdmissionTable::new(1, 1);
        let Admission::Admitted(first) = table.arrived(at(1), 1) else { panic!("there is room") };
        let Admission::InPlaceOf(1, second) = table.arrived(at(2), 2) else { panic!("there is none") };
        assert_eq!((table.left(first), table.left(second), table.left(second)), (None, Some(2), None));
        assert!(matches!(table.arrived(at(1), 3), Admission::Admitted(_)));
    }

    #[test]
    fn an_address_is_what_its_owner_cannot_choose_at_will() {
        let same = |x: &str, y: &str| Origin::of(ip(x)) == Origin::of(ip(y));
        assert!(!same("10.0.0.1", "10.0.0.2"));
        assert!(same("2001:db8:0:7::1", "2001:db8:0:7:ffff::2"));
        assert!(!same("2001:db8:0:7::1", "2001:db8:0:8::1"));
        assert!(same("::ffff:10.0.0.1", "10.0.0.1"));
        assert!(!same("::ffff:10.0.0.1", "::ffff:10.0.0.2"));
    }

    proptest! {
        #[test]
        fn no_limit_is_ever_exceeded_and_a_lone_node_outlasts_fewer_addresses_than_places(
            attack in prop::collection::vec((0..7_u8, any::<bool>()), 0..200),
        ) {
            // Seven addresses against eight places: the real node came first and stays.
            let mut table = AdmissionTable::new(8, 3);
            let Admission::Admitted(true_node) = table.arrived(at(100), ()) else { panic!("there is room") };
            let mut last = None;
            for (host, leaves) in attack {
                if let Admission::Admitted(ticket) | Admission::InPlaceOf((), ticket) = table.arrived(at(host), ()) {
                    last = Some(ticket);
                }
                if let Some(ticket) = last.take_if(|_| leaves) {
                    table.left(ticket);
                }
                prop_assert!(table.places.len() <= 8);
                prop_assert!(table.by_origin.values().all(|held| (1..=3).contains(held)));
                prop_assert_eq!(table.by_origin.values().sum::<usize>(), table.places.len());
            }
            prop_assert!(table.left(true_node).is_some());
        }
    }
}
