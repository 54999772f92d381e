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
pub(super) struct Bundle {
    connections: Vec<Arc<Connection>>,
    /// By channel of the own node, the place of its connection; what has none takes the default
    /// one.
    places: [usize; ChannelId::LIMIT],
    used: Mutex<Used>,
    /// By the place of the frames that were held against others: where their marks were pushed
    /// since that place was last flushed.
    marked: [AtomicU8; ChannelId::LIMIT],
}

impl Bundle {
    pub(super) fn new(connections: Vec<Arc<Connection>>, ids: &[ChannelId]) -> Self {
        let mut places = [0; ChannelId::LIMIT];
        for (place, id) in ids.iter().enumerate() {
            places[id.place()] = place;
        }
        let used = Mutex::new(Used::new(connections.len()));
        Bundle { connections, places, used, marked: Default::default() }
    }

    fn place(&self, channel: ChannelId) -> usize {
        self.places[channel.place()]
    }

    /// How the session has ended, once all of its connections have: as the first that went wrong
    /// says.
    pub(super) fn end(&self) -> Option<SessionEnd> {
        let ends = self.connections.iter().map(|connection| connection.end()).collect::<Option<Vec<_>>>()?;
        let bad = ends.iter().find(|end| !is_good(end.kind));
        bad.or(ends.first()).copied()
    }

    /// All connections of the session that still stand end now.
    pub(super) fn end_now(&self, end: SessionEnd) {
        self.connections.iter().for_each(|connection| connection.end_now(end));
    }

    /// How long one channel's goodbye may come after another's.
    pub(super) fn patience(&self) -> std::time::Duration {
        self.connections[0].limits.heartbeat.timeout
    }

    /// A frame that waits for what its order has on other channels.
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
        // First the frame: if it is refused no mark may go out.
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

impl Outbox for Bundle {
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

    /// Frames that were fenced on it wait for marks on others, which are flushed, too.
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
