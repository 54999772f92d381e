//! A process, as its own code sees it: its mailbox, and the calls that it makes.

use std::{
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use futures::stream::Stream;
use monitor_core::{Connect, Demonitored, ExitReason, LocalPid, MonitorOptions, NodesOptions};
use refs::{Dest, IntoRef, MonitorRef, NodeName, NodeSpec, Pid, RegName, Target};

use crate::{
    caller::{Caller, ProcessHandle},
    engine::{directory::LiveProcess, monitors::WatcherKey, state::Inner},
    envelope::IntoEnvelope,
    error::{MonitorError, NotAlive, RegisterError, SendError, TryRecvError, TrySendError},
    event::{Event, NodeInfo},
    inbox::{
        prefetch::Prefetch,
        queue::{Queue, QueueItem},
    },
    node::Node,
    spawn,
};

/// A process, as its own code sees it: receives its events in order, sends, calls and monitors.
///
/// [`Node::spawn`] passes it to the body of a process, and the process exits when its body is done.
/// [`Node::process`] returns it, and the process exits when it is dropped: as
/// [`ExitReason::Normal`], or with the [reason](Process::set_exit_reason) that was set; on a drop
/// while its thread unwinds as [`ExitReason::Panicked`].
///
/// Events leave the mailbox in the order in which they entered it. For each sender that is the
/// order in which it sent, and its messages come before the `Down` that reports its exit.
///
/// The value may outlive its process. From the exit on, calls return [`NotAlive`], and nothing that
/// they would send arrives, on any channel and from any thread: the `Down` of the process is the
/// last event that another process receives of it. Queued messages and node events can still be
/// received. Queued `Down`s end with the monitors of the process, but for up to 127 that were taken
/// out together with the last one that it received.
#[must_use = "the process exits when this is dropped, unless its body is run by `spawn` or `run`"]
pub struct Process {
    handle: ProcessHandle,
    prefetch: Prefetch,
    /// The exit reason of a process that exits on the drop of this value; `None` if the process
    /// exits with its body.
    reason_on_drop: Option<ExitReason>,
}

impl Process {
    pub(crate) fn new(node: Node, pid: LocalPid, process: Arc<LiveProcess>) -> Self {
        let pid = node.inner.pid(pid.0);
        let handle = ProcessHandle { node, pid, process };
        Process { handle, prefetch: Prefetch::default(), reason_on_drop: None }
    }

    /// Registers a process that exits on drop.
    pub(crate) fn begin(node: &Node) -> Result<Self, NotAlive> {
        let mut process = spawn::register(node, None)?;
        process.reason_on_drop = Some(ExitReason::Normal);
        Ok(process)
    }

    /// The process no longer exits on drop. Returns whether it did.
    pub(crate) fn release(&mut self) -> bool {
        self.reason_on_drop.take().is_some()
    }

    pub(crate) const fn handle(&self) -> &ProcessHandle {
        &self.handle
    }

    /// The pid of the process.
    #[doc(alias = "self")]
    pub const fn pid(&self) -> &Pid {
        &self.handle.pid
    }

    /// The node of the process.
    pub const fn node(&self) -> &Node {
        &self.handle.node
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
    /// [`Process::recv`] would return `None`.
    pub fn try_recv(&mut self) -> Result<Event, TryRecvError> {
        match self.next(Queue::try_pop) {
            Poll::Ready(event) => event.ok_or(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// [`Process::recv`] for futures and streams that are written by hand. If it is pending, the
    /// next event wakes the task of `cx`, which replaces the task of an earlier call.
    ///
    /// The waker is called in place: for an event from another node that is on the node's own
    /// thread. A panic of a waker is caught, but a waker that blocks delays the node's heartbeats
    /// and other frames, so a waker must not block. The wakers of executors do not.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.next(|queue| queue.poll_pop(cx))
    }

    /// The next event: what was taken already, or what `pop` finds and was not flushed. `Down`s of
    /// a process that has exited ended with its monitors, unless they were taken before.
    fn next(&mut self, mut pop: impl FnMut(&Queue) -> Poll<Option<QueueItem>>) -> Poll<Option<Event>> {
        loop {
            if let Some(down) = self.prefetch.pop(&self.handle.node.inner.environment) {
                return Poll::Ready(Some(Event::Down(down)));
            }
            match ready!(pop(&self.handle.process.queue)) {
                Some(QueueItem::Event(event)) => return Poll::Ready(Some(event)),
                Some(QueueItem::Down(fired)) => {
                    let receiver = self.local();
                    let down = self.handle.node.inner.take_run(
                        &mut self.prefetch,
                        receiver,
                        fired,
                        &self.handle.process.queue,
                    );
                    if let Some(down) = down.filter(|_| !self.handle.process.gate.is_closed()) {
                        return Poll::Ready(Some(Event::Down(down)));
                    }
                }
                Some(QueueItem::Gap(options, gap)) => {
                    let queue = &self.handle.process.queue;
                    if let Some(missed) = self.handle.node.inner.end_gap(self.local(), queue, options, gap) {
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
    pub fn monitor(&self, target: impl IntoRef<Target>) -> Result<MonitorRef, MonitorError> {
        self.monitor_with(target, MonitorOptions::new())
    }

    /// [`Process::monitor`] with options.
    ///
    /// # Errors
    /// As [`Node::monitor`].
    pub fn monitor_with(
        &self,
        target: impl IntoRef<Target>,
        options: MonitorOptions,
    ) -> Result<MonitorRef, MonitorError> {
        let watcher = WatcherKey::Registered(self.local());
        let (_, id) = self.inner().monitor(watcher, &target.into_ref()?, options, None)?;
        Ok(if options.alias.is_some() { self.inner().alias(id) } else { self.inner().reference(id) })
    }

    /// Ends a monitor. Decided on this node: no round trip, no connection (the original waits for
    /// up to three seconds). O(1).
    ///
    /// After it has returned, no `Down` of the monitor is added to the mailbox. A `Down` that is
    /// already in the mailbox stays: see [`Process::demonitor_flush`]. The result tells whether the
    /// monitor was active, had fired, or is no monitor of this process (any more).
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor(&self, monitor: &MonitorRef) -> Result<Demonitored, NotAlive> {
        self.end_monitor(monitor, false)
    }

    /// [`Process::demonitor`] that also removes the `Down` of the monitor from the mailbox if it is
    /// there. O(1) on the average of many calls, however much is in the mailbox. Source: the option
    /// `flush` of `erlang:demonitor/2`.
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "flush")]
    pub fn demonitor_flush(&self, monitor: &MonitorRef) -> Result<Demonitored, NotAlive> {
        self.end_monitor(monitor, true)
    }

    fn end_monitor(&self, monitor: &MonitorRef, flush: bool) -> Result<Demonitored, NotAlive> {
        self.inner().enter_as(self.local(), |state, out| {
            let Some(id) = self.inner().monitor_id(monitor) else { return Demonitored::Unknown };
            state.aliases.demonitored(self.local(), id);
            let found = state.core.demonitor(self.local(), id, flush, out);
            match found {
                Demonitored::Fired if flush => {
                    self.handle.process.queue.record_flushed(|id| state.core.is_fired(id));
                }
                Demonitored::Unknown if self.prefetch.has(id) => {
                    if flush {
                        self.prefetch.flush(id);
                    }
                    return Demonitored::Fired;
                }
                Demonitored::Active | Demonitored::Fired | Demonitored::Unknown => {}
            }
            found
        })
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
        if self.handle.process.gate.is_closed() {
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

    /// Delivers one [`Event::NodeDown`] to this process when the node goes down: when the current
    /// session with it ends, or the session that this call makes, or when no session can be made.
    /// Connects on demand.
    ///
    /// Several calls in one session still cause one notice. It comes after every `Down` of that
    /// session for this process (Erlang counts the calls, and promises no order). A call for the
    /// local node succeeds, and its notice never comes.
    ///
    /// # Errors
    /// [`NotAlive`]; [`Unsupported`](crate::Unsupported) if the peer service lacks
    /// `node_events`.
    pub fn monitor_node(&self, node: impl IntoRef<NodeSpec>) -> Result<(), MonitorError> {
        self.monitor_node_with(node, Connect::OnDemand)
    }

    /// [`Process::monitor_node`] with a choice for a node that is not connected. With
    /// [`Connect::Never`] the notice is delivered at once, one for each call.
    ///
    /// # Errors
    /// As [`Process::monitor_node`].
    pub fn monitor_node_with(
        &self,
        node: impl IntoRef<NodeSpec>,
        connect: Connect,
    ) -> Result<(), MonitorError> {
        let spec = node.into_ref()?;
        let inner = self.inner();
        inner.require(inner.capabilities.node_events || inner.is_local(spec.name()), "node_events")?;
        let connect = inner.connect_if_able(connect);
        Ok(inner.enter_as(self.local(), |state, out| {
            inner.store_addresses(&spec, state);
            state.core.monitor_node(self.local(), spec.name(), connect, out);
        })?)
    }

    /// Ends a [`Process::monitor_node`]. Never connects. An unread notice stays in the mailbox.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_node(&self, node: impl IntoRef<NodeName>) -> Result<(), MonitorError> {
        let node = node.into_ref()?;
        Ok(self.inner().enter_as(self.local(), |state, _| state.core.demonitor_node(self.local(), &node))?)
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
    /// [`NotAlive`]; [`Unsupported`](crate::Unsupported) if the peer service lacks
    /// `node_events`.
    pub fn monitor_nodes(&self, options: NodesOptions) -> Result<Vec<NodeInfo>, MonitorError> {
        self.inner().require(self.inner().capabilities.node_events, "node_events")?;
        let up = self
            .inner()
            .enter_as(self.local(), |state, _| state.core.monitor_nodes(self.local(), options))?;
        Ok(up.iter().map(|event| NodeInfo::of(event)).collect())
    }

    /// Ends the [`Process::monitor_nodes`] with exactly these options. Once it has returned, no
    /// event of that subscription is added to the mailbox; unread ones stay.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn demonitor_nodes(&self, options: NodesOptions) -> Result<(), NotAlive> {
        self.inner().enter_as(self.local(), |state, _| {
            state.core.demonitor_nodes(self.local(), options);
            self.handle.process.queue.unsubscribed(options);
        })
    }

    // ----- names and messages

    /// Registers this process under a name. See [`Node::register`].
    ///
    /// # Errors
    /// As [`Node::register`].
    pub fn register(&self, name: impl IntoRef<RegName>) -> Result<(), RegisterError> {
        self.node().register(name, self.pid()).map_err(|error| match error {
            // It is this process that is gone.
            RegisterError::NoProc => NotAlive.into(),
            error => error,
        })
    }

    /// Sends a message to a pid, to the process that holds a name, or through an alias. Never waits
    /// (Erlang suspends a sender if too much waits); connects on demand, in one order with the
    /// monitors of this process.
    ///
    /// Messages from one process to another on one channel arrive in the order in which they were
    /// sent, until some are lost with the session: then those that arrived are the first ones. The
    /// `Down` of this process arrives after all of its messages, on every channel. A message to a
    /// node whose session has just ended goes to the next session. The sender is not informed if
    /// the receiver has ended or its mailbox is full: monitor it. A body is not copied for a
    /// receiver on this node; otherwise O(n) for n bytes.
    ///
    /// # Errors
    /// The error contains the body. [`TrySendError::Full`] if too much waits for that node. Else
    /// [`TrySendError::Failed`]: [`SendErrorKind::TooLarge`](crate::SendErrorKind::TooLarge);
    /// `NotConnected` if the peer service makes no connections and there is none; `NoChannel` if
    /// the session has no such channel (if there is no session yet that is unknown: then the
    /// message is dropped and counted, `messages_undeliverable`); `NotEncoded`; `InvalidName`;
    /// [`NotAlive`].
    #[doc(alias = "nosuspend")]
    #[doc(alias = "forward_message")]
    #[doc(alias = "cast_message")]
    pub fn try_send(&self, to: impl IntoRef<Dest>, message: impl IntoEnvelope) -> Result<(), TrySendError> {
        self.caller().try_send(to.into_ref(), message.into_envelope())
    }

    /// [`Process::try_send`] that waits for room instead of failing with `Full`. It waits for room
    /// on its own channel alone.
    ///
    /// Cancel-safe: dropped before it is ready, it has sent nothing.
    ///
    /// # Errors
    /// As [`Process::try_send`], without `Full`.
    pub fn send(
        &self,
        to: impl IntoRef<Dest>,
        message: impl IntoEnvelope,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        self.caller().send(to.into_ref(), message.into_envelope())
    }

    // ----- the end

    /// Ends the process now, with this reason, also while its thread unwinds. A process that
    /// [`Node::spawn`] or [`Process::run`] runs ends at the next await of its body, and the body is
    /// dropped there. (If another task than the body calls this, a body of `run` ends when it is
    /// polled next.)
    ///
    /// A process that was killed before exits as [`ExitReason::Killed`] nevertheless.
    pub fn exit(self, reason: ExitReason) {
        self.handle.process.exit_as(reason);
    }

    /// Sets the reason with which a process that [`Node::process`] made exits when it is dropped.
    /// `Normal` by default; on a drop while its thread unwinds the reason is
    /// [`ExitReason::Panicked`] in any case. The exit reason of a process that [`Node::spawn`] or
    /// [`Process::run`] runs is the result of its body.
    pub fn set_exit_reason(&mut self, reason: ExitReason) {
        if let Some(on_drop) = &mut self.reason_on_drop {
            *on_drop = reason;
        }
    }

    pub(crate) const fn caller(&self) -> Caller<'_> {
        Caller::Process(&self.handle)
    }

    fn inner(&self) -> &Inner {
        &self.handle.node.inner
    }

    pub(crate) const fn local(&self) -> LocalPid {
        self.handle.local()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // First: the exit is reported before the events are dropped.
        if let Some(reason) = self.reason_on_drop.take() {
            self.handle.exit(|| if thread::panicking() { panicked_in_thread() } else { reason });
        }
        if self.prefetch.clear() {
            self.inner().forget_prefetch(self.local());
        }
    }
}

/// The exit reason of a process that is dropped while its thread unwinds. The text of the panic is
/// not accessible here.
fn panicked_in_thread() -> ExitReason {
    let thread = thread::current();
    let thread = thread.name().unwrap_or("without a name");
    ExitReason::panicked(format!(
        "in the thread {thread:?}; the text of the panic is not available to a process that is dropped"
    ))
}

/// The events of the mailbox: [`Process::recv`] as a stream.
impl Stream for Process {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.get_mut().poll_recv(cx)
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Process").field(&self.handle.pid).finish()
    }
}
