//! Obit tells a program, reliably and fast, that a process or a node somewhere else in the cluster
//! is gone, and why it died.
//!
//! A [`Node`] is the home of *processes*: tasks that it runs ([`Node::spawn`]), or whatever holds a
//! guard ([`Node::process`]): a task of another runtime, a thread. Any of them, on any node, can be
//! monitored by pid or by name. Each monitor ends in exactly one [`Down`], unless it is ended
//! before.
//!
//! ```
//! use monitor_runtime::prelude::*;
//! # use peer_service::memory::Network;
//! # fn main() -> Result<(), Box<dyn std::error::Error>> { smol::block_on(async {
//! # let network = Network::new();
//! # let a = Node::with_service(Config::new("a@local".parse()?), network.join("a@local".parse()?)).await?;
//! # let b = Node::with_service(Config::new("b@local".parse()?), network.join("b@local".parse()?)).await?;
//! // On node b: a worker, registered under a name. It fails at the first thing it is asked to do.
//! let worker = b.spawn(|mut mailbox| async move {
//!     mailbox.recv().await;
//!     Err(ExitReason::other("out of paper")?) // an error is a reason, and so is a panic
//! })?;
//! b.register("printer".parse()?, &worker)?;
//!
//! // On node a: monitor it by its name, which connects to b, and wait for its end.
//! let monitor = a.monitor("printer@b@local".parse::<Name>()?)?;
//! a.send(&worker, "print this")?;
//! let down = monitor.await;
//! println!("{down}"); // printer@b@local is gone: exit: out of paper
//! # assert_eq!(down.reason.to_string(), "exit: out of paper");
//! # a.stop().await; b.stop().await; Ok(()) }) }
//! ```
//!
//! # Which way to watch
//!
//! | you want | take |
//! |---|---|
//! | to await the end of one thing | [`Node::monitor`]: a future; to drop it is to demonitor |
//! | to work as long as something lives | [`Monitor::guard`] |
//! | to watch many things | [`Node::monitor_set`]: a stream |
//! | Erlang's way, notices among the messages | [`Mailbox::monitor`] |
//! | to ask something, and to know if nobody is there to answer | [`Mailbox::call`], [`Node::call`] |
//! | to know of nodes | [`Mailbox::monitor_node`], [`Mailbox::monitor_nodes`] |
//!
//! # What holds
//!
//! 1. A monitor ends once: by its [`Down`], by a demonitor, or by its watcher's exit, whichever is
//!    first at the watcher.
//! 2. [`DownReason::Exit`] and [`DownReason::NoProc`] are true. Only the node that bears the name
//!    says them. [`DownReason::NoConnection`] says something of the link, never of the process.
//! 3. What a process sent to its watcher before it died arrives before its `Down`. A monitor
//!    reaches the target's node before what the same process sends after it.
//! 4. A node-up comes before every message of its session. A node-down comes after every message
//!    and every `Down` of it.
//! 5. A name is free before the `Down` of its holder can be observed.
//! 6. Only async functions wait. Nothing grows without a limit: what does not fit is refused, or
//!    dropped, and then counted in [`Node::stats`].
//!
//! # What does not
//!
//! A `Down` is no fence. `NoConnection` may be followed by a new session with a process that never
//! died; and a process that is gone for its watcher may, on the other side of a broken link, be
//! still at work. Where that matters, let storage compare the whole [`Pid`] of the holder, and
//! grant no pid twice. There is no consensus about who is in the cluster, and no routing through
//! third nodes.
//!
//! # Who should not use this crate
//!
//! If you have an actor system, a transport, or a runtime of your own, take `monitor-core`: all of
//! the semantics without tasks, sockets and locks. If you want another network under this crate,
//! implement `peer-service`'s trait and start with [`Node::with_service`]. If you only want a
//! task's result within one program, await its handle.
//!
//! # For those who come from Erlang
//!
//! | Erlang | here |
//! |---|---|
//! | `spawn`, `spawn_monitor` | [`Node::spawn`], [`Node::spawn_monitor`] |
//! | `erlang:monitor(process, X)` | [`Mailbox::monitor`], [`Node::monitor`] |
//! | `{'DOWN', Ref, process, X, Reason}` | [`Event::Down`] |
//! | `demonitor(Ref, [flush, info])` | [`Mailbox::demonitor_with`] |
//! | `{tag, Term}` | [`MonitorOptions::tag`] |
//! | `{alias, Mode}`, `unalias(Ref)`, `Ref ! M` | [`MonitorOptions::alias`], [`Mailbox::unalias`], [`Mailbox::send`] |
//! | `gen_server:call(P, R, T)`, `gen_server:reply(F, M)` | [`Mailbox::call`], [`Mailbox::reply`] |
//! | `noproc`, `noconnection` | [`DownReason::NoProc`], [`DownReason::NoConnection`] with its cause |
//! | `monitor_node/2`, `{nodedown, N}` | [`Mailbox::monitor_node`], [`Event::NodeDown`] |
//! | `net_kernel:monitor_nodes/2` | [`Mailbox::monitor_nodes`] |
//! | `nodes/1` | [`Node::nodes`] |
//! | `register`, `whereis`, `Name ! M` | [`Node::register`], [`Node::whereis`], [`Mailbox::send`] |
//! | Partisan's `{channel, C}` | [`MonitorOptions::channel`], [`SendOptions::channel`], by [`Node::channel`] |
//! | `exit(Pid, kill)` | [`Node::kill`], of local processes |
//! | `init:stop()` | [`Node::stop`] |
//! | links, supervisors, `code_change` | not here |
//!
//! The guide in `docs/guide` of the repository has the whole of it, and pages on what a `Down`
//! proves, on operating nodes, and on every text that may be printed.
//!
//! # Cargo features
//!
//! - `tcp`, on by default: `Node::start`, which brings a node up over TCP. Without it a node needs
//!   a peer service of your own.
//! - `tls`: `Config::tls`, which encrypts all connections and binds every node's name to a
//!   certificate of the cluster's own CA. It brings rustls and ring.
//! - `control`: the module `control`, a Unix socket at which a running node can be asked what it
//!   knows. It brings serde_json.
//! - `http`: the module `http`, the same over HTTP, and metrics for Prometheus. It brings hyper.
//! - `metrics`: the module `metrics`, which tells the recorder of the crate of that name what the
//!   node measures.
//! - `test-util`: the module `test_util`, a cluster in memory with faults and a clock of its own,
//!   to test your own failover with. It brings nothing else; ask for it in `[dev-dependencies]`.
#![warn(missing_debug_implementations)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// | what | where |
// |---|---|
// | a node, and what it is started with | `node.rs`, `config.rs`, `tcp.rs` |
// | processes, and what they receive and send | `process.rs`, `mailbox.rs`, `event.rs`, `typed.rs`, `send_options.rs` |
// | monitors as futures and streams, and calls | `monitor.rs`, `monitor_set.rs`, `call.rs` |
// | errors | `error.rs` |
// | the state of a node, and the lock around it | `engine.rs` |
// | the background tasks, which receive and stop | `tasks.rs` |
// | the sending side of a session | `session.rs` |
// | the queue of a mailbox | `inbox.rs` |
// | threads, clock and random numbers | `threads.rs` |
// | locks and wakers | `sync.rs` |
// | counters and the log | `records.rs` |
// | views of a running node: metrics, control socket, HTTP | `observe.rs` |
// | a cluster in memory for tests | `test_util.rs` |
mod call;
mod config;
mod dest;
mod engine;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inbox;
mod mailbox;
mod monitor;
mod monitor_set;
mod node;
mod observe;
mod process;
mod records;
mod send_options;
mod session;
mod sync;
mod tasks;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "test-util")]
pub mod test_util;
mod threads;
mod typed;

