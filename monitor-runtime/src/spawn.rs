//! Processes: spawned tasks, and guards that any program part can hold.

use std::{
    convert::identity,
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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
    caller::{self, ProcessHandle},
    engine::directory::{LiveProcess, LocalEndpoint},
    error::NotAlive,
    monitor::Monitor,
    node::Node,
    process::Process,
    threads::watchdog,
};

impl Node {
    /// Starts a process: runs the future that `f` returns, on the node's threads or by
    /// [`Config::runtime`](crate::Config::runtime).
    ///
    /// The body returns `Result<(), ExitReason>`; any error converts, so a function of another
    /// error type, such as `async fn worker(process: Process) -> anyhow::Result<()>`, is run by
    /// `node.spawn(async |process| Ok(worker(process).await?))`.
    ///
    /// The process exits when the future completes. The reason is [`ExitReason::Normal`] after
    /// `Ok`, the error after `Err`, and [`ExitReason::Panicked`] with the panic's text after a
    /// panic, also one in `f`. `?` turns any error into a reason. O(1).
    ///
    /// Up to [`Config::max_blocked_threads`](crate::Config::max_blocked_threads) processes may
    /// block their threads at once without delaying others; a warning names a process that blocks
    /// for a second. Each costs a thread while it blocks, so blocking work belongs into
    /// `smol::unblock`, into `tokio::task::spawn_blocking`, or onto a thread of its own with
    /// [`Node::process`].
    ///
    /// # Errors
    /// [`NotAlive`].
    ///
    /// ```
    /// # use monitor_runtime::{Config, Event, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// let echo = node.spawn(|mut mailbox| async move {
    ///     while let Some(event) = mailbox.recv().await {
    ///         let Event::Message(message) = event else { continue };
    ///         let from = message.from.ok_or(std::fmt::Error)?;
    ///         mailbox.try_send(from, message.body)?;
    ///     }
    ///     Ok(())
    /// })?;
    /// # drop(echo);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn spawn<F, Fut>(&self, f: F) -> Result<Pid, NotAlive>
    where
        F: FnOnce(Process) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let task = prepare(self)?;
        let pid = task.pid().clone();
        task.start(f);
        Ok(pid)
    }

    /// Starts a process and monitors it, in one step: the monitor never reports
    /// [`NoProc`](crate::DownReason::NoProc).
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "spawn_opt")]
    pub fn spawn_monitor<F, Fut>(&self, f: F) -> Result<(Pid, Monitor), NotAlive>
    where
        F: FnOnce(Process) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let task = prepare(self)?;
        let pid = task.pid().clone();
        // The process is registered, but its task has not started. A local monitor does not use the
        // peer service.
        let monitor = self.monitor(&pid).map_err(|_| NotAlive)?;
        task.start(f);
        Ok((pid, monitor))
    }

    /// Makes a process whose exit is the drop of the returned [`Process`]: for a task of another
    /// runtime, a thread, or an actor that holds it.
    ///
    /// # Errors
    /// [`NotAlive`].
    ///
    /// ```
    /// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// let process = node.process()?;
    /// let monitor = node.monitor(process.pid())?;
    /// std::thread::spawn(move || process.exit(ExitReason::Shutdown));
    /// assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Shutdown));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn process(&self) -> Result<Process, NotAlive> {
        Process::begin(self)
    }
}

impl Process {
    /// Runs the body of the process on the executor that awaits the returned future. The process
    /// exits when that future completes: as [`ExitReason::Normal`] after `Ok`, and with the error
    /// as its reason after `Err`; `?` turns any error into a reason. After a panic in `work`, or in
    /// the future that it returns, the reason is [`ExitReason::Panicked`] with the panic's text,
    /// and the panic continues in the caller.
    ///
    /// Not cancel-safe: if the future is dropped before it completes, as with an aborted task, the
    /// process exits as [`Killed`](ExitReason::Killed), even if the future was never polled. The
    /// body is dropped before the exit is reported.
    ///
    /// Without `run`, a guard that a task holds ends as `Normal`, also when the task returns an
    /// error.
    ///
    /// # Errors
    /// The error that `work` returns. If `work` is ended by [`Process::exit`], the exit reason of
    /// the process.
    ///
    /// ```
    /// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
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
    pub fn run<T, F, Fut>(mut self, work: F) -> impl Future<Output = Result<T, ExitReason>> + use<T, F, Fut>
    where
        F: FnOnce(Process) -> Fut,
        Fut: Future<Output = Result<T, ExitReason>>,
    {
        // Made now, not in the first poll: the future may be dropped before it is polled.
        let mut exit_guard = ExitGuard::new(self.handle());
        exit_guard.is_armed = self.release();
        let body = future::lazy(move |_| work(self)).flatten();
        Run { body: Some(body), exit_guard: Some(exit_guard) }
    }
}

