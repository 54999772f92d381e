//! Every written form can be read back, and no other form is read as the same value.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod common;

use std::{
    collections::hash_map::DefaultHasher,
    fmt::{Debug, Display},
    hash::{Hash, Hasher},
    str::FromStr,
    time::Duration,
};

use common::{name, node_id, node_name, pid, reference, reg_name, serial, session_end};
use proptest::{collection::vec, prelude::*, sample::Index};
use refs::{
    Address, AliasToken, BinaryError, ChannelId, Dest, EndKind, Incarnation, MonitorRef, Name, NodeId,
    NodeName, NodeSpec, ParseError, ParseErrorKind, Pid, Reference, RegName, SessionEnd, Target, from_bytes,
    to_bytes,
};
use serde::{Serialize, de::DeserializeOwned};

fn bytes<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let bytes = to_bytes(value);
    assert_eq!(from_bytes::<T>(&bytes).as_ref(), Ok(value));
    for cut in 0..bytes.len() {
        assert_eq!(from_bytes::<T>(&bytes[..cut]), Err(BinaryError::Malformed), "cut to {cut} bytes");
    }
    let mut longer = bytes;
    longer.push(0);
    assert_eq!(from_bytes::<T>(&longer), Err(BinaryError::Trailing(1)));
}

fn text<T: FromStr<Err = ParseError> + Display + PartialEq + Debug>(value: &T) {
    assert_eq!(value.to_string().parse().as_ref(), Ok(value));
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Equal, and with the same permission: the equality of references ignores the tokens of aliases.
fn same(one: &Reference, other: &Reference) -> bool {
    one == other && token(one) == token(other)
}

fn token(reference: &Reference) -> Option<AliasToken> {
    if let Reference::Monitor(monitor) = reference { monitor.alias() } else { None }
}

/// Parses a text as every type; errors must have an offset in the text.
fn read_as_everything(text: &str) {
    fn read<T: FromStr<Err = ParseError>>(text: &str) {
        if let Err(error) = text.parse::<T>() {
            assert!(error.at <= text.len(), "{text:?}: {error}");
            assert!(!error.to_string().is_empty());
        }
    }
    read::<NodeName>(text);
    read::<Incarnation>(text);
    read::<NodeId>(text);
    read::<RegName>(text);
    read::<Name>(text);
    read::<Address>(text);
    read::<NodeSpec>(text);
    read::<Pid>(text);
    read::<MonitorRef>(text);
    read::<Reference>(text);
    read::<Target>(text);
}

proptest! {
    #[test]
    fn references(reference in reference()) {
        bytes(&reference);
        text(&reference);
        prop_assert!(same(&from_bytes(&to_bytes(&reference)).unwrap(), &reference));
        prop_assert!(same(&reference.to_string().parse().unwrap(), &reference));
        prop_assert!(same(&Reference::parse(&reference.to_padded_uri()).unwrap(), &reference));
        let json = serde_json::to_string(&reference).unwrap();
        prop_assert!(same(&serde_json::from_str(&json).unwrap(), &reference), "{}", json);
        prop_assert!(reference.to_uri().len() <= Reference::MAX_URI_LEN);
        prop_assert!(reference.to_uri().bytes().all(|b| b.is_ascii_graphic()));
    }

    #[test]
    fn padded_references(reference in reference()) {
        let padded = reference.to_padded_uri();
        prop_assert!(padded.len() >= 65);
        prop_assert_eq!(Reference::parse(&padded), Ok(reference));
    }

    #[test]
    fn everything_else(node in node_id(), name in name(), reg in reg_name(), s in serial(), end in session_end()) {
        bytes(&node.name);
        bytes(&node);
        bytes(&name);
        bytes(&reg);
        bytes(&s);
        bytes(&end);
        bytes(&Target::from(&name));
        text(&node.name);
        text(&node);
        text(&node.incarnation);
        text(&name);
        text(&reg);
    }

    #[test]
    fn targets(pid in pid(), name in name()) {
        text(&pid);
        text(&Target::from(&pid));
        text(&Target::from(&name));
        text(&Dest::from(&pid));
        text(&Dest::from(&name));
        text(&Dest::Alias(MonitorRef::new(pid.node().clone(), pid.serial())));
    }

    #[test]
    fn specs(node in node_name(), ports in vec(1..=u16::MAX, 0..4)) {
        let mut spec = NodeSpec::new(node);
        for port in ports {
            spec = spec.at(format!("[::1]:{port}").parse().unwrap()).unwrap();
        }
        text(&spec);
        bytes(&spec);
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,80}") {
        read_as_everything(&text);
        read_as_everything(&format!("partisan:{text}"));
        read_as_everything(&format!("partisan:pid:{text}"));
        read_as_everything(&format!("partisan:name:b@c:{text}"));
    }

    #[test]
    fn a_changed_uri_is_another_reference_or_none(reference in reference(), at in any::<Index>(), to in any::<char>()) {
        let uri = reference.to_uri();
        let at = at.index(uri.len());
        let changed = format!("{}{to}{}", &uri[..at], &uri[at + 1..]);
        read_as_everything(&changed);
        if let Ok(other) = Reference::parse(&changed) {
            prop_assert_eq!(same(&other, &reference), changed == uri);
            prop_assert_eq!(other.to_uri(), changed);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..100)) {
        let _ = from_bytes::<Reference>(&bytes);
        let _ = from_bytes::<Target>(&bytes);
        let _ = from_bytes::<NodeSpec>(&bytes);
        let _ = from_bytes::<refs::SessionEnd>(&bytes);
    }

    #[test]
    fn equality_is_of_the_value(a in reference()) {
        let b = Reference::parse(&a.to_padded_uri()).unwrap();
        prop_assert_eq!(&a, &b);
        prop_assert_eq!(hash(&a), hash(&b));
        prop_assert_eq!(a.cmp(&b), std::cmp::Ordering::Equal);
    }
}

