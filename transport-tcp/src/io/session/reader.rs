//! Reads one connection of a session.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use peer_service::{FrameBuf, NodeId, SessionEnd};

use super::{connection::Connection, owner::Owner};
use crate::{
    log,
    net::stream::Stream,
    proto::connection::receiving::{LastWord, Receiving},
};

/// Number of reads in one poll before other tasks run.
const READS_PER_POLL: usize = 2;
/// The only reader of its connection.
pub(crate) struct Reader {
    peer: NodeId,
    connection: Arc<Connection>,
    owner: Arc<dyn Owner>,
    /// `None` once the end was returned.
    stream: Option<Arc<Stream>>,
    receiving: Receiving,
    /// The last read has left nothing in the socket.
    drained: bool,
    /// Until this time the reader polls the socket without waiting for readiness.
    spin_until: Option<Instant>,
}

impl Reader {
    /// `carried`: the bytes that were read after the end of the handshake.
    pub(crate) fn new(
        peer: NodeId,
        connection: Arc<Connection>,
        stream: Arc<Stream>,
        owner: Arc<dyn Owner>,
        carried: Vec<u8>,
    ) -> Self {
        let receiving = Receiving::new(carried, &connection.limits);
        let stream = Some(stream);
        Reader { peer, connection, owner, stream, receiving, drained: false, spin_until: None }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Makes the next poll read the socket without waiting for readiness.
    pub(crate) fn read_again(&mut self) {
        self.drained = false;
    }

    /// As [`Session::recv`](peer_service::Session::recv).
    pub(crate) fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        frames: &mut FrameBuf,
    ) -> Poll<Result<(), SessionEnd>> {
        let Some(stream) = self.stream.clone() else {
            return Poll::Ready(Err(self
                .connection
                .end()
                .expect("the stream is kept until the end is known")));
        };
        self.connection.reader.register(cx.waker());
        for _ in 0..READS_PER_POLL {
            if self.take_frames(frames) {
                return Poll::Ready(Ok(()));
            }
            if let Some(last_word) = self.receiving.last_word(|| self.connection.phase()) {
                match last_word {
                    LastWord::PeerDone => self.connection.note_peer_done(),
                    LastWord::End(kind) => self.connection.end_now(kind.into()),
                }
                return match self.connection.end() {
                    Some(end) => self.finish(end),
                    None => Poll::Pending,
                };
            }
            let end = self.connection.end();
            let spins = self.spin_until.is_some_and(|until| Instant::now() < until);
            if end.is_none() && self.drained && !spins {
                self.spin_until = None;
                match stream.poll_readable(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(_) => self.drained = false,
                }
            }
            match self.read(&stream) {
                // Frames that arrived before the local node ended the session are returned first.
                Input::Some if end.is_none() || self.receiving.reads_on() => {}
                Input::Over if end.is_none() => self.receiving.hung_up(),
                Input::Nothing if end.is_none() => {
                    self.drained = true;
                    if spins {
                        break;
                    }
                }
                Input::Some | Input::Nothing | Input::Over => {
                    return self.finish(end.expect("the other cases have none"));
                }
            }
        }
        // Neither a peer that floods this node with pings nor polling for low latency may keep
        // other tasks from running.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Decodes the received frames, and answers pings. Returns whether there were any frames.
    fn take_frames(&mut self, frames: &mut FrameBuf) -> bool {
        let taken = self.receiving.take(frames);
        if let Some(number) = taken.pong {
            self.connection.note_pong(number);
        }
        if let Some(broken) = taken.broken {
            log::protocol_broken(&self.peer, &broken);
        }
        if let Some(number) = taken.ping {
            self.connection.pong(number);
        }
        taken.any
    }

    fn read(&mut self, stream: &Stream) -> Input {
        match stream.read_now(self.receiving.room()) {
            Ok(0) => Input::Over,
            Ok(bytes) => {
                self.drained = !self.receiving.filled(bytes, self.connection.end().is_some());
                self.spin_until = self.connection.limits.spin.map(|spin| Instant::now() + spin);
                self.connection.note_received();
                Input::Some
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Nothing,
            Err(_) => Input::Over,
        }
    }

    /// Returns the end, after it was reported: a caller that sees it may dial again at once.
    fn finish(&mut self, end: SessionEnd) -> Poll<Result<(), SessionEnd>> {
        self.stream = None;
        self.owner.over(&self.connection, end);
        Poll::Ready(Err(end))
    }
}

/// The result of a read.
enum Input {
    Some,
    Nothing,
    Over,
}

/// On drop the connection is not read any more.
impl Drop for Reader {
    fn drop(&mut self) {
        if self.stream.is_some() {
            self.connection.abandon();
        }
    }
}

#[cfg(test)]
mod tests;