/// What a program that uses nodes needs most.
pub mod prelude {
    #[cfg(feature = "tls")]
    pub use crate::Tls;
    pub use crate::{
        AliasMode, CallError, Config, Connect, DecodeError, Demonitor, Down, DownReason, EndKind, Event,
        ExitReason, Incarnation, Mailbox, Message, Monitor, MonitorError, MonitorOptions, MonitorRef,
        MonitorSet, Name, Node, NodeDown, NodeName, NodeSpec, NodeType, NodeUp, NodesOptions, NotAlive, Pid,
        Process, RegName, SendError, SendOptions, SessionEnd, StartError, Target, TryRecvError,
    };
    #[cfg(feature = "tcp")]
    pub use crate::{Heartbeat, Secret, TcpConfig};
}

pub use config::Config;
pub use dest::Dest;
pub use engine::history::PastDown;
pub use error::{
    CallError, ConnectError, DecodeError, MonitorError, NotAlive, NotImplemented, RegisterError, SendError,
    StartError, TryRecvError,
};
pub use event::{Event, Message, NodeDown, NodeDownSource, NodeInfo, NodeUp, NodesMissed};
pub use mailbox::{Demonitor, Mailbox};
pub use monitor::Monitor;
pub use monitor_set::MonitorSet;
pub use node::Node;
#[cfg(all(feature = "control", unix))]
pub use observe::control;
#[cfg(all(feature = "http", unix))]
pub use observe::http;
pub use observe::inspect::{
    Count, HeldMonitor, Inspect, Monitors, MonitorsOn, ProcessInfo, SessionInfo, Stats,
};
#[cfg(feature = "metrics")]
pub use observe::metrics;
pub use process::Process;
pub use send_options::SendOptions;
#[cfg(feature = "tcp")]
pub use tcp::{Heartbeat, PeersFileError, Secret, SecretError, TcpConfig, TcpStartError};
#[cfg(feature = "tls")]
pub use tcp::{Tls, TlsError};

pub use monitor_core::{
    AliasMode, Bytes, Connect, Down, DownReason, DownSource, ExitReason, MonitorOptions, NodeType,
    NodesOptions, ReasonTooLarge, Text,
};
/// The contract between a node and its network, for [`Node::with_service`]. With the feature
/// `test-util` it has the module `memory`, a network for tests.
pub use peer_service;
pub use peer_service::Spawner;
pub use refs::{
    self, Address, AliasToken, ChannelId, ChannelName, EndKind, Incarnation, MonitorRef, Name, NodeId,
    NodeName, NodeSpec, ParseError, Pid, Reference, RegName, SessionEnd, SessionId, Target, same_target,
};
pub use supervision::telemetry::flush as flush_events;
