//! What the cores of two nodes say to each other.

use refs::{Incarnation, RegName, Serial};
use thiserror::Error;

use crate::{ids::MonitorId, reason::DownReason};

/// What one core says to the other. Thirty-two bytes.
///
/// Exhaustive: whoever carries signals must carry every one, so a new one is a new version of the protocol.
///
/// A signal belongs to the session on which it arrives. As bytes: [`encode`](crate::encode) and
/// [`Signals`](crate::Signals).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// Tell me when this process of yours is gone.
    Monitor {
        /// The watcher's number for it.
        id: MonitorId,
        /// Which process.
        target: RemoteTarget,
    },
    /// Never mind.
    Demonitor {
        /// The watcher's number for it.
        id: MonitorId,
    },
    /// It is gone, or cannot be monitored.
    Down {
        /// The watcher's number for it.
        id: MonitorId,
        /// Why: [`DownReason::Exit`], [`DownReason::NoProc`], or no connection because of a quota. A peer
        /// cannot say anything else.
        reason: DownReason,
    },
}

/// A process of the receiver of a signal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RemoteTarget {
    /// The process of that number, in the life of the node that the session is with.
    Pid(Serial),
    /// The process of that number in a life that is another one, as far as the sender knows. Only the receiver
    /// may say that there is no such process.
    PidOf(Incarnation, Serial),
    /// Whoever holds the name when the signal arrives.
    Name(RegName),
}

/// A signal that a peer that keeps the rules never sends: its session must end as `Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A monitor whose number is in use already on this session.
    #[error("a monitor whose number is in use")]
    SerialInUse,
}

const _: () = assert!(size_of::<Signal>() == 32);
