//! What was told, dropped or refused, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use monitor_core::DownReason;

/// One count; only ever goes up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: usize) {
        // Nothing is inferred from one count about another.
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// Every drop and every refusal of a node has its place here.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// Name and count of each.
            pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }
        }
    };
}

/// What monitors of a node have told, by reason.
#[derive(Debug, Default)]
pub(crate) struct DownCounters {
    exit: Counter,
    noproc: Counter,
    noconnection: Counter,
}

/// Reasons of monitors that fired together, by kind. Summed up before they are added to the shared
/// counters, which saves an atomic addition for each monitor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    exit: usize,
    noproc: usize,
    noconnection: usize,
}

impl Tally {
    pub(crate) fn add(&mut self, reason: &DownReason) {
        let count = match reason {
            DownReason::Exit(_) => &mut self.exit,
            DownReason::NoProc => &mut self.noproc,
            _ => &mut self.noconnection,
        };
        *count += 1;
    }
}

impl DownCounters {
    pub(crate) fn add(&self, tally: &Tally) {
        let counts = [
            (&self.exit, tally.exit),
            (&self.noproc, tally.noproc),
            (&self.noconnection, tally.noconnection),
        ];
        counts.into_iter().filter(|(_, more)| *more > 0).for_each(|(counter, more)| counter.add(more));
    }

    /// Name and count of each.
    pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
        let counts = [("exit", &self.exit), ("noproc", &self.noproc), ("noconnection", &self.noconnection)];
        counts.map(|(name, counter)| (name, counter.get())).into()
    }
}

counters! {
    /// Messages that did not fit into the mailbox of their receiver.
    messages_missed,
    /// Messages for a process that is gone, for a name that nobody holds, or for another life of
    /// this node.
    messages_for_nobody,
    /// Messages for a monitor reference that is no alias, or is none any more: such as late
    /// replies.
    messages_for_no_alias,
    /// Messages that waited for a connection that could not be made.
    messages_undeliverable,
    /// Messages that were refused because too much waited to be sent.
    messages_refused,
    /// Messages that were refused because they were longer than this node or their receiver's
    /// takes.
    messages_too_large,
    /// Messages that were refused because there was no session and none could be made.
    messages_not_connected,
    /// Messages that were refused because their receiver's node has not the channel they were to
    /// take.
    messages_no_channel,
    /// Monitors of this node that told of a limit: too much waited for a connection, or the other
    /// node takes no more.
    monitors_over_quota,
    /// Monitors of other nodes that were refused because each may have only so many here.
    monitors_refused,
    /// Events of nodes that were left out because their receiver has not received those before.
    node_events_left_out,
    /// Events of nodes that did not fit into the mailbox of their receiver.
    node_events_missed,
    /// Nodes whose addresses were forgotten because those of newer ones took their place.
    addresses_forgotten,
    /// Sessions closed because their peer broke the protocol.
    protocol_violations,
    /// Sessions refused because their peer bears this node's own name.
    sessions_with_itself,
    /// Questions over HTTP or the socket that were refused.
    questions_refused,
    /// Questions over HTTP or the socket that were given up because whoever asked took too long.
    questions_slow,
    /// Errors of the system when somebody was to be let in to ask.
    questions_accept_errors,
    /// Background tasks of this node that panicked, or were dropped by their executor.
    tasks_failed,
    /// Panics under the node's lock, which end the node: 0 or 1.
    node_failures,
}
