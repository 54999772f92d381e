//! Sending messages, and delivering received ones.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use monitor_core::{Connect, LocalPid, MonitorId, Route};
use peer_service::{FrameMeta, PushError};
use refs::{AliasToken, ChannelId, Dest, EndKind, Incarnation, NodeName, Pid, Serial};
use supervision::unwind;

use crate::{
    engine::{
        after_unlock::AfterUnlock,
        directory::{Directory, LiveProcess},
        effects::order_of,
        pending_sends::PendingSend,
        state::Inner,
    },
    envelope::SendOptions,
    error::{NotAlive, SendErrorKind},
    event::Message,
    inbox::queue::Pushed,
    receiver::Receiver,
    records::counters::Counters,
    session::{
        handle::SessionHandle,
        message_frame::{MAX_OVERHEAD, MessageFrame},
    },
    sync::gate::Gate,
};

/// A message of at least this many bytes is written at once, while it is in the processor's caches.
const LONG: usize = 16 * 1024;

const NOT_ALIVE: Unsent = Unsent::Final(SendErrorKind::NotAlive(NotAlive));

/// Why a message was not sent.
pub(crate) enum Unsent {
    /// It never will be.
    Final(SendErrorKind),
    /// The queue of this session is full.
    SessionFull(Arc<SessionHandle>),
    /// Too many messages wait for a connection.
    PendingFull,
}

impl Unsent {
    fn count(&self, counters: &Counters) {
        let counter = match self {
            Unsent::SessionFull(_) | Unsent::PendingFull => &counters.messages_refused,
            Unsent::Final(SendErrorKind::TooLarge { .. }) => &counters.messages_too_large,
            Unsent::Final(SendErrorKind::NoChannel) => &counters.messages_no_channel,
            Unsent::Final(SendErrorKind::NotConnected(_)) => &counters.messages_not_connected,
            // A stopped node counts no refused messages.
            Unsent::Final(_) => return,
        };
        counter.add_one();
    }

    /// The error, unless a later attempt may succeed.
    pub(crate) fn final_kind(self) -> Option<SendErrorKind> {
        match self {
            Unsent::Final(kind) => Some(kind),
            Unsent::SessionFull(_) | Unsent::PendingFull => None,
        }
    }
}

/// A message to send, without its body.
#[derive(Clone, Copy)]
pub(crate) struct OutboundMessage<'a> {
    /// The sending process, which the receiver sees.
    pub(crate) from: Option<&'a Pid>,
    /// The process or watcher in whose order the message goes.
    pub(crate) sender: LocalPid,
    pub(crate) to: &'a Dest,
    /// The alias that accepts the reply.
    pub(crate) reply_to: Option<MonitorId>,
    pub(crate) options: SendOptions,
    /// The gate of the sending process.
    pub(crate) gate: Option<&'a Gate>,
}

impl<'a> OutboundMessage<'a> {
    /// Creates a message without a sending process.
    pub(crate) const fn without_sender(to: &'a Dest, options: SendOptions) -> Self {
        OutboundMessage { from: None, sender: LocalPid::NONE, to, reply_to: None, options, gate: None }
    }
}

/// Work that a push postpones until its sender has left the gate, because it may run code of the
/// program.
#[derive(Default)]
struct AfterGate {
    waker: Option<Waker>,
    flush: Option<(Arc<SessionHandle>, ChannelId, Flush)>,
    /// Boxed, because only a send that enters the node needs it.
    after_unlock: Option<Box<AfterUnlock>>,
}

#[derive(Clone, Copy)]
enum Flush {
    Now,
    Soon,
}

impl AfterGate {
    fn after_unlock(&mut self) -> &mut AfterUnlock {
        self.after_unlock.get_or_insert_default()
    }

    fn run(&mut self, node: &Inner) {
        if let Some(after) = &mut self.after_unlock {
            after.run(node);
        }
        match &self.flush {
            Some((handle, channel, Flush::Now)) => handle.flush(*channel),
            Some((handle, channel, Flush::Soon)) => handle.flush_soon(*channel),
            None => {}
        }
        if let Some(waker) = self.waker.take() {
            unwind::wake(waker);
        }
    }
}

/// The route of a frame to a node.
enum SendRoute {
    Session(Arc<SessionHandle>),
    Pending,
}