#[test]
fn the_text_form_is_the_documented_one() {
    for (uri, debug) in [
        ("partisan:pid:b@c%3A7001:00000000000000a1:3.4", "partisan:pid:b@c%3A7001:00000000000000a1:3.4"),
        (
            "partisan:ref:b@[%3A%3A1]%3A7001:ffffffffffffffff:0.0",
            "partisan:ref:b@[%3A%3A1]%3A7001:ffffffffffffffff:0.0",
        ),
        ("partisan:ref:b@c:00000000000000a1:3.4.000000000000f00d", "partisan:ref:b@c:00000000000000a1:3.4"),
        ("partisan:name:b@c:job%20%25%C3%A9", "job %é@b@c"),
    ] {
        let reference = Reference::parse(uri).unwrap();
        assert_eq!((reference.to_uri().as_str(), format!("{reference:?}").as_str()), (uri, debug));
    }
}

#[test]
fn there_is_one_spelling() {
    use ParseErrorKind::{BadEscape, BadNumber, Missing, Trailing};
    let refused = [
        ("partisan:pid:b@c%3a7001:00000000000000a1:3.4", BadEscape, 16),
        ("partisan:pid:%62@c:00000000000000a1:3.4", BadEscape, 13),
        ("partisan:name:b@c:a b", BadEscape, 19),
        ("partisan:name:b@c:a%2", BadEscape, 19),
        ("partisan:name:b@c:a%FF", BadEscape, 18),
        ("partisan:pid:b@c:00000000000000A1:3.4", BadNumber, 17),
        ("partisan:pid:b@c:0000000000000000:3.4", BadNumber, 17),
        ("partisan:pid:b@c:a1:3.4", BadNumber, 17),
        ("partisan:pid:b@c:00000000000000a1:+3.4", BadNumber, 34),
        ("partisan:pid:b@c:00000000000000a1:3.04", BadNumber, 36),
        ("partisan:pid:b@c:00000000000000a1:3.4294967296", BadNumber, 36),
        ("partisan:pid:b@c:00000000000000a1:3.4.000000000000f00d", BadNumber, 36),
        ("partisan:ref:b@c:00000000000000a1:3.4.", BadNumber, 38),
        ("partisan:ref:b@c:00000000000000a1:3.4.0000000000000000", BadNumber, 38),
        ("partisan:ref:b@c:00000000000000a1:3.4.f", BadNumber, 38),
        ("partisan:ref:b@c:00000000000000a1:3.4.000000000000000F", BadNumber, 38),
        ("partisan:ref:b@c:00000000000000a1:3.4.10000000000000000", BadNumber, 38),
        ("partisan:ref:b@c:00000000000000a1:3.04.000000000000000f", BadNumber, 36),
        ("partisan:ref:b@c:00000000000000a1:3.4.000000000000000f.f", BadNumber, 38),
        ("partisan:pid:b@c:00000000000000a1:34", Missing("a '.' and a generation"), 36),
        ("partisan:pid:b@c:00000000000000a1:3.4:", Trailing, 37),
        ("partisan:pid:b@c:00000000000000a1:3.4:00", Trailing, 37),
        ("partisan:pid:b@c", Missing("an incarnation"), 16),
        ("Partisan:pid:b@c:00000000000000a1:3.4", Missing("'partisan:' at the start"), 0),
        ("partisan:port:b@c:00000000000000a1:3.4", Missing("a kind: 'pid', 'name' or 'ref'"), 9),
    ];
    for (uri, kind, at) in refused {
        assert_eq!(Reference::parse(uri), Err(ParseError::new("reference", kind, at)), "{uri}");
    }
}

