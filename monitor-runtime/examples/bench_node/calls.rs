//! Calls of several threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use monitor_runtime::{Demonitor, MonitorError, Node, Pid, Process};

use crate::{Result, watcher::nanos};

/// So many threads at once, a process each, monitor and demonitor `count` times, the targets in turn.
pub(crate) fn beside_each_other(node: &Node, targets: &[&Pid], threads: usize, count: usize) -> Result {
    let processes = (0..threads).map(|_| node.process()).collect::<std::result::Result<Vec<_>, _>>()?;
    thread::scope(|scope| {
        let run = |process| scope.spawn(move || pairs(process, targets, count));
        let running: Vec<_> = processes.iter().map(run).collect();
        running.into_iter().try_for_each(|thread| thread.join().expect("it does not panic"))
    })?;
    Ok(())
}

fn pairs(process: &Process, targets: &[&Pid], count: usize) -> std::result::Result<(), MonitorError> {
    for target in targets.iter().cycle().take(count) {
        let monitor = process.monitor(*target)?;
        process.demonitor_with(&monitor, Demonitor::new().flush())?;
    }
    Ok(())
}

/// A process that has nothing to do with what is going on, and calls its node all the while.
pub(crate) struct Probe {
    over: Arc<AtomicBool>,
    thread: JoinHandle<std::result::Result<u64, MonitorError>>,
}

/// Between two of its calls, so that it does not itself keep a processor busy.
const PAUSE: Duration = Duration::from_micros(200);

impl Probe {
    pub(crate) fn start(node: &Node) -> Result<Self> {
        let (process, target) = (node.process()?, node.process()?);
        let over = Arc::<AtomicBool>::default();
        let until = over.clone();
        let thread = thread::spawn(move || {
            let mut longest = 0;
            while !until.load(Ordering::Relaxed) {
                thread::sleep(PAUSE);
                let start = Instant::now();
                let monitor = process.monitor(target.pid())?;
                process.demonitor_with(&monitor, Demonitor::new().flush())?;
                longest = longest.max(nanos(start));
            }
            Ok(longest)
        });
        Ok(Probe { over, thread })
    }

    /// Ends it: the longest time that a monitor and its demonitor took.
    pub(crate) fn longest(self) -> Result<u64> {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.thread.join().expect("it does not panic")?)
    }
}
