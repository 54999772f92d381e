//! Carries the bytes of a handshake over a connection.

use std::time::Duration;

use futures::{FutureExt, pin_mut, select_biased};
use smol::Timer;

use super::failure::Failure;
use crate::{
    net::{error::ConnectError, stream::Stream},
    proto::handshake::{HandshakeError, frames::HandshakeFrames, messages::Nonce},
};

/// A connection whose handshake is complete, and the bytes of the session that were read with it.
pub(crate) struct Opened {
    pub(crate) stream: Stream,
    pub(crate) carried: Vec<u8>,
}

/// Writes a frame.
pub(crate) async fn send(stream: &Stream, frame: &[u8]) -> Result<(), ConnectError> {
    Ok(stream.write_all(frame).await?)
}

/// Waits until further bytes have been read.
pub(crate) async fn receive(stream: &Stream, frames: &mut HandshakeFrames) -> Result<(), ConnectError> {
    match stream.read(frames.room()).await? {
        0 => Err(ConnectError::Closed),
        bytes => {
            frames.filled(bytes);
            Ok(())
        }
    }
}

/// Returns when the peer closes the connection, or sends a frame out of turn.
pub(crate) async fn interrupted(stream: &Stream, frames: &mut HandshakeFrames) -> Failure {
    if frames.is_empty()
        && let Err(error) = receive(stream, frames).await
    {
        return error.into();
    }
    HandshakeError::Malformed("a frame that was not asked for").into()
}

/// A fresh random nonce.
pub(crate) fn nonce() -> Result<Nonce, ConnectError> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)
        .map_err(|_| std::io::Error::other("the operating system returned no random bytes"))?;
    Ok(nonce)
}

/// Runs a handshake, or a part of one, for at most `limit`.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let work = work.fuse();
    let timer = Timer::after(limit).fuse();
    pin_mut!(work, timer);
    select_biased! {
        result = work => result,
        _ = timer => Err(Failure::TIMEOUT),
    }
}
