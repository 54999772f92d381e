//! Decides when the program exits: a state machine that takes the current time as an argument.

use std::time::{Duration, Instant};

use super::{Interrupt, OUTPUT_TIMEOUT};
use crate::{failure::ExitCode, signals};

/// Time after a request to end within which further ones count as repeats of it.
///
/// `timeout(1)` signals its child and then its whole process group, systemd sends SIGHUP right
/// after SIGTERM if it is configured to, and a shell and the kernel both send SIGHUP when a
/// terminal goes away. Such pairs arrive within milliseconds, on a loaded machine within a fraction
/// of this time. A user who presses Ctrl-C again to end the program sooner takes longer, or presses
/// it more than twice.
pub(super) const REPEAT: Duration = Duration::from_millis(500);

/// Whether the program is about to exit, when, and with which exit code.
#[derive(Debug, Default)]
pub(super) struct Shutdown {
    planned: Option<PlannedExit>,
}

#[derive(Clone, Copy, Debug)]
struct PlannedExit {
    /// When the program exits at the latest; `None` if that is too far away for the clock.
    at: Option<Instant>,
    code: ExitCode,
    /// When the first signal asked the command to end, if one did.
    asked: Option<Instant>,
}

/// The next step of the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Continue to wait.
    Wait,
    /// Ask the worker to end, and continue to wait.
    AskWorker(Interrupt),
    /// End the program.
    Leave(ExitCode),
}

impl Shutdown {
    /// The time at which the program exits whether or not the worker has ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.planned.and_then(|planned| planned.at)
    }

    pub(super) const fn has_begun(&self) -> bool {
        self.planned.is_some()
    }

    /// Handles a signal that asks the command to end within `grace`. A second request ends the
    /// program at once; a repeat of the first one does not.
    pub(super) fn asked(&mut self, now: Instant, grace: Duration, signal: i32) -> Step {
        let Some(planned) = self.planned else {
            let code = signals::exit_code(signal);
            self.planned = Some(PlannedExit { at: now.checked_add(grace), code, asked: Some(now) });
            return Step::AskWorker(Interrupt::Signal(signal));
        };
        match planned.asked {
            Some(first) if now.saturating_duration_since(first) < REPEAT => Step::Wait,
            _ => Step::Leave(planned.code),
        }
    }

    /// Handles the exit code of the worker, which still writes its remaining output.
    pub(super) fn decided(&mut self, now: Instant, code: ExitCode) -> Step {
        let (before, asked) = (self.deadline(), self.planned.and_then(|planned| planned.asked));
        let after = now.checked_add(OUTPUT_TIMEOUT);
        self.planned = Some(PlannedExit { at: before.into_iter().chain(after).min(), code, asked });
        Step::Wait
    }

    /// Handles a deadline that has passed: the one of `--timeout`, or [`Shutdown::deadline`].
    pub(super) fn time_is_up(&mut self, now: Instant, grace: Duration, code: ExitCode) -> Step {
        match self.planned {
            Some(planned) => Step::Leave(planned.code),
            None => {
                self.planned = Some(PlannedExit { at: now.checked_add(grace), code, asked: None });
                Step::AskWorker(Interrupt::TimeIsUp)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(6);
    const BY_SIGNAL: ExitCode = ExitCode(143);

    fn asked_at_start() -> (Shutdown, Instant) {
        let (mut shutdown, start) = (Shutdown::default(), Instant::now());
        assert_eq!(shutdown.asked(start, GRACE, 15), Step::AskWorker(Interrupt::Signal(15)));
        assert_eq!(shutdown.deadline(), Some(start + GRACE));
        (shutdown, start)
    }

    #[test]
    fn a_repeat_of_the_same_request_is_no_second_request() {
        let (mut shutdown, start) = asked_at_start();
        for after in [Duration::ZERO, Duration::from_millis(1), REPEAT - Duration::from_nanos(1)] {
            for signal in [15, 1] {
                assert_eq!(shutdown.asked(start + after, GRACE, signal), Step::Wait, "{after:?}");
            }
        }
        // Repeats count from the first request, and do not delay the end.
        assert_eq!(shutdown.deadline(), Some(start + GRACE));
        assert_eq!(shutdown.asked(start + REPEAT, GRACE, 1), Step::Leave(BY_SIGNAL));
    }

    #[test]
    fn the_program_exits_when_its_time_is_up() {
        let (mut shutdown, start) = asked_at_start();
        assert_eq!(shutdown.time_is_up(start + GRACE, GRACE, ExitCode(6)), Step::Leave(BY_SIGNAL));

        let mut shutdown = Shutdown::default();
        let step = shutdown.time_is_up(start, GRACE, ExitCode(6));
        assert_eq!(step, Step::AskWorker(Interrupt::TimeIsUp));
        assert_eq!(shutdown.time_is_up(start + GRACE, GRACE, ExitCode(6)), Step::Leave(ExitCode(6)));
    }

    #[test]
    fn once_the_worker_has_decided_its_code_counts_and_a_repeat_does_not_cut_its_output() {
        let (mut shutdown, start) = asked_at_start();
        assert_eq!(shutdown.decided(start, ExitCode::SUCCESS), Step::Wait);
        assert_eq!(shutdown.deadline(), Some(start + OUTPUT_TIMEOUT));
        assert_eq!(shutdown.asked(start, GRACE, 15), Step::Wait);
        assert_eq!(shutdown.asked(start + REPEAT, GRACE, 15), Step::Leave(ExitCode::SUCCESS));

        let mut shutdown = Shutdown::default();
        shutdown.decided(start, ExitCode::FAILURE);
        assert_eq!(shutdown.asked(start, GRACE, 15), Step::Leave(ExitCode::FAILURE));
    }

    #[test]
    fn a_late_decision_does_not_delay_the_end() {
        let (mut shutdown, start) = asked_at_start();
        shutdown.decided(start + GRACE, ExitCode::SUCCESS);
        assert_eq!(shutdown.deadline(), Some(start + GRACE));
    }

    #[test]
    fn a_signal_after_the_end_of_the_time_ends_it_at_once() {
        let (mut shutdown, start) = (Shutdown::default(), Instant::now());
        shutdown.time_is_up(start, GRACE, ExitCode(6));
        assert_eq!(shutdown.asked(start, GRACE, 15), Step::Leave(ExitCode(6)));
    }
}
