//! Counts notices: each must arrive exactly once.

use std::{
    sync::atomic::{AtomicU8, AtomicUsize, Ordering},
    thread::{self, Thread},
    time::{Duration, Instant},
};

use crate::Result;

/// Maximum time to wait for all notices.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The tags of the notices that one process has received.
pub(crate) struct SeenTags {
    tags: Vec<bool>,
    missing: usize,
}

impl SeenTags {
    /// Expects every tag below `count`.
    pub(crate) fn new(count: usize) -> Self {
        SeenTags { tags: vec![false; count], missing: count }
    }

    pub(crate) fn note(&mut self, tag: u64) -> Result {
        match self.tags.get_mut(usize::try_from(tag)?) {
            Some(seen) if !*seen => *seen = true,
            _ => Err(format!("the Down with the tag {tag} came twice, or was not asked for"))?,
        }
        self.missing -= 1;
        Ok(())
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.missing == 0
    }
}

/// Counts one notice each of many processes. The thread that creates the tally waits for them.
pub(crate) struct Tally {
    times: Vec<AtomicU8>,
    missing: AtomicUsize,
    waiting: Thread,
}

impl Tally {
    pub(crate) fn new(count: usize) -> Self {
        let times = (0..count).map(|_| AtomicU8::new(0)).collect();
        Tally { times, missing: AtomicUsize::new(count), waiting: thread::current() }
    }

    /// Records that one process has started.
    pub(crate) fn one_more(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.waiting.unpark();
        }
    }

    /// Records that this process has received its notice.
    pub(crate) fn note(&self, index: usize) {
        self.times[index].fetch_add(1, Ordering::Relaxed);
        self.one_more();
    }

    /// Waits for the notices of all processes, and resets the counts.
    pub(crate) fn wait(&self) -> Result {
        let deadline = Instant::now() + TIMEOUT;
        while self.missing.load(Ordering::Acquire) > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                Err(format!("{} are missing", self.missing.load(Ordering::Acquire)))?;
            }
            thread::park_timeout(left);
        }
        self.missing.store(self.times.len(), Ordering::Release);
        Ok(())
    }

    /// Whether each process has received exactly one notice.
    pub(crate) fn exactly_once(&self) -> Result {
        match self.times.iter().position(|times| times.load(Ordering::Relaxed) != 1) {
            None => Ok(()),
            Some(index) => Err(format!("the process {index} has not received its Down exactly once"))?,
        }
    }
}
