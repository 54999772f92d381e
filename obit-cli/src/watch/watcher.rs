//! The watched targets, and a new monitor from time to time for those that do not exist yet.

use std::{
    collections::BTreeMap,
    future::pending,
    time::{Duration, Instant},
};

use monitor_runtime::{Down, DownReason, MonitorSet, Target};
use smol::Timer;

use crate::{
    cut::{MAX_REASON, beginning},
    failure::Result,
    output::note,
};

/// The targets that have not ended, monitored or absent.
pub(super) struct Watcher {
    set: MonitorSet,
    /// The targets that did not exist or could not be reached, to be monitored again.
    absent: Vec<Target>,
    /// When to monitor them again, and the pause before that.
    retry: (Instant, Duration),
    /// Until when absent targets may still appear.
    until: Instant,
    /// The reason that was reported last for each absent target.
    reported: BTreeMap<String, String>,
}

/// The first pause before absent targets are monitored again; it doubles each time.
const PAUSE: Duration = Duration::from_millis(250);
/// Maximum of that pause, so that a target that appears is found soon.
const MAX_PAUSE: Duration = Duration::from_secs(5);

impl Watcher {
    /// Watches the targets of the set. Those that are absent have the time `wait` to appear.
    pub(super) fn new(set: MonitorSet, wait: Duration) -> Self {
        let now = Instant::now();
        // This cannot overflow: the command line limits the time.
        let until = now + wait;
        Watcher { set, absent: Vec::new(), retry: (now, Duration::ZERO), until, reported: BTreeMap::new() }
    }

    /// Number of targets that have not ended.
    pub(super) fn left(&self) -> usize {
        self.set.len() + self.absent.len()
    }

    /// Waits for the next end; returns `None` once all targets have ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Down>> {
        while self.left() > 0 {
            match self.down_or_pause().await {
                Some(down) if self.may_still_appear(&down) => self.wait_for(down),
                Some(down) => return Ok(Some(down)),
                None => self.monitor_again()?,
            }
        }
        Ok(None)
    }

    /// Waits for the next `Down`. Returns `None` when it is time to monitor the absent targets
    /// again.
    async fn down_or_pause(&mut self) -> Option<Down> {
        let Watcher { set, absent, retry, .. } = self;
        let down = async { if set.is_empty() { pending().await } else { set.next().await } };
        let pause = async {
            if absent.is_empty() {
                pending::<()>().await;
            }
            Timer::at(retry.0).await;
            None
        };
        smol::future::or(down, pause).await
    }

    fn may_still_appear(&self, down: &Down) -> bool {
        let absent = match &down.reason {
            DownReason::NoProc => true,
            DownReason::NoConnection(end) => !end.kind.was_session(),
            _ => false,
        };
        absent && Instant::now() < self.until
    }

    fn wait_for(&mut self, down: Down) {
        let (target, why) = (down.target.to_string(), beginning(&down.reason, MAX_REASON));
        if self.reported.get(&target) != Some(&why) {
            note(&format!("waiting for {target}: {why}"));
            self.reported.insert(target, why);
        }
        if self.absent.is_empty() {
            let pause = (self.retry.1 * 2).clamp(PAUSE, MAX_PAUSE);
            // The last retry is at `until`, and its result is final.
            self.retry = ((Instant::now() + pause).min(self.until), pause);
        }
        self.absent.push(down.target);
    }

    fn monitor_again(&mut self) -> Result<()> {
        for target in self.absent.drain(..) {
            self.set.monitor(target)?;
        }
        Ok(())
    }
}
