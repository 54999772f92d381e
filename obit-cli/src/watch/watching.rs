//! Who is watched, and who is not there yet and is asked for again.

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

/// What is watched, and who is still waited for.
pub(super) struct Watching {
    set: MonitorSet,
    /// Those that were not there, and are asked for again.
    absent: Vec<Target>,
    /// When that is, and how long after the last time.
    again: (Instant, Duration),
    /// Until when somebody may still appear.
    until: Instant,
    /// What was said last of each that was not there.
    said: BTreeMap<String, String>,
}

/// How long it takes at first until who is absent is asked for again; twice as long each time,
const PAUSE: Duration = Duration::from_millis(250);
/// and no longer: whoever appears is to be seen soon.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

impl Watching {
    /// Those of the set; who is not there yet has so long to appear.
    pub(super) fn new(set: MonitorSet, patience: Duration) -> Self {
        let now = Instant::now();
        // The command line takes no time that is too long for the clock.
        let until = now + patience;
        Watching { set, absent: Vec::new(), again: (now, Duration::ZERO), until, said: BTreeMap::new() }
    }

    /// How many have not ended.
    pub(super) fn left(&self) -> usize {
        self.set.len() + self.absent.len()
    }

    /// The next end; none once all have ended. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Down>> {
        while self.left() > 0 {
            match self.down_or_pause().await {
                Some(down) if self.may_still_appear(&down) => self.wait_for(down),
                Some(down) => return Ok(Some(down)),
                None => self.ask_again()?,
            }
        }
        Ok(None)
    }

    /// What was told; or nothing, when it is time to ask again for those that are absent.
    async fn down_or_pause(&mut self) -> Option<Down> {
        let Watching { set, absent, again, .. } = self;
        let down = async { if set.is_empty() { pending().await } else { set.next().await } };
        let pause = async {
            if absent.is_empty() {
                pending::<()>().await;
            }
            Timer::at(again.0).await;
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
        if self.said.get(&target) != Some(&why) {
            note(&format!("waiting for {target}: {why}"));
            self.said.insert(target, why);
        }
        if self.absent.is_empty() {
            let pause = (self.again.1 * 2).clamp(PAUSE, LONGEST_PAUSE);
            // The last time is when the patience ends: that answer counts.
            self.again = ((Instant::now() + pause).min(self.until), pause);
        }
        self.absent.push(down.target);
    }

    fn ask_again(&mut self) -> Result<()> {
        for target in self.absent.drain(..) {
            self.set.add(target)?;
        }
        Ok(())
    }
}
