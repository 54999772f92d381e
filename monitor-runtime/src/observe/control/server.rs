//! The server, in the node.

use std::{
    io,
    path::Path,
    sync::{Arc, Weak},
};

use futures::{
    AsyncBufReadExt, AsyncReadExt, AsyncWriteExt,
    future::{AbortHandle, Abortable},
    io::BufReader,
};
use smol::net::unix::{UnixListener, UnixStream};

use super::{
    bounded,
    protocol::{MAX_MONITORS, MAX_PEERS, MAX_REQUEST, MAX_RESPONSE, MAX_SNAPSHOT, Request, Response},
    responses::{NodeList, PastDownLine, Snapshot},
    socket_path::BoundSocket,
};
use crate::{
    engine::state::Inner,
    node::Node,
    observe::connection_limit::{self, Client},
    tasks::kinds,
};

/// The open socket of a node. Dropping this closes and removes the socket, and does not stop the
/// node.
#[derive(Debug)]
#[must_use = "the socket is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    _socket: BoundSocket,
}

/// Answers requests at a Unix socket with mode 0600, on the node's own threads. A program that may
/// open the socket can read the whole state of the node.
///
/// The response to [`Request::Downs`] is empty unless the node has a
/// [history](crate::Config::max_history). A socket at which no program listens any more is
/// replaced. The [`Served`] does not keep the node alive. At most 128 clients are connected at
/// once, and at most 16 of them are served; the others wait. A request has at most 4 KiB and
/// arrives within 2 s; the response is read within 10 s. While 128 clients are connected, a new
/// client replaces the one that has been connected the longest without a request, if that is 250 ms
/// or more. A client that has sent its request is not replaced. A response has at most 10,000
/// monitors of each kind, 10,000 nodes and 64 MiB.
///
/// # Errors
/// `AddrInUse` if another node listens at the path or if the path exists and is not a socket;
/// otherwise the error of the system, for example if the directory does not exist or the path is
/// too long for a socket.
pub fn serve(node: &Node, socket: impl AsRef<Path>) -> io::Result<Served> {
    let (listener, socket_file) = BoundSocket::listen(socket.as_ref())?;
    let listener: UnixListener = smol::Async::new(listener)?.into();
    let (listening, stopped) = AbortHandle::new_pair();
    let weak = Arc::downgrade(&node.inner);
    let serving = async move {
        // It makes no difference whether it was aborted.
        let _ =
            Abortable::new(connection_limit::serve(weak, "control", listener.incoming(), handle), stopped)
                .await;
    };
    node.inner.run_task(kinds::CLIENTS, serving, kinds::settled_on_drop);
    Ok(Served { listening, _socket: socket_file })
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Handles one request. An error while writing the response ends the exchange.
async fn handle(mut client: Client<UnixStream>, node: Weak<Inner>) {
    let progress = client.progress();
    let mut line = Vec::new();
    let mut request = BufReader::new((&mut client).take(MAX_REQUEST));
    // A client that closes the connection without a request has only checked that the node runs.
    if request.read_until(b'\n', &mut line).await.is_err() || line.is_empty() {
        return;
    }
    progress.asked().await;
    let Some(inner) = node.upgrade() else { return };
    let mut response = respond(&line, &Node { inner });
    response.push(b'\n');
    let _ = client.write_all(&response).await;
}

/// The response as JSON.
fn respond(request: &[u8], node: &Node) -> Vec<u8> {
    let response = match serde_json::from_slice(request) {
        Ok(Request::Nodes) => Response::Nodes(NodeList::of(node, MAX_PEERS)),
        Ok(Request::Monitors) => Response::Monitors(node.monitors(MAX_MONITORS).into()),
        Ok(Request::Downs(of)) => {
            let asked_for = |line: &PastDownLine| of.as_ref().is_none_or(|of| line.is_of(of));
            Response::Downs(node.history().into_iter().map(PastDownLine::from).filter(asked_for).collect())
        }
        Ok(Request::Snapshot) => Response::Snapshot(Box::new(Snapshot::take(node, &MAX_SNAPSHOT))),
        Err(error) => {
            node.inner.counters.questions_refused.add_one();
            Response::Refused(format!("not a question: {error}"))
        }
    };
    bounded::json(&response, MAX_RESPONSE).unwrap_or_else(|| {
        let refused = Response::Refused(format!("the answer has more than {MAX_RESPONSE} bytes"));
        bounded::json(&refused, MAX_RESPONSE).expect("it is short")
    })
}
