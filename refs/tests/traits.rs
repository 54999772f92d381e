//! Traits of the public types: for use as keys, on other threads, and in logs.

use std::{
    error::Error,
    fmt::{Debug, Display},
    hash::Hash,
};

use refs::{
    Address, AliasToken, BinaryError, ChannelId, ChannelName, Dest, DialId, EndKind, Incarnation, MonitorRef,
    Name, NodeId, NodeName, NodeSpec, ParseError, ParseErrorKind, Pid, Printable, Reference, RegName, Serial,
    SessionEnd, SessionId, Target,
};

fn value<T: Clone + Debug + Eq + Send + Sync + 'static>() {}
fn key<T: Clone + Debug + Eq + Hash + Send + Sync + 'static>() {}
fn sorted_key<T: Clone + Debug + Ord + Hash + Send + Sync + 'static>() {}
fn printed<T: Display>() {}
fn error<T: Error + Clone + Eq + Send + Sync + 'static>() {}

/// The test is that this compiles.
#[test]
fn names_and_references_are_keys() {
    sorted_key::<Address>();
    sorted_key::<ChannelId>();
    sorted_key::<ChannelName>();
    sorted_key::<Dest>();
    sorted_key::<DialId>();
    sorted_key::<EndKind>();
    sorted_key::<MonitorRef>();
    sorted_key::<Name>();
    sorted_key::<NodeId>();
    sorted_key::<NodeName>();
    sorted_key::<NodeSpec>();
    sorted_key::<Pid>();
    sorted_key::<Reference>();
    sorted_key::<RegName>();
    sorted_key::<Serial>();
    sorted_key::<SessionId>();
    sorted_key::<Target>();
    // No other node can know which of two incarnations is newer.
    key::<Incarnation>();
    key::<SessionEnd>();
    value::<AliasToken>();
}

/// The test is that this compiles.
#[test]
fn names_and_references_are_printed() {
    printed::<Address>();
    printed::<ChannelName>();
    printed::<Dest>();
    printed::<EndKind>();
    printed::<Incarnation>();
    printed::<MonitorRef>();
    printed::<Name>();
    printed::<NodeId>();
    printed::<NodeName>();
    printed::<NodeSpec>();
    printed::<Pid>();
    printed::<Printable<'static>>();
    printed::<Reference>();
    printed::<RegName>();
    printed::<SessionEnd>();
    printed::<Target>();
}

/// The test is that this compiles.
#[test]
fn errors_are_errors() {
    error::<BinaryError>();
    error::<ParseError>();
    error::<ParseErrorKind>();
}
