//! The client.

use std::{
    io,
    path::{Path, PathBuf},
};

use futures::{AsyncReadExt, AsyncWriteExt};
use smol::{Timer, net::unix::UnixStream};
use thiserror::Error;

use super::protocol::{MAX_RESPONSE, Request, Response};
use crate::observe::connection_limit::TIMEOUT;

/// Why a request has no response.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No program listens at the socket, or this user may not open it.
    #[error("no node answers at {}", path.display())]
    NoNode {
        /// The socket.
        path: PathBuf,
        /// The error of the operating system.
        #[source]
        cause: io::Error,
    },
    /// The connection broke, or the response took longer than 10 s.
    #[error("the node at {} did not answer", path.display())]
    Broken {
        /// The socket.
        path: PathBuf,
        /// The error of the connection.
        #[source]
        cause: io::Error,
    },
    /// The received bytes are no response: another program listens there, or a node of another
    /// version.
    #[error("the program at {} is no node of this version", path.display())]
    Malformed {
        /// The socket.
        path: PathBuf,
        /// Why the bytes are no response.
        #[source]
        cause: serde_json::Error,
    },
    /// The node refused the request, because it is of another version or because the response is
    /// too long.
    #[error("the node refused: {}", refs::Printable(.0))]
    Refused(String),
}

/// Sends a request to the node at that socket, and returns its response. Waits at most 10 s, and
/// reads at most 64 MiB. Cancel-safe: a request changes nothing at the node, and dropping the
/// future closes the connection.
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
