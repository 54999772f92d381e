//! The state machine of a session: announcement, admission, frames in order, end.
//!
//! Each session has one driver, and only the driver reports events of the session to the core. So
//! the order that the node promises holds by construction: no frame is delivered before the core
//! has admitted the session, and it admits a session only after every event of the previous
//! session. The end is reported after the last frame. The driver does no I/O and never waits; the
//! task of the session receives frames and waits for it.

use std::{collections::VecDeque, sync::Arc};

use monitor_core::{DownReason, Effect, Signal, Signals};
use peer_service::FrameBuf;
use refs::{EndKind, SessionEnd};

use crate::{
    engine::{after_unlock::AfterUnlock, state::Inner},
    error::NotAlive,
    event::Message,
    records::log,
    session::{
        handle::SessionHandle,
        message_frame::{MAX_SIGNAL_FRAME, MESSAGE, MessageFrame, SIGNALS},
    },
};

/// The condition that a driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextStep {
    /// [`SessionHandle::is_admitted`] returns true.
    Admission,
    /// A call of [`Driver::received`].
    Frames,
    /// No condition; other tasks go first.
    Yield,
    /// The session has ended, and its end was reported.
    Ended,
}

/// Drives one session.
pub(crate) struct Driver {
    handle: Arc<SessionHandle>,
    phase: Phase,
    frames: FrameBuf,
    /// Number of frames that were handled.
    handled: usize,
    /// Signals of the frames that were read last, which the core has not handled yet.
    signals: VecDeque<Signal>,
    /// Empty between two calls; kept for its capacity.
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Announced,
    Open,
    /// The peer broke the protocol. Its later frames are dropped until the session ends.
    Refused,
    Ended(SessionEnd),
    Over,
}

/// A frame or signal that violates the protocol.
struct Malformed;

/// Maximum capacity for signals that is kept from one frame to the next.
const MAX_KEPT_SIGNALS: usize = 4096;

impl Driver {
    /// Adds the session to the node. The driver removes it when the session has ended.
    ///
    /// # Errors
    /// The node has failed.
    pub(crate) fn new(handle: Arc<SessionHandle>, node: &Inner) -> Result<Self, NotAlive> {
        node.enter(|state, _| state.sessions.insert(handle.peer.session, handle.clone()))?;
        Ok(Driver {
            handle,
            phase: Phase::New,
            frames: FrameBuf::new(),
            handled: 0,
            signals: VecDeque::new(),
            messages: Vec::new(),
        })
    }

    /// The buffer for received frames, used after [`NextStep::Frames`].
    pub(crate) fn buffer(&mut self) -> &mut FrameBuf {
        &mut self.frames
    }

    /// Records that frames are in the buffer, or that the session has ended.
    pub(crate) fn received(&mut self, result: Result<(), SessionEnd>) {
        if let Err(end) = result {
            self.phase = Phase::Ended(end);
        }
    }

    /// Handles at most `max_batch` signals or messages.
    pub(crate) fn advance(&mut self, node: &Inner, after: &mut AfterUnlock) -> NextStep {
        match self.phase {
            Phase::New => {
                self.announce(node, after);
                self.phase = Phase::Announced;
                self.advance(node, after)
            }
            Phase::Announced if self.handle.is_admitted() => {
                self.phase = Phase::Open;
                NextStep::Frames
            }
            Phase::Announced => NextStep::Admission,
            Phase::Open => self.work(node, after),
            Phase::Refused => {
                self.drop_frames();
                NextStep::Frames
            }
            Phase::Ended(end) => {
                self.end(end, node, after);
                NextStep::Ended
            }
            Phase::Over => NextStep::Ended,
        }
    }

    /// Ends the session at once and drops its remaining frames.
    pub(crate) fn abandon(&mut self, end: SessionEnd, node: &Inner, after: &mut AfterUnlock) {
        match self.phase {
            Phase::Over => return,
            // The session is the answer to a dial; without it the core would wait forever.
            Phase::New => self.announce(node, after),
            _ => {}
        }
        self.end(end, node, after);
    }

    fn announce(&self, node: &Inner, after: &mut AfterUnlock) {
        let peer = &self.handle.peer;
        let _ = node.enter_with(after, |state, out| {
            state.pending_dials.remove(&peer.node.name);
            state.core.peer_up(peer.session, peer.node.clone(), peer.hidden, out);
        });
        node.send_waiters.wake_all();
    }

    fn end(&mut self, end: SessionEnd, node: &Inner, after: &mut AfterUnlock) {
        self.phase = Phase::Over;
        let session = self.handle.peer.session;
        let _ = node.enter_with(after, |state, out| {
            state.core.peer_down(session, end, out);
            state.sessions.remove(&session);
            node.routes.close(&self.handle);
        });
        node.send_waiters.wake_all();
        node.wake_stop();
    }

