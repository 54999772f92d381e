//! A session of several connections, as its user sees it.

use std::{
    collections::VecDeque,
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use peer_service::{ChannelId, EndKind, FrameBuf, Outbox, PeerInfo, Session, SessionEnd};
use smol::Timer;

use super::{
    fences::{Awaited, TooMuch},
    framing::{self, Framed},
    outbox::Bundle,
};
use crate::reader::Reader;

/// How often one poll reads all connections before it lets other tasks run.
const ROUNDS_PER_POLL: usize = 4;

/// See the [module](self).
pub(super) struct ChannelSession {
    info: PeerInfo,
    bundle: Arc<Bundle>,
    /// By place; none once it was read to its end.
    readers: Vec<Option<Reader>>,
    ids: Vec<ChannelId>,
    /// Which of them is read first.
    turn: usize,
    /// What one of them has brought.
    raw: FrameBuf,
    awaited: Awaited,
    /// Frames that have waited for other channels and need not wait any more.
    released: VecDeque<(ChannelId, Vec<u8>)>,
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
            ids,
            turn: 0,
            raw: FrameBuf::new(),
            awaited: Awaited::default(),
            released: VecDeque::new(),
            deadline: None,
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, frames: &mut FrameBuf) -> Poll<Result<(), SessionEnd>> {
        for _ in 0..ROUNDS_PER_POLL {
            if self.hand_released_over(frames) {
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

    /// Frames that came on one channel: those that wait for nothing are handed over. Whether there are any.
    fn take_apart(&mut self, place: usize, frames: &mut FrameBuf) -> bool {
        let channel = self.ids[place];
        let before = frames.len();
        let raw = std::mem::take(&mut self.raw);
        for frame in raw.iter() {
            if let Err(kind) = self.take_one(place, channel, frame, frames) {
                tracing::warn!(peer = %self.info.node, ?kind, "the peer breaks the protocol of channels");
                self.bundle.end_now(kind.into());
                break;
            }
        }
        self.raw = raw;
        self.raw.clear();
        frames.channel = channel;
        frames.len() > before
    }

    fn take_one(
        &mut self,
        place: usize,
        channel: ChannelId,
        frame: &[u8],
        frames: &mut FrameBuf,
    ) -> Result<(), EndKind> {
        let too_much = |TooMuch| EndKind::Overloaded;
        match framing::read(frame).ok_or(EndKind::Protocol)? {
            Framed::Plain(contents) => frames.push(contents),
            Framed::Fenced(number, on, contents) => {
                if self.awaited.frame(number, on, channel, contents).map_err(too_much)? {
                    frames.push(contents);
                }
            }
            Framed::Mark(number) => {
                self.released.extend(self.awaited.mark(number, place).map_err(too_much)?);
            }
        }
        Ok(())
    }

    /// Frames of one channel that need not wait any more. Whether there are any.
    fn hand_released_over(&mut self, frames: &mut FrameBuf) -> bool {
        let Some(&(channel, _)) = self.released.front() else { return false };
        frames.channel = channel;
        while self.released.front().is_some_and(|(other, _)| *other == channel) {
            let (_, contents) = self.released.pop_front().expect("there is one in front");
            frames.push(&contents);
        }
        true
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
