//! The end of whoever asks.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures::{AsyncReadExt, AsyncWriteExt};
use smol::{Timer, net::unix::UnixStream};
use thiserror::Error;

use super::protocol::{MAX_RESPONSE, Request, Response};
use crate::observe::connection_limit::TIMEOUT;

/// Why a node did not answer.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// Nobody listens at the socket, or it may not be opened.
    #[error("no node answers at {}", path.display())]
    NoNode {
        /// The socket.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// The connection broke, or the answer took longer than 10 s.
    #[error("the node at {} did not answer", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// What went wrong.
        #[source]
        cause: io::Error,
    },
    /// What came back is no answer: another program listens there, or another version.
    #[error("what answers at {} is no node of this version", path.display())]
    Malformed {
        /// The socket.
        path: PathBuf,
        /// What is wrong with the answer.
        #[source]
        cause: serde_json::Error,
    },
    /// The node did not understand the question: it is of another version.
    #[error("the node refused: {}", refs::Printable(.0))]
    Refused(String),
}

/// Asks the node at that socket. Waits for at most 10 s, and takes at most 64 MiB. Cancel-safe: a
/// question changes nothing at the node, and its connection ends when this is dropped.
///
/// # Errors
/// [`AskError`], each of which names the socket.
pub async fn ask(socket: impl AsRef<Path>, request: &Request) -> Result<Response, AskError> {
    let path = || socket.as_ref().to_owned();
    let stream = UnixStream::connect(socket.as_ref()).await;
    let stream = stream.map_err(|cause| AskError::NoNode { path: path(), cause })?;
    let timeout = async {
        Timer::after(TIMEOUT).await;
        Err(io::ErrorKind::TimedOut.into())
    };
    let response = smol::future::or(exchange(stream, request), timeout).await;
    let response = response.map_err(|cause| AskError::Broken { path: path(), cause })?;
    match serde_json::from_slice(&response) {
        Ok(Response::Refused(why)) => Err(AskError::Refused(why)),
        Ok(response) => Ok(response),
        Err(cause) => Err(AskError::Malformed { path: path(), cause }),
    }
}

async fn exchange(mut stream: UnixStream, request: &Request) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut response = Vec::new();
    stream.take(MAX_RESPONSE as u64).read_to_end(&mut response).await?;
    Ok(response)
}