    fn work(&mut self, node: &Inner, after: &mut AfterUnlock) -> NextStep {
        if self.frames.is_empty() {
            return NextStep::Frames;
        }
        match self.work_off(node, after) {
            // Other tasks go first even if no frame is left, so that a peer that never stops
            // sending delays neither them nor the core's backlog.
            Ok(()) => NextStep::Yield,
            Err(Malformed) => {
                node.counters.protocol_violations.add_one();
                log::protocol_broken(&self.handle.peer);
                self.handle.close(EndKind::Protocol);
                self.drop_frames();
                self.phase = Phase::Refused;
                NextStep::Frames
            }
        }
    }

    /// Handles at most `max_batch` signals or messages of the frames in the buffer.
    fn work_off(&mut self, node: &Inner, after: &mut AfterUnlock) -> Result<(), Malformed> {
        let mut budget = node.limits.max_batch;
        while budget > 0 {
            if self.signals.is_empty() {
                if !self.next_frame(&mut budget, node, after)? {
                    self.drop_frames();
                    break;
                }
                self.read_more_signals(budget);
            } else {
                self.handle_signals(&mut budget, node, after)?;
            }
        }
        Ok(())
    }

    /// Handles the next frame: delivers messages, stores signals. Returns false if there is no
    /// frame.
    fn next_frame(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<bool, Malformed> {
        let Some(frame) = self.frames.get(self.handled) else { return Ok(false) };
        if frame.first() == Some(&MESSAGE) {
            self.deliver(budget, node, after)?;
        } else {
            read_signals(frame, &mut self.signals)?;
            self.handled += 1;
            *budget -= 1;
        }
        Ok(true)
    }

    /// Delivers the next message, and the messages to the same receiver that follow directly. A
    /// malformed message after them is handled by the next call.
    fn deliver(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<(), Malformed> {
        let peer = &self.handle.peer.node;
        let to = message(&self.frames, self.handled).ok_or(Malformed)?.to;
        let next =
            (self.handled..).map_while(|at| message(&self.frames, at)).take_while(|next| next.to == to);
        self.messages.extend(next.take(*budget).map(|next| next.message(peer)));
        self.handled += self.messages.len();
        *budget -= self.messages.len();
        node.deliver_all(to, &mut self.messages, after);
        Ok(())
    }

    /// Reads the signals of further frames too, until there are `enough`: many processes that exit
    /// at once send one frame each, and entering the node for each frame would cost too much. A
    /// message or a malformed frame stays until the signals before it were handled.
    fn read_more_signals(&mut self, enough: usize) {
        while !self.signals.is_empty() && self.signals.len() < enough {
            let Some(frame) = self.frames.get(self.handled) else { return };
            if read_signals(frame, &mut self.signals).is_err() {
                return;
            }
            self.handled += 1;
        }
    }

    /// Gives the stored signals to the core, as far as the budget allows.
    fn handle_signals(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<(), Malformed> {
        let (session, channel) = (self.handle.peer.session, self.frames.channel);
        let result = node.enter_with(after, |state, out| {
            let directory = node.directory.read();
            while *budget > 0 {
                let Some(signal) = self.signals.pop_front() else { break };
                *budget -= 1;
                let before = out.len();
                state
                    .core
                    .handle_signal(&*directory, session, channel, signal, out)
                    .map_err(|_| Malformed)?;
                if out[before..].iter().any(refuses_monitor) {
                    node.counters.monitors_refused.add_one();
                }
            }
            Ok(())
        });
        // A failed node closes its sessions. Their frames are dropped until then.
        result.unwrap_or_else(|NotAlive| {
            self.signals.clear();
            Ok(())
        })
    }

    fn drop_frames(&mut self) {
        self.frames.clear();
        self.handled = 0;
        self.signals.clear();
        self.signals.shrink_to(MAX_KEPT_SIGNALS);
    }
}

/// Returns true if the effect refuses a monitor of a peer that has too many. No other `Down` for a
/// peer has the reason `NoConnection`.
const fn refuses_monitor(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { signal: Signal::Down { reason: DownReason::NoConnection(_), .. }, .. })
}

/// Returns the message in that frame, if it contains a valid one.
fn message(frames: &FrameBuf, at: usize) -> Option<MessageFrame<'_>> {
    let (&MESSAGE, message) = frames.get(at)?.split_first()? else { return None };
    MessageFrame::read(message)
}

/// Appends the signals of a frame. Reads all of them before any has an effect: a frame that is
/// malformed, or contains no signals, appends none.
fn read_signals(frame: &[u8], signals: &mut VecDeque<Signal>) -> Result<(), Malformed> {
    let old_len = signals.len();
    let Some((&SIGNALS, bytes)) = frame.split_first() else { return Err(Malformed) };
    if frame.len() > MAX_SIGNAL_FRAME {
        return Err(Malformed);
    }
    for signal in Signals::new(bytes) {
        match signal {
            Ok(signal) => signals.push_back(signal),
            Err(_) => {
                signals.truncate(old_len);
                return Err(Malformed);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
