//! The decision when a command leaves: a state machine that is given the time.

use std::time::{Duration, Instant};

use super::{Interrupt, LAST_WORDS};
use crate::{failure::ExitCode, signals};

/// Time after a request to end within which further ones count as repeats of it.
///
/// `timeout(1)` signals its child and then its whole process group, systemd sends SIGHUP right
/// after SIGTERM if it is told to, and a shell and the kernel both send SIGHUP when a terminal goes
/// away. Such pairs come within milliseconds, also on a loaded machine within a fraction of this
/// time. A person who presses Ctrl-C once more, in order to hurry, takes longer than that, or goes
/// on pressing.
pub(super) const REPEAT: Duration = Duration::from_millis(500);

/// Whether a command is to leave, when, and with which exit code.
#[derive(Debug, Default)]
pub(super) struct Departure {
    leaving: Option<Leaving>,
}

#[derive(Clone, Copy, Debug)]
struct Leaving {
    /// When it leaves at the latest; `None` if that is too far away for the clock.
    at: Option<Instant>,
    code: ExitCode,
    /// When the first signal asked it to end, if one did.
    asked: Option<Instant>,
}

/// The next step of the main thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// It goes on waiting.
    Wait,
    /// It tells the worker to end, and goes on waiting.
    AskWorker(Interrupt),
    /// It ends the program.
    Leave(ExitCode),
}

impl Departure {
    /// The time at which the command leaves whether or not the worker has ended.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.leaving.and_then(|leaving| leaving.at)
    }

    pub(super) const fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// A signal asks the command to end, and gives it this time for that. A second request ends it
    /// at once, a repeat of the first one does not.
    pub(super) fn asked(&mut self, now: Instant, grace: Duration, signal: i32) -> Step {
        let Some(leaving) = self.leaving else {
            let code = signals::exit_code(signal);
            self.leaving = Some(Leaving { at: now.checked_add(grace), code, asked: Some(now) });
            return Step::AskWorker(Interrupt::Signal(signal));
        };
        match leaving.asked {
            Some(first) if now.saturating_duration_since(first) < REPEAT => Step::Wait,
            _ => Step::Leave(leaving.code),
        }
    }

    /// The worker has decided on an exit code, and writes its last words.
    pub(super) fn decided(&mut self, now: Instant, code: ExitCode) -> Step {
        let (before, asked) = (self.deadline(), self.leaving.and_then(|leaving| leaving.asked));
        let after = now.checked_add(LAST_WORDS);
        self.leaving = Some(Leaving { at: before.into_iter().chain(after).min(), code, asked });
        Step::Wait
    }

    /// The deadline of the command is over: the one of its `--timeout`, or that of its departure.
    pub(super) fn time_is_up(&mut self, now: Instant, grace: Duration, code: ExitCode) -> Step {
        match self.leaving {
            Some(leaving) => Step::Leave(leaving.code),
            None => {
                self.leaving = Some(Leaving { at: now.checked_add(grace), code, asked: None });
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

    fn asked_at_start() -> (Departure, Instant) {
        let (mut departure, start) = (Departure::default(), Instant::now());
        assert_eq!(departure.asked(start, GRACE, 15), Step::AskWorker(Interrupt::Signal(15)));
        assert_eq!(departure.deadline(), Some(start + GRACE));
        (departure, start)
    }

    #[test]
    fn a_repeat_of_the_same_request_is_no_second_request() {
        let (mut departure, start) = asked_at_start();
        for after in [Duration::ZERO, Duration::from_millis(1), REPEAT - Duration::from_nanos(1)] {
            for signal in [15, 1] {
                assert_eq!(departure.asked(start + after, GRACE, signal), Step::Wait, "{after:?}");
            }
        }
        // Repeats count from the first request, and do not delay the end.
        assert_eq!(departure.deadline(), Some(start + GRACE));
        assert_eq!(departure.asked(start + REPEAT, GRACE, 1), Step::Leave(BY_SIGNAL));
    }

    #[test]
    fn it_leaves_when_its_time_is_up() {
        let (mut departure, start) = asked_at_start();
        assert_eq!(departure.time_is_up(start + GRACE, GRACE, ExitCode(6)), Step::Leave(BY_SIGNAL));

        let mut departure = Departure::default();
        let step = departure.time_is_up(start, GRACE, ExitCode(6));
        assert_eq!(step, Step::AskWorker(Interrupt::TimeIsUp));
        assert_eq!(departure.time_is_up(start + GRACE, GRACE, ExitCode(6)), Step::Leave(ExitCode(6)));
    }

    #[test]
    fn once_the_worker_has_decided_its_code_counts_and_a_repeat_does_not_cut_its_last_words() {
        let (mut departure, start) = asked_at_start();
        assert_eq!(departure.decided(start, ExitCode::SUCCESS), Step::Wait);
        assert_eq!(departure.deadline(), Some(start + LAST_WORDS));
        assert_eq!(departure.asked(start, GRACE, 15), Step::Wait);
        assert_eq!(departure.asked(start + REPEAT, GRACE, 15), Step::Leave(ExitCode::SUCCESS));

        let mut departure = Departure::default();
        departure.decided(start, ExitCode::FAILURE);
        assert_eq!(departure.asked(start, GRACE, 15), Step::Leave(ExitCode::FAILURE));
    }

    #[test]
    fn a_late_decision_does_not_delay_the_end() {
        let (mut departure, start) = asked_at_start();
        departure.decided(start + GRACE, ExitCode::SUCCESS);
        assert_eq!(departure.deadline(), Some(start + GRACE));
    }

    #[test]
    fn a_signal_after_the_end_of_the_time_ends_it_at_once() {
        let (mut departure, start) = (Departure::default(), Instant::now());
        departure.time_is_up(start, GRACE, ExitCode(6));
        assert_eq!(departure.asked(start, GRACE, 15), Step::Leave(ExitCode(6)));
    }
}
