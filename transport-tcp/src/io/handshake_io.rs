//! Carries the frames of a handshake over a connection, within their limit.

use std::time::Duration;

use futures::{FutureExt, pin_mut, select_biased};
use smol::Timer;

use crate::{
    net::stream::Stream,
    proto::handshake::{Failure, messages::MAX_FRAME},
    proto::wire::{self, Kind, MAX_HEADER, Parsed},
};

const MAX_BODY: usize = MAX_FRAME - MAX_HEADER;

/// A connection on which two nodes shake hands. Holds at most as much as one frame of what was read.
pub(crate) struct HandshakeIo {
    stream: Stream,
    buffer: Box<[u8; MAX_FRAME]>,
    filled: usize,
}

impl HandshakeIo {
    pub(crate) fn new(stream: Stream) -> Self {
        HandshakeIo { stream, buffer: Box::new([0; MAX_FRAME]), filled: 0 }
    }

    pub(crate) async fn send(&mut self, kind: Kind, body: &[u8]) -> Result<(), Failure> {
        let mut frame = Vec::with_capacity(body.len() + MAX_HEADER);
        wire::append(&mut frame, kind, MAX_BODY, &mut |out| out.extend_from_slice(body))?;
        Ok(self.stream.write_all(&frame).await?)
    }

    /// The connection.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    pub(crate) async fn receive(&mut self) -> Result<(Kind, Vec<u8>), Failure> {
        loop {
            if is_tls(&self.buffer[..self.filled]) {
                return Err(Failure::SpeaksTls);
            }
            if let Parsed::Frame(frame) = wire::parse(&self.buffer[..self.filled], MAX_BODY)? {
                let body = self.buffer[frame.body.clone()].to_vec();
                self.buffer.copy_within(frame.body.end..self.filled, 0);
                self.filled -= frame.body.end;
                return Ok((frame.kind, body));
            }
            self.read().await?;
        }
    }

    /// Returns when the other end hangs up, or says something although it is not its turn.
    pub(crate) async fn interrupted(&mut self) -> Failure {
        if self.filled > 0 {
            return Failure::Malformed("a frame that nobody has asked for");
        }
        match self.read().await {
            Ok(()) => Failure::Malformed("a frame that nobody has asked for"),
            Err(failure) => failure,
        }
    }

    /// The connection, and what was read of the session's frames already.
    pub(crate) fn into_parts(self) -> (Stream, Vec<u8>) {
        (self.stream, self.buffer[..self.filled].to_vec())
    }

    async fn read(&mut self) -> Result<(), Failure> {
        let read = self.stream.read(&mut self.buffer[self.filled..]).await?;
        self.filled += read;
        if read == 0 { Err(Failure::Closed) } else { Ok(()) }
    }
}

/// Whether these bytes begin as a record of TLS does: a handshake or an alert, in some version 3.x. To us it would
/// be a pong, which has no place in a handshake.
fn is_tls(said: &[u8]) -> bool {
    matches!(said, [0x15 | 0x16, 3, ..])
}

/// Runs a handshake, or a part of one, for at most that long.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let work = work.fuse();
    let timer = Timer::after(limit).fuse();
    pin_mut!(work, timer);
    select_biased! {
        result = work => result,
        _ = timer => Err(Failure::Timeout),
    }
}
