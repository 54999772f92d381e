//! The receiving half of a session, as the runtime uses it.

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

use super::Endpoint;

/// The [`Session`] that the runtime receives.
pub struct SimSession {
    pub peer: PeerInfo,
    pub endpoint: Arc<Endpoint>,
    receiving: Receiving,
    /// Whether `recv` has returned the end.
    is_over: bool,
}

impl SimSession {
    /// `carried` holds the bytes that arrived behind the handshake.
    pub fn new(peer: PeerInfo, endpoint: Arc<Endpoint>, carried: Vec<u8>) -> Self {
        let receiving = Receiving::new(carried, endpoint.limits());
        SimSession { peer, endpoint, receiving, is_over: false }
    }

    fn poll_recv(&mut self, cx: &Context<'_>, frames: &mut FrameBuf) -> Poll<Result<(), SessionEnd>> {
        loop {
            if self.take_frames(frames) {
                return Poll::Ready(Ok(()));
            }
            match self.receiving.last_word(|| self.endpoint.state.lock().sending.phase()) {
                Some(LastWord::PeerDone) => {
                    self.endpoint.state.lock().peer_done = true;
                    self.endpoint.wake_driver();
                }
                Some(LastWord::End(kind)) => self.endpoint.end_now(kind.into()),
                None => {
                    if self.read() {
                        continue;
                    }
                }
            }
            if let Some(end) = self.endpoint.end() {
                self.is_over = true;
                return Poll::Ready(Err(end));
            }
            self.endpoint.state.lock().reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
    }

    fn take_frames(&mut self, frames: &mut FrameBuf) -> bool {
        let taken = self.receiving.take(frames);
        if let Some(pong) = taken.pong {
            {
                let mut state = self.endpoint.state.lock();
                state.pong = state.pong.max(pong);
            }
            self.endpoint.wake_driver();
        }
        if let Some(ping) = taken.ping
            && self.endpoint.state.lock().sending.pong(ping)
        {
            self.endpoint.write_out();
        }
        taken.any
    }

    /// Reads once. Returns whether there may be more frames to return.
    fn read(&mut self) -> bool {
        let has_ended = self.endpoint.end().is_some();
        match self.endpoint.read(self.receiving.room()) {
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
        self.endpoint.clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.poll_recv(cx, frames)).await
    }
}

/// Abandons the session, unless `recv` has returned its end.
impl Drop for SimSession {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let is_closing = {
            let mut state = self.endpoint.state.lock();
            state.abandoned = true;
            matches!(state.sending.phase(), Phase::Closing(_))
        };
        if is_closing {
            self.endpoint.wake_driver();
        } else {
            self.endpoint.end_now(EndKind::Closed.into());
        }
    }
}
