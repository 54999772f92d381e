//! One session: two ends, and the packets in transit between them.

use std::{collections::VecDeque, mem, task::Waker, time::Duration};

use refs::{ChannelId, EndKind, NodeName, SessionEnd};

use crate::frame::{Class, FrameMeta};

pub(super) struct Link {
    pub(super) ends: [End; 2],
}

/// One end: its outgoing packets, its incoming frames, and how it ended.
pub(super) struct End {
    pub(super) node: NodeName,
    /// The node's key, which distinguishes successive nodes with the same name.
    pub(super) node_key: u64,
    /// Pushed, not flushed.
    outbox: VecDeque<Frame>,
    /// The other end's channel for each channel of this end.
    pub(super) routes: Routes,
    /// Packets in transit to the other end, and the times at which they are due there.
    wire: VecDeque<(Duration, Packet)>,
    /// Bytes in `outbox` and `wire`, and those of messages among them, by channel of the other end.
    pub(super) waiting: usize,
    messages: [usize; ChannelId::LIMIT],
    signals: usize,
    /// Time since which the other end has not accepted due packets.
    pub(super) stalled: Option<Duration>,
    /// Arrived, not received.
    pub(super) arrived: VecDeque<Frame>,
    pub(super) arrived_bytes: usize,
    /// Time at which this end last received anything.
    pub(super) last_received: Duration,
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
    /// Whether it waits for the frames of its order on other channels.
    after_all: bool,
    pub(super) bytes: Vec<u8>,
}

pub(super) enum Packet {
    Frame(Frame),
    Fin(EndKind),
}

impl End {
    pub(super) fn new(node: NodeName, node_key: u64, routes: Routes, now: Duration) -> Self {
        End {
            node,
            node_key,
            outbox: VecDeque::new(),
            routes,
            wire: VecDeque::new(),
            waiting: 0,
            messages: [0; ChannelId::LIMIT],
            signals: 0,
            stalled: None,
            arrived: VecDeque::new(),
            arrived_bytes: 0,
            last_received: now,
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

    /// Bytes of queued messages on that channel.
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

    /// Moves the pushed frames to the wire.
    pub(super) fn flush(&mut self, due: Duration) {
        self.wire.extend(self.outbox.drain(..).map(|frame| (due, Packet::Frame(frame))));
    }

    /// Moves the frames of that channel of this end to the wire; and all frames before the last one
    /// among them that waits for other channels.
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

    /// Sends the last packet of this end.
    pub(super) fn finish(&mut self, due: Duration, kind: EndKind) {
        self.wire.push_back((due, Packet::Fin(kind)));
    }

    /// The next packet that is due at the other end.
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

    /// Whether a signal is queued: one that the peer never accepts ends the session.
    pub(super) fn has_signals(&self) -> bool {
        self.signals > 0
    }

    /// Loses the packets in transit.
    pub(super) fn lose(&mut self) {
        self.outbox.clear();
        self.wire.clear();
        (self.waiting, self.messages, self.signals) = (0, [0; ChannelId::LIMIT], 0);
    }

    /// Takes the wakers of all tasks that wait at this end.
    pub(super) fn wakers(&mut self) -> impl Iterator<Item = Waker> {
        self.reader.take().into_iter().chain(mem::take(&mut self.senders))
    }
}