#[test]
fn an_error_inside_a_part_says_where_in_the_whole() {
    // The host must not contain a space, which is escaped at byte 17 of the URI.
    let error = Reference::parse("partisan:pid:b@[%3A%3A1]%20:00000000000000a1:3.4").unwrap_err();
    assert_eq!((error.what, error.at), ("node name", 24));
    let error = "job@b@c:99999".parse::<Name>().unwrap_err();
    assert_eq!((error.kind, error.at), (ParseErrorKind::BadNumber, 8));
}

#[test]
fn a_token_is_a_permission_and_no_part_of_what_is_named() {
    let plain: MonitorRef = "partisan:ref:b@c:00000000000000a1:3.4".parse().unwrap();
    let alias: MonitorRef = "partisan:ref:b@c:00000000000000a1:3.4.000000000000f00d".parse().unwrap();
    assert_eq!((plain.alias(), alias.alias()), (None, AliasToken::new(0xf00d)));
    assert_eq!((&plain, hash(&plain)), (&alias, hash(&alias)));
    assert_eq!(plain.cmp(&alias), std::cmp::Ordering::Equal);
    assert_ne!(AliasToken::new(0xf00d), AliasToken::new(0xf00e));
    // Neither a log line nor the output of a debugger reveals the token.
    assert!(!format!("{alias:?} {:?}", alias.alias()).contains("f00d"));
    assert_eq!(serde_json::to_value(&plain).unwrap(), plain.to_string());
    assert_eq!(serde_json::to_value(&alias).unwrap(), alias.to_string());
    let json = serde_json::to_string(&alias).unwrap();
    assert_eq!(serde_json::from_str::<MonitorRef>(&json).unwrap().alias(), alias.alias());
    assert_eq!(to_bytes(&alias).len(), to_bytes(&plain).len() + to_bytes(&0xf00d_u64).len());
}

#[test]
fn a_kind_that_was_not_asked_for_is_refused() {
    let (pid, name, monitor) = (
        "partisan:pid:b@c:0000000000000001:0.0",
        "partisan:name:b@c:x",
        "partisan:ref:b@c:0000000000000001:0.0",
    );
    assert!(pid.parse::<Pid>().is_ok() && monitor.parse::<MonitorRef>().is_ok());
    for other in [name, monitor] {
        assert!(other.parse::<Pid>().is_err());
    }
    for other in [name, pid] {
        assert!(other.parse::<MonitorRef>().is_err());
    }
    assert!(monitor.parse::<Target>().is_err());
}

