//! The reading end of a session, as the runtime sees it.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use peer_service::{EndKind, FrameBuf, Outbox, PeerInfo, Session, SessionEnd};
use transport_tcp::proto::connection::{
    receiving::{LastWord, Receiving},
    sending::Phase,
};

use super::Line;

/// A session, as the runtime sees it.
pub struct SimSession {
    pub peer: PeerInfo,
    pub line: Arc<Line>,
    receiving: Receiving,
    /// The end was returned.
    is_over: bool,
}

impl SimSession {
    /// `carried`: the bytes that have arrived behind the handshake.
    pub fn new(peer: PeerInfo, line: Arc<Line>, carried: Vec<u8>) -> Self {
        let receiving = Receiving::new(carried, line.limits());
        SimSession { peer, line, receiving, is_over: false }
    }

    fn poll_recv(&mut self, cx: &Context<'_>, frames: &mut FrameBuf) -> Poll<Result<(), SessionEnd>> {
        loop {
            if self.take_frames(frames) {
                return Poll::Ready(Ok(()));
            }
            match self.receiving.last_word(|| self.line.state.lock().sending.phase()) {
                Some(LastWord::PeerDone) => {
                    self.line.state.lock().peer_done = true;
                    self.line.wake_driver();
                }
                Some(LastWord::End(kind)) => self.line.end_now(kind.into()),
                None => {
                    if self.read() {
                        continue;
                    }
                }
            }
            if let Some(end) = self.line.end() {
                self.is_over = true;
                return Poll::Ready(Err(end));
            }
            self.line.state.lock().reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }

    fn take_frames(&mut self, frames: &mut FrameBuf) -> bool {
        let taken = self.receiving.take(frames);
        if let Some(pong) = taken.pong {
            {
                let mut state = self.line.state.lock();
                state.pong = state.pong.max(pong);
            }
            self.line.wake_driver();
        }
        if let Some(ping) = taken.ping
            && self.line.state.lock().sending.pong(ping)
        {
            self.line.write_out();
        }
        taken.any
    }

    /// Whether there may be more to be handed over.
    fn read(&mut self) -> bool {
        let has_ended = self.line.end().is_some();
        match self.line.read(self.receiving.room()) {
            Some(0) if has_ended => false,
            Some(0) => {
                self.receiving.hung_up();
                true
            }
            Some(bytes) => {
                self.receiving.filled(bytes, has_ended);
                !has_ended || self.receiving.reads_on()
            }
            None => false,
        }
    }
}

#[async_trait]
impl Session for SimSession {
    fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.line.clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.poll_recv(cx, frames)).await
    }
}

/// The session is abandoned, unless it was over.
impl Drop for SimSession {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let is_closing = {
            let mut state = self.line.state.lock();
            state.abandoned = true;
            matches!(state.sending.phase(), Phase::Closing(_))
        };
        if is_closing {
            self.line.wake_driver();
        } else {
            self.line.end_now(EndKind::Closed.into());
        }
    }
}
