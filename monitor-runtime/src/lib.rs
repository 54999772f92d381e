//! Obit tells a program, reliably and fast, that a process or a node elsewhere in the cluster has
//! ended or is out of reach, and why.
//!
//! A [`Node`] hosts *processes*: tasks that it runs ([`Node::spawn`]), and holders of a guard
//! ([`Node::process`]), such as a task of another runtime or a thread. Any process, on any node,
//! can be monitored by pid or by name. Each monitor delivers exactly one [`Down`], unless it is
//! ended before.
//!
//! ```
//! # #[cfg(feature = "tokio")] mod program {
//! use monitor_runtime::prelude::*;
//! # use peer_service::memory::Network;
//!
//! #[tokio::main]
//! # pub
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     # let network = Network::new();
//!     # let (a, b) = (network.join("a@local".parse()?), network.join("b@local".parse()?));
//!     # let b = Node::with_service(Config::new("b@local").tokio(), b)?;
//!     # let a = Node::with_service(Config::new("a@local").tokio(), a)?;
//!     # /*
//!     let b = Node::start(Config::new("b@local").tokio()).await?; // tokio runs its processes
//!     let a = Node::start(Config::new("a@local").tokio()).await?;
//!     # */
//!     // On node b: a worker, registered under a name. It fails on its first message.
//!     let worker = b.spawn(async |mut process| {
//!         process.recv().await;
//!         Err("out of paper".into()) // an error is a reason, and so is a panic
//!     })?;
//!     b.register("printer", &worker)?;
//!
//!     // On node a: monitor it by its name, which connects to b, and wait for its end.
//!     let monitor = a.monitor("printer@b@local")?;
//!     a.try_send("printer@b@local", "print this")?;
//!     let down = monitor.await;
//!     println!("{down}"); // printer@b@local is gone: exit: out of paper
//!     # assert_eq!(down.reason.to_string(), "exit: out of paper");
//!     # a.stop().await; b.stop().await;
//!     Ok(())
//! }
//! # }
//! # #[cfg(feature = "tokio")] program::main().unwrap();
//! ```
//!
//! Without tokio, leave out `.tokio()`: processes then run on the node's own thread, or on any
//! other [`Runtime`]. The futures of a node can be awaited in any executor, such as by
//! `smol::block_on`.
//!
//! # Which function to use
//!
//! | you want | use |
//! |---|---|
//! | to await the end of one process | [`Node::monitor`]: a future; dropping it demonitors |
//! | to work as long as a process lives | [`Monitor::guard`] |
//! | to monitor many processes | [`Node::monitor_set`]: a stream |
//! | notices among the messages, as in Erlang | [`Process::monitor`] |
//! | to send a request, and to get either its reply or the end of its target | [`Process::call`], [`Node::call`] |
//! | to send a message | [`Process::try_send`], which never waits; [`Process::send`], which waits for room |
//! | to choose the channel of a message | [`Envelope`] |
//! | to send and receive values of your own types | [`Node::addr`], [`Process::addr`] to send, [`Event::decode`] to receive |
//! | to be notified of nodes | [`Process::monitor_node`], [`Process::monitor_nodes`] |
//!
//! # Guarantees
//!
//! 1. A monitor ends once: by its [`Down`], by a demonitor, or by its watcher's exit, whichever is
//!    first at the watcher.
//! 2. [`DownReason::Exit`] and [`DownReason::NoProc`] are true: only the node of the target reports
//!    them. [`DownReason::NoConnection`] is about the connection, never about the process.
//! 3. Messages that a process sent to its watcher before it exited arrive before its `Down`. A
//!    monitor reaches the target's node before any later message of the same process.
//! 4. A node-up comes before every message of its session. A node-down comes after every message
//!    and every `Down` of its session.
//! 5. A name is free before the `Down` of its holder is delivered.
//! 6. Only async functions wait. Every queue and table has a limit: an entry beyond it is refused,
//!    or it is dropped and counted in [`Node::stats`].
//!
//! # What is not guaranteed
//!
//! A `Down` is no fence. `NoConnection` may be followed by a new session with a process that never
//! exited, and a process that was reported with `NoConnection` may still be running on the other
//! side of a broken connection. Where that matters, let storage compare the whole [`Pid`] of the
//! holder, and grant no pid twice. There is no consensus about the members of the cluster, and no
//! routing through third nodes.
//!
//! # When to use another crate
//!
//! If you have an actor system, a transport, or a runtime of your own, use `monitor-core`: it has
//! all of the semantics without tasks, sockets and locks. If you want another network under this
//! crate, implement the trait of `peer-service` and start with [`Node::with_service`]. If you only
//! need the result of a task in the same program, await its handle.
//!
//! # Erlang's functions
//!
//! | Erlang | here |
//! |---|---|
//! | `spawn`, `spawn_monitor` | [`Node::spawn`], [`Node::spawn_monitor`] |
//! | `erlang:monitor(process, X)` | [`Process::monitor`], [`Node::monitor`] |
//! | `{'DOWN', Ref, process, X, Reason}` | [`Event::Down`] |
//! | `demonitor(Ref)`, `demonitor(Ref, [flush])` | [`Process::demonitor`], [`Process::demonitor_flush`]; `info` is their result, [`Demonitored`] |
//! | `{tag, Term}` | [`MonitorOptions::tag`] |
//! | `{alias, Mode}`, `unalias(Ref)`, `Ref ! M` | [`MonitorOptions::alias`], [`Process::unalias`], [`Process::try_send`] |
//! | `Pid ! M`, suspended while too much waits | [`Process::send`]; [`Process::try_send`] never waits |
//! | `gen_server:call(P, R, T)`, `gen_server:reply(F, M)` | [`Process::call`] with [`Call::timeout`], [`Process::reply`] |
//! | `noproc`, `noconnection` | [`DownReason::NoProc`], [`DownReason::NoConnection`] with its cause |
//! | `monitor_node/2`, `{nodedown, N}` | [`Process::monitor_node`], [`Event::NodeDown`] |
//! | `net_kernel:monitor_nodes/2` | [`Process::monitor_nodes`] |
//! | `nodes/1` | [`Node::nodes`] |
//! | `register`, `whereis`, `Name ! M` | [`Node::register`], [`Node::whereis`], [`Process::try_send`] to the name |
//! | Partisan's `{channel, C}` | [`MonitorOptions::channel`], [`Envelope::channel`], by [`Node::channel`] |
//! | `exit(Pid, kill)` | [`Node::kill`], of local processes |
//! | `init:stop()` | [`Node::stop`] |
//! | links, supervisors, `code_change` | not here |
//!
//! The guide in `docs/guide` of the repository has the full table, and pages on what a `Down`
//! proves and on operating nodes; `docs/errors.md` explains every text that can be printed.
//!
//! # Cargo features
//!
//! - `tcp`, on by default: `Node::start`, which starts a node over TCP. Without it a node needs a
//!   peer service of your own.
//! - `tls`: `Config::tls`, which encrypts all connections and binds every node's name to a
//!   certificate of the cluster's own CA. It brings rustls and ring.
//! - `tokio`: `Config::tokio` and `TokioRuntime`, which run processes on tokio. It brings tokio's
//!   scheduler.
//! - `control`: the module `control`, a Unix socket at which a running node can be inspected. It
//!   brings serde_json.
//! - `http`: the module `http`, the same over HTTP, and metrics for Prometheus. It brings hyper.
//! - `metrics`: the module `metrics`, which passes the figures of a node to the recorder of the
//!   crate of that name.
//! - `serde`: `Config` can be deserialized, and `Config::read` reads settings over a configuration.
//! - `test-util`: the module `test_util`, a cluster in memory with faults and a clock of its own,
//!   for tests of your own failover. It brings no other crate; enable it in `[dev-dependencies]`.
//!   With `tokio` it also advances tokio's paused clock.
#![warn(missing_debug_implementations)]
#![cfg_attr(docsrs, feature(doc_cfg))]

