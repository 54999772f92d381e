//! What was dropped or refused, counted.

use std::sync::atomic::{AtomicU64, Ordering};

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

counters! {
    /// Messages that did not fit into the mailbox of their receiver.
    messages_missed,
    /// Messages for a process that is gone, for a name that nobody holds, or for another life of this node.
    messages_for_nobody,
    /// Messages for a monitor reference that is no alias.
    messages_for_no_alias,
    /// Messages that waited for a connection that could not be made.
    messages_undeliverable,
    /// Messages that were refused because too much waited to be sent.
    messages_refused,
    /// Sessions closed because their peer broke the protocol.
    protocol_violations,
}
