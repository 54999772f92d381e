//! The outbox of a session of several connections.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    task::{Context, Poll},
};

use parking_lot::Mutex;
use peer_service::{ChannelId, Closed, EndKind, FrameMeta, Outbox, PushError, SessionEnd};

use crate::{
    io::session::connection::Connection,
    proto::{
        channels::{
            fences::Used,
            framing::{self, Places},
        },
        connection::goodbye::is_good,
    },
};

/// The connections of a session, the default channel's first.
pub(super) struct ChannelOutbox {
    connections: Vec<Arc<Connection>>,
    /// For each channel of the local node, the place of its connection. A channel without a
    /// connection uses the default channel's.
    places: [usize; ChannelId::LIMIT],
    used: Mutex<Used>,
    /// For each place: the other places to which it has pushed marks since its last flush.
    marked: [AtomicU8; ChannelId::LIMIT],
}

impl ChannelOutbox {
    pub(super) fn new(connections: Vec<Arc<Connection>>, ids: &[ChannelId]) -> Self {
        let mut places = [0; ChannelId::LIMIT];
        for (place, id) in ids.iter().enumerate() {
            places[id.place()] = place;
        }
        let used = Mutex::new(Used::new(connections.len()));
        ChannelOutbox { connections, places, used, marked: Default::default() }
    }

    fn place(&self, channel: ChannelId) -> usize {
        self.places[channel.place()]
    }

    /// The end of the session, once all of its connections have ended: the first end that was not a
    /// goodbye, if there is one.
    pub(super) fn end(&self) -> Option<SessionEnd> {
        let ends = self.connections.iter().map(|connection| connection.end()).collect::<Option<Vec<_>>>()?;
        let bad = ends.iter().find(|end| !is_good(end.kind));
        bad.or(ends.first()).copied()
    }

    /// Ends all connections of the session that have not ended yet.
    pub(super) fn end_now(&self, end: SessionEnd) {
        self.connections.iter().for_each(|connection| connection.end_now(end));
    }

    /// Maximum time between the goodbye of the first channel and that of the last.
    pub(super) fn end_timeout(&self) -> std::time::Duration {
        self.connections[0].limits.heartbeat.timeout
    }

    /// Pushes a frame that the receiver holds back until it has received the earlier frames of the
    /// same order on other channels.
    fn push_fenced(
        &self,
        place: usize,
        meta: FrameMeta,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), PushError> {
        let (number, on) = {
            let mut used = self.used.lock();
            let on = used.of(meta.order).without(Places::one(place));
            used.note(meta.order, place);
            (used.number(), on)
        };
        // The frame first: if it is refused, no mark may be pushed.
        self.connections[place].push(meta, &mut |out| {
            framing::fenced(out, number, on);
            write(out);
        })?;
        for other in (0..self.connections.len()).filter(|&other| on.has(other)) {
            let mark = FrameMeta::signal(meta.order);
            self.connections[other].push(mark, &mut |out| framing::mark(out, number))?;
        }
        if on != Places::default() {
            self.marked[place].fetch_or(on.0, Ordering::Release);
        }
        Ok(())
    }
}

impl Outbox for ChannelOutbox {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        let place = self.place(meta.channel);
        if meta.after_all {
            return self.push_fenced(place, meta, write);
        }
        self.used.lock().note(meta.order, place);
        self.connections[place].push(meta, &mut |out| {
            framing::plain(out);
            write(out);
        })
    }

    fn flush(&self) {
        self.connections.iter().for_each(|connection| connection.flush());
    }

    /// Also flushes the channels with the marks that fenced frames on this channel wait for.
    fn flush_channel(&self, channel: ChannelId) {
        let place = self.place(channel);
        self.connections[place].flush();
        let marked = Places(self.marked[place].swap(0, Ordering::AcqRel));
        (0..self.connections.len())
            .filter(|&other| marked.has(other))
            .for_each(|other| self.connections[other].flush());
    }

    fn poll_ready(&self, channel: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        self.connections[self.place(channel)].poll_ready(channel, cx)
    }

    fn close(&self, kind: EndKind) {
        self.connections.iter().for_each(|connection| connection.close(kind));
    }

    fn queued(&self) -> usize {
        self.connections.iter().map(|connection| connection.queued()).sum()
    }
}
