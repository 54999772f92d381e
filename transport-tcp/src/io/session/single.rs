//! A session of one connection, as its user sees it.

use std::{future::poll_fn, sync::Arc};

use async_trait::async_trait;
use peer_service::{FrameBuf, Outbox, PeerInfo, Session, SessionEnd};

use crate::io::session::reader::Reader;

/// See the [module](self).
pub(crate) struct TcpSession {
    pub(crate) info: PeerInfo,
    pub(crate) reader: Reader,
}

#[async_trait]
impl Session for TcpSession {
    fn peer(&self) -> &PeerInfo {
        &self.info
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        self.reader.connection().clone()
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| self.reader.poll_recv(cx, frames)).await
    }
}
