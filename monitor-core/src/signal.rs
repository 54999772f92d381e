//! What the cores of two nodes say to each other, and how it looks as bytes.

use alloc::vec::Vec;

use refs::{Incarnation, RegName, Serial};
use thiserror::Error;

use crate::{ids::MonitorId, reason::DownReason};

/// What one core says to the other. Thirty-two bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// It is gone.
    Down {
        /// The watcher's number for it.
        id: MonitorId,
        /// Of what.
        reason: DownReason,
    },
}

/// A process of the receiver of a signal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RemoteTarget {
    /// The process of that number in that life of the node.
    Pid {
        /// Which life.
        incarnation: Incarnation,
        /// Which process.
        serial: Serial,
    },
    /// Whoever holds the name when the signal arrives.
    Name(RegName),
}

/// Bytes that are no signals: the peer breaks the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed signal at byte {at}")]
pub struct WireError {
    /// The offset of the signal that cannot be read.
    pub at: usize,
}

/// A signal that a peer that keeps the rules never sends: its session must end as `Protocol`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Violation {
    /// A monitor whose number is in use already on this session.
    #[error("a monitor whose number is in use")]
    SerialInUse,
}

/// Appends a signal to a frame. `last` carries the reason of the `Down` before it in the same frame, if any, so
/// that equal reasons in a row are written once: start every frame with `None`.
pub fn encode(signal: &Signal, last: &mut Option<DownReason>, frame: &mut Vec<u8>) {
    let _ = (signal, last, frame);
    todo!()
}

/// The signals of a frame, one after the other. Total: ends with an error on anything malformed.
#[derive(Clone, Debug)]
pub struct Signals<'a> {
    frame: &'a [u8],
}

impl<'a> Signals<'a> {
    /// Reads a frame that [`encode`] wrote. Allocates only what a valid signal holds, within its limits.
    pub fn new(frame: &'a [u8]) -> Self {
        Signals { frame }
    }
}

impl Iterator for Signals<'_> {
    type Item = Result<Signal, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        let _ = self.frame;
        todo!()
    }
}
