//! Erlang's monitors as a pure state machine: inputs in, effects out.
//!
//! A process *monitors* another one, here or on another node, and gets exactly one `Down` when that one exits, was never
//! there, or cannot be reached any more. This crate decides who is told what, in which order, under every
//! interleaving of exits, lost links, restarts and calls that are taken back. It does nothing else: no sockets, no async, no
//! threads, no clock, no randomness, no locks, no logging. It is `no_std` with `alloc`.
//!
//! Use it directly if you have an actor system, a runtime or a transport of your own: [`Core`] says how to drive it, and
//! the example `embed` wires two of them with a plain queue. If you want processes, mailboxes and TCP ready made, use
//! `monitor-runtime`, which is built on this.
//!
//! ```
//! use monitor_core::{*, refs::*};
//! # struct Table;
//! # impl Processes for Table {
//! #     fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
//! #         if let LocalTarget::Pid(pid) = target { Some(*pid) } else { None }
//! #     }
//! # }
//! # let processes = Table; // knows which local processes live
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
//! # How it is built
//!
//! One module (`monitors`) takes the inputs and alone makes effects; the tables below it are leaves that change
//! their rows and return facts. A monitor is one row of 64 bytes at its watcher's node, from the call until its `Down` is
//! taken: a notice that waits to be received lives in the row, so that it can be flushed in one step and is never
//! delivered twice. Rows hang on intrusive lists, by watcher, by target and by session; a list can change hands
//! in one step, which is how the end of a session with a million monitors costs its input no more than any other.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc, missing_debug_implementations)]

extern crate alloc;

mod config;
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
    AliasMode, Connect, CoreConfig, CoreStats, Demonitored, LocalTarget, MonitorOptions, PeerMonitors,
    Processes, Route,
};
pub use effect::{Down, DownSource, Effect, NodeEvent, NodeNotice, NodeType, NodesOptions, Notice};
pub use ids::{LocalPid, MonitorId, Ticket};
pub use monitors::Core;
pub use reason::{Bytes, DownReason, ExitReason, ReasonTooLarge, Text};
pub use signal::{RemoteTarget, Signal, Violation};
pub use wire::{Signals, WireError, encode};

pub use refs;
