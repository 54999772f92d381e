//! The meaning of a reference on one node.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::collections::BTreeMap;

use common::{name, node_id, pid, serial};
use proptest::prelude::*;
use refs::{
    EndKind, Incarnation, MonitorRef, NodeId, Pid, Reference, RegName, Resolution, Serial, SessionEnd,
    Target, WhereIs, same_target,
};

struct Names(BTreeMap<RegName, Pid>);

impl WhereIs for Names {
    fn whereis(&self, name: &RegName) -> Option<Pid> {
        self.0.get(name).cloned()
    }
}

fn other_incarnation(node: &NodeId) -> NodeId {
    NodeId::new(node.name.clone(), Incarnation::new(node.incarnation.get() ^ 2 | 1).unwrap())
}

fn local() -> NodeId {
    NodeId::new("a@here".parse().unwrap(), Incarnation::new(8).unwrap())
}

#[test]
fn a_pid_of_another_incarnation_of_the_own_node_is_nobody() {
    let local = local();
    let serial = Serial::new(1, 2);
    let stale = Pid::new(other_incarnation(&local), serial);
    assert_eq!(Target::from(&stale).resolve(&local), Resolution::OtherIncarnation);
    assert_eq!(Target::from(Pid::new(local.clone(), serial)).resolve(&local), Resolution::Local(serial));
    assert!(!stale.is_local(&local) && !Reference::from(stale).is_local(&local));
    let name: Target = "job@a@here".parse().unwrap();
    assert_eq!(name.resolve(&local), Resolution::LocalName("job".parse().unwrap()));
    assert!(
        name.is_local(&local) && name.is_local(&other_incarnation(&local)),
        "a name belongs to every incarnation"
    );
    assert_eq!("job@a@there".parse::<Target>().unwrap().resolve(&local), Resolution::Remote);
}

#[test]
fn a_name_of_the_own_node_is_its_holder() {
    let local = local();
    let holder = Pid::new(local.clone(), Serial::new(7, 0));
    let names = Names(BTreeMap::from([
        ("x".parse().unwrap(), holder.clone()),
        ("y".parse().unwrap(), holder.clone()),
    ]));
    let target = |text: &str| text.parse::<Target>().unwrap();
    let same = |a: &Target, b: &Target| same_target(a, b, &local, &names);
    assert!(same(&target("x@a@here"), &holder.clone().into()));
    assert!(same(&target("x@a@here"), &target("y@a@here")));
    assert!(!same(&target("x@a@here"), &target("free@a@here")));
    assert!(
        same(&target("free@a@here"), &target("free@a@here")),
        "the same target, whichever process holds it"
    );
    assert!(
        !same(&target("x@b@there"), &holder.into()),
        "another node's names cannot be looked up from here"
    );
}

#[test]
fn kinds_can_be_told_apart() {
    let node = local();
    let pid = Reference::from(Pid::new(node.clone(), Serial::new(0, 0)));
    let monitor = Reference::from(MonitorRef::new(node.clone(), Serial::new(0, 0)));
    let name = Reference::parse("partisan:name:a@here:x").unwrap();
    for (reference, expected) in
        [(&pid, (true, false, false)), (&name, (false, true, false)), (&monitor, (false, false, true))]
    {
        assert_eq!((reference.is_pid(), reference.is_name(), reference.is_reference()), expected);
        assert_eq!(reference.node(), &node.name);
    }
    assert_ne!(pid, monitor);
}

#[test]
fn an_end_says_what_and_for_how_long() {
    let end = SessionEnd::timeout(std::time::Duration::from_millis(5200));
    assert_eq!(end.to_string(), "the peer fell silent (silent for 5.2s)");
    assert_eq!(SessionEnd::new(EndKind::Refused).silent_for(), None);
    assert!(EndKind::LocalShutdown.was_session() && !EndKind::Refused.was_session());
    let forever = SessionEnd::timeout(std::time::Duration::MAX);
    assert!(forever.silent_for().unwrap() > std::time::Duration::from_secs(49 * 24 * 3600));
}

proptest! {
    #[test]
    fn sameness_is_symmetric(
        node in node_id(), a in pid(), b in name(), holder in serial(), own_a in any::<bool>(), own_b in any::<bool>(), held in any::<bool>(),
    ) {
        let a = if own_a { Pid::new(node.clone(), holder) } else { a };
        let b = if own_b { b.name.at(node.name.clone()) } else { b };
        let names = held.then(|| (b.name.clone(), Pid::new(node.clone(), holder)));
        let names = Names(names.into_iter().collect());
        let (a, b) = (Target::from(a), Target::from(b));
        prop_assert_eq!(same_target(&a, &b, &node, &names), same_target(&b, &a, &node, &names));
        prop_assert_eq!(same_target(&a, &b, &node, &names), own_a && own_b && held);
        prop_assert!(same_target(&a, &a, &node, &names) && same_target(&b, &b, &node, &names));
    }

    #[test]
    fn local_means_name_and_incarnation(pid in pid()) {
        let own = pid.node().clone();
        prop_assert!(pid.is_local(&own));
        prop_assert!(!pid.is_local(&other_incarnation(&own)) || other_incarnation(&own) == own);
    }

    #[test]
    fn a_serial_is_its_parts(slot in any::<u32>(), generation in any::<u32>()) {
        let serial = Serial::new(slot, generation);
        prop_assert_eq!((serial.slot(), serial.generation()), (slot, generation));
        prop_assert_eq!(Serial::from_u64(serial.to_u64()), serial);
    }
}
