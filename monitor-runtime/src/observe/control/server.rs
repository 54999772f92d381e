//! The node's end.

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
    tasks::background,
};

/// The open socket of a node. Dropped, it is closed and taken away; the node goes on.
#[derive(Debug)]
#[must_use = "the socket is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    _socket: BoundSocket,
}

/// Answers questions at a Unix socket with mode 0600, on the node's own threads: whoever may open
/// it may see everything.
///
/// [`Request::Downs`] is answered with nothing unless the node has a
/// [history](crate::Config::max_history). A socket at which nobody listens any more is replaced.
/// What holds the [`Served`] need not hold the node. At most 128 clients are connected at once and
/// 16 of them answered; others wait for their turn. A question has at most 4 KiB and comes within 2
/// s, an answer is read within 10 s. While 128 are connected, a newcomer gets the place of the
/// client that has not asked for the longest, if that is 250 ms or more; one that has asked keeps
/// its place. An answer has at most 10,000 monitors of each kind, 10,000 nodes and 64 MiB.
///
/// # Errors
/// `AddrInUse` if another node listens there or if it is no socket that lies there; whatever else
/// the system says, such as that the directory is not there or that the path is too long for a
/// socket.
pub fn serve(node: &Node, socket: impl AsRef<Path>) -> io::Result<Served> {
    let (listener, socket_file) = BoundSocket::listen(socket.as_ref())?;
    let listener: UnixListener = smol::Async::new(listener)?.into();
    let (listening, stopped) = AbortHandle::new_pair();
    let weak = Arc::downgrade(&node.inner);
    let serving = async move {
        // Aborted or not, it is over.
        let _ =
            Abortable::new(connection_limit::serve(weak, "control", listener.incoming(), handle), stopped)
                .await;
    };
    node.inner.run_task(background::CLIENTS, serving, background::nothing);
    Ok(Served { listening, _socket: socket_file })
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One question and its answer. Whoever does not listen gets none.
async fn handle(mut client: Client<UnixStream>, node: Weak<Inner>) {
    let progress = client.progress();
    let mut line = Vec::new();
    let mut request = BufReader::new((&mut client).take(MAX_REQUEST));
    // A client that hangs up without a word has only looked whether the node is there.
    if request.read_until(b'\n', &mut line).await.is_err() || line.is_empty() {
        return;
    }
    progress.asked().await;
    let Some(inner) = node.upgrade() else { return };
    let mut response = respond(&line, &Node { inner });
    response.push(b'\n');
    let _ = client.write_all(&response).await;
}

/// The answer as JSON.
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
