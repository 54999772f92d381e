//! The command that `obit run` runs.

use std::{
    io,
    process::{Child, Command, ExitStatus},
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A command that runs, with the standard streams of this program. Dropped, it runs on.
pub(crate) struct Job {
    pid: Pid,
    /// Whether it was reaped: its number may then belong to a stranger.
    reaped: Arc<Mutex<bool>>,
    status: smol::Task<io::Result<ExitStatus>>,
}

impl Job {
    /// Starts it.
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let reaped = Arc::new(Mutex::new(false));
        let reap = reaped.clone();
        let status = smol::unblock(move || wait(child, pid, &reap));
        Ok(Job { pid, reaped, status })
    }

    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Sends it a signal, unless it has ended.
    pub(crate) fn signal(&self, number: i32) {
        let reaped = self.reaped.lock();
        if let Some(signal) = Signal::from_named_raw(number).filter(|_| !*reaped) {
            // One that has ended and was not reaped yet takes it, too, and one that may not be signalled has become
            // somebody else's on purpose.
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Waits until it has ended. Cancel-safe.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        (&mut self.status).await
    }
}

fn wait(mut child: Child, pid: Pid, reaped: &Mutex<bool>) -> io::Result<ExitStatus> {
    // Until it is reaped its number is its own. So it is seen to end first, and reaped where nobody is about to signal it.
    while let Err(error) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {
        if error != rustix::io::Errno::INTR {
            return Err(error.into());
        }
    }
    let mut reaped = reaped.lock();
    *reaped = true;
    child.wait()
}
