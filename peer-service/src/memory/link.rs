//! One session: two ends, and what is on its way between them.

use std::{collections::VecDeque, mem, task::Waker, time::Duration};

use refs::{ChannelId, EndKind, NodeName, SessionEnd};

use crate::frame::{Class, FrameMeta};

pub(super) struct Link {
    pub(super) ends: [End; 2],
}

/// One end: what it sends, what has arrived for it, and how it ended.
pub(super) struct End {
    pub(super) node: NodeName,
    /// Which of the nodes that were ever called so.
    pub(super) life: u64,
    /// Pushed, not flushed.
    outbox: VecDeque<Frame>,
    /// What each of its channels is to the other end.
    pub(super) routes: Routes,
    /// On the way to the other end, and when it is due there.
    wire: VecDeque<(Duration, Packet)>,
    /// Bytes in `outbox` and `wire`, and those of messages among them, by channel of the other end.
    pub(super) waiting: usize,
    messages: [usize; ChannelId::LIMIT],
    signals: usize,
    /// Since when the other end has not taken what is due.
    pub(super) stalled: Option<Duration>,
    /// Arrived, not received.
    pub(super) arrived: VecDeque<Frame>,
    pub(super) arrived_bytes: usize,
    /// When anything was last heard of the other end.
    pub(super) heard: Duration,
    pub(super) end: Option<SessionEnd>,
    /// The session object was dropped.
    pub(super) dropped: bool,
    pub(super) reader: Option<Waker>,
    pub(super) senders: Vec<Waker>,
}

/// By channel of one end, the channel of the other.
pub(super) type Routes = [ChannelId; ChannelId::LIMIT];

/// A frame, and the channel of the other end on which it arrives.
pub(super) struct Frame {
    class: Class,
    pub(super) channel: ChannelId,
    /// It waits for what its order has on other channels.
    after_all: bool,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum Packet {
    Frame(Frame),
    Fin(EndKind),
}

impl End {
    pub(super) fn new(node: NodeName, life: u64, routes: Routes, now: Duration) -> Self {
        End {
            node,
            life,
            outbox: VecDeque::new(),
            routes,
            wire: VecDeque::new(),
            waiting: 0,
            messages: [0; ChannelId::LIMIT],
            signals: 0,
            stalled: None,
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            heard: now,
            end: None,
            dropped: false,
            reader: None,
            senders: Vec::new(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    fn route(&self, channel: ChannelId) -> ChannelId {
        self.routes[channel.place()]
    }

    /// Bytes of messages that wait on that channel.
    pub(super) fn waiting_messages(&self, channel: ChannelId) -> usize {
        self.messages[self.route(channel).place()]
    }

    pub(super) fn push(&mut self, meta: FrameMeta, bytes: Vec<u8>) {
        let frame =
            Frame { class: meta.class, channel: self.route(meta.channel), after_all: meta.after_all, bytes };
        self.waiting += frame.bytes.len();
        match frame.class {
            Class::Message => self.messages[frame.channel.place()] += frame.bytes.len(),
            Class::Signal => self.signals += 1,
        }
        self.outbox.push_back(frame);
    }

    /// What was pushed goes on its way.
    pub(super) fn flush(&mut self, due: Duration) {
        self.wire.extend(self.outbox.drain(..).map(|frame| (due, Packet::Frame(frame))));
    }

    /// What was pushed on that channel of this end goes on its way; and what was pushed before the
    /// last of it that waits for others, on whatever channel.
    pub(super) fn flush_channel(&mut self, channel: ChannelId, due: Duration) {
        let channel = self.route(channel);
        let waits = |frame: &Frame| frame.after_all && frame.channel == channel;
        let all_up_to = self.outbox.iter().rposition(waits).map_or(0, |at| at + 1);
        for (at, frame) in mem::take(&mut self.outbox).into_iter().enumerate() {
            if at < all_up_to || frame.channel == channel {
                self.wire.push_back((due, Packet::Frame(frame)));
            } else {
                self.outbox.push_back(frame);
            }
        }
    }

    /// The last thing this end sends.
    pub(super) fn finish(&mut self, due: Duration, kind: EndKind) {
        self.wire.push_back((due, Packet::Fin(kind)));
    }

    /// The next thing that is due at the other end.
    pub(super) fn due(&self, now: Duration) -> Option<&Packet> {
        self.wire.front().filter(|(due, _)| *due <= now).map(|(_, packet)| packet)
    }

    pub(super) fn take(&mut self) -> Option<Packet> {
        let (_, packet) = self.wire.pop_front()?;
        if let Packet::Frame(frame) = &packet {
            self.waiting -= frame.bytes.len();
            match frame.class {
                Class::Message => self.messages[frame.channel.place()] -= frame.bytes.len(),
                Class::Signal => self.signals -= 1,
            }
        }
        Some(packet)
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        self.wire.front().map(|&(due, _)| due)
    }

    /// Whether a signal waits: one that is never taken ends the session.
    pub(super) fn has_signals(&self) -> bool {
        self.signals > 0
    }

    /// What is on its way is lost.
    pub(super) fn lose(&mut self) {
        self.outbox.clear();
        self.wire.clear();
        (self.waiting, self.messages, self.signals) = (0, [0; ChannelId::LIMIT], 0);
    }

    /// Everybody who waits at this end is to look again.
    pub(super) fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.reader.take().into_iter().chain(mem::take(&mut self.senders))
    }
}
