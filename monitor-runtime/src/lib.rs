//! Monitor processes and nodes of a cluster.

mod config;
mod counters;
mod deliver;
mod driver;
mod effects;
mod error;
mod event;
mod executor;
mod inspect;
mod link;
mod mailbox;
mod message;
mod monitor;
mod monitor_set;
mod node;
mod parked;
mod process;
mod processes;
mod queue;
mod registry;
mod session;
mod state;
mod stop;
mod tasks;
#[cfg(feature = "tcp")]
mod tcp;
mod waiters;
mod watching;

pub use config::Config;
pub use error::{ConnectError, MonitorError, NotAlive, NotImplemented, RegisterError, SendError, StartError};
pub use event::{Event, Message, NodeDown, NodeDownSource, NodeInfo, NodeUp};
pub use inspect::{Count, Inspect, ProcessInfo, SessionInfo, Stats};
pub use mailbox::{Demonitor, Mailbox};
pub use message::Dest;
pub use monitor::Monitor;
pub use monitor_set::MonitorSet;
pub use node::Node;
pub use process::Process;

pub use monitor_core::{
    Connect, Down, DownReason, ExitReason, MonitorOptions, NodeType, NodesOptions, ReasonTooLarge,
};
pub use peer_service::Spawner;
pub use refs::{
    self, Address, EndKind, Incarnation, MonitorRef, Name, NodeId, NodeName, NodeSpec, ParseError, Pid,
    Reference, RegName, SessionEnd, SessionId, Target, same_target,
};
