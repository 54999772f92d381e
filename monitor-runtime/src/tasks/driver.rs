//! The life of a session, step by step: announced, admitted, its frames in order, its end.
//!
//! One driver a session, and it alone hands in what happens on the session. So the order that the
//! node promises holds by construction: nothing is delivered before the core has admitted the
//! session, which is after everything of the session before it; and its end is reported after its
//! last frame. A pure machine: whoever runs it receives frames and waits for it.

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

/// What a driver waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// Until [`SessionHandle::is_admitted`].
    Admission,
    /// For [`Driver::received`].
    Frames,
    /// For nothing: it lets others go first.
    Turn,
    /// The session is over, and everybody was told.
    Over,
}

/// Drives one session.
pub(crate) struct Driver {
    handle: Arc<SessionHandle>,
    phase: Phase,
    frames: FrameBuf,
    /// How many of the frames are done.
    done: usize,
    /// The signals of the frames that were taken last, as far as they are not handed in yet.
    signals: VecDeque<Signal>,
    /// Empty, but for its room.
    messages: Vec<Message>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    New,
    Announced,
    Open,
    /// The peer broke the protocol: nothing of it counts any more, until its end is seen.
    Refused,
    Ended(SessionEnd),
    Over,
}

/// A frame or a signal that no peer sends that keeps the rules.
struct Malformed;

/// How much room for signals is kept from one frame to the next.
const KEEP_SIGNALS: usize = 4096;

impl Driver {
    /// From here on the node knows the link; its driver takes it away when the session is over.
    ///
    /// # Errors
    /// The node has failed.
    pub(crate) fn new(handle: Arc<SessionHandle>, node: &Inner) -> Result<Self, NotAlive> {
        node.enter(|state, _| state.sessions.insert(handle.peer.session, handle.clone()))?;
        Ok(Driver {
            handle,
            phase: Phase::New,
            frames: FrameBuf::new(),
            done: 0,
            signals: VecDeque::new(),
            messages: Vec::new(),
        })
    }

    /// Where to put what arrives, when [`Next::Frames`] was asked for.
    pub(crate) fn buffer(&mut self) -> &mut FrameBuf {
        &mut self.frames
    }

    /// The frames have arrived; or the session has ended, and no frame will.
    pub(crate) fn received(&mut self, result: Result<(), SessionEnd>) {
        if let Err(end) = result {
            self.phase = Phase::Ended(end);
        }
    }

    /// Goes on, by at most `max_batch` signals or messages.
    pub(crate) fn advance(&mut self, node: &Inner, after: &mut AfterUnlock) -> Next {
        match self.phase {
            Phase::New => {
                self.announce(node, after);
                self.phase = Phase::Announced;
                self.advance(node, after)
            }
            Phase::Announced if self.handle.is_admitted() => {
                self.phase = Phase::Open;
                Next::Frames
            }
            Phase::Announced => Next::Admission,
            Phase::Open => self.work(node, after),
            Phase::Refused => {
                self.drop_frames();
                Next::Frames
            }
            Phase::Ended(end) => {
                self.end(end, node, after);
                Next::Over
            }
            Phase::Over => Next::Over,
        }
    }

    /// The session is over at once, whatever it still holds.
    pub(crate) fn abandon(&mut self, end: SessionEnd, node: &Inner, after: &mut AfterUnlock) {
        match self.phase {
            Phase::Over => return,
            // The session is the answer to a dial: without it the core would wait for ever.
            Phase::New => self.announce(node, after),
            _ => {}
        }
        self.end(end, node, after);
    }

