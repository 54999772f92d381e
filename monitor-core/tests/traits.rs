//! Traits of the public types: for use as keys, on other threads, and in logs.

use std::{error::Error, fmt::Debug, hash::Hash};

use monitor_core::{
    AliasMode, Connect, Core, CoreConfig, CoreStats, Demonitored, Down, DownReason, DownSource, Driver,
    Effect, ExitReason, LocalPid, MonitorId, MonitorOptions, NodeEvent, NodeNotice, NodeType, NodesOptions,
    Notice, PeerMonitors, ReasonBytes, ReasonText, RemoteTarget, Route, Signal, Ticket, Violation, WireError,
};

fn sent<T: Clone + Debug + Send + Sync + 'static>() {}
fn value<T: Clone + Debug + Eq + Send + Sync + 'static>() {}
fn key<T: Clone + Debug + Eq + Hash + Send + Sync + 'static>() {}
fn error<T: Error + Clone + Eq + Send + Sync + 'static>() {}

/// The test is that this compiles.
#[test]
fn values_can_be_compared_and_sent() {
    sent::<Core>();
    sent::<CoreConfig>();
    sent::<Driver>();
    value::<CoreStats>();
    value::<Effect>();
    value::<NodeNotice>();
    value::<Notice>();
    value::<PeerMonitors>();
    value::<Route>();
    key::<AliasMode>();
    key::<Connect>();
    key::<Demonitored>();
    key::<Down>();
    key::<DownReason>();
    key::<DownSource>();
    key::<ExitReason>();
    key::<LocalPid>();
    key::<MonitorId>();
    key::<MonitorOptions>();
    key::<NodeEvent>();
    key::<NodeType>();
    key::<NodesOptions>();
    key::<ReasonBytes>();
    key::<ReasonText>();
    key::<RemoteTarget>();
    key::<Signal>();
    key::<Ticket>();
    error::<Down>();
    error::<Violation>();
    error::<WireError>();
}