impl Inner {
    /// Sends a message. If it went to a process of this node, `body` is empty afterwards.
    pub(crate) fn send(&self, outbound: OutboundMessage<'_>, body: &mut Bytes) -> Result<(), Unsent> {
        self.try_send(outbound, body).inspect_err(|unsent| unsent.count(&self.counters))
    }

    fn try_send(&self, outbound: OutboundMessage<'_>, body: &mut Bytes) -> Result<(), Unsent> {
        if !self.is_alive() {
            return Err(Unsent::Final(NotAlive.into()));
        }
        let max = self.limits.max_message;
        if body.len() > max {
            return Err(Unsent::Final(SendErrorKind::TooLarge { len: body.len(), max }));
        }
        let is_here = *outbound.to.node() == self.id.name;
        if is_here && !matches!(Receiver::of(outbound.to), Receiver::Alias(..)) {
            if let Some(waker) = self.push_here(outbound, body)? {
                unwind::wake(waker);
            }
            return Ok(());
        }
        let mut after_gate = AfterGate::default();
        let pushed = match outbound.gate {
            Some(gate) => gate.pass(|| self.push(outbound, body, &mut after_gate)).unwrap_or(Err(NOT_ALIVE)),
            None => self.push(outbound, body, &mut after_gate),
        };
        after_gate.run(self);
        pushed
    }

    /// Puts a message into the mailbox of a process of this node. Returns the waker of the
    /// receiver.
    ///
    /// The lock of the directory replaces the sender's gate, which saves two atomic operations a
    /// message: an exit closes the gate, then removes the process under the lock of the directory,
    /// and is reported afterwards.
    fn push_here(&self, outbound: OutboundMessage<'_>, body: &mut Bytes) -> Result<Option<Waker>, Unsent> {
        let directory = self.directory.read();
        if outbound.gate.is_some_and(Gate::is_closed) {
            return Err(NOT_ALIVE);
        }
        let message = self.message(outbound, body);
        Ok(self.deliver_in(&directory, Receiver::of(outbound.to), [message]))
    }

    fn message(&self, outbound: OutboundMessage<'_>, body: &mut Bytes) -> Message {
        let mut message = Message::new(outbound.from.cloned(), std::mem::take(body));
        message.reply_to = outbound.reply_to.map(|id| self.alias(id));
        message
    }

    /// Puts a message into the queue of a session, or through an alias of this node.
    fn push(
        &self,
        outbound: OutboundMessage<'_>,
        body: &mut Bytes,
        after_gate: &mut AfterGate,
    ) -> Result<(), Unsent> {
        match Receiver::of(outbound.to) {
            Receiver::Alias(incarnation, serial, token) if *outbound.to.node() == self.id.name => {
                let message = self.message(outbound, body);
                let alias = (MonitorId(serial), token);
                after_gate.waker =
                    self.deliver_through(incarnation, alias, message, after_gate.after_unlock());
                Ok(())
            }
            _ => self.push_remote(outbound, body, after_gate),
        }
    }

    fn push_remote(
        &self,
        outbound: OutboundMessage<'_>,
        body: &[u8],
        after_gate: &mut AfterGate,
    ) -> Result<(), Unsent> {
        let OutboundMessage { from, sender, to, reply_to, options, .. } = outbound;
        let reply_to = reply_to.map(|id| (id.0, self.alias_key.token(id)));
        let frame = MessageFrame { to: Receiver::of(to), from: from.map(Pid::serial), reply_to, body };
        let order = order_of(sender);
        loop {
            let handle = match self.send_route(to.node(), order, frame, options, after_gate)? {
                SendRoute::Pending => return Ok(()),
                SendRoute::Session(handle) => handle,
            };
            if !handle.supports(options) {
                return Err(Unsent::Final(SendErrorKind::NoChannel));
            }
            let meta = FrameMeta::message(order).on(options.channel);
            match handle.outbox.push(meta, &mut |out| frame.write(out)) {
                Ok(()) => {
                    let is_first = handle.flush_policy(options.channel).record_push();
                    if body.len() >= LONG {
                        after_gate.flush = Some((handle, options.channel, Flush::Now));
                    } else if is_first {
                        after_gate.flush = Some((handle, options.channel, Flush::Soon));
                    }
                    return Ok(());
                }
                // The session has ended, but the core handles its end only after the frames that
                // arrived on it. So the message goes to the next session.
                Err(PushError::Closed) => self.record_closing(&handle, after_gate),
                Err(PushError::Full) => return Err(Unsent::SessionFull(handle)),
                // The maximum of the peer is lower than that of this node.
                Err(PushError::TooLarge) => {
                    let max = handle.peer.max_frame.saturating_sub(MAX_OVERHEAD);
                    return Err(Unsent::Final(SendErrorKind::TooLarge { len: body.len(), max }));
                }
                Err(_) => return Err(Unsent::Final(SendErrorKind::NotConnected(EndKind::Closed.into()))),
            }
        }
    }

