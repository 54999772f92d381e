//! Messages that wait for a connection. Their place in the order is the core's: it says when each
//! may go.

use std::collections::BTreeMap;

use monitor_core::Ticket;

use crate::envelope::SendOptions;

/// A frame, the order it belongs to, and how it is to go.
#[derive(Debug)]
pub(crate) struct PendingSend {
    pub(crate) order: u64,
    pub(crate) options: SendOptions,
    pub(crate) frame: Vec<u8>,
}

/// What is kept under the core's tickets. A ticket without a send keeps a place for nothing.
#[derive(Debug)]
pub(crate) struct PendingSends {
    /// The most bytes that wait. One message that is longer may wait alone.
    limit: usize,
    sends: BTreeMap<Ticket, PendingSend>,
    bytes: usize,
    last: u64,
}

impl PendingSends {
    pub(crate) fn new(limit: usize) -> Self {
        PendingSends { limit, sends: BTreeMap::new(), bytes: 0, last: 0 }
    }

    /// A ticket that was never used.
    pub(crate) fn ticket(&mut self) -> Ticket {
        self.last += 1;
        Ticket(self.last)
    }

    /// Whether that many bytes more may wait.
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

    /// How many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