/// A registered process whose task has not started.
pub(crate) struct Prepared {
    exit_guard: ExitGuard,
    process: Process,
    aborted: AbortRegistration,
}

/// Registers a process. The caller starts its task; if it drops the process instead, the exit
/// reason is `Killed`.
pub(crate) fn prepare(node: &Node) -> Result<Prepared, NotAlive> {
    let (abort, aborted) = AbortHandle::new_pair();
    let process = register(node, Some(abort))?;
    Ok(Prepared { exit_guard: ExitGuard::new(process.handle()), process, aborted })
}

impl Prepared {
    pub(crate) const fn pid(&self) -> &Pid {
        self.process.pid()
    }

    pub(crate) fn start<F, Fut>(self, f: F)
    where
        F: FnOnce(Process) -> Fut + Send + 'static,
        Fut: Future<Output = Result<(), ExitReason>> + Send + 'static,
    {
        let Prepared { exit_guard, process, aborted } = self;
        let node = exit_guard.node.clone();
        let body = future::lazy(move |_| f(process)).flatten();
        // A runtime that panics drops the task, so the process exits as killed.
        let body = Abortable::new(body, aborted);
        let task = Task { body: Some(body), exit_guard: Some(exit_guard) };
        let _ = supervision::catch(|| (node.inner.bodies)(Box::pin(task)));
    }
}

pin_project! {
    /// The task of a spawned process. It is not an async block, because that would store the
    /// function beside the future that it returns, and most of a process's memory is that future.
    struct Task<F> {
        // The order matters: the body is dropped before the exit is reported, also when an executor
        // drops the task.
        #[pin]
        body: Option<F>,
        exit_guard: Option<ExitGuard>,
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
        watched(task.exit_guard, |exit_guard| poll_to_exit(task.body, exit_guard, cx, of).map(drop))
    }
}

pin_project! {
    /// The future of [`Process::run`]: as a [`Task`], but it returns the result of the body to its
    /// caller.
    struct Run<F> {
        #[pin]
        body: Option<F>,
        exit_guard: Option<ExitGuard>,
    }
}

impl<T, F: Future<Output = Result<T, ExitReason>>> Future for Run<F> {
    type Output = Result<T, ExitReason>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let run = self.project();
        match ready!(watched(run.exit_guard, |exit_guard| poll_to_exit(run.body, exit_guard, cx, identity))) {
            Ok(result) => Poll::Ready(result),
            Err(panic) => panic.resume(),
        }
    }
}

/// Runs `poll` under the watchdog: the body of a process, its destructors and the drop of a panic's
/// payload are code of the user, and may block.
fn watched<R>(exit_guard: &mut Option<ExitGuard>, poll: impl FnOnce(&mut Option<ExitGuard>) -> R) -> R {
    let running = exit_guard.as_ref().expect("a process that has exited is not polled");
    let node = running.node.inner.number.get().copied().unwrap_or_default();
    watchdog::poll(node, running.pid.0.to_u64(), || poll(exit_guard))
}

