//! The child processes of a run. Each ends through its own handle: at the end of its scenario, when
//! its scenario panics, and when the run is interrupted.

use std::{
    process::{Child, ChildStdin, ChildStdout, Command, ExitStatus},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result, bail};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, WaitId, WaitIdOptions, getrlimit, kill_process, prlimit, waitid,
};

use crate::net::namespace::Namespace;

/// All running children. Cheap to clone; one of the clones belongs to the handler of Ctrl-C.
#[derive(Clone, Default)]
pub struct Children {
    alive: Arc<Mutex<Vec<Arc<Mutex<Child>>>>>,
    interrupted: Arc<AtomicBool>,
}

impl Children {
    /// From now on, Ctrl-C and SIGTERM kill every child, and no further child is started.
    pub fn end_on_interrupt(&self) -> Result<()> {
        let children = self.clone();
        let handler = move || children.interrupt();
        ctrlc::set_handler(handler).context("cannot handle Ctrl-C")
    }

    /// Whether the run was interrupted.
    pub fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::SeqCst)
    }

    /// Starts a child, in that namespace if one is given. Its standard input and output must be
    /// piped.
    pub fn start(
        &self,
        command: &mut Command,
        home: Option<&Namespace>,
    ) -> Result<(Running, ChildStdin, ChildStdout)> {
        // The lock ensures that an interrupt finds either no child or a registered one.
        let mut alive = lock(&self.alive);
        if self.interrupted() {
            bail!("interrupted");
        }
        let child = match home {
            Some(home) => home.run(|| command.spawn())?,
            None => command.spawn(),
        };
        let mut child =
            child.with_context(|| format!("cannot start {}", command.get_program().to_string_lossy()))?;
        let stdin = child.stdin.take().expect("standard input is piped");
        let stdout = child.stdout.take().expect("standard output is piped");
        let child = Arc::new(Mutex::new(child));
        alive.push(child.clone());
        Ok((Running { child, children: self.clone() }, stdin, stdout))
    }

    fn interrupt(&self) {
        self.interrupted.store(true, Ordering::SeqCst);
        for child in lock(&self.alive).iter() {
            end(child);
        }
    }

    fn forget(&self, child: &Arc<Mutex<Child>>) {
        lock(&self.alive).retain(|other| !Arc::ptr_eq(other, child));
    }
}

/// A child process, killed on drop.
pub struct Running {
    child: Arc<Mutex<Child>>,
    children: Children,
}

impl Running {
    /// Kills the child with SIGKILL, and waits until it has ended. Idempotent.
    pub fn kill(&self) {
        end(&self.child);
        self.children.forget(&self.child);
    }

    /// The pid, for `/proc`.
    pub fn id(&self) -> u32 {
        lock(&self.child).id()
    }

    /// Sets the maximum number of descriptors of the child. Returns the number before.
    pub fn limit_descriptors(&self, most: u64) -> Result<u64> {
        let child = lock(&self.child);
        let (process, failed) =
            (Pid::from_child(&child), || "cannot limit the descriptors of a node".to_owned());
        // Changes the soft limit only: without privileges, a lower hard limit could not be raised
        // again.
        let ours = getrlimit(Resource::Nofile);
        let new = Rlimit { current: Some(most), maximum: ours.maximum };
        let before = prlimit(Some(process), Resource::Nofile, new).with_context(failed)?;
        Ok(before.current.unwrap_or(u64::MAX))
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// The exit status, if the child has ended.
    pub fn ended(&self) -> Result<Option<ExitStatus>> {
        lock(&self.child).try_wait().context("cannot see whether a program has ended")
    }

    /// Sends SIGSTOP. The child may still run for a moment.
    pub fn freeze(&self) -> Result<()> {
        self.signal(Signal::STOP)
    }

    /// Whether the child has stopped since the last call that returned true.
    pub fn has_stopped(&self) -> Result<bool> {
        let child = lock(&self.child);
        let stopped =
            waitid(WaitId::Pid(Pid::from_child(&child)), WaitIdOptions::STOPPED | WaitIdOptions::NOHANG);
        Ok(stopped.context("cannot see whether a node has stopped")?.is_some())
    }

    /// Sends SIGCONT.
    pub fn thaw(&self) -> Result<()> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        // While this holds the lock, no thread reaps the child, so its pid is still its own.
        let child = lock(&self.child);
        kill_process(Pid::from_child(&child), signal)
            .with_context(|| format!("cannot send {signal:?} to a node"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = lock(child);
    // Both fail only if the child has ended already.
    let _ = child.kill();
    let _ = child.wait();
}

/// Ignores poisoning: a panic elsewhere leaves the guarded values consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
