//! Messages that wait for a connection. The core keeps their order and decides when each is sent.

use std::collections::BTreeMap;

use monitor_core::Ticket;

use crate::envelope::SendOptions;

/// A frame, its order, and the options to send it with.
#[derive(Debug)]
pub(crate) struct PendingSend {
    pub(crate) order: u64,
    pub(crate) options: SendOptions,
    pub(crate) frame: Vec<u8>,
}

/// The pending messages, by ticket of the core. A ticket without a message has no effect.
#[derive(Debug)]
pub(crate) struct PendingSends {
    /// Maximum number of bytes that wait. A single message may exceed it if no other message waits.
    limit: usize,
    sends: BTreeMap<Ticket, PendingSend>,
    bytes: usize,
    last: u64,
}

impl PendingSends {
    pub(crate) fn new(limit: usize) -> Self {
        PendingSends { limit, sends: BTreeMap::new(), bytes: 0, last: 0 }
    }

    /// Returns a ticket that was never used.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    /// Returns true if a message of `bytes` bytes may wait.
    pub(crate) fn has_capacity(&self, bytes: usize) -> bool {
        self.bytes == 0 || self.bytes.saturating_add(bytes) <= self.limit
    }

    pub(crate) fn keep(&mut self, ticket: Ticket, send: PendingSend) {
        self.bytes += send.frame.len();
        self.sends.insert(ticket, send);
    }

    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<PendingSend> {
        let send = self.sends.remove(&ticket)?;
        self.bytes -= send.frame.len();
        Some(send)
    }

    /// Number of bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