    fn announce(&self, node: &Inner, after: &mut AfterUnlock) {
        let peer = &self.handle.peer;
        let _ = node.enter_with(after, |state, out| {
            state.dialling.remove(&peer.node.name);
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
        node.progress();
    }

    fn work(&mut self, node: &Inner, after: &mut AfterUnlock) -> Next {
        if self.frames.is_empty() {
            return Next::Frames;
        }
        match self.work_off(node, after) {
            // Even when all is done others go first: a peer that never stops sending leaves them
            // their turn, and the core its backlog.
            Ok(()) => Next::Turn,
            Err(Malformed) => {
                node.counters.protocol_violations.add_one();
                log::protocol_broken(&self.handle.peer);
                self.handle.close(EndKind::Protocol);
                self.drop_frames();
                self.phase = Phase::Refused;
                Next::Frames
            }
        }
    }

    /// At most `max_batch` signals or messages.
    fn work_off(&mut self, node: &Inner, after: &mut AfterUnlock) -> Result<(), Malformed> {
        let mut budget = node.limits.max_batch;
        while budget > 0 {
            if self.signals.is_empty() {
                if !self.next_frame(&mut budget, node, after)? {
                    self.drop_frames();
                    break;
                }
                self.gather(budget);
            } else {
                self.hand_in(&mut budget, node, after)?;
            }
        }
        Ok(())
    }

    /// Takes the next frame: delivers messages, keeps signals. False if there is no frame.
    fn next_frame(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<bool, Malformed> {
        let Some(frame) = self.frames.get(self.done) else { return Ok(false) };
        if frame.first() == Some(&MESSAGE) {
            self.deliver(budget, node, after)?;
        } else {
            read_signals(frame, &mut self.signals)?;
            self.done += 1;
            *budget -= 1;
        }
        Ok(true)
    }

    /// Delivers the message that is next, and those for the same receiver that follow at once. One
    /// that is malformed is left until what was before it has been delivered.
    fn deliver(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<(), Malformed> {
        let peer = &self.handle.peer.node;
        let to = message(&self.frames, self.done).ok_or(Malformed)?.to;
        let next = (self.done..).map_while(|at| message(&self.frames, at)).take_while(|next| next.to == to);
        self.messages.extend(next.take(*budget).map(|next| next.message(peer)));
        self.done += self.messages.len();
        *budget -= self.messages.len();
        node.deliver_all(to, &mut self.messages, after);
        Ok(())
    }

    /// Keeps the signals of the frames that follow too, until there are `enough`: many processes
    /// that end at once send a frame each, and to enter the node is worth more than one. A message,
    /// or a frame that is malformed, is left until what was before it has been handed in.
    fn gather(&mut self, enough: usize) {
        while !self.signals.is_empty() && self.signals.len() < enough {
            let Some(frame) = self.frames.get(self.done) else { return };
            if read_signals(frame, &mut self.signals).is_err() {
                return;
            }
            self.done += 1;
        }
    }

    /// Hands in the signals that are kept, as far as the budget goes.
    fn hand_in(
        &mut self,
        budget: &mut usize,
        node: &Inner,
        after: &mut AfterUnlock,
    ) -> Result<(), Malformed> {
        let (session, channel) = (self.handle.peer.session, self.frames.channel);
        let handed_in = node.enter_with(after, |state, out| {
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
        // A failed node closes its sessions; until then nothing of them counts.
        handed_in.unwrap_or_else(|NotAlive| {
            self.signals.clear();
            Ok(())
        })
    }

    fn drop_frames(&mut self) {
        self.frames.clear();
        self.done = 0;
        self.signals.clear();
        self.signals.shrink_to(KEEP_SIGNALS);
    }
}

/// Whether the effect tells a peer that its monitor is one too many. Nothing else that it is told
/// is no connection.
const fn refuses_monitor(effect: &Effect) -> bool {
    matches!(effect, Effect::Send { signal: Signal::Down { reason: DownReason::NoConnection(_), .. }, .. })
}

/// The message in that frame, if there is one.
fn message(frames: &FrameBuf, at: usize) -> Option<MessageFrame<'_>> {
    let (&MESSAGE, message) = frames.get(at)?.split_first()? else { return None };
    MessageFrame::read(message)
}

/// Appends the signals of a frame. All of them are read before any has an effect: a frame that is
/// malformed, or holds no signals, appends none.
fn read_signals(frame: &[u8], signals: &mut VecDeque<Signal>) -> Result<(), Malformed> {
    let before = signals.len();
    let Some((&SIGNALS, bytes)) = frame.split_first() else { return Err(Malformed) };
    if frame.len() > MAX_SIGNAL_FRAME {
        return Err(Malformed);
    }
    for signal in Signals::new(bytes) {
        match signal {
            Ok(signal) => signals.push_back(signal),
            Err(_) => {
                signals.truncate(before);
                return Err(Malformed);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
