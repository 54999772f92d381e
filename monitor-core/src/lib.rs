//! Erlang's monitors as a pure state machine.
#![no_std]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;

mod config;
mod effect;
mod ids;
mod monitors;
mod reason;
mod signal;
mod tables;
mod wire;

pub use config::{
    Connect, CoreConfig, CoreStats, Demonitored, LocalTarget, MonitorOptions, Processes, Route,
};
pub use effect::{Down, Effect, NodeEvent, NodeNotice, NodeType, NodesOptions, Notice};
pub use ids::{LocalPid, MonitorId, Ticket};
pub use monitors::Core;
pub use reason::{Bytes, DownReason, ExitReason, ReasonTooLarge, Text};
pub use signal::{RemoteTarget, Signal, Violation};
pub use wire::{Signals, WireError, encode};

pub use refs;
