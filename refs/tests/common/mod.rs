//! References of every shape.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]
#![allow(dead_code, unreachable_pub, reason = "every test file uses its own part of the kit")]

use proptest::prelude::*;
use refs::{
    AliasToken, EndKind, Incarnation, MonitorRef, Name, NodeId, NodeName, Pid, Reference, RegName, Serial,
    SessionEnd,
};

pub fn node_name() -> impl Strategy<Value = NodeName> {
    let host = prop_oneof![
        "[a-z0-9.-]{1,20}",
        Just("10.0.0.7".to_owned()),
        any::<u128>().prop_map(|ip| format!("[{}]", std::net::Ipv6Addr::from(ip))),
    ];
    let port = prop_oneof![Just(String::new()), (1..=u16::MAX).prop_map(|port| format!(":{port}"))];
    ("[A-Za-z0-9_-]{1,63}", host, port)
        .prop_map(|(label, host, port)| format!("{label}@{host}{port}").parse().unwrap())
}

/// Any text that is a valid registered name: it cannot begin a line or control a terminal.
const REG_NAME: &str =
    r"[^@\x{0}-\x{1f}\x{7f}-\x{9f}\x{61c}\x{200e}\x{200f}\x{2028}-\x{202e}\x{2066}-\x{2069}]{1,60}";

pub fn reg_name() -> impl Strategy<Value = RegName> {
    prop_oneof![
        REG_NAME.prop_map(|name| name.parse().unwrap()),
        "[:% é]{1,10}".prop_map(|name| name.parse().unwrap()),
        "partisan:[a-z:]{0,9}".prop_map(|name| name.parse().unwrap()),
    ]
}

pub fn name() -> impl Strategy<Value = Name> {
    (reg_name(), node_name()).prop_map(|(name, node)| name.at(node))
}

pub fn node_id() -> impl Strategy<Value = NodeId> {
    (node_name(), 1..=u64::MAX)
        .prop_map(|(name, number)| NodeId::new(name, Incarnation::new(number).unwrap()))
}

pub fn serial() -> impl Strategy<Value = Serial> {
    prop_oneof![
        any::<u64>().prop_map(Serial::from_u64),
        Just(Serial::new(0, 0)),
        Just(Serial::new(u32::MAX, u32::MAX))
    ]
}

pub fn pid() -> impl Strategy<Value = Pid> {
    (node_id(), serial()).prop_map(|(node, serial)| Pid::new(node, serial))
}

pub fn reference() -> impl Strategy<Value = Reference> {
    prop_oneof![
        pid().prop_map(Reference::from),
        name().prop_map(Reference::from),
        monitor_ref().prop_map(Reference::from),
    ]
}

pub fn monitor_ref() -> impl Strategy<Value = MonitorRef> {
    let token = prop_oneof![Just(0), any::<u64>()].prop_map(AliasToken::new);
    (node_id(), serial(), token)
        .prop_map(|(node, serial, token)| MonitorRef::new(node, serial).with_alias(token))
}

pub fn session_end() -> impl Strategy<Value = SessionEnd> {
    prop_oneof![
        any::<u32>().prop_map(|ms| SessionEnd::timeout(std::time::Duration::from_millis(u64::from(ms)))),
        Just(EndKind::Closed.into()),
        Just(EndKind::Quota.into()),
    ]
}
