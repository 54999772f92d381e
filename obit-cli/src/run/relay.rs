//! Passes signals from `obit` to the command of `obit run`, and handles job control: `obit` and the
//! command stop and continue together, as a shell expects.

use rustix::process::{Signal, getpid, kill_process};

use crate::{
    job::{
        Job,
        terminal::{self, Group, Terminal},
        witness::Witness,
    },
    signals::{ENDING, Received},
};

/// Passes signals on to the command.
pub(super) struct Relay {
    pub(super) job: Job,
    terminal: Terminal,
    /// `None` if the command has a process group of its own, or if the witness could not be
    /// started.
    witness: Option<Witness>,
    /// The last signal by which a process asked `obit` to end.
    asked_to_end: Option<i32>,
    /// Whether `obit` received SIGTSTP and has not stopped yet.
    asked_to_suspend: bool,
    /// Whether `obit` has stopped itself and was not continued yet.
    suspended: bool,
}

impl Relay {
    /// Discards the signals that the witness has received so far: the witness is older than the
    /// command, so the command has not received them.
    pub(super) fn new(job: Job, terminal: Terminal, mut witness: Option<Witness>) -> Self {
        if let Some(witness) = &mut witness {
            witness.forget();
        }
        Relay { job, terminal, witness, asked_to_end: None, asked_to_suspend: false, suspended: false }
    }

    /// The last signal by which a process asked `obit` to end, and which `obit` passed on.
    pub(super) const fn asked_to_end(&self) -> Option<i32> {
        self.asked_to_end
    }

    /// Handles a signal to `obit`.
    pub(super) fn signal(&mut self, received: Received) {
        let Received { number, by_kernel } = received;
        if number == Signal::CHILD.as_raw() {
            return;
        }
        let has_got = self.has_command_got(received);
        if number == Signal::CONT.as_raw() {
            return self.resume(has_got);
        }
        if ENDING.contains(&number) && !by_kernel {
            self.asked_to_end = Some(number);
        }
        if !has_got {
            self.job.signal(number);
        }
        if number == Signal::TSTP.as_raw() {
            self.asked_to_suspend = true;
            if self.job.is_stopped() {
                self.follow(Signal::TSTP);
            }
        }
        if ENDING.contains(&number) && self.job.is_stopped() {
            // A stopped command cannot handle the signal, so it could not end.
            self.job.signal(Signal::CONT.as_raw());
        }
    }

    /// Whether the command has received the signal too, because it was sent to the whole process
    /// group.
    ///
    /// Without a witness, signals from the kernel count as sent to the group: those for a key or
    /// for the size of a terminal are. Only SIGHUP for a lost terminal goes to the leader of the
    /// session alone.
    fn has_command_got(&mut self, received: Received) -> bool {
        if !self.job.shares_group() {
            return false;
        }
        match self.witness.as_mut().map(|witness| witness.has_got(received.number)) {
            Some(Ok(got)) => return got,
            // The witness was stopped or killed. Its late answer would count as the answer to the
            // next question.
            Some(Err(_)) | None => self.witness = Witness::start().ok(),
        }
        let to_leader_alone = received.number == Signal::HUP.as_raw() && terminal::is_session_leader();
        received.by_kernel && !to_leader_alone
    }

    /// Handles a stop of the command. `obit` stops too if a shell would otherwise wait for that
    /// forever.
    pub(super) fn follow(&mut self, stopped_by: Signal) {
        if self.suspended {
            return;
        }
        let job_group = self.job.group();
        let foreground = self.terminal.foreground();
        let job_has_terminal = job_group.is_some() && foreground == job_group;
        let by_use_of_terminal = matches!(stopped_by, Signal::TTIN | Signal::TTOU);
        if self.job.has_group() && by_use_of_terminal && foreground == Some(Group::own()) {
            // The command needs the foreground, and `obit` has it.
            self.give_terminal();
            return self.job.signal(Signal::CONT.as_raw());
        }
        let follows = match stopped_by {
            Signal::TSTP => self.asked_to_suspend || job_has_terminal,
            Signal::STOP => job_has_terminal,
            // In a shared process group the kernel has stopped both.
            _ => by_use_of_terminal && self.job.has_group(),
        };
        if !follows {
            return;
        }
        self.asked_to_suspend = false;
        if terminal::is_orphaned() {
            // No shell could continue `obit`. For the same reason the kernel does not stop an
            // orphaned process group by a key.
            if stopped_by == Signal::TSTP && job_has_terminal {
                self.job.signal(Signal::CONT.as_raw());
            }
            return;
        }
        self.take_terminal_back();
        self.suspended = true;
        // If this fails, `obit` keeps running, and SIGCONT can still continue the command.
        let _ = kill_process(getpid(), Signal::STOP);
    }

    /// Handles SIGCONT: `obit` was continued, or is asked to continue the command.
    fn resume(&mut self, has_command_got: bool) {
        let was_suspended = std::mem::take(&mut self.suspended);
        self.asked_to_suspend = false;
        self.give_terminal();
        // If a shell continued both at once, as it does with a process group, the command needs no
        // further signal.
        if self.job.is_stopped() || !(has_command_got || was_suspended) {
            self.job.signal(Signal::CONT.as_raw());
        }
    }

    fn give_terminal(&self) {
        if let Some(group) = self.job.group().filter(|_| self.job.has_group() && self.terminal.is_ours()) {
            self.terminal.give_to(group);
        }
    }

    /// Gives the foreground of the terminal to `obit`, if the command has it in a process group of
    /// its own.
    pub(super) fn take_terminal_back(&self) {
        let group = self.job.group().filter(|_| self.job.has_group());
        if group.is_some() && self.terminal.foreground() == group {
            self.terminal.give_to(Group::own());
        }
    }
}
