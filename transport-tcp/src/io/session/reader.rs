//! Reads one connection of a session: frames for the user, pings, the peer's last word.

use std::{
    io,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use peer_service::{EndKind, FrameBuf, NodeId, SessionEnd};

use crate::{
    io::{
        endpoint::Owner,
        session::connection::{Connection, Phase},
    },
    log,
    net::stream::Stream,
    proto::{
        connection::frame_decoder::{Beat, FrameDecoder},
        limits::Limits,
        wire::Kind,
    },
};

/// How many reads one poll makes before it lets other tasks run.
const READS_PER_POLL: usize = 2;
/// How much is read of what had arrived when the session was ended from this side.
const LAST_BYTES: usize = 4 << 20;

/// The only reader of its connection.
pub(crate) struct Reader {
    peer: NodeId,
    connection: Arc<Connection>,
    owner: Owner,
    /// None once the end was told.
    stream: Option<Arc<Stream>>,
    decoder: FrameDecoder,
    /// What ends the session once the frames before it were handed over.
    last_word: Option<EndKind>,
    /// The last read has left nothing in the socket.
    drained: bool,
    /// It is read until then, whether the system says that something is there or not.
    spin_until: Option<Instant>,
    /// How much may still be read after the end.
    last_bytes: usize,
}

impl Reader {
    /// `carried`: what came behind the handshake.
    pub(crate) fn new(
        peer: NodeId,
        connection: Arc<Connection>,
        stream: Arc<Stream>,
        owner: Owner,
        carried: Vec<u8>,
    ) -> Self {
        let Limits { max_frame_in, cut_at, .. } = connection.limits;
        let decoder = FrameDecoder::new(carried, max_frame_in, cut_at);
        Reader {
            peer,
            connection,
            owner,
            stream: Some(stream),
            decoder,
            last_word: None,
            drained: false,
            spin_until: None,
            last_bytes: LAST_BYTES,
        }
    }

    pub(crate) fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Looks whether something has come, before the system says so.
    pub(crate) fn look_again(&mut self) {
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
            if self.last_word.is_none() && self.take_frames(frames) {
                return Poll::Ready(Ok(()));
            }
            if let Some(kind) = self.last_word {
                match self.connection.phase() {
                    // The peer has hung up, but what we have to say may not all be out yet: the driver ends
                    // the session.
                    Phase::Closing(_) if kind != EndKind::Protocol => self.connection.note_peer_done(),
                    _ => self.connection.end_now(kind.into()),
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
                // What had arrived before the session was ended from this side is handed over first.
                Input::Some if end.is_none() || self.last_bytes > 0 => {}
                Input::Over(kind) if end.is_none() => self.last_word = Some(kind),
                Input::Nothing if end.is_none() => {
                    self.drained = true;
                    if spins {
                        break;
                    }
                }
                Input::Some | Input::Nothing | Input::Over(_) => {
                    return self.finish(end.expect("the other cases have none"));
                }
            }
        }
        // Neither a peer that floods us with pings nor one that is waited for may keep other tasks from running.
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Hands the frames in the buffer over and answers pings; whether there were any to hand over.
    fn take_frames(&mut self, frames: &mut FrameBuf) -> bool {
        let before = frames.len();
        let mut ping = None;
        let taken = self.decoder.take(frames, |beat| match beat {
            Beat::Ping(number) => ping = Some(number),
            Beat::Pong(number) => self.connection.note_pong(number),
        });
        self.last_word = taken.unwrap_or_else(|error| {
            log::protocol_broken(&self.peer, &error);
            Some(EndKind::Protocol)
        });
        if let Some(number) = ping {
            self.connection.send_urgent(Kind::Pong, number);
        }
        frames.len() > before
    }

    fn read(&mut self, stream: &Stream) -> Input {
        match stream.read_now(self.decoder.room()) {
            Ok(0) => Input::Over(EndKind::Closed),
            Ok(bytes) => {
                self.drained = !self.decoder.filled(bytes);
                self.last_bytes =
                    self.last_bytes.saturating_sub(if self.connection.end().is_some() { bytes } else { 0 });
                self.spin_until = self.connection.limits.spin.map(|spin| Instant::now() + spin);
                self.connection.note_heard();
                Input::Some
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Input::Nothing,
            Err(_) => Input::Over(EndKind::Closed),
        }
    }

    /// The end, told to the service first: whoever sees it may dial again at once.
    fn finish(&mut self, end: SessionEnd) -> Poll<Result<(), SessionEnd>> {
        self.stream = None;
        self.owner.over(&self.connection, end);
        Poll::Ready(Err(end))
    }
}

/// What a read has brought.
enum Input {
    Some,
    Nothing,
    Over(EndKind),
}

/// Nobody will read it any more.
impl Drop for Reader {
    fn drop(&mut self) {
        if self.stream.is_some() {
            self.connection.abandon();
        }
    }
}

#[cfg(test)]
mod tests;
