//! Signals as bytes. A signal is a kind, then varints; a frame holds any number of signals.
//!
//! A monitor by pid takes 5 to 14 bytes, a `Down` with the same reason as the `Down` before it 3 to
//! 8 bytes.

use alloc::vec::Vec;

use postcard::ser_flavors::Flavor;
use refs::{EndKind, Incarnation, RegName, Serial, SessionEnd, varint};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use thiserror::Error;

use crate::{
    ids::MonitorId,
    reason::{DownReason, ExitReason},
    signal::{RemoteTarget, Signal},
};

const MONITOR_PID: u8 = 1;
const MONITOR_PID_OF: u8 = 2;
const MONITOR_NAME: u8 = 3;
const DEMONITOR: u8 = 4;
const DOWN: u8 = 5;
/// A `Down` with the reason of the `Down` before it.
const DOWN_AGAIN: u8 = 6;

/// The reasons that a peer may send. It cannot claim that a session of the receiver has ended.
#[derive(Serialize, Deserialize)]
enum WireReason {
    Exit(ExitReason),
    NoProc,
    Quota,
}

/// The bytes are not signals: the peer breaks the protocol. The session must end as
/// [`EndKind::Protocol`](refs::EndKind::Protocol).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("malformed signal at byte {at} of the frame")]
pub struct WireError {
    /// The offset of the signal that cannot be read.
    pub at: usize,
}

/// Appends a signal to a frame. `last` holds the reason of the last `Down` in the same frame, so
/// that equal reasons in a row are written once. Start every frame with `None`.
///
/// A frame has no limit of its own and no length in it; the caller limits and delimits frames, and
/// may end one after any signal. One signal takes at most
/// [`ExitReason::MAX_LEN`](crate::ExitReason::MAX_LEN) bytes of reason, or 255 bytes of name, and
/// less than 32 bytes more.
pub fn encode(signal: &Signal, last: &mut Option<DownReason>, frame: &mut Vec<u8>) {
    match signal {
        Signal::Monitor { id, target: RemoteTarget::Pid(serial) } => {
            put_numbers(frame, MONITOR_PID, &[id.0, *serial]);
        }
        Signal::Monitor { id, target: RemoteTarget::PidOf(incarnation, serial) } => {
            frame.push(MONITOR_PID_OF);
            put(frame, &(id.0, incarnation, serial));
        }
        Signal::Monitor { id, target: RemoteTarget::Name(name) } => {
            frame.push(MONITOR_NAME);
            put(frame, &(id.0, name));
        }
        Signal::Demonitor { id } => put_numbers(frame, DEMONITOR, &[id.0]),
        Signal::Down { id, reason } if last.as_ref() == Some(reason) => {
            put_numbers(frame, DOWN_AGAIN, &[id.0]);
        }
        Signal::Down { id, reason } => {
            put_numbers(frame, DOWN, &[id.0]);
            put(frame, &to_wire(reason));
            *last = Some(reason.clone());
        }
    }
}

/// Iterates over the signals of a frame. After malformed bytes it returns an error, and then ends.
#[derive(Clone, Debug)]
pub struct Signals<'a> {
    rest: &'a [u8],
    len: usize,
    last: Option<DownReason>,
}

impl<'a> Signals<'a> {
    /// Reads a frame written by [`encode`]. Allocates only what a valid signal holds, within the
    /// limits of signals.
    pub const fn new(frame: &'a [u8]) -> Self {
        Signals { rest: frame, len: frame.len(), last: None }
    }

    fn read(&mut self) -> Option<Signal> {
        let (&kind, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match kind {
            MONITOR_PID => {
                let (id, serial) = self.get()?;
                Signal::Monitor { id: MonitorId(id), target: RemoteTarget::Pid(serial) }
            }
            MONITOR_PID_OF => {
                let (id, incarnation, serial) = self.get::<(Serial, Incarnation, Serial)>()?;
                Signal::Monitor { id: MonitorId(id), target: RemoteTarget::PidOf(incarnation, serial) }
            }
            MONITOR_NAME => {
                let (id, name) = self.get::<(Serial, RegName)>()?;
                Signal::Monitor { id: MonitorId(id), target: RemoteTarget::Name(name) }
            }
            DEMONITOR => Signal::Demonitor { id: MonitorId(self.get()?) },
            DOWN => {
                let (id, reason) = self.get::<(Serial, WireReason)>()?;
                let reason = from_wire(reason);
                self.last = Some(reason.clone());
                Signal::Down { id: MonitorId(id), reason }
            }
            DOWN_AGAIN => Signal::Down { id: MonitorId(self.get()?), reason: self.last.clone()? },
            _ => return None,
        })
    }

    fn get<T: DeserializeOwned>(&mut self) -> Option<T> {
        let (value, rest) = postcard::take_from_bytes(self.rest).ok()?;
        self.rest = rest;
        Some(value)
    }
}

impl Iterator for Signals<'_> {
    type Item = Result<Signal, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.len - self.rest.len();
        let signal = self.read().ok_or(WireError { at });
        if signal.is_err() {
            self.rest = &[];
        }
        Some(signal)
    }
}

/// Appends a kind and at most two serials, as [`put`] would, in one write. Most signals consist of
/// this.
fn put_numbers(frame: &mut Vec<u8>, kind: u8, serials: &[Serial]) {
    let mut bytes = [0; 1 + 4 * varint::MAX_LEN];
    bytes[0] = kind;
    let mut len = 1;
    for number in serials.iter().flat_map(|serial| [serial.slot(), serial.generation()]) {
        len += varint::encode(number, &mut bytes[len..]);
    }
    frame.extend_from_slice(&bytes[..len]);
}

fn put<T: Serialize>(frame: &mut Vec<u8>, value: &T) {
    postcard::serialize_with_flavor(value, Frame(frame))
        .expect("signals have a binary form, and a vector takes any number of bytes");
}

/// Appends to a frame in place. To pass the vector to postcard and back costs more than most
/// signals write.
struct Frame<'a>(&'a mut Vec<u8>);

impl Flavor for Frame<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn to_wire(reason: &DownReason) -> WireReason {
    match reason {
        DownReason::Exit(reason) => WireReason::Exit(reason.clone()),
        DownReason::NoProc => WireReason::NoProc,
        // The only such reason that the core sends: see `Signal::Down`.
        DownReason::NoConnection(_) => WireReason::Quota,
    }
}

fn from_wire(reason: WireReason) -> DownReason {
    match reason {
        WireReason::Exit(reason) => DownReason::Exit(reason),
        WireReason::NoProc => DownReason::NoProc,
        WireReason::Quota => DownReason::NoConnection(SessionEnd::new(EndKind::Quota)),
    }
}