    /// Records that the session takes no more frames, so that later calls wait for the next
    /// session.
    fn record_closing(&self, handle: &Arc<SessionHandle>, after_gate: &mut AfterGate) {
        let _ = self.enter_then(after_gate.after_unlock(), |state, _| {
            self.routes.close(handle);
            state.core.session_closing(handle.peer.session);
        });
    }

    /// Like [`Inner::send`], but waits while the queue is full. Until it is ready it has sent
    /// nothing.
    pub(crate) fn poll_send(
        &self,
        outbound: OutboundMessage<'_>,
        body: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendErrorKind>> {
        let mut registered = false;
        loop {
            match self.try_send(outbound, body) {
                Ok(()) => return Poll::Ready(Ok(())),
                Err(unsent @ Unsent::Final(_)) => {
                    unsent.count(&self.counters);
                    return Poll::Ready(unsent.final_kind().map_or(Ok(()), Err));
                }
                Err(Unsent::PendingFull) if registered => return Poll::Pending,
                // Another attempt sees capacity that was freed before the waker was in place.
                Err(Unsent::PendingFull) => self.send_waiters.register(cx),
                Err(Unsent::SessionFull(handle)) => {
                    if handle.outbox.poll_ready(outbound.options.channel, cx).is_pending() {
                        return Poll::Pending;
                    }
                    if registered {
                        // Another sender has taken the capacity: let other tasks run first.
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                }
            }
            registered = true;
        }
    }

    /// Returns the route of a frame to a node. If a connection must be made first, stores the frame
    /// in `pending_sends`.
    fn send_route(
        &self,
        node: &NodeName,
        order: u64,
        frame: MessageFrame<'_>,
        options: SendOptions,
        after_gate: &mut AfterGate,
    ) -> Result<SendRoute, Unsent> {
        if let Some(handle) = self.routes.find(node) {
            return Ok(SendRoute::Session(handle));
        }
        let not_connected = |end| Unsent::Final(SendErrorKind::NotConnected(end));
        self.enter_then(after_gate.after_unlock(), |state, out| {
            if !self.is_alive() {
                return Err(Unsent::Final(NotAlive.into()));
            }
            let has_capacity = state.pending_sends.has_capacity(frame.body.len());
            // A message that cannot wait for a connection must not request one.
            let connect = if has_capacity { self.connect_if_able(Connect::OnDemand) } else { Connect::Never };
            let ticket = state.pending_sends.ticket();
            match state.core.route(node, ticket, connect, out) {
                Route::Now(session) => {
                    let handle = state.sessions.get(&session).ok_or(not_connected(EndKind::Closed.into()))?;
                    // The route opens only after every pending frame was pushed, because those go
                    // first. `out` is empty if this input leaves no such frame.
                    if out.is_empty() {
                        self.routes.open(handle);
                    }
                    Ok(SendRoute::Session(handle.clone()))
                }
                Route::Later if has_capacity => {
                    let mut bytes = Vec::new();
                    frame.write(&mut bytes);
                    state.pending_sends.keep(ticket, PendingSend { order, options, frame: bytes });
                    Ok(SendRoute::Pending)
                }
                // The ticket stays without a message, so the core's `Forward` for it has no effect.
                Route::Later => Err(Unsent::PendingFull),
                Route::No(_) if !has_capacity && self.capabilities.connect => Err(Unsent::PendingFull),
                Route::No(end) if end.kind == EndKind::Quota => Err(Unsent::PendingFull),
                Route::No(end) => Err(not_connected(end)),
            }
        })
        .unwrap_or_else(|error| Err(Unsent::Final(error.into())))
    }

    /// Returns `connect`, or [`Connect::Never`] if the peer service makes its connections by
    /// itself.
    pub(crate) const fn connect_if_able(&self, connect: Connect) -> Connect {
        if self.capabilities.connect { connect } else { Connect::Never }
    }

    /// Delivers messages that arrived from a peer, all for one receiver. Empties `messages`; the
    /// caller runs `after`.
    pub(crate) fn deliver_all(&self, to: Receiver<'_>, messages: &mut Vec<Message>, after: &mut AfterUnlock) {
        let Receiver::Alias(incarnation, serial, token) = to else {
            return after.wakers.extend(self.deliver_to_process(to, messages.drain(..)));
        };
        // Each message may be the last one that the alias accepts.
        for message in messages.drain(..) {
            let waker = self.deliver_through(incarnation, (MonitorId(serial), token), message, after);
            after.wakers.extend(waker);
        }
    }

    /// Delivers the messages in one step, with one lookup of the receiver.
    fn deliver_to_process<M>(&self, to: Receiver<'_>, messages: M) -> Option<Waker>
    where
        M: IntoIterator<Item = Message, IntoIter: ExactSizeIterator>,
    {
        self.deliver_in(&self.directory.read(), to, messages)
    }

    fn deliver_in<M>(&self, directory: &Directory, to: Receiver<'_>, messages: M) -> Option<Waker>
    where
        M: IntoIterator<Item = Message, IntoIter: ExactSizeIterator>,
    {
        let messages = messages.into_iter();
        let Some(process) = self.receiver(to, directory) else {
            self.counters.messages_for_nobody.add(messages.len());
            return None;
        };
        self.enqueue(messages, process)
    }

    /// Delivers a message through an alias, if the token is valid. Runs under the state's lock, so
    /// that no message is added once a demonitor or an `unalias` has returned.
    fn deliver_through(
        &self,
        incarnation: Incarnation,
        (alias, token): (MonitorId, Option<AliasToken>),
        message: Message,
        after: &mut AfterUnlock,
    ) -> Option<Waker> {
        // Checked first, so that a guessed token acquires no lock.
        let is_valid = incarnation == self.id.incarnation && token == Some(self.alias_key.token(alias));
        let waker = is_valid.then(|| {
            self.enter_then(after, |state, out| {
                let delivery = state.aliases.receive(alias)?;
                if delivery.ends_monitor {
                    state.core.demonitor(delivery.owner, alias, true, out);
                }
                if let Some(call) = delivery.call {
                    return Some(call.reply(message));
                }
                let process = self.directory.read().process(delivery.owner).cloned()?;
                Some(self.enqueue([message], &process))
            })
        });
        waker.and_then(Result::ok).flatten().unwrap_or_else(|| {
            self.counters.messages_for_no_alias.add_one();
            None
        })
    }

    fn enqueue(&self, messages: impl IntoIterator<Item = Message>, process: &LiveProcess) -> Option<Waker> {
        process.queue.push_messages(messages, |pushed| match pushed {
            Pushed::Kept => {}
            Pushed::Full => self.counters.messages_missed.add_one(),
            Pushed::Closed => self.counters.messages_for_nobody.add_one(),
        })
    }

    fn receiver<'a>(&self, to: Receiver<'_>, directory: &'a Directory) -> Option<&'a Arc<LiveProcess>> {
        let pid = match to {
            Receiver::Pid(incarnation, serial) if incarnation == self.id.incarnation => LocalPid(serial),
            Receiver::Name(name) => directory.names.whereis(&name.parse().ok()?)?,
            Receiver::Pid(..) | Receiver::Alias(..) => return None,
        };
        directory.process(pid)
    }

    /// Returns the pid of a process of this node.
    pub(crate) fn pid(&self, serial: Serial) -> Pid {
        Pid::new(self.id.clone(), serial)
    }

    /// Returns the number of a process, live or exited, of this incarnation of the node.
    pub(crate) fn local(&self, pid: &Pid) -> Option<LocalPid> {
        pid.is_local(&self.id).then(|| LocalPid(pid.serial()))
    }
}
