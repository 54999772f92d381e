//! The mailbox of a process, and the calls that a process makes.

use std::{
    fmt,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use monitor_core::{Connect, Demonitored, LocalPid, MonitorOptions, NodesOptions};
use refs::{MonitorRef, NodeName, NodeSpec, Pid, RegName, Target};

use crate::{
    dest::Dest,
    engine::{directory::LiveProcess, messaging::OutboundMessage, state::Inner},
    error::{MonitorError, NotAlive, RegisterError, SendError, TryRecvError},
    event::{Event, NodeInfo},
    inbox::{
        prefetch::Prefetch,
        queue::{Item, Queue},
    },
    node::Node,
    send_options::SendOptions,
};

/// How to end a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demonitor {
    /// Whether to remove an unread `Down` of the monitor from the mailbox. O(1).
    pub flush: bool,
    /// Whether to report if the monitor was active.
    pub info: bool,
}

impl Demonitor {
    /// Without flush and info.
    pub const fn new() -> Self {
        Demonitor { flush: false, info: false }
    }

    /// Also remove its notice from the mailbox.
    #[must_use]
    pub const fn flush(mut self) -> Self {
        self.flush = true;
        self
    }

    /// Whether to report if the monitor was active.
    #[must_use]
    pub const fn info(mut self) -> Self {
        self.info = true;
        self
    }
}

/// The mailbox of one process: it holds the events of the process in order, and has the calls in
/// Erlang's style, whose notices arrive here.
///
/// Events are received in the order in which they arrived. The messages of one sender arrive in the
/// order in which it sent them, and before the `Down` that reports its exit.
///
/// A mailbox may outlive its process. From the exit on its calls return [`NotAlive`], and no
/// message that it sends is delivered, on any channel and from any thread: no watcher receives a
/// message of the process after its `Down`. Unread messages and node events can still be received.
/// Unread `Down`s are discarded with the monitors of the process, except for up to 127 that were
/// fetched together with the last one received.
pub struct Mailbox {
    node: Node,
    pid: Pid,
    process: Arc<LiveProcess>,
    prefetch: Prefetch,
}

impl Mailbox {
    pub(crate) fn new(node: Node, pid: LocalPid, process: Arc<LiveProcess>) -> Self {
        Mailbox { pid: node.inner.pid(pid.0), node, process, prefetch: Prefetch::default() }
    }

    /// The pid of the process.
    #[doc(alias = "self")]
    pub const fn pid(&self) -> &Pid {
        &self.pid
    }

    /// The node of the process.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    // ----- receiving

    /// Waits for the next event. Returns `None` once the process was killed or the node was
    /// stopped, and no unread event is left.
    ///
    /// Cancel-safe: an event leaves the mailbox only when the future returns it. If the future is
    /// dropped before, such as in a branch of a `select`, no event is lost.
    #[doc(alias = "receive")]
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Returns the next event without waiting.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if the mailbox is empty; [`TryRecvError::Closed`] when
    /// [`Mailbox::recv`] would return `None`.
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        match self.next(Queue::try_pop) {
            Poll::Ready(event) => event.ok_or(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// [`Mailbox::recv`] for futures and streams that are written by hand. If it is pending, the
    /// next event wakes the task of `cx`, which replaces the task of an earlier call.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.next(|queue| queue.poll_pop(cx))
    }

    /// The next event: a prefetched `Down`, or the next entry from `pop` that was not flushed.
    /// After the exit of the process only prefetched `Down`s are left: its monitors have ended.
    fn next(&mut self, mut pop: impl FnMut(&Queue) -> Poll<Option<Item>>) -> Poll<Option<Event>> {
        loop {
            if let Some(down) = self.prefetch.pop() {
                return Poll::Ready(Some(Event::Down(down)));
            }
            match ready!(pop(&self.process.queue)) {
                Some(Item::Event(event)) => return Poll::Ready(Some(event)),
                Some(Item::Down(id)) => {
                    let receiver = self.local();
                    let down =
                        self.node.inner.take_run(&mut self.prefetch, receiver, id, &self.process.queue);
                    if let Some(down) = down.filter(|_| !self.process.gate.is_closed()) {
                        return Poll::Ready(Some(Event::Down(down)));
                    }
                }
                Some(Item::Gap(options, gap)) => {
                    let queue = &self.process.queue;
                    if let Some(missed) = self.node.inner.end_gap(self.local(), queue, options, gap) {
                        return Poll::Ready(Some(Event::NodesMissed(missed)));
                    }
                }
                None => return Poll::Ready(None),
            }
        }
    }

    // ----- monitors

    /// Monitors a process; its end arrives here as [`Event::Down`]. Connects on demand, never
    /// waits. A process may monitor itself; such a monitor never fires. O(1).
    ///
    /// The monitor arrives at the target's node before any later message of this process on the
    /// same channel.
    ///
    /// # Errors
    /// As [`Node::monitor`].
    pub fn monitor(&self, target: impl Into<Target>) -> Result<MonitorRef, MonitorError> {
        self.monitor_with(target, MonitorOptions::new())
    }

    /// [`Mailbox::monitor`] with options.
    ///
    /// # Errors
    /// As [`Node::monitor`].
    pub fn monitor_with(
        &self,
        target: impl Into<Target>,
        options: MonitorOptions,
    ) -> Result<MonitorRef, MonitorError> {
        let id = self.inner().monitor(self.local(), &target.into(), options, None)?;
        Ok(if options.alias.is_some() { self.inner().alias(id) } else { self.inner().reference(id) })
    }

    /// Ends a monitor: [`Mailbox::demonitor_with`] without flush and info. Returns true.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor(&self, monitor: &MonitorRef) -> Result<bool, MonitorError> {
        self.demonitor_with(monitor, Demonitor::new())
    }