#[test]
fn a_registered_name_cannot_forge_a_line_or_command_a_terminal() {
    for (control, escaped) in [
        ("\n", "%0A"),
        ("\u{1b}", "%1B"),
        ("\u{9b}", "%C2%9B"),
        ("\u{2028}", "%E2%80%A8"),
        ("\u{202e}", "%E2%80%AE"),
    ] {
        let name = format!("x{control}y");
        let error = name.parse::<RegName>().unwrap_err();
        let c = control.chars().next().unwrap();
        assert_eq!((error.kind, error.at), (ParseErrorKind::BadCharacter(c), 1));
        assert!(!error.to_string().contains(control), "nor does the error: {error}");
        assert!(format!("{name}@b@c").parse::<Name>().is_err());
        let uri = format!("partisan:name:b@c:x{escaped}y");
        assert!(Reference::parse(&uri).is_err(), "{uri}");
        // As a peer may write it.
        assert!(from_bytes::<RegName>(&to_bytes(&name)).is_err());
    }
    assert!("Grüße 世界/3".parse::<RegName>().is_ok());
}

#[test]
fn an_end_of_a_session_is_bytes_for_nodes_and_words_for_programs() {
    let (told, not) = (SessionEnd::timeout(Duration::from_secs(5)), SessionEnd::new(EndKind::Left));
    assert_eq!(to_bytes(&told), [1, 0x88, 0x27]);
    assert_eq!(to_bytes(&not), [2, 0xff, 0xff, 0xff, 0xff, 0x0f]);
    for end in [told, not] {
        assert_eq!(from_bytes(&to_bytes(&end)), Ok(end));
    }
}

#[test]
fn limits_are_exact_and_checked_first() {
    let label = "l".repeat(63);
    assert!(format!("{label}@h").parse::<NodeName>().is_ok());
    assert!(format!("{label}l@h").parse::<NodeName>().is_err());
    let host = "h".repeat(255 - 2);
    assert!(format!("l@{host}").parse::<NodeName>().is_ok());
    assert!(format!("l@{host}h").parse::<NodeName>().is_err());
    assert!("n".repeat(255).parse::<RegName>().is_ok());
    assert!("n".repeat(256).parse::<RegName>().is_err());
    let longest = "é".repeat(127).parse::<RegName>().unwrap().at(format!("l@{host}").parse().unwrap());
    text(&Reference::from(longest));
    let huge = "%".repeat(1 << 20);
    let error = Reference::parse(&huge).unwrap_err();
    assert_eq!(error.kind, ParseErrorKind::TooLong(Reference::MAX_URI_LEN));
}

#[test]
fn a_node_with_too_many_addresses_is_refused_however_it_is_made() {
    let address = |port: usize| format!("h:{port}").parse::<Address>().unwrap();
    let most = (1..=16).try_fold(NodeSpec::new("b@c".parse().unwrap()), |spec, port| spec.at(address(port)));
    let most = most.unwrap();
    assert_eq!(most.addresses().len(), NodeSpec::MAX_ADDRESSES);
    assert_eq!(most.to_string().parse(), Ok(most.clone()));
    let refused = format!("{most},h:17").parse::<NodeSpec>();
    let kind = ParseErrorKind::TooManyAddresses(NodeSpec::MAX_ADDRESSES);
    assert_eq!(refused, Err(ParseError::new("node", kind, most.to_string().len() + 1)));
    assert_eq!(most.at(address(17)), refused, "both ways say the same");
}

#[test]
fn a_channel_has_a_place_below_the_limit() {
    let all: Vec<_> = ChannelId::all().collect();
    assert_eq!((all.len(), all[0]), (ChannelId::LIMIT, ChannelId::DEFAULT));
    for (place, &channel) in all.iter().enumerate() {
        assert_eq!((ChannelId::new(place), channel.place()), (Some(channel), place));
    }
    assert_eq!(ChannelId::new(ChannelId::LIMIT), None);
    assert_eq!(ChannelId::new(256), None, "not one of those below 256, by chance");
}

