//! Reasons as people read them, and as programs use them.

use monitor_core::{
    DownReason, ExitReason, ReasonBytes, ReasonText,
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
    ExitReason::other(bytes)
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
fn a_person_reads_why_a_process_died() {
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

/// People read reasons in logs and on terminals; the text itself is unchanged.
#[test]
fn what_a_peer_writes_into_a_reason_begins_no_line_and_commands_no_terminal() {
    let forged = "done\r\n2026-01-01 ERROR \u{1b}[31m\u{9b}m\u{7f}\u{2028}\u{202e}";
    let shown = r"done\r\n2026-01-01 ERROR \u{1b}[31m\u{9b}m\u{7f}\u{2028}\u{202e}";
    let (panicked, own) = (ExitReason::panicked(forged), other(forged.as_bytes()));
    assert_eq!(panicked.to_string(), format!("panicked: {shown}"));
    assert_eq!(own.to_string(), shown);
    assert_eq!(DownReason::Exit(own.clone()).to_string(), format!("exit: {shown}"));
    let ExitReason::Panicked(text) = panicked else { panic!("as it was made") };
    let ExitReason::Other(bytes) = own else { panic!("as it was made") };
    assert_eq!((&*text, &*bytes), (forged, forged.as_bytes()));
    for reason in [format!("{text:?}"), format!("{bytes:?}"), text.to_string(), bytes.to_string()] {
        assert!(!reason.contains(['\n', '\r', '\u{1b}', '\u{9b}', '\u{2028}', '\u{202e}']), "{reason}");
    }
}

#[test]
fn texts_and_bytes_are_compared_and_passed_on_as_what_they_are() {
    let ExitReason::Panicked(text) = ExitReason::panicked("boom") else { panic!("as it was made") };
    let ExitReason::Other(bytes) = other(b"\xff\xfe") else { panic!("as it was made") };
    assert_eq!(text, "boom");
    assert_eq!(text, *"boom");
    assert_eq!(*"boom", text);
    assert_ne!(text, "bang");
    assert_eq!(bytes, b"\xff\xfe".as_slice());
    assert_eq!(bytes, *b"\xff\xfe".as_slice());
    assert_eq!(*b"\xff\xfe".as_slice(), bytes);
    assert_ne!(bytes, b"".as_slice());
    let (as_text, as_bytes): (&str, &[u8]) = (text.as_ref(), bytes.as_ref());
    assert_eq!((as_text, as_bytes), ("boom", b"\xff\xfe".as_slice()));
    assert_eq!((text.to_string(), bytes.to_string()), ("boom".to_owned(), "a reason of 2 bytes".to_owned()));
    assert_eq!(
        (format!("{text:?}"), format!("{bytes:?}")),
        (r#""boom""#.to_owned(), r#"b"\xff\xfe""#.to_owned())
    );
}

/// An error with a cause, which its own text may contain too.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
struct Outer {
    text: &'static str,
    source: std::fmt::Error,
}

#[test]
fn an_error_is_a_reason_with_its_causes_each_named_once() {
    let reason = |text| ExitReason::from(Outer { text, source: std::fmt::Error }).to_string();
    let cause = std::fmt::Error.to_string();
    assert_eq!(reason("cannot write"), format!("cannot write: {cause}"));
    let naming: &'static str = String::leak(format!("cannot write, since {cause}"));
    assert_eq!(reason(naming), naming);
    let long: &'static str = String::leak("é".repeat(ExitReason::MAX_LEN));
    assert_eq!(reason(long).len(), ExitReason::MAX_LEN);
    let fits: &'static str = String::leak("x".repeat(ExitReason::MAX_LEN - 3));
    assert_eq!(reason(fits).len(), ExitReason::MAX_LEN);
}

#[test]
fn whatever_converts_into_a_boxed_error_is_a_reason() {
    let cause = || std::io::Error::other("disk full");
    let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(cause());
    assert_eq!(ExitReason::from(boxed), other(b"disk full"));
    assert_eq!(ExitReason::from("disk full"), other(b"disk full"));
    assert_eq!(ExitReason::from("disk full".to_owned()), other(b"disk full"));
    let error = anyhow::Error::from(cause()).context("cannot save");
    assert_eq!(ExitReason::from(error), other(b"cannot save: disk full"));
}

#[test]
fn only_an_end_of_its_own_accord_is_normal() {
    assert!(ExitReason::Normal.is_normal() && DownReason::Exit(ExitReason::Normal).is_normal());
    for reason in [ExitReason::Shutdown, ExitReason::Killed, other(b"x"), ExitReason::panicked("x")] {
        assert!(!reason.is_normal() && !DownReason::Exit(reason).is_normal());
    }
    assert!(!DownReason::NoProc.is_normal() && !no_connection().is_normal());
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
        (ReasonText::deserialize(text).map(drop), "invalid length 65537, expected at most 65536 bytes"),
        (ReasonBytes::deserialize(bytes).map(drop), "invalid length 65537, expected at most 65536 bytes"),
        (
            ReasonText::deserialize(number()).map(drop),
            "invalid type: integer `7`, expected at most 65536 bytes",
        ),
        (
            ReasonBytes::deserialize(number()).map(drop),
            "invalid type: integer `7`, expected at most 65536 bytes",
        ),
    ];
    for (result, expected) in refused {
        assert_eq!(result.expect_err("it must be refused").to_string(), expected);
    }
}
