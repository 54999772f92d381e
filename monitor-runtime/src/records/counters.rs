//! Counters of delivered `Down`s, drops and refusals.

use std::sync::atomic::{AtomicU64, Ordering};

use monitor_core::DownReason;

/// A count that never decreases.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        self.add(1);
    }

    pub(crate) fn add(&self, more: usize) {
        // Relaxed, because no reader relates one count to another.
        self.0.fetch_add(more as u64, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// The counters of every drop and every refusal of a node.
        #[derive(Debug, Default)]
        pub(crate) struct Counters {
            $($(#[$doc])* pub(crate) $name: Counter,)*
        }

        impl Counters {
            /// Returns the name and the count of each counter.
            pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$((stringify!($name), self.$name.get())),*]
            }
        }
    };
}

/// Number of `Down`s that monitors of a node have delivered, by reason.
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

    /// Returns the name and the count of each counter.
    pub(crate) fn list(&self) -> Vec<(&'static str, u64)> {
        let counts = [("exit", &self.exit), ("noproc", &self.noproc), ("noconnection", &self.noconnection)];
        counts.map(|(name, counter)| (name, counter.get())).into()
    }
}

counters! {
    /// Messages that did not fit into the mailbox of their receiver.
    messages_missed,
    /// Messages for a process that has exited, for a name that is not registered, or for another
    /// incarnation of this node.
    messages_for_nobody,
    /// Messages for a monitor reference that is not an alias, or no longer one, such as late
    /// replies.
    messages_for_no_alias,
    /// Messages that waited for a connection that could not be made.
    messages_undeliverable,
    /// Messages that were refused because the queue of their session was full, or too many messages
    /// waited for a connection.
    messages_refused,
    /// Messages that were refused because they exceeded the maximum of this node or of their
    /// receiver's node.
    messages_too_large,
    /// Messages that were refused because there was no session and none could be made.
    messages_not_connected,
    /// Messages that were refused because their receiver's node does not have the requested
    /// channel.
    messages_no_channel,
    /// Monitors of this node that fired because of a limit: too many requests waited for a
    /// connection, or the other node refused further monitors.
    monitors_over_quota,
    /// Monitors of other nodes that were refused because the other node had reached its maximum
    /// here.
    monitors_refused,
    /// Node events that were left out because their receiver has not received the earlier ones.
    node_events_left_out,
    /// Node events that did not fit into the mailbox of their receiver.
    node_events_missed,
    /// Nodes whose addresses were dropped because those of newer nodes replaced them.
    addresses_forgotten,
    /// Sessions closed because their peer broke the protocol.
    protocol_violations,
    /// Sessions refused because their peer has the name of this node.
    sessions_with_itself,
    /// Requests over HTTP or the control socket that were refused.
    questions_refused,
    /// Requests over HTTP or the control socket that timed out because the client was too slow.
    questions_slow,
    /// Errors of the system when accepting a client of HTTP or the control socket.
    questions_accept_errors,
    /// Background tasks of this node that panicked, or were dropped by their executor.
    tasks_failed,
    /// Panics under the node's lock, which end the node: 0 or 1.
    node_failures,
}
