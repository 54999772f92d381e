//! `Down`s that were taken out of the core and wait for nothing but their receiver.
//!
//! To take one is to enter the node, which is worth more than one: whoever receives takes the next few along. They are the
//! receiver's from then on, and it must look here, too, when it flushes.

use std::{collections::VecDeque, sync::atomic::Ordering};

use monitor_core::{Core, Down, ExitReason, MonitorId};
use parking_lot::Mutex;

use crate::state::Inner;

/// How many are taken at once: a flush that looks through them still takes a moment.
const RUN: usize = 128;

/// No more are taken once the reasons of those that were take this many bytes: beside the core they are in no account.
const RUN_BYTES: usize = 64 * 1024;

/// See the [module](self). In the order in which they fired.
#[derive(Debug, Default)]
pub(crate) struct Taken(Mutex<VecDeque<Down>>);

/// Where the numbers of monitors that have fired wait, in order.
pub(crate) trait FiredQueue {
    /// Takes at most `most` numbers off the front, as far as nothing else is between them, and hands each to `take`.
    fn pop_run(&self, most: usize, take: &mut dyn FnMut(MonitorId) -> Popped);

    /// One that was popped was flushed.
    fn skipped(&self);
}

/// What became of a number that was popped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Popped {
    Taken,
    /// It was taken, and nothing more is to be popped.
    TakenLast,
    Flushed,
}

impl Taken {
    /// The next one. Touches nothing that others write: it is done for every `Down`.
    pub(crate) fn pop(&mut self, node: &Inner) -> Option<Down> {
        let down = self.0.get_mut().pop_front()?;
        node.taken.0.fetch_sub(1, Ordering::Relaxed);
        Some(down)
    }

    /// Drops all of them.
    pub(crate) fn clear(&mut self, node: &Inner) {
        while self.pop(node).is_some() {}
    }

    /// Takes what `first` has to say, which was popped from `fired`, and keeps what follows it there at once. None if it was
    /// flushed; what is kept may be something all the same.
    pub(crate) fn open(&mut self, node: &Inner, first: MonitorId, fired: &dyn FiredQueue) -> Option<Down> {
        let kept = self.0.get_mut();
        node.take_from(|core: &mut Core| {
            let down = core.take(first);
            if down.is_none() {
                fired.skipped();
            }
            let before = kept.len();
            let mut bytes = down.as_ref().map_or(0, reason_bytes);
            if bytes < RUN_BYTES {
                fired.pop_run(RUN - 1, &mut |id| {
                    let Some(down) = core.take(id) else { return Popped::Flushed };
                    bytes += reason_bytes(&down);
                    kept.push_back(down);
                    if bytes < RUN_BYTES { Popped::Taken } else { Popped::TakenLast }
                });
            }
            // In one step with the core: whoever adds both up counts each once.
            node.taken.0.fetch_add(kept.len() - before, Ordering::Relaxed);
            down
        })
    }

    /// Drops one, if it is here.
    pub(crate) fn flush(&self, id: MonitorId, node: &Inner) -> bool {
        let mut taken = self.0.lock();
        let place = taken.iter().position(|down| down.monitor.serial() == id.0);
        let found = place.and_then(|place| taken.remove(place)).is_some();
        if found {
            node.taken.0.fetch_sub(1, Ordering::Relaxed);
        }
        found
    }

    /// Looks at all of them, in order.
    pub(crate) fn each(&self, look: impl FnMut(&Down)) {
        self.0.lock().iter().for_each(look);
    }
}

fn reason_bytes(down: &Down) -> usize {
    match down.reason.exit() {
        Some(ExitReason::Panicked(text)) => text.len(),
        Some(ExitReason::Other(bytes)) => bytes.len(),
        _ => 0,
    }
}
