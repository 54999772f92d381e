//! Who has connected and not yet proved anything: so many in all, so many from one address.
//!
//! Strangers cost nothing to make, so room is taken from those who hold most of it. Whoever has fewer addresses than
//! there are places cannot keep a true node out: its address holds least, and it needs its place for milliseconds.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr},
};

/// The strangers at the door, each with a handle by which it can be sent away.
#[derive(Debug)]
pub(crate) struct AdmissionTable<H> {
    most: usize,
    most_per_address: usize,
    strangers: BTreeMap<Ticket, Stranger<H>>,
    /// How many strangers each origin has here; none of them is zero.
    by_origin: BTreeMap<Origin, usize>,
    next: Ticket,
}

/// A stranger's place. Later ones are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

#[derive(Debug)]
struct Stranger<H> {
    origin: Origin,
    handle: H,
}

/// What became of somebody who has just connected.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Admission<H> {
    /// It has a place.
    Admitted(Ticket),
    /// It has a place, and this one had to give up its own.
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
            strangers: BTreeMap::new(),
            by_origin: BTreeMap::new(),
            next: Ticket(0),
        }
    }

    /// Somebody has connected. Takes time in proportion to the number of places, and only when none is free.
    pub(crate) fn arrived(&mut self, from: IpAddr, handle: H) -> Admission<H> {
        let origin = Origin::of(from);
        let of_origin = self.by_origin.get(&origin).copied().unwrap_or(0);
        if of_origin >= self.most_per_address {
            return Admission::AddressBusy;
        }
        let ticket = self.next;
        self.next.0 += 1;
        self.by_origin.insert(origin, of_origin + 1);
        self.strangers.insert(ticket, Stranger { origin, handle });
        if self.strangers.len() <= self.most {
            return Admission::Admitted(ticket);
        }
        let sent_away = self.left(self.most_dispensable()).expect("it is one of the strangers");
        Admission::InPlaceOf(sent_away, ticket)
    }

    /// It has proved who it is, or is gone. None if its place was taken from it.
    pub(crate) fn left(&mut self, ticket: Ticket) -> Option<H> {
        let Stranger { origin, handle } = self.strangers.remove(&ticket)?;
        let of_origin = self.by_origin.get_mut(&origin).expect("it is counted as long as it is here");
        *of_origin -= 1;
        if *of_origin == 0 {
            self.by_origin.remove(&origin);
        }
        Some(handle)
    }

    /// The oldest of the address that holds most; the oldest of all if several hold equally many.
    fn most_dispensable(&self) -> Ticket {
        let held = |stranger: &Stranger<H>| self.by_origin[&stranger.origin];
        let most = self.strangers.iter().max_by_key(|(ticket, stranger)| (held(stranger), Reverse(**ticket)));
        *most.expect("somebody has just arrived").0
    }
}

/// What counts as one address: an IPv4 address, or the 64 bits of an IPv6 address that its owner does not choose.
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
        // From here on nobody holds more than two, and whoever brings the third loses his own first.
        assert_eq!(sent_away(pending.arrived(at(3), "f")), "d");
        assert_eq!(sent_away(pending.arrived(at(4), "g")), "e");
        assert_eq!(sent_away(pending.arrived(at(5), "h")), "true", "all hold one: the oldest");
    }

    #[test]
    fn who_has_lost_its_place_cannot_give_it_back() {
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
        fn no_limit_is_ever_exceeded_and_a_lone_newcomer_outlasts_fewer_addresses_than_places(
            attack in prop::collection::vec((0..7_u8, any::<bool>()), 0..200),
        ) {
            // Seven addresses against eight places: the true node came first and nobody gets it out.
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
                prop_assert!(pending.strangers.len() <= 8);
                prop_assert!(pending.by_origin.values().all(|held| (1..=3).contains(held)));
                prop_assert_eq!(pending.by_origin.values().sum::<usize>(), pending.strangers.len());
            }
            prop_assert!(pending.left(true_node).is_some());
        }
    }
}