#[test]
fn an_incarnation_has_one_spelling() {
    use ParseErrorKind::{BadNumber, Empty, Missing};
    let most = Incarnation::new(u64::MAX).unwrap();
    assert_eq!("ffffffffffffffff".parse(), Ok(most));
    for (text, kind) in [
        ("", Empty),
        ("0000000000000000", BadNumber),
        ("1", BadNumber),
        ("+000000000000001", BadNumber),
        ("000000000000000A", BadNumber),
        ("0x00000000000001", BadNumber),
        (" 000000000000001", BadNumber),
        ("10000000000000000", BadNumber),
    ] {
        assert_eq!(text.parse::<Incarnation>(), Err(ParseError::new("incarnation", kind, 0)), "{text:?}");
    }
    for (text, what, kind, at) in [
        ("b@c", "node and incarnation", Missing("a '#' and an incarnation"), 3),
        ("b@c#", "incarnation", Empty, 4),
        ("b@c#0", "incarnation", BadNumber, 4),
        ("b@c#1#2", "incarnation", BadNumber, 4),
        ("b#1", "node name", Missing("an '@' and a host"), 1),
    ] {
        assert_eq!(text.parse::<NodeId>(), Err(ParseError::new(what, kind, at)), "{text:?}");
    }
}

#[test]
fn an_incarnation_is_a_text_for_people_and_a_number_in_bytes() {
    let id: NodeId = "b@c:7001#fffffffffffffffe".parse().unwrap();
    let json = serde_json::to_string(&id).unwrap();
    assert_eq!(json, r#"{"name":"b@c:7001","incarnation":"fffffffffffffffe"}"#);
    assert_eq!(serde_json::from_str::<NodeId>(&json).unwrap(), id);
    for refused in ["18446744073709551614", "7", "\"0\"", "\"FE\"", "\"\"", "null"] {
        assert!(serde_json::from_str::<Incarnation>(refused).is_err(), "{refused}");
    }
    assert_eq!(to_bytes(&id.incarnation), to_bytes(&id.incarnation.get()));
    assert_eq!(from_bytes::<Incarnation>(&[0]), Err(BinaryError::Malformed));
}

#[test]
fn the_order_of_nodes_agrees_with_their_equality() {
    let id = |text: &str| {
        let (name, incarnation) = text.split_once('#').unwrap();
        format!("{name}#{incarnation:0>16}").parse::<NodeId>().unwrap()
    };
    assert_eq!(id("b@c#1").cmp(&id("b@c#1")), std::cmp::Ordering::Equal);
    assert!(id("a@c#2") < id("b@c#1"), "the name comes first");
    assert_ne!(id("b@c#1").cmp(&id("b@c#2")), std::cmp::Ordering::Equal);
    assert_eq!(id("b@c#1").cmp(&id("b@c#2")), id("b@c#2").cmp(&id("b@c#1")).reverse());
}

#[test]
fn malformed_names_say_what_and_where() {
    for (text, kind, at) in [
        ("", ParseErrorKind::Empty, 0),
        ("b", ParseErrorKind::Missing("an '@' and a host"), 1),
        ("@h", ParseErrorKind::Missing("a label before the '@'"), 0),
        ("b@", ParseErrorKind::Missing("a host"), 2),
        ("b c@h", ParseErrorKind::BadCharacter(' '), 1),
        ("b@h h", ParseErrorKind::BadCharacter(' '), 3),
        ("b@h:", ParseErrorKind::BadNumber, 4),
        ("b@h:0", ParseErrorKind::BadNumber, 4),
        ("b@h:080", ParseErrorKind::BadNumber, 4),
        ("b@h:65536", ParseErrorKind::BadNumber, 4),
        ("b@[::1", ParseErrorKind::Missing("a closing ']'"), 6),
        ("b@[1.2.3.4]", ParseErrorKind::Missing("an IPv6 address between the brackets"), 3),
        ("b@[::1]x", ParseErrorKind::Trailing, 7),
        ("b@::1", ParseErrorKind::Missing("a host"), 2),
    ] {
        assert_eq!(text.parse::<NodeName>(), Err(ParseError::new("node name", kind, at)), "{text:?}");
    }
    assert!("b@c=".parse::<NodeSpec>().is_err());
    assert!("b@c=h".parse::<NodeSpec>().is_err(), "an address has a port");
}

#[test]
fn a_name_that_begins_like_a_reference_is_read_as_the_same_receiver() {
    let name = "partisan:x".parse::<RegName>().unwrap().at("b@10.0.0.8:7001".parse().unwrap());
    text(&Dest::from(&name));
    text(&Target::from(&name));
    assert_eq!(Dest::from(&name).to_string(), "partisan:name:b@10.0.0.8%3A7001:partisan%3Ax");
}