/// Polls the body of a process. Once the body completes it is dropped, then the
/// process exits. A panic of a destructor counts as a panic of the body.
///
/// `of` maps the body's output to its result. An adapter around the body could do that, too, but
/// would drop the body at a point where its panic is not caught.
fn poll_to_exit<T, F: Future>(
    mut body: Pin<&mut Option<F>>,
    exit_guard: &mut Option<ExitGuard>,
    cx: &mut Context<'_>,
    of: impl FnOnce(F::Output) -> Result<T, ExitReason>,
) -> Poll<Result<Result<T, ExitReason>, Payload>> {
    let future = body.as_mut().as_pin_mut().expect("a process that has exited is not polled");
    let outcome = match unwind::catch_whole(|| future.poll(cx)) {
        Ok(Poll::Pending) => match exit_guard.as_ref().and_then(ExitGuard::reason_of_exit) {
            // The body has called `Process::exit`.
            Some(reason) => Ok(Err(reason)),
            None => return Poll::Pending,
        },
        Ok(Poll::Ready(output)) => Ok(of(output)),
        Err(panic) => Err(panic),
    };
    let outcome = unwind::catch_whole(|| body.set(None)).and(outcome);
    if let Some(mut exit_guard) = exit_guard.take() {
        exit_guard.reason = match &outcome {
            Err(panic) => ExitReason::panicked(panic.text()),
            Ok(Ok(_)) => ExitReason::Normal,
            Ok(Err(reason)) => reason.clone(),
        };
    }
    // The process has exited, so destructors that run from here on may panic.
    Poll::Ready(outcome)
}

/// Registers a process, which exits with nothing yet.
pub(crate) fn register(node: &Node, abort: Option<AbortHandle>) -> Result<Process, NotAlive> {
    let process = Arc::new(LiveProcess::new(node.inner.limits.mailbox, abort));
    let pid = node.inner.register_endpoint(LocalEndpoint::Process(process.clone()))?;
    Ok(Process::new(node.clone(), pid, process))
}

/// Reports the exit of a process when it is dropped, so that no exit is lost, whatever drops the
/// body of the process.
struct ExitGuard {
    node: Node,
    pid: LocalPid,
    process: Arc<LiveProcess>,
    reason: ExitReason,
    /// False if the process exits with another body.
    is_armed: bool,
}

impl ExitGuard {
    fn new(handle: &ProcessHandle) -> Self {
        ExitGuard {
            node: handle.node.clone(),
            pid: handle.local(),
            process: handle.process.clone(),
            reason: ExitReason::Killed,
            is_armed: true,
        }
    }

    /// The exit reason of a process that is to end because [`Process::exit`] was called.
    fn reason_of_exit(&self) -> Option<ExitReason> {
        let own = self.process.own_reason().filter(|_| self.is_armed)?;
        Some(self.process.decide(|| own.clone()))
    }
}

impl Drop for ExitGuard {
    fn drop(&mut self) {
        if self.is_armed {
            caller::report_exit(&self.node, self.pid, &self.process, || self.reason.clone());
        }
    }
}

impl fmt::Debug for ExitGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExitGuard")
            .field("pid", &self.pid)
            .field("reason", &self.reason)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, mpsc},
        thread,
        time::Duration,
    };

    use monitor_core::DownReason;
    use peer_service::memory::Network;
    use smol::block_on;

    use super::*;
    use crate::config::Config;

    /// The exit waits for a send that has begun. A kill at that moment returns false, and another
    /// send is refused.
    #[test]
    fn a_kill_while_the_exit_waits_for_a_send_says_that_it_comes_too_late() {
        let name: refs::NodeName = "a@local".parse().unwrap();
        let service = Network::new().join(name.clone());
        let node = Node::with_service(Config::new(name), service).unwrap();
        let process = node.process().unwrap();
        let (pid, live) = (process.pid().clone(), process.handle().process.clone());
        let monitor = node.monitor(&pid).unwrap();
        let (exits, killed) = live
            .gate
            .pass(|| {
                let exits = thread::spawn(move || process.exit(ExitReason::Shutdown));
                while !live.gate.is_closed() {
                    thread::yield_now();
                }
                assert!(node.is_process_alive(&pid), "no exit was reported yet");
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
            let node = Node::with_service(Config::new(name), service).unwrap();
            let (unblock, blocked) = mpsc::channel();
            spawn(&node, Blocks(blocked));
            let (said, heard) = mpsc::channel();
            node.spawn(|_| async move { said.send(()).map_err(|_| ExitReason::Killed) }).unwrap();
            assert_eq!(heard.recv_timeout(PATIENCE), Ok(()), "another process runs");
            drop(unblock);
        }
    }
}
