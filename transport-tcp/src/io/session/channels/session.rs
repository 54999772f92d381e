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

use super::outbox::Bundle;
use crate::{io::session::reader::Reader, log, proto::channels::Merge};

/// How often one poll reads all connections before it lets other tasks run.
const ROUNDS_PER_POLL: usize = 4;

/// To take apart so many bytes of one channel takes longer than to look whether something has come
/// on the others, which the system would say only after a turn of the tasks.
const LONG: usize = 4 * 1024;

/// See the [module](self).
pub(super) struct ChannelSession {
    info: PeerInfo,
    bundle: Arc<Bundle>,
    /// By place; none once it was read to its end.
    readers: Vec<Option<Reader>>,
    /// Which of them is read first.
    turn: usize,
    /// The frames that one of them has brought.
    raw: FrameBuf,
    merge: Merge,
    /// One connection has ended in good order: by then the others must have.
    deadline: Option<Timer>,
}

impl ChannelSession {
    pub(super) fn new(
        info: PeerInfo,
        bundle: Arc<Bundle>,
        readers: Vec<Reader>,
        ids: Vec<ChannelId>,
    ) -> Self {
        ChannelSession {
            info,
            bundle,
            readers: readers.into_iter().map(Some).collect(),
            turn: 0,
            raw: FrameBuf::new(),
            merge: Merge::new(ids),
            deadline: None,
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, frames: &mut FrameBuf) -> Poll<Result<(), SessionEnd>> {
        for _ in 0..ROUNDS_PER_POLL {
            if self.merge.hand_released_over(frames) {
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
                        if self.raw.byte_len() >= LONG {
                            let others =
                                self.readers.iter_mut().enumerate().filter(|(other, _)| *other != place);
                            others.filter_map(|(_, reader)| reader.as_mut()).for_each(Reader::look_again);
                        }
                        if self.take_apart(place, frames) {
                            return Poll::Ready(Ok(()));
                        }
                    }
                    Poll::Ready(Err(_)) => {
                        idle = false;
                        self.readers[place] = None;
                        self.deadline.get_or_insert_with(|| Timer::after(self.bundle.patience()));
                    }
                }
            }
            if idle && !self.is_due(cx) {
                return self.bundle.end().map_or(Poll::Pending, |end| self.over(end));
            }
        }
        // A peer that floods us with marks must not keep other tasks from running.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// All connections have ended; what they have brought was handed over if all of them were read.
    fn over(&self, end: SessionEnd) -> Poll<Result<(), SessionEnd>> {
        if self.readers.iter().any(Option::is_some) { Poll::Pending } else { Poll::Ready(Err(end)) }
    }

    /// Whether those that have not ended had time enough to.
    fn is_due(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(timer) = &mut self.deadline else { return false };
        if self.readers.iter().all(Option::is_none) || Pin::new(timer).poll(cx).is_pending() {
            return false;
        }
        self.deadline = Some(Timer::never());
        self.bundle.end_now(EndKind::Closed.into());
        true
    }

    /// Frames that came on one channel: those that wait for nothing are handed over. Whether there
    /// are any.
    fn take_apart(&mut self, place: usize, frames: &mut FrameBuf) -> bool {
        let before = frames.len();
        if let Err(kind) = self.merge.take(place, &self.raw, frames) {
            log::channel_protocol_broken(&self.info.node, kind);
            self.bundle.end_now(kind.into());
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
        self.bundle.clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.poll_recv(cx, frames)).await
    }
}
