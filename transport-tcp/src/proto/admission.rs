//! Limits the inbound connections that have not proved their node yet: a number in all, and a
//! number from one address.
//!
//! Such connections cost their maker nothing, so room is taken from the address that holds most of
//! it. An attacker with fewer addresses than there are places cannot keep a node out: its address
//! holds least, and it needs its place for milliseconds.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

/// The unauthenticated connections, each with a handle by which it can be closed.
#[derive(Debug)]
pub(crate) struct AdmissionTable<H> {
    most: usize,
    most_per_address: usize,
    places: BTreeMap<Ticket, Place<H>>,
    /// Number of places of each origin; none of them is zero.
    by_origin: BTreeMap<Origin, usize>,
    next: Ticket,
}

/// Names a place. Later ones are greater.
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
    /// It has a place.
    Admitted(Ticket),
    /// It has a place, and this other connection is closed for it.
    InPlaceOf(H, Ticket),
    /// Its address has as many places as one may have.
    AddressBusy,
}

impl<H> AdmissionTable<H> {
    /// At most `most` places, at most `most_per_address` of them for one address; both at least 1.
    pub(crate) const fn new(most: usize, most_per_address: usize) -> Self {
        AdmissionTable {
            most,
            most_per_address,
            places: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            next: Ticket(0),
        }
    }

    /// A connection was accepted. Takes time in proportion to the number of places, and only when
    /// none is free.
    pub(crate) fn arrived(&mut self, from: IpAddr, handle: H) -> Admission<H> {
        let origin = Origin::of(from);
        let of_origin = self.by_origin.get(&origin).copied().unwrap_or(0);
        if of_origin >= self.most_per_address {
            return Admission::AddressBusy;
        }
        let ticket = self.next;
        self.next.0 += 1;
        self.by_origin.insert(origin, of_origin + 1);
        self.places.insert(ticket, Place { origin, handle });
        if self.places.len() <= self.most {
            return Admission::Admitted(ticket);
        }
        let closed = self.left(self.most_dispensable()).expect("it has a place");
        Admission::InPlaceOf(closed, ticket)
    }

    /// It has proved its node, or has ended. `None` if its place was taken from it.
    pub(crate) fn left(&mut self, ticket: Ticket) -> Option<H> {
        let Place { origin, handle } = self.places.remove(&ticket)?;
        let of_origin = self.by_origin.get_mut(&origin).expect("it is counted as long as it is here");
        *of_origin -= 1;
        if *of_origin == 0 {
            self.by_origin.remove(&origin);
        }
        Some(handle)
    }

    /// The oldest of the address that holds most; the oldest of all if several hold equally many.
    fn most_dispensable(&self) -> Ticket {
        let held = |place: &Place<H>| self.by_origin[&place.origin];
        let most = self.places.iter().max_by_key(|(ticket, place)| (held(place), Reverse(**ticket)));
        *most.expect("a connection has just arrived").0
    }
}

/// One address for this purpose: an IPv4 address, or the 64 bits of an IPv6 address that its owner
/// does not choose.
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
        let mut pending = AdmissionTable::new(10, 2);
        let Admission::Admitted(first) = pending.arrived(at(1), "first") else { panic!("there is room") };
        assert!(matches!(pending.arrived(at(1), "second"), Admission::Admitted(_)));
        assert_eq!(pending.arrived(at(1), "third"), Admission::AddressBusy);
        assert!(matches!(pending.arrived(at(2), "another"), Admission::Admitted(_)));
        assert_eq!(pending.left(first), Some("first"));
        assert!(matches!(pending.arrived(at(1), "third"), Admission::Admitted(_)));
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_of_the_busiest_address_goes() {
        let mut pending = AdmissionTable::new(4, 4);
        for (host, who) in [(1, "true"), (2, "a"), (3, "b"), (2, "c")] {
            assert!(matches!(pending.arrived(at(host), who), Admission::Admitted(_)));
        }
        let sent_away = |admission| match admission {
            Admission::InPlaceOf(who, _) => who,
            other => panic!("{other:?}"),
        };
        assert_eq!(sent_away(pending.arrived(at(3), "d")), "a", "2 and 3 hold two each, and it came first");
        assert_eq!(sent_away(pending.arrived(at(3), "e")), "b");
        // From here on no address holds more than two, and one that brings a third loses its own
        // first.
        assert_eq!(sent_away(pending.arrived(at(3), "f")), "d");
        assert_eq!(sent_away(pending.arrived(at(4), "g")), "e");
        assert_eq!(sent_away(pending.arrived(at(5), "h")), "true", "all hold one: the oldest");
    }

    #[test]
    fn a_connection_that_has_lost_its_place_cannot_give_it_back() {
        let mut pending = AdmissionTable::new(1, 1);
        let Admission::Admitted(first) = pending.arrived(at(1), 1) else { panic!("there is room") };
        let Admission::InPlaceOf(1, second) = pending.arrived(at(2), 2) else { panic!("there is none") };
        assert_eq!((pending.left(first), pending.left(second), pending.left(second)), (None, Some(2), None));
        assert!(matches!(pending.arrived(at(1), 3), Admission::Admitted(_)));
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
            // Seven addresses against eight places: the true node came first and stays.
            let mut pending = AdmissionTable::new(8, 3);
            let Admission::Admitted(true_node) = pending.arrived(at(100), ()) else { panic!("there is room") };
            let mut last = None;
            for (host, leaves) in attack {
                if let Admission::Admitted(ticket) | Admission::InPlaceOf((), ticket) = pending.arrived(at(host), ()) {
                    last = Some(ticket);
                }
                if let Some(ticket) = last.take_if(|_| leaves) {
                    pending.left(ticket);
                }
                prop_assert!(pending.places.len() <= 8);
                prop_assert!(pending.by_origin.values().all(|held| (1..=3).contains(held)));
                prop_assert_eq!(pending.by_origin.values().sum::<usize>(), pending.places.len());
            }
            prop_assert!(pending.left(true_node).is_some());
        }
    }
}
