//! A session of several connections, as its user sees it.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use peer_service::{ChannelId, EndKind, FrameBuf, Outbox, PeerInfo, Session, SessionEnd};
use smol::Timer;

use super::outbox::ChannelOutbox;
use crate::{io::session::reader::Reader, log, proto::channels::Merge};

/// Number of times that one poll reads all connections before other tasks run.
const ROUNDS_PER_POLL: usize = 4;

/// Minimum number of bytes of one channel after which the other channels are read at once. To
/// process that many bytes takes longer than a read, and the reactor reports readiness only after a
/// turn of the tasks.
const READ_OTHERS_AFTER: usize = 4 * 1024;

/// See the [module](self).
pub(super) struct ChannelSession {
    info: PeerInfo,
    outbox: Arc<ChannelOutbox>,
    /// By place; `None` once the connection was read to its end.
    readers: Vec<Option<Reader>>,
    /// The place of the reader that is polled first.
    turn: usize,
    /// The frames that the last polled reader has returned.
    raw: FrameBuf,
    merge: Merge,
    /// Runs since the first connection ended with a goodbye; the others must have ended by then.
    deadline: Option<Timer>,
}

impl ChannelSession {
    pub(super) fn new(
        info: PeerInfo,
        outbox: Arc<ChannelOutbox>,
        readers: Vec<Reader>,
        ids: Vec<ChannelId>,
    ) -> Self {
        ChannelSession {
            info,
            outbox,
            readers: readers.into_iter().map(Some).collect(),
            turn: 0,
            raw: FrameBuf::new(),
            merge: Merge::new(ids),
            deadline: None,
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, frames: &mut FrameBuf) -> Poll<Result<(), SessionEnd>> {
        for _ in 0..ROUNDS_PER_POLL {
            if self.merge.take_released(frames) {
                return Poll::Ready(Ok(()));
            }
            let mut idle = true;
            for _ in 0..self.readers.len() {
                let place = self.turn;
                self.turn = (place + 1) % self.readers.len();
                let Some(reader) = &mut self.readers[place] else { continue };
                match reader.poll_recv(cx, &mut self.raw) {
                    Poll::Pending => {}
                    Poll::Ready(Ok(())) => {
                        idle = false;
                        if self.raw.byte_len() >= READ_OTHERS_AFTER {
                            let others =
                                self.readers.iter_mut().enumerate().filter(|(other, _)| *other != place);
                            others.filter_map(|(_, reader)| reader.as_mut()).for_each(Reader::read_again);
                        }
                        if self.merge_frames(place, frames) {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Ready(Err(_)) => {
                        idle = false;
                        self.readers[place] = None;
                        self.deadline.get_or_insert_with(|| Timer::after(self.outbox.end_timeout()));
                    }
                }
            }
            if idle && !self.is_due(cx) {
                return self.outbox.end().map_or(Poll::Pending, |end| self.over(end));
            }
        }
        // A peer that floods this node with marks must not keep other tasks from running.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// All connections have ended. Ready once all of them were read to their end.
    fn over(&self, end: SessionEnd) -> Poll<Result<(), SessionEnd>> {
        if self.readers.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(Err(end)) }
    }

    /// Whether the connections that have not ended have exceeded the deadline; ends them.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.deadline else { return false };
        if self.readers.iter().all(Option::is_none) || Pin::new(timer).poll(cx).is_pending() {
            return false;
        }
        self.deadline = Some(Timer::never());
        self.outbox.end_now(EndKind::Closed.into());
        true
    }

    /// Merges the frames that arrived on one channel: frames that wait for no mark are returned at
    /// once. Returns whether there are any.
    fn merge_frames(&mut self, place: usize, frames: &mut FrameBuf) -> bool {
        let before = frames.len();
        if let Err(kind) = self.merge.take(place, &self.raw, frames) {
            log::channel_protocol_broken(&self.info.node, kind);
            self.outbox.end_now(kind.into());
        }
        self.raw.clear();
        frames.len() > before
    }
}

#[async_trait]
impl Session for ChannelSession {
    fn peer(&self) -> &PeerInfo {
        &self.info
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.outbox.clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.poll_recv(cx, frames)).await
    }
}
