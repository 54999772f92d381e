//! Execution of the postponed work, which may run code of the program.

use std::mem;

use refs::EndKind;
use supervision::unwind;

use super::{AfterUnlock, Rare};
use crate::{engine::state::Inner, records::log};

impl AfterUnlock {
    /// Does the work and leaves `self` empty.
    pub(crate) fn run(&mut self, node: &Inner) {
        let mut rare = self.rare.take();
        if let Some(rare) = &mut rare {
            rare.dial(node);
        }
        drain(&mut self.flushes, |(handle, channel)| handle.flush_soon(channel));
        if let Some(rare) = &mut rare {
            rare.overloaded.drain(..).for_each(|handle| handle.close(EndKind::Overloaded));
            if !rare.downs.is_empty() {
                log::downs(mem::take(&mut rare.downs), self.session.as_ref().map(|handle| &handle.peer));
            }
        }
        drain(&mut self.wakers, unwind::wake);
        if mem::take(&mut self.backlog) {
            node.backlog_grows();
        }
        if mem::take(&mut self.wake_senders) {
            node.send_waiters.wake_all();
        }
        if let Some(rare) = rare {
            rare.fail(node);
        }
    }
}

impl Rare {
    fn dial(&mut self, node: &Inner) {
        for (spec, dial) in self.dials.drain(..) {
            // A service that panicked will not answer the dial.
            if unwind::catch(|| node.service.connect(&spec, dial)).is_err() {
                self.refused.push((spec.name().clone(), dial));
            }
        }
    }

    fn fail(self, node: &Inner) {
        let end = node.internal_end_kind();
        self.refused.into_iter().for_each(|(name, dial)| node.dial_failed(&name, dial, end.into()));
        if let Some(panic) = self.failed {
            node.fail(&panic);
        }
    }
}

/// Drains the vector. The check comes first because the vector is nearly always empty.
fn drain<T>(things: &mut Vec<T>, act: impl FnMut(T)) {
    if !things.is_empty() {
        things.drain(..).for_each(act);
    }
}
