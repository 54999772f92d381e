//! What reasons say to people, and to those who decide on them.

use monitor_core::{
    Bytes, DownReason, ExitReason, Text,
    refs::{EndKind, SessionEnd},
};
use serde::{
    Deserialize,
    de::{
        IntoDeserializer,
        value::{BytesDeserializer, Error, StrDeserializer},
    },
};

fn other(bytes: &[u8]) -> ExitReason {
    ExitReason::other(bytes).expect("a short reason")
}

fn no_connection() -> DownReason {
    DownReason::NoConnection(SessionEnd::new(EndKind::Timeout))
}

#[test]
fn only_what_the_targets_node_has_said_is_terminal() {
    assert!(DownReason::Exit(ExitReason::Normal).is_terminal());
    assert!(DownReason::NoProc.is_terminal());
    assert!(!no_connection().is_terminal());
}

#[test]
fn a_person_reads_of_what_a_process_died() {
    let read = [
        (ExitReason::Normal, "normal"),
        (ExitReason::Shutdown, "shutdown"),
        (ExitReason::Killed, "killed"),
        (ExitReason::panicked("index out of range"), "panicked: index out of range"),
        (other(b"out of credit"), "out of credit"),
        (other(b"\xff\xfe"), "a reason of 2 bytes"),
    ];
    for (reason, text) in read {
        assert_eq!(reason.to_string(), text);
    }
}

#[test]
fn a_person_reads_what_a_monitor_learnt() {
    assert_eq!(DownReason::Exit(ExitReason::Killed).to_string(), "exit: killed");
    assert_eq!(DownReason::NoProc.to_string(), "no such process");
    let end = SessionEnd::new(EndKind::Timeout);
    assert_eq!(no_connection().to_string(), format!("no connection: {end}"));
}

#[test]
fn a_developer_reads_every_byte() {
    let read = [
        (DownReason::Exit(ExitReason::Normal), "Exit(Normal)"),
        (DownReason::Exit(ExitReason::Shutdown), "Exit(Shutdown)"),
        (DownReason::Exit(ExitReason::Killed), "Exit(Killed)"),
        (DownReason::Exit(ExitReason::panicked("a \"b\"")), r#"Exit(Panicked("a \"b\""))"#),
        (DownReason::Exit(other(b"a\xff")), r#"Exit(Other(b"a\xff"))"#),
        (DownReason::NoProc, "NoProc"),
    ];
    for (reason, text) in read {
        assert_eq!(format!("{reason:?}"), text);
    }
    let end = SessionEnd::new(EndKind::Timeout);
    assert_eq!(format!("{:?}", no_connection()), format!("NoConnection({end:?})"));
}

#[test]
fn what_is_no_text_or_too_long_for_one_is_refused_with_what_was_expected() {
    let long = "x".repeat(ExitReason::MAX_LEN + 1);
    let text: StrDeserializer<'_, Error> = long.as_str().into_deserializer();
    let bytes: BytesDeserializer<'_, Error> = BytesDeserializer::new(long.as_bytes());
    let number = || IntoDeserializer::<Error>::into_deserializer(7_u8);
    let refused = [
        (Text::deserialize(text).map(drop), "invalid length 65537, expected at most 65536 bytes"),
        (Bytes::deserialize(bytes).map(drop), "invalid length 65537, expected at most 65536 bytes"),
        (Text::deserialize(number()).map(drop), "invalid type: integer `7`, expected at most 65536 bytes"),
        (Bytes::deserialize(number()).map(drop), "invalid type: integer `7`, expected at most 65536 bytes"),
    ];
    for (result, expected) in refused {
        assert_eq!(result.expect_err("it must be refused").to_string(), expected);
    }
}