// | what | where |
// |---|---|
// | a node and its configuration | `node.rs`, `config.rs`, `tcp.rs` |
// | processes: receiving and monitoring, bodies and exits, their events | `process.rs`, `spawn.rs`, `event.rs` |
// | messages: what is sent, what is read, typed addresses, the sender of messages and calls | `envelope.rs`, `decode.rs`, `addr.rs`, `caller.rs` |
// | the receiver of a message, on its node | `receiver.rs` |
// | monitors as futures and streams, and calls | `monitor.rs`, `monitor_set.rs`, `call.rs` |
// | errors | `error.rs`, those of messages and calls in `error/send.rs` |
// | the state of a node, and the lock around it | `engine.rs` |
// | the background tasks, which receive and stop | `tasks.rs` |
// | the sending side of a session | `session.rs` |
// | the queue of a mailbox | `inbox.rs` |
// | threads, clock and random numbers | `threads.rs` |
// | differences between operating systems | `platform.rs` |
// | executors of the user, on which bodies of processes may run | `runtime.rs` |
// | locks and wakers | `sync.rs` |
// | counters and the log | `records.rs` |
// | views of a running node: metrics, control socket, HTTP | `observe.rs` |
// | a cluster in memory for tests | `test_util.rs` |
mod addr;
mod call;
mod caller;
mod config;
mod decode;
mod engine;
mod envelope;
mod error;
mod event;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod inbox;
mod monitor;
mod monitor_set;
mod node;
mod observe;
mod platform;
mod process;
mod receiver;
mod records;
mod runtime;
mod session;
mod spawn;
mod sync;
mod tasks;
#[cfg(feature = "tcp")]
mod tcp;
#[cfg(feature = "test-util")]
pub mod test_util;
mod threads;

