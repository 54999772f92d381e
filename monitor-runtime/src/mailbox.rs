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
        queue::{Queue, QueueItem},
    },
    node::Node,
    send_options::SendOptions,
};

/// How to end a monitor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Demonitor {
    /// Also remove its notice from the mailbox, if it is there. O(1).
    pub flush: bool,
    /// Tell whether the monitor was active.
    pub info: bool,
}

impl Demonitor {
    /// Neither flush nor info.
    pub const fn new() -> Self {
        Demonitor { flush: false, info: false }
    }

    /// Also remove its notice from the mailbox.
    #[must_use]
    pub const fn flush(mut self) -> Self {
        self.flush = true;
        self
    }

    /// Tell whether the monitor was active.
    #[must_use]
    pub const fn info(mut self) -> Self {
        self.info = true;
        self
    }
}

/// The mailbox of one process: what it receives, in order, and the calls it makes in Erlang's
/// style, whose notices arrive here.
///
/// Messages and notices come out in the order in which they went in. Of one sender that is the
/// order in which it sent; its messages come before the `Down` that tells of its exit.
///
/// A mailbox may outlive its process. From the exit on its calls give [`NotAlive`], and nothing
/// that it sends arrives, on any channel and from any thread: the `Down` of the process is the last
/// that anybody receives of it. Messages and node events that wait can still be received; `Down`s
/// that wait have ended with the monitors of the process, but for up to 127 that were taken along
/// with the last one that it received.
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

    /// The process.
    #[doc(alias = "self")]
    pub const fn pid(&self) -> &Pid {
        &self.pid
    }

    /// Its node.
    pub const fn node(&self) -> &Node {
        &self.node
    }

    // ----- receiving

    /// The next event; waits for it. `None` once the process was killed or the node was stopped,
    /// and everything that waited was received.
    ///
    /// Cancel-safe: an event leaves the mailbox only with the future's readiness. Dropped before,
    /// as the branch of a `select` that was not taken, it has taken nothing.
    #[doc(alias = "receive")]
    pub async fn recv(&mut self) -> Option<Event> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// The next event, if one waits.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] if none waits now; [`TryRecvError::Closed`] where [`Mailbox::recv`]
    /// gives `None`.
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        match self.next(Queue::try_pop) {
            Poll::Ready(event) => event.ok_or(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// [`Mailbox::recv`] for futures and streams that are written by hand: ready where that would
    /// be. If it is pending, the task of `cx` is woken for the next event, and that of an earlier
    /// call no more.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.next(|queue| queue.poll_pop(cx))
    }

    /// The next event: what was taken already, or what `pop` finds and was not flushed. `Down`s of
    /// a process that has exited ended with its monitors, unless they were taken before.
    fn next(&mut self, mut pop: impl FnMut(&Queue) -> Poll<Option<QueueItem>>) -> Poll<Option<Event>> {
        loop {
            if let Some(down) = self.prefetch.pop() {
                return Poll::Ready(Some(Event::Down(down)));
            }
            match ready!(pop(&self.process.queue)) {
                Some(QueueItem::Event(event)) => return Poll::Ready(Some(event)),
                Some(QueueItem::Down(id)) => {
                    let receiver = self.local();
                    let down =
                        self.node.inner.take_run(&mut self.prefetch, receiver, id, &self.process.queue);
                    if let Some(down) = down.filter(|_| !self.process.gate.is_closed()) {
                        return Poll::Ready(Some(Event::Down(down)));
                    }
                }
                Some(QueueItem::Gap(options, gap)) => {
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
    /// waits. To monitor oneself is allowed, and never fires. O(1).
    ///
    /// It arrives at the target's node before whatever this process sends there afterwards on the
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

    /// Ends a monitor: [`Mailbox::demonitor_with`] without flush and info. Always true.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor(&self, monitor: &MonitorRef) -> Result<bool, MonitorError> {
        self.demonitor_with(monitor, Demonitor::new())
    }

    /// Ends a monitor. Decided here: no round trip, no connection (the original waits up to three
    /// seconds for its answer).
    ///
    /// After it no `Down` of the monitor is added to the mailbox. One that is there stays, unless
    /// `flush` is asked for. With `info` the result tells: true, it was active, and no `Down` was
    /// or will be delivered; false, it had fired, or it is no monitor of this process. Without
    /// `info` it is always true. O(1), however much is in the mailbox; with `flush` on the average
    /// of many calls.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_with(&self, monitor: &MonitorRef, options: Demonitor) -> Result<bool, MonitorError> {
        let found = self.inner().enter_as(self.local(), |state, out| {
            let Some(id) = self.inner().monitor_id(monitor) else { return Demonitored::Unknown };
            state.aliases.demonitored(self.local(), id);
            let found = state.core.demonitor(self.local(), id, options.flush, out);
            if options.flush && found == Demonitored::Fired {
                self.process.queue.record_flushed(|id| state.core.is_fired(id));
            }
            if options.flush && found == Demonitored::Unknown {
                self.prefetch.flush(id);
            }
            found
        })?;
        Ok(!options.info || found == Demonitored::Active)
    }

    /// Makes a monitor's reference an alias no more; the monitor stays. True if it was one of this
    /// process.
    ///
    /// Once it has returned, no message through it is added to the mailbox; what is there stays.
    /// Source: `erlang:unalias/1`.
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

    /// The monitors of this process that were neither ended nor received, oldest first, and their
    /// targets as they were passed in. Takes time in proportion to their number, during which the
    /// node does nothing else.
    #[doc(alias = "process_info")]
    pub fn monitors(&self) -> Vec<(MonitorRef, Target)> {
        let inner = self.inner();
        let mut monitors = Vec::new();
        if self.process.gate.is_closed() {
            return monitors;
        }
        self.prefetch.for_each(|down| monitors.push((down.monitor.clone(), down.target.clone())));
        inner.read_state(|state| {
            let others = state.core.monitors_of(self.local());
            monitors.extend(others.map(|(id, target)| (inner.reference(id), target)));
        });
        monitors
    }

    // ----- nodes

    /// Tells this process once, as [`Event::NodeDown`], when the node goes down: when the present
    /// session with it ends, or the one that is made for this call, or when none can be made.
    /// Connects on demand.
    ///
    /// However many calls, one notice a session; it comes after every `Down` of that session for
    /// this process (Erlang counts the calls, and promises no order). For the own node it is
    /// accepted, and never comes.
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks
    /// `node_events`.
    pub fn monitor_node(&self, node: impl Into<NodeSpec>) -> Result<(), MonitorError> {
        self.monitor_node_with(node, Connect::OnDemand)
    }

    /// [`Mailbox::monitor_node`], and what to do if the node is not connected. With
    /// [`Connect::Never`] that is told at once: one notice a call.
    ///
    /// # Errors
    /// As [`Mailbox::monitor_node`].
    pub fn monitor_node_with(&self, node: impl Into<NodeSpec>, connect: Connect) -> Result<(), MonitorError> {
        let spec = node.into();
        let inner = self.inner();
        inner.require(inner.capabilities.node_events || inner.is_local(spec.name()), "node_events")?;
        let connect = inner.connect_if_able(connect);
        Ok(inner.enter_as(self.local(), |state, out| {
            inner.store_addresses(&spec, state);
            state.core.monitor_node(self.local(), spec.name(), connect, out);
        })?)
    }

    /// Takes [`Mailbox::monitor_node`] back. Never connects. A notice that is in the mailbox
    /// already stays.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_node(&self, node: &NodeName) -> Result<(), MonitorError> {
        Ok(self.inner().enter_as(self.local(), |state, _| state.core.demonitor_node(self.local(), node))?)
    }

    /// Tells this process of every node that comes up and goes down, as [`Event::NodeUp`] and
    /// [`Event::NodeDown`]; returns the nodes that are up now. What is told begins exactly where
    /// that list ends.
    ///
    /// Per node they alternate strictly. An up comes before every message of its session, and the
    /// node is already in [`Node::nodes`]; a down comes after every message and every `Down` of its
    /// session, and the node has left [`Node::nodes`]. Equal options twice are one subscription
    /// (Erlang counts); different options are different ones, and each is told.
    ///
    /// If this process does not receive them, only so many wait: see [`Event::NodesMissed`].
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks
    /// `node_events`.
    pub fn monitor_nodes(&self, options: NodesOptions) -> Result<Vec<NodeInfo>, MonitorError> {
        self.inner().require(self.inner().capabilities.node_events, "node_events")?;
        let up = self
            .inner()
            .enter_as(self.local(), |state, _| state.core.monitor_nodes(self.local(), options))?;
        Ok(up.iter().map(|event| NodeInfo::of(event)).collect())
    }

    /// Takes back the [`Mailbox::monitor_nodes`] with exactly these options. Once it has returned,
    /// nothing of it is added to the mailbox; what is there stays.
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

    /// Gives a name to this process. See [`Node::register`].
    ///
    /// # Errors
    /// As [`Node::register`].
    pub fn register(&self, name: RegName) -> Result<(), RegisterError> {
        self.node.register(name, &self.pid).map_err(|error| match error {
            // It is this process that is gone.
            RegisterError::NoProc => NotAlive.into(),
            error => error,
        })
    }

    /// Sends a message to a pid, to whoever holds a name, or through an alias. Never waits (Erlang
    /// suspends a sender when too much waits); connects on demand, in one order with the monitors
    /// of this process.
    ///
    /// What is sent from one process to another arrives in the order in which it was sent, until
    /// something is lost with the session: what arrived is then a prefix. A message to a node whose
    /// session has just ended goes to the next session. That the receiver is gone, or its mailbox
    /// full, is not told; monitor it. O(n) for n bytes.
    ///
    /// # Errors
    /// [`SendError::Full`] if too much waits for that node, [`SendError::TooLarge`],
    /// [`SendError::NotConnected`] if the peer service makes no connections and there is none,
    /// [`NotAlive`].
    #[doc(alias = "nosuspend")]
    #[doc(alias = "forward_message")]
    #[doc(alias = "cast_message")]
    pub fn send(&self, to: impl Into<Dest>, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.send_with(to, body, SendOptions::new())
    }

    /// [`Mailbox::send`] with options. The order of messages holds for those of one channel; a
    /// `Down` of this process comes after all of them, whatever channel they took.
    ///
    /// # Errors
    /// As [`Mailbox::send`], and [`SendError::NoChannel`] if the session has no such channel. If
    /// there is no session yet that is not known: then the message is dropped and counted
    /// (`messages_undeliverable`).
    pub fn send_with(
        &self,
        to: impl Into<Dest>,
        body: impl Into<Vec<u8>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        Ok(self.inner().send(self.outbound(&to.into(), options), &mut body.into())?)
    }

    /// [`Mailbox::send`], but waits for room instead of [`SendError::Full`]. Cancel-safe: dropped
    /// before it is ready, it has sent nothing.
    ///
    /// # Errors
    /// As [`Mailbox::send`], without `Full`.
    pub async fn send_async(&self, to: impl Into<Dest>, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.send_async_with(to, body, SendOptions::new()).await
    }

    /// [`Mailbox::send_async`] with options. It waits for room on that channel alone. Cancel-safe
    /// like it.
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
        OutboundMessage { from: Some(&self.pid), sender: self.local(), to, reply_to: None, options, gate }
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
