//! Processes: anything with an exit.

use std::{
    convert::identity,
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    thread,
};

use futures::{
    FutureExt,
    future::{self, AbortHandle, AbortRegistration, Abortable, Aborted},
};
use monitor_core::{ExitReason, LocalPid};
use pin_project_lite::pin_project;
use refs::Pid;
use supervision::unwind::{self, Payload};

use crate::{
    engine::directory::{LiveProcess, LocalEndpoint},
    error::NotAlive,
    mailbox::Mailbox,
    monitor::Monitor,
    node::Node,
    threads::watchdog,
};

impl Node {
    /// Starts a process: runs the future that `f` makes, on the node's threads or by
    /// [`Config::spawner`](crate::Config::spawner).
    ///
    /// The process exits when the future is done: `Ok` is [`ExitReason::Normal`], an error is its
    /// reason, a panic (in `f` too) is [`ExitReason::Panicked`] with its text. `?` turns any error
    /// into a reason. O(1).
    ///
    /// A process that blocks its thread holds up nobody else, up to
    /// [`Config::max_blocked_threads`](crate::Config::max_blocked_threads) of them at once, and a
    /// warning names it after a second. It costs a thread for as long as it blocks, so blocking
    /// work is better off in `smol::unblock`, in `tokio::task::spawn_blocking`, or on a thread of
    /// its own with [`Node::process`].
    ///
    /// # Errors
    /// [`NotAlive`].
    ///
    /// ```
    /// # use monitor_runtime::{Config, Event, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// let echo = node.spawn(|mut mailbox| async move {
    ///     while let Some(event) = mailbox.recv().await {
    ///         let Event::Message(message) = event else { continue };
    ///         let from = message.from.ok_or(std::fmt::Error)?;
    ///         mailbox.send(from, message.body)?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # drop(echo);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn spawn<F, Fut>(&self, f: F) -> Result<Pid, NotAlive>
    where
        F: FnOnce(Mailbox) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let task = prepare(self)?;
        let pid = task.pid().clone();
        task.start(f);
        Ok(pid)
    }

    /// Starts a process and monitors it, in one step: whatever it does, the monitor never says
    /// [`NoProc`](crate::DownReason::NoProc).
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "spawn_opt")]
    pub fn spawn_monitor<F, Fut>(&self, f: F) -> Result<(Pid, Monitor), NotAlive>
    where
        F: FnOnce(Mailbox) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let task = prepare(self)?;
        let pid = task.pid().clone();
        // It lives already, but it does not run yet. A local monitor needs nothing of the peer
        // service.
        let monitor = self.monitor(&pid).map_err(|_| NotAlive)?;
        task.start(f);
        Ok((pid, monitor))
    }

    /// Makes a process out of whatever holds the guard: a task of any runtime, a thread, an actor.
    ///
    /// # Errors
    /// [`NotAlive`].
    pub fn process(&self) -> Result<Process, NotAlive> {
        Process::new(self)
    }
}

/// A process that is whatever holds this guard: a task of any runtime, a thread, an actor.
///
/// Its exit is the guard's drop. The reason is [`ExitReason::Normal`], or the one that was
/// [set](Process::set_exit_reason); on a drop while its thread unwinds, it is
/// [`ExitReason::Panicked`]. A reason [given](Process::exit) with the exit counts in any case, and
/// a killed process is [`ExitReason::Killed`], whatever reason was set.
///
/// ```
/// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
/// # use peer_service::memory::Network;
/// # smol::block_on(async {
/// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
/// let process = node.process()?;
/// let monitor = node.monitor(process.pid())?;
/// std::thread::spawn(move || process.exit(ExitReason::Shutdown));
/// assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "to drop the guard is the exit of the process"]
#[derive(Debug)]
pub struct Process {
    // The order matters: the exit is told before the mailbox, and what waits in it, is dropped.
    life: Life,
    mailbox: Mailbox,
}

impl Process {
    pub(crate) fn new(node: &Node) -> Result<Self, NotAlive> {
        let (mut life, mailbox) = Life::begin(node, None, ExitReason::Normal)?;
        life.is_guard = true;
        Ok(Process { life, mailbox })
    }

    /// Runs the body of the process on the executor that awaits the returned future. The process
    /// ends with that future: `Ok` is [`ExitReason::Normal`], an error is the reason, and `?` makes
    /// one of any error. A panic in `work`, or in the future that it makes, is
    /// [`ExitReason::Panicked`] with its text, and goes on in the caller.
    ///
    /// If the future is dropped before it is done, as with an aborted task, the reason is
    /// [`Killed`](ExitReason::Killed), even if it was never polled; the process cannot be resumed.
    /// The body is dropped before the exit is reported.
    ///
    /// A guard that is only held by a task ends as `Normal`, also when the task has failed.
    ///
    /// # Errors
    /// What `work` returns.
    ///
    /// ```
    /// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// let process = node.process()?;
    /// let monitor = node.monitor(process.pid())?;
    /// let task = smol::spawn(process.run(|_mailbox| async {
    ///     "seven".parse::<u8>()?;
    ///     Ok(())
    /// }));
    /// assert_eq!(monitor.await.reason.to_string(), "exit: invalid digit found in string");
    /// assert!(task.await.is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn run<T, F, Fut>(self, work: F) -> impl Future<Output = Result<T, ExitReason>> + use<T, F, Fut>
    where
        F: FnOnce(Mailbox) -> Fut,
        Fut: Future<Output = Result<T, ExitReason>>,
    {
        let Process { mut life, mailbox } = self;
        // Set now, not in the first poll: the future may be dropped before it is polled.
        life.is_guard = false;
        life.reason = ExitReason::Killed;
        let body = future::lazy(move |_| work(mailbox)).flatten();
        Run { body: Some(body), life: Some(life) }
    }

