//! Processes: anything with an exit.

use std::{
    any::Any,
    fmt,
    future::Future,
    ops::{Deref, DerefMut},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, OnceLock},
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

use crate::{
    error::NotAlive,
    mailbox::Mailbox,
    node::Node,
    processes::{LiveProcess, Resident},
    queue::Queue,
};

/// A process that is whatever holds this guard: a task of any runtime, a thread, an actor.
///
/// Its exit is the guard's drop. The reason is [`ExitReason::Normal`], or [`ExitReason::Panicked`] while the
/// thread unwinds, or the one that was given. If it was killed, it is [`ExitReason::Killed`] whatever it says
/// itself.
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
    life: Held,
    mailbox: Mailbox,
}

impl Process {
    pub(crate) fn new(node: &Node) -> Result<Self, NotAlive> {
        let (life, mailbox) = Life::begin(node, None, ExitReason::Normal)?;
        Ok(Process { life: Held(life), mailbox })
    }

    /// Runs what the process does, on whatever executor awaits it: the process ends with it, and as it does. `Ok` is
    /// [`ExitReason::Normal`], an error is the reason, and `?` makes one of any error. Dropped before it is done, as of an
    /// aborted task, the process was [`Killed`](ExitReason::Killed); it cannot be gone on with.
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
    pub async fn run<T, F, Fut>(self, work: F) -> Result<T, ExitReason>
    where
        F: FnOnce(Mailbox) -> Fut,
        Fut: Future<Output = Result<T, ExitReason>>,
    {
        let Process { mut life, mailbox } = self;
        life.0.reason = ExitReason::Killed;
        // What the work holds is gone before anybody hears of its end.
        let outcome = work(mailbox).await;
        life.0.reason = outcome.as_ref().err().cloned().unwrap_or(ExitReason::Normal);
        outcome
    }

    /// Ends the process now, with this reason.
    pub fn exit(mut self, reason: ExitReason) {
        self.life.0.reason = reason;
    }

    /// Sets the reason with which the process exits when the guard is dropped. `Normal` by default.
    pub fn set_exit_reason(&mut self, reason: ExitReason) {
        self.life.0.reason = reason;
    }
}

/// A life that ends with its guard.
#[derive(Debug)]
struct Held(Life);

impl Drop for Held {
    fn drop(&mut self) {
        if thread::panicking() {
            // The panic's own text cannot be had here.
            let thread = thread::current();
            let thread = thread.name().unwrap_or("without a name");
            self.0.reason = ExitReason::panicked(format!("in the thread {thread:?}, a guard knows no more"));
        }
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
        let spawner = life.node.inner.spawner.clone();
        let body = AssertUnwindSafe(future::lazy(move |_| f(mailbox)).flatten()).catch_unwind();
        spawner(Box::pin(Task { body: Some(Abortable::new(body, aborted)), life: Some(life) }));
    }
}

pin_project! {
    /// A process that is a task. Not an async block: that would have room for what it begins with beside what it makes of it,
    /// and a process is mostly that.
    struct Task<F> {
        // The order matters: what the process holds is gone before anybody hears of its exit, also when its task is dropped.
        #[pin]
        body: Option<F>,
        life: Option<Life>,
    }
}

/// What becomes of a body: nothing if it was killed, else it panics or not, and else it says itself.
type Outcome = Result<thread::Result<Result<(), ExitReason>>, Aborted>;

impl<F: Future<Output = Outcome>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut task = self.project();
        let Some(body) = task.body.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let outcome = ready!(body.poll(cx));
        let dropped = catch_unwind(AssertUnwindSafe(|| task.body.set(None)));
        if let Some(mut life) = task.life.take() {
            life.reason = match (outcome, dropped) {
                (Ok(Err(panic)), _) | (_, Err(panic)) => panicked(&*panic),
                (Ok(Ok(Ok(()))), Ok(())) => ExitReason::Normal,
                (Ok(Ok(Err(reason))), Ok(())) => reason,
                (Err(Aborted), Ok(())) => ExitReason::Killed,
            };
        }
        Poll::Ready(())
    }
}

/// The text of a panic: what `panic!` was given, in all usual cases.
fn panicked(panic: &(dyn Any + Send)) -> ExitReason {
    let text = panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str));
    ExitReason::panicked(text.unwrap_or("a panic without a text"))
}

/// The life of a process: its drop is the exit, so that none is forgotten, whatever drops it.
struct Life {
    node: Node,
    pid: LocalPid,
    process: Arc<LiveProcess>,
    reason: ExitReason,
}

impl Life {
    /// A process begins; unless something else is said, it ends of that reason.
    fn begin(
        node: &Node,
        abort: Option<AbortHandle>,
        reason: ExitReason,
    ) -> Result<(Self, Mailbox), NotAlive> {
        let queue = Queue::new(node.inner.limits.mailbox);
        let process = Arc::new(LiveProcess { queue, fate: OnceLock::new(), abort });
        let pid = node.inner.move_in(Resident::Process(process.clone()))?;
        let mailbox = Mailbox::new(node.clone(), pid, process.clone());
        Ok((Life { node: node.clone(), pid, process, reason }, mailbox))
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let fate = self.process.fate.get();
        self.node.inner.exited(self.pid, fate.unwrap_or(&self.reason).clone());
    }
}

impl fmt::Debug for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Life").field("pid", &self.pid).field("reason", &self.reason).finish_non_exhaustive()
    }
}
