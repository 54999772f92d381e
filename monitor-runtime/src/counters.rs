//! What was told, dropped or refused, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use monitor_core::DownReason;

/// One count; only ever goes up.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add_one(&self) {
        // Nothing is inferred from one count about another.
        self.0.fetch_add(1, Ordering::Relaxed);
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
pub(crate) struct Told {
    exit: Counter,
    noproc: Counter,
    noconnection: Counter,
}

impl Told {
    pub(crate) fn add(&self, reason: &DownReason) {
        let counter = match reason {
            DownReason::Exit(_) => &self.exit,
            DownReason::NoProc => &self.noproc,
            _ => &self.noconnection,
        };
        counter.add_one();
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
    /// Messages for a process that is gone, for a name that nobody holds, or for another life of this node.
    messages_for_nobody,
    /// Messages for a monitor reference that is no alias, or is none any more: such as late replies.
    messages_for_no_alias,
    /// Messages that waited for a connection that could not be made.
    messages_undeliverable,
    /// Messages that were refused because too much waited to be sent.
    messages_refused,
    /// Sessions closed because their peer broke the protocol.
    protocol_violations,
}