    /// Ends the process now, with this reason, also while the thread unwinds.
    pub fn exit(mut self, reason: ExitReason) {
        self.life.is_guard = false;
        self.life.reason = reason;
    }

    /// Sets the reason with which the process exits when the guard is dropped. `Normal` by default.
    pub fn set_exit_reason(&mut self, reason: ExitReason) {
        self.life.reason = reason;
    }
}

impl Deref for Process {
    type Target = Mailbox;

    fn deref(&self) -> &Mailbox {
        &self.mailbox
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Mailbox {
        &mut self.mailbox
    }
}

/// A process that has its number, and whose task does not run yet.
pub(crate) struct Prepared {
    life: Life,
    mailbox: Mailbox,
    aborted: AbortRegistration,
}

/// Makes a process whose task is still to be started. Dropped instead, it was killed.
pub(crate) fn prepare(node: &Node) -> Result<Prepared, NotAlive> {
    let (abort, aborted) = AbortHandle::new_pair();
    let (life, mailbox) = Life::begin(node, Some(abort), ExitReason::Killed)?;
    Ok(Prepared { life, mailbox, aborted })
}

impl Prepared {
    pub(crate) const fn pid(&self) -> &Pid {
        self.mailbox.pid()
    }

    pub(crate) fn start<F, Fut>(self, f: F)
    where
        F: FnOnce(Mailbox) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let Prepared { life, mailbox, aborted } = self;
        let node = life.node.clone();
        let body = future::lazy(move |_| f(mailbox)).flatten();
        // A spawner that panics has dropped the task: the process was killed.
        let body = Abortable::new(body, aborted);
        let task = Task { body: Some(body), life: Some(life) };
        let _ = supervision::catch(|| (node.inner.bodies)(Box::pin(task)));
    }
}

pin_project! {
    /// A process that is a task. Not an async block: that would have room for what it begins with
    /// beside what it makes of it, and a process is mostly that.
    struct Task<F> {
        // The order matters: what the process holds is gone before anybody hears of its exit, also
        // when its task is dropped.
        #[pin]
        body: Option<F>,
        life: Option<Life>,
    }

    impl<F> PinnedDrop for Task<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut body = this.project().body;
            // A panic of the body's destructor must not reach the executor that drops the task.
            let _ = supervision::catch(|| body.set(None));
        }
    }
}

impl<F: Future<Output = Result<Result<(), ExitReason>, Aborted>>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let task = self.project();
        let killed = |_| Err(ExitReason::Killed);
        let of = |outcome: Result<_, _>| outcome.unwrap_or_else(killed);
        watched(task.life, |life| poll_to_exit(task.body, life, cx, of).map(drop))
    }
}

pin_project! {
    /// A process that is run by its guard: as a [`Task`], but its caller gets what the body
    /// returns.
    struct Run<F> {
        #[pin]
        body: Option<F>,
        life: Option<Life>,
    }
}

impl<T, F: Future<Output = Result<T, ExitReason>>> Future for Run<F> {
    type Output = Result<T, ExitReason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let run = self.project();
        match ready!(watched(run.life, |life| poll_to_exit(run.body, life, cx, identity))) {
            Ok(result) => Poll::Ready(result),
            Err(panic) => panic.resume(),
        }
    }
}

/// Runs `poll` under the watchdog: the body of a process, its destructors and the drop of a panic's
/// payload are code of the user, and may block.
fn watched<R>(life: &mut Option<Life>, poll: impl FnOnce(&mut Option<Life>) -> R) -> R {
    let lives = life.as_ref().expect("a process that has exited is not polled");
    let node = lives.node.inner.number.get().copied().unwrap_or_default();
    watchdog::poll(node, lives.pid.0.to_u64(), || poll(life))
}

