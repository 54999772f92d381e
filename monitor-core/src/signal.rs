//! The signals between the cores of two nodes.

use refs::{Incarnation, RegName, Serial};
use thiserror::Error;

use crate::{ids::MonitorId, reason::DownReason};

/// A signal from one core to another. 32 bytes.
///
/// Exhaustive, because a transport must carry every signal: a new signal is a new version of the
/// protocol.
///
/// A signal belongs to the session on which it arrives; [`Effect::Send`](crate::Effect::Send) says
/// in which order signals must arrive. [`encode`](crate::encode) and [`Signals`](crate::Signals)
/// convert signals to bytes and back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Report the end of this process.
    Monitor {
        /// The watcher's number for the monitor.
        id: MonitorId,
        /// The process.
        target: RemoteTarget,
    },
    /// The watcher has ended the monitor. A `Down` of it may be on its way, and is ignored.
    Demonitor {
        /// The watcher's number for the monitor.
        id: MonitorId,
    },
    /// The process has ended, or cannot be monitored. This ends the monitor.
    Down {
        /// The watcher's number for the monitor.
        id: MonitorId,
        /// Why: [`DownReason::Exit`], [`DownReason::NoProc`], or no connection because of a quota.
        /// A peer cannot send any other reason.
        reason: DownReason,
    },
}

/// A process of the receiver of a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RemoteTarget {
    /// The process with this number, in the incarnation of the node on this session.
    Pid(Serial),
    /// The process with this number in another incarnation, as far as the sender knows. Only the
    /// receiver may report that there is no such process.
    PidOf(Incarnation, Serial),
    /// The process that holds the name when the signal arrives.
    Name(RegName),
}

/// A signal that violates the protocol. The session must end as
/// [`EndKind::Protocol`](refs::EndKind::Protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A monitor whose number is already in use on this session.
    #[error("a monitor whose number is in use")]
    SerialInUse,
}

const _: () = assert!(size_of::<Signal>() == 32);