/// The items that most programs need.
pub mod prelude {
    #[cfg(feature = "tcp")]
    pub use crate::Secret;
    pub use crate::{
        Addr, CallError, Config, Down, DownReason, Event, ExitReason, Message, Monitor, MonitorOptions,
        MonitorSet, Name, Node, NodeName, NodesOptions, NotAlive, Pid, Postcard, Process, Target,
    };
}

pub use addr::{Addr, TypedCall};
pub use call::Call;
pub use config::Config;
pub use engine::history::PastDown;
pub use envelope::{Envelope, IntoEnvelope, Postcard};
pub use error::{
    CallError, ConnectError, DecodeError, MonitorError, NotAlive, RegisterError, SendError, SendErrorKind,
    StartError, TryRecvError, TrySendError, Unsupported,
};
pub use event::{Event, Message, NodeDown, NodeDownSource, NodeInfo, NodeUp, NodesMissed};
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
#[cfg(feature = "tokio")]
pub use runtime::TokioRuntime;
pub use runtime::{Runtime, SmolRuntime};
#[cfg(feature = "tcp")]
pub use tcp::{Heartbeat, PeersFileError, Preset, Secret, SecretError, TcpConfig, TcpStartError};
#[cfg(feature = "tls")]
pub use tcp::{Tls, TlsError};

pub use bytes::Bytes;
pub use monitor_core::{
    AliasMode, Connect, Demonitored, Down, DownReason, DownSource, ExitReason, MonitorOptions, NodeType,
    NodesOptions, ReasonBytes, ReasonText,
};
/// The contract between a node and its network, for [`Node::with_service`]. With the feature
/// `test-util` it has the module `memory`, a network for tests.
pub use peer_service;
pub use peer_service::Spawner;
pub use refs::{
    self, Address, AliasToken, ChannelId, ChannelName, Dest, EndKind, Incarnation, IntoRef, MonitorRef, Name,
    NodeId, NodeName, NodeSpec, ParseError, Pid, Reference, RegName, SessionEnd, SessionId, Target,
    same_target,
};
pub use supervision::telemetry::flush as flush_events;