/// Polls the body of a process. Once the body is done it is dropped, then the process exits. A
/// panic of a destructor counts as one of the body.
///
/// `of` maps the body's output to its result; an adapter around the body would drop it where its
/// panic is not caught.
fn poll_to_exit<T, F: Future>(
    mut body: Pin<&mut Option<F>>,
    life: &mut Option<Life>,
    cx: &mut Context<'_>,
    of: impl FnOnce(F::Output) -> Result<T, ExitReason>,
) -> Poll<Result<Result<T, ExitReason>, Payload>> {
    let future = body.as_mut().as_pin_mut().expect("a process that has exited is not polled");
    let outcome = match unwind::catch_whole(|| future.poll(cx)) {
        Ok(Poll::Pending) => return Poll::Pending,
        Ok(Poll::Ready(output)) => Ok(of(output)),
        Err(panic) => Err(panic),
    };
    let outcome = unwind::catch_whole(|| body.set(None)).and(outcome);
    if let Some(mut life) = life.take() {
        life.reason = match &outcome {
            Err(panic) => ExitReason::panicked(panic.text()),
            Ok(Ok(_)) => ExitReason::Normal,
            Ok(Err(reason)) => reason.clone(),
        };
    }
    // The process has exited: destructors that run from here on may panic.
    Poll::Ready(outcome)
}

/// The life of a process: its drop is the exit, so that none is forgotten, whatever drops it.
struct Life {
    node: Node,
    pid: LocalPid,
    process: Arc<LiveProcess>,
    reason: ExitReason,
    /// User code holds it as a guard: if it is dropped while the thread unwinds, the process has
    /// panicked.
    is_guard: bool,
}

impl Life {
    /// A process begins; unless something else is said, it ends of that reason.
    fn begin(
        node: &Node,
        abort: Option<AbortHandle>,
        reason: ExitReason,
    ) -> Result<(Self, Mailbox), NotAlive> {
        let process = Arc::new(LiveProcess::new(node.inner.limits.mailbox, abort));
        let pid = node.inner.register_endpoint(LocalEndpoint::Process(process.clone()))?;
        let mailbox = Mailbox::new(node.clone(), pid, process.clone());
        Ok((Life { node: node.clone(), pid, process, reason, is_guard: false }, mailbox))
    }
}

impl Life {
    /// Why it ends, unless it was killed.
    fn reason(&self) -> ExitReason {
        if self.is_guard && thread::panicking() {
            // The panic's own text cannot be had here.
            let thread = thread::current();
            let thread = thread.name().unwrap_or("without a name");
            return ExitReason::panicked(format!(
                "in the thread {thread:?}; the panic's text is not available to a guard"
            ));
        }
        self.reason.clone()
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        // From here on a kill comes too late and returns false.
        let reason = self.process.decide(|| self.reason());
        self.process.gate.close();
        self.node.inner.exited(self.pid, reason);
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("pid", &self.pid).field("reason", &self.reason).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        time::Duration,
    };

    use monitor_core::DownReason;
    use peer_service::memory::Network;
    use smol::block_on;

    use super::*;
    use crate::config::Config;

    /// The exit waits for a send that has begun: a kill at that moment comes too late, and so does
    /// another send.
    #[test]
    fn a_kill_while_the_exit_waits_for_a_send_says_that_it_comes_too_late() {
        let name: refs::NodeName = "a@local".parse().unwrap();
        let service = Network::new().join(name.clone());
        let node = block_on(Node::with_service(Config::new(name), service)).unwrap();
        let process = node.process().unwrap();
        let (pid, live) = (process.pid().clone(), process.life.process.clone());
        let monitor = node.monitor(&pid).unwrap();
        let (exits, killed) = live
            .gate
            .pass(|| {
                let exits = thread::spawn(move || process.exit(ExitReason::Shutdown));
                while !live.gate.is_closed() {
                    thread::yield_now();
                }
                assert!(node.is_process_alive(&pid), "nobody was told yet");
                (exits, node.kill(&pid).unwrap())
            })
            .unwrap();
        assert!(!killed);
        assert_eq!(block_on(monitor).reason, DownReason::Exit(ExitReason::Shutdown));
        assert!(live.gate.pass(|| ()).is_none());
        exits.join().unwrap();
    }

    /// Blocks in its destructor until the test drops the sender.
    struct Blocks(mpsc::Receiver<()>);

    impl Drop for Blocks {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn a_destructor_of_a_process_that_blocks_holds_up_nobody_else() {
        const PATIENCE: Duration = Duration::from_secs(60);
        type Spawn = fn(&Node, Blocks) -> Pid;
        let of_a_killed_body: Spawn = |node, held| {
            let body = |_| async move {
                let _held = held;
                future::pending().await
            };
            let pid = node.spawn(body).unwrap();
            node.kill(&pid).unwrap();
            pid
        };
        let of_a_payload: Spawn = |node, held| {
            // The hook would print, which may take so long that the watchdog relieves the thread.
            node.spawn(|_| async move { std::panic::resume_unwind(Box::new(Mutex::new(held))) }).unwrap()
        };
        for spawn in [of_a_killed_body, of_a_payload] {
            let name: refs::NodeName = "a@local".parse().unwrap();
            let service = Network::new().join(name.clone());
            let node = block_on(Node::with_service(Config::new(name), service)).unwrap();
            let (unblock, blocked) = mpsc::channel();
            spawn(&node, Blocks(blocked));
            let (said, heard) = mpsc::channel();
            node.spawn(|_| async move { said.send(()).map_err(|_| ExitReason::Killed) }).unwrap();
            assert_eq!(heard.recv_timeout(PATIENCE), Ok(()), "another process runs");
            drop(unblock);
        }
    }
}
