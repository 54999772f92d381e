//! Erlang's monitors as a pure state machine.
#![no_std]

extern crate alloc;

mod core;
mod effect;
mod ids;
mod reason;
mod signal;

pub use crate::core::{Connect, Core, CoreConfig, Demonitored, LocalTarget, MonitorOptions, CoreStats, Processes, Route};
pub use effect::{Down, Effect, NodeEvent, NodeNotice, NodeType, NodesOptions, Notice};
pub use ids::{LocalPid, MonitorId, Ticket};
pub use reason::{DownReason, ExitReason, ReasonTooLarge};
pub use signal::{RemoteTarget, Signal, Signals, Violation, WireError, encode};

pub use refs;
