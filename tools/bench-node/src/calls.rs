//! Load from other threads during a measurement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use monitor_runtime::{Bytes, Envelope, MonitorError, Name, Node, Pid, Process, SendError};
use smol::future::block_on;

use crate::{
    Result,
    watcher::{BULK, nanos},
};

/// In each of `threads` threads, a process monitors and demonitors the targets in turn, `count`
/// times.
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
        process.demonitor_flush(&monitor)?;
    }
    Ok(())
}

/// A process that is not part of the measurement, and calls its node all the time.
pub(crate) struct Probe {
    over: Arc<AtomicBool>,
    thread: JoinHandle<std::result::Result<u64, MonitorError>>,
}

/// Pause between two of its calls, so that the process itself does not keep a processor busy.
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
                process.demonitor_flush(&monitor)?;
                longest = longest.max(nanos(start));
            }
            Ok(longest)
        });
        Ok(Probe { over, thread })
    }

    /// Stops the process. Returns the longest time of a monitor and its demonitor.
    pub(crate) fn longest(self) -> Result<u64> {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.thread.join().expect("it does not panic")?)
    }
}

/// A thread that sends messages of 64 bytes to the other node: that many per second, or with 0 as
/// fast as possible.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    thread: JoinHandle<std::result::Result<(), SendError>>,
}

impl Load {
    pub(crate) fn start(node: &Node, to: &Name, a_second: u64) -> Result<Self> {
        let (process, to) = (node.process()?, to.clone());
        let message = Envelope::new(Bytes::from_static(&[b'.'; 64]));
        let message = match node.channel(BULK) {
            Some(bulk) => message.channel(bulk),
            None => message,
        };
        let over = Arc::<AtomicBool>::default();
        let until = over.clone();
        let thread = thread::spawn(move || {
            let (start, mut sent) = (Instant::now(), 0);
            while !until.load(Ordering::Relaxed) {
                if a_second > 0 && sent >= start.elapsed().as_micros() as u64 * a_second / 1_000_000 {
                    thread::sleep(PAUSE);
                    continue;
                }
                block_on(process.send(&to, message.clone()))?;
                sent += 1;
            }
            Ok(())
        });
        Ok(Load { over, thread })
    }

    pub(crate) fn end(self) -> Result {
        self.over.store(true, Ordering::Relaxed);
        Ok(self.thread.join().expect("it does not panic")?)
    }
}
