//! Erlang's monitors as a pure state machine: inputs in, effects out.
//!
//! A process *monitors* another process, on the local node or on another one. It gets exactly one
//! `Down` when that process exits, did not exist, or cannot be reached any more. This crate decides
//! which process is told what, and in which order, under every interleaving of exits, lost
//! connections, restarts and cancelled calls. It does nothing else: no sockets, no async, no
//! threads, no clock, no randomness, no locks, no logging. It is `no_std` with `alloc`.
//!
//! Use it directly if you have an actor system, a runtime or a transport of your own. If you want
//! processes, mailboxes and TCP, use `monitor-runtime`, which is built on this crate.
//!
//! ```
//! use monitor_core::{*, refs::*};
//! # struct Table;
//! # impl Processes for Table {
//! #     fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
//! #         if let LocalTarget::Pid(pid) = target { Some(*pid) } else { None }
//! #     }
//! # }
//! # let processes = Table; // knows which local processes are alive
//! # let local = NodeId::new("a@here".parse()?, Incarnation::new(1).ok_or("zero")?);
//! let mut core = Core::new(CoreConfig::new(local.clone(), 0x5eed));
//! let mut effects = Vec::new();
//! let (watcher, worker) = (LocalPid(Serial::new(0, 0)), LocalPid(Serial::new(1, 0)));
//!
//! let target = Target::Pid(Pid::new(local, worker.0));
//! let id = core.monitor(&processes, watcher, &target, MonitorOptions::new(), &mut effects);
//! assert_eq!(effects, [Effect::Watch { pid: worker }]);
//! effects.clear();
//!
//! core.process_exited(worker, Some(ExitReason::Shutdown), &mut effects);
//! assert_eq!(effects, [Effect::Deliver { to: watcher, notice: Notice::Down(id) }]);
//! let down = core.take(id).ok_or("fired")?;
//! assert_eq!(down.reason, DownReason::Exit(ExitReason::Shutdown));
//! assert!(core.take(id).is_none(), "exactly one");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How to embed it
//!
//! A node has one [`Core`]. Its methods are the *inputs*: calls of local processes, their exits,
//! and events of the network. An input changes the tables, and returns *effects* for the caller to
//! run.
//!
//! | you bring | see |
//! |---|---|
//! | the processes of the node, and their numbers | [`Processes`], [`LocalPid`] |
//! | a handler that runs effects, in order | [`EffectHandler`], [`Driver`] |
//! | mailboxes for notices | [`Effect::Deliver`], [`Notice`], [`Core::take`] |
//! | sessions between nodes | [`Core::peer_up`], [`Effect::Admit`], [`Core::peer_down`] |
//! | frames that carry signals | [`Effect::Send`], [`encode`], [`Signals`] |
//! | an answer to each dial | [`Effect::Connect`], [`Core::peer_unreachable`] |
//! | a task for unfinished work | [`Core::has_backlog`], [`Core::resume`] |
//!
//! [`Core`] lists the obligations of its caller, and its guarantees. In the repository the page
//! `docs/guide/embedding.md` ("monitor-core in your actor system") has all inputs, effects and
//! rules in tables. The example `embed` shows each step with two cores; `mini_actors` is a small
//! actor framework.
//!
//! # How it is built
//!
//! | what | where |
//! |---|---|
//! | [`Core`]: one method for each input; the only code that makes effects | `monitors` |
//! | the tables: leaves that change their rows and return facts | `tables` |
//! | generic storage for the tables: typed keys, slabs, lists, an index | `tables/storage` |
//! | configuration, options and results of calls | `config` |
//! | [`Driver`]: runs the effects of each input before the next input | `driver` |
//! | [`Effect`], [`Notice`], [`Down`] | `effect` |
//! | the numbers of processes, monitors and tickets | `ids` |
//! | [`ExitReason`] and [`DownReason`] | `reason` |
//! | signals between two cores, and their bytes | `signal`, `wire` |
//!
//! A monitor is one row of 64 bytes on its watcher's node, from the call until its `Down` is taken.
//! A notice that was not received yet is stored in the row, so it can be flushed in one step and is
//! never delivered twice. Rows are in intrusive lists, by watcher, by target and by session. A
//! whole list can change its owner in one step. So the end of a session with a million monitors
//! costs its input no more than any other.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, missing_debug_implementations)]

extern crate alloc;

mod config;
mod driver;
mod effect;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod ids;
mod monitors;
mod reason;
mod signal;
mod tables;
mod wire;

pub use config::{
    AliasMode, Connect, CoreConfig, CoreLimits, CoreStats, Demonitored, LocalTarget, MonitorOptions,
    PeerMonitors, Processes, Route,
};
pub use driver::{Driver, EffectHandler, RaisedInputs};
pub use effect::{Down, DownSource, Effect, NodeEvent, NodeNotice, NodeType, NodesOptions, Notice};
pub use ids::{LocalPid, MonitorId, Ticket};
pub use monitors::Core;
pub use reason::{DownReason, ExitReason, ReasonBytes, ReasonText};
pub use signal::{RemoteTarget, Signal, Violation};
pub use wire::{Signals, WireError, encode};

pub use refs;
