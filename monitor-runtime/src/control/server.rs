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
    Answer, MAX_DOWNS, MAX_MONITORS, MAX_QUESTION, Question,
    answers::{Look, NodeList, PastDownLine},
    place::Place,
};
use crate::{
    background,
    clients::{self, Asked},
    node::Node,
    state::Inner,
};

/// The open socket of a node. Dropped, it is closed and taken away; the node goes on.
#[derive(Debug)]
#[must_use = "the socket is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    _place: Place,
}

/// Answers questions at a Unix socket with mode 0600, on the node's executor: whoever may open it may see everything.
///
/// [`Question::Downs`] is answered with nothing unless the node has a
/// [history](crate::Config::max_history). A socket at which nobody listens any more is replaced. What holds the [`Served`]
/// need not hold the node. At most 16 questions are answered at once, each of at most 4 KiB, asked within 2 s and answered
/// within 10 s; while all places are taken, a newcomer gets that of who has said nothing for the longest. An answer has at
/// most 10,000 monitors.
///
/// # Errors
/// `AddrInUse` if another node listens there or if it is no socket that lies there; whatever else the system says, such as
/// that the directory is not there or that the path is too long for a socket.
pub fn serve(node: &Node, socket: impl AsRef<Path>) -> io::Result<Served> {
    let (listener, place) = Place::listen(socket.as_ref())?;
    let listener: UnixListener = smol::Async::new(listener)?.into();
    let (listening, stopped) = AbortHandle::new_pair();
    let weak = Arc::downgrade(&node.inner);
    let serving = async move {
        // Aborted or not, it is over.
        let _ = Abortable::new(clients::serve(weak, listener.incoming(), converse), stopped).await;
    };
    node.inner.run_task(background::CLIENTS, serving, background::nothing);
    Ok(Served { listening, _place: place })
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One question and its answer. Whoever does not listen gets none.
async fn converse(stream: UnixStream, node: Weak<Inner>, asked: Asked) {
    let mut line = String::new();
    let mut question = BufReader::new(stream.clone().take(MAX_QUESTION));
    // Who hangs up without a word has only looked whether somebody is there.
    if question.read_line(&mut line).await.is_err() || line.is_empty() {
        return;
    }
    asked.set();
    let Some(inner) = node.upgrade() else { return };
    let answer = answer(&line, &Node { inner });
    let mut answer = serde_json::to_vec(&answer).expect("an answer is made of texts and numbers");
    answer.push(b'\n');
    let mut stream = stream;
    let _ = stream.write_all(&answer).await;
}

fn answer(question: &str, node: &Node) -> Answer {
    match serde_json::from_str(question) {
        Ok(Question::Nodes) => Answer::Nodes(NodeList::of(node)),
        Ok(Question::Monitors) => Answer::Monitors(node.monitors(MAX_MONITORS).into()),
        Ok(Question::Downs(of)) => {
            let asked_for = |line: &PastDownLine| of.as_ref().is_none_or(|of| line.is_of(of));
            Answer::Downs(node.history().into_iter().map(PastDownLine::from).filter(asked_for).collect())
        }
        Ok(Question::Look) => Answer::Look(Box::new(Look::at(node, MAX_MONITORS, MAX_DOWNS))),
        Err(error) => {
            node.inner.counters.questions_refused.add_one();
            Answer::Refused(format!("not a question: {error}"))
        }
    }
}