    /// Ends a monitor. The local node decides it: without a round trip, and without a connection
    /// (Partisan waits up to three seconds for an answer).
    ///
    /// After the call no `Down` of the monitor is added to the mailbox. An unread one stays, unless
    /// `flush` is set. With `info`, true means that the monitor was active and no `Down` was or
    /// will be delivered; false means that it had fired, or is no monitor of this process. Without
    /// `info` the result is always true. O(1), however long the mailbox is; amortized with `flush`.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_with(&self, monitor: &MonitorRef, options: Demonitor) -> Result<bool, MonitorError> {
        let found = self.inner().enter_as(self.local(), |state, out| {
            let Some(id) = self.inner().monitor_id(monitor) else { return Demonitored::Unknown };
            state.aliases.demonitored(self.local(), id);
            let found = state.core.demonitor(self.local(), id, options.flush, out);
            if options.flush && found == Demonitored::Fired {
                self.process.queue.flushed(|id| state.core.is_fired(id));
            }
            if options.flush && found == Demonitored::Unknown {
                self.prefetch.flush(id);
            }
            found
        })?;
        Ok(!options.info || found == Demonitored::Active)
    }

    /// Ends the alias of a monitor's reference; the monitor stays. Returns true if the reference
    /// was an alias of this process.
    ///
    /// Once this has returned, no message through the alias is added to the mailbox; unread
    /// messages stay. Source: `erlang:unalias/1`.
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "alias")]
    pub fn unalias(&self, monitor: &MonitorRef) -> Result<bool, NotAlive> {
        self.inner().enter_as(self.local(), |state, _| {
            let id = self.inner().monitor_id(monitor);
            id.is_some_and(|id| state.aliases.unalias(self.local(), id))
        })
    }

    /// The monitors of this process that were not ended and whose `Down` was not received, oldest
    /// first, with their targets as passed in. O(n) for n monitors; it holds the node's lock
    /// meanwhile.
    #[doc(alias = "process_info")]
    pub fn monitors(&self) -> Vec<(MonitorRef, Target)> {
        let inner = self.inner();
        let mut monitors = Vec::new();
        if self.process.gate.is_closed() {
            return monitors;
        }
        self.prefetch.each(|down| monitors.push((down.monitor.clone(), down.target.clone())));
        inner.look(|state| {
            let others = state.core.monitors_of(self.local());
            monitors.extend(others.map(|(id, target)| (inner.reference(id), target)));
        });
        monitors
    }

    // ----- nodes

    /// Delivers one [`Event::NodeDown`] to this process when the node goes down: when the current
    /// session with it ends, or the session that this call makes, or when no session can be made.
    /// Connects on demand.
    ///
    /// Several calls in one session still cause one notice. It comes after every `Down` of that
    /// session for this process (Erlang counts the calls, and promises no order). A call for the
    /// local node succeeds, and its notice never comes.
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks
    /// `node_events`.
    pub fn monitor_node(&self, node: impl Into<NodeSpec>) -> Result<(), MonitorError> {
        self.monitor_node_with(node, Connect::OnDemand)
    }

    /// [`Mailbox::monitor_node`] with a choice for a node that is not connected. With
    /// [`Connect::Never`] the notice is delivered at once, one for each call.
    ///
    /// # Errors
    /// As [`Mailbox::monitor_node`].
    pub fn monitor_node_with(&self, node: impl Into<NodeSpec>, connect: Connect) -> Result<(), MonitorError> {
        let spec = node.into();
        let inner = self.inner();
        inner.needs(inner.capabilities.node_events || inner.is_own(spec.name()), "node_events")?;
        let connect = inner.connect_if_able(connect);
        Ok(inner.enter_as(self.local(), |state, out| {
            inner.remember(&spec, state);
            state.core.monitor_node(self.local(), spec.name(), connect, out);
        })?)
    }

    /// Ends a [`Mailbox::monitor_node`]. Never connects. An unread notice stays in the mailbox.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_node(&self, node: &NodeName) -> Result<(), MonitorError> {
        Ok(self.inner().enter_as(self.local(), |state, _| state.core.demonitor_node(self.local(), node))?)
    }

    /// Delivers an [`Event::NodeUp`] or [`Event::NodeDown`] to this process for every node that
    /// comes up or goes down, and returns the nodes that are up now. The events begin exactly where
    /// that list ends.
    ///
    /// The events of one node alternate strictly. An up comes before every message of its session,
    /// and the node is already in [`Node::nodes`]; a down comes after every message and every
    /// `Down` of its session, and the node has left [`Node::nodes`]. Two calls with equal options
    /// make one subscription (Erlang counts); calls with different options make several, and each
    /// has its own events.
    ///
    /// The number of unread events is limited: see [`Event::NodesMissed`].
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks
    /// `node_events`.
    pub fn monitor_nodes(&self, options: NodesOptions) -> Result<Vec<NodeInfo>, MonitorError> {
        self.inner().needs(self.inner().capabilities.node_events, "node_events")?;
        let up = self
            .inner()
            .enter_as(self.local(), |state, _| state.core.monitor_nodes(self.local(), options))?;
        Ok(up.iter().map(|event| NodeInfo::of(event)).collect())
    }

    /// Ends the [`Mailbox::monitor_nodes`] with exactly these options. Once it has returned, no
    /// event of that subscription is added to the mailbox; unread ones stay.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_nodes(&self, options: NodesOptions) -> Result<(), MonitorError> {
        Ok(self.inner().enter_as(self.local(), |state, _| {
            state.core.demonitor_nodes(self.local(), options);
            self.process.queue.unsubscribed(options);
        })?)
    }

    // ----- names and messages

    /// Registers this process under a name. See [`Node::register`].
    ///
    /// # Errors
    /// As [`Node::register`].
    pub fn register(&self, name: RegName) -> Result<(), RegisterError> {
        self.node.register(name, &self.pid).map_err(|error| match error {
            // The process that has exited is this one.
            RegisterError::NoProc => NotAlive.into(),
            error => error,
        })
    }

    /// Sends a message to a pid, to the holder of a name, or through an alias. Never waits (Erlang
    /// suspends a sender when the send buffer is full). Connects on demand. Messages and monitors
    /// of this process arrive in the order of its calls.
    ///
    /// Messages from one process to another arrive in the order in which they were sent. If the
    /// session ends, the messages that arrived on it are a prefix of those sent. A message to a
    /// node whose session has just ended goes to the next session. The sender is not notified if
    /// the receiver has exited or its mailbox is full; monitor the receiver. O(n) for n bytes.
    ///
    /// # Errors
    /// [`SendError::Full`] if the queue to that node is full; [`SendError::TooLarge`];
    /// [`SendError::NotConnected`] if the node is not connected and the peer service cannot dial;
    /// [`NotAlive`].
    #[doc(alias = "nosuspend")]
    #[doc(alias = "forward_message")]
    #[doc(alias = "cast_message")]
    pub fn send(&self, to: impl Into<Dest>, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.send_with(to, body, SendOptions::new())
    }

    /// [`Mailbox::send`] with options. Messages keep their order on each channel; a `Down` of this
    /// process comes after its messages on all channels.
    ///
    /// # Errors
    /// As [`Mailbox::send`], and [`SendError::NoChannel`] if the session has no such channel. If
    /// there is no session yet and the next one lacks the channel, the message is dropped and
    /// counted (`messages_undeliverable`).
    pub fn send_with(
        &self,
        to: impl Into<Dest>,
        body: impl Into<Vec<u8>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        Ok(self.inner().send(self.outbound(&to.into(), options), &mut body.into())?)
    }

    /// [`Mailbox::send`] that waits for room instead of returning [`SendError::Full`]. Cancel-safe:
    /// if the future is dropped before it is ready, the message is not sent.
    ///
    /// # Errors
    /// As [`Mailbox::send`], without `Full`.
    pub async fn send_async(&self, to: impl Into<Dest>, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.send_async_with(to, body, SendOptions::new()).await
    }

    /// [`Mailbox::send_async`] with options. It waits for room on that channel alone. Cancel-safe
    /// like [`Mailbox::send_async`].
    ///
    /// # Errors
    /// As [`Mailbox::send_with`], without `Full`.
    pub async fn send_async_with(
        &self,
        to: impl Into<Dest>,
        body: impl Into<Vec<u8>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        let (to, mut body) = (to.into(), body.into());
        self.inner().send_async(self.outbound(&to, options), &mut body).await
    }

    pub(crate) fn outbound<'a>(&'a self, to: &'a Dest, options: SendOptions) -> OutboundMessage<'a> {
        let gate = Some(&self.process.gate);
        OutboundMessage { from: Some(&self.pid), speaker: self.local(), to, reply_to: None, options, gate }
    }

    fn inner(&self) -> &Inner {
        &self.node.inner
    }

    pub(crate) const fn local(&self) -> LocalPid {
        LocalPid(self.pid.serial())
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        if self.prefetch.clear() {
            self.inner().forget_prefetch(self.local());
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mailbox of {:?}", self.pid)
    }
}
