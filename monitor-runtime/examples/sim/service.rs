//! The peer service of a simulated node, as the runtime sees it: it only takes notes, and the world acts on them.
//!
//! So nothing here is decided, and nothing here is random: what a note leads to is up to the rules of `transport-tcp`,
//! which `transport` drives.

use std::{
    collections::VecDeque,
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use async_trait::async_trait;
use parking_lot::Mutex;
use peer_service::{
    Capabilities, ChannelId, Class, Closed, DialId, EndKind, Events, FrameBuf, FrameMeta, NodeId, NodeName,
    NodeSpec, Outbox, PeerEvent, PeerInfo, PeerService, PushError, Session, SessionEnd, SessionId,
};

use crate::conn::ConnIx;

/// The most bytes of messages that wait for one peer.
const MAX_MESSAGES: usize = 64 << 10;

/// What a node wants of its network.
pub enum Request {
    Connect(NodeName, DialId),
    Disconnect(NodeName),
}

/// Where a node and the world leave each other word.
pub struct Desk {
    local: NodeId,
    pub events: Events,
    pub requests: Mutex<VecDeque<Request>>,
    /// Sessions with something to send, or to be closed.
    pub busy: Mutex<Vec<Arc<Line>>>,
}

impl Desk {
    pub fn new(local: NodeId) -> Arc<Self> {
        Arc::new(Desk { local, events: Events::new(), requests: Mutex::default(), busy: Mutex::default() })
    }
}

#[async_trait]
impl PeerService for Desk {
    fn local(&self) -> &NodeId {
        &self.local
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }
    fn max_frame(&self) -> usize {
        1 << 20
    }
    async fn next(&self) -> Option<PeerEvent> {
        self.events.next().await
    }
    fn connect(&self, node: &NodeSpec, dial: DialId) {
        self.requests.lock().push_back(Request::Connect(node.name().clone(), dial));
    }
    fn disconnect(&self, node: &NodeName) {
        self.requests.lock().push_back(Request::Disconnect(node.clone()));
    }
    fn shutdown(&self) {
        self.events.close();
    }
}

/// One end of a session: what has arrived for its node, and what its node has pushed.
pub struct Line {
    pub conn: ConnIx,
    pub side: usize,
    pub session: SessionId,
    desk: Arc<Desk>,
    state: Mutex<State>,
}

struct Pushed {
    class: Class,
    bytes: Vec<u8>,
}

#[derive(Default)]
struct State {
    arrived: VecDeque<Vec<u8>>,
    end: Option<SessionEnd>,
    reader: Option<Waker>,
    pushed: VecDeque<Pushed>,
    /// The number of frames at the front of `pushed` that were flushed.
    flushed: usize,
    message_bytes: usize,
    close: Option<EndKind>,
}

impl Line {
    pub fn new(conn: ConnIx, side: usize, session: SessionId, desk: Arc<Desk>) -> Arc<Self> {
        Arc::new(Line { conn, side, session, desk, state: Mutex::default() })
    }

    /// Whether it takes what its node pushes.
    pub fn is_open(&self) -> bool {
        let state = self.state.lock();
        state.end.is_none() && state.close.is_none()
    }

    pub fn arrived(&self, frame: Vec<u8>) {
        let mut state = self.state.lock();
        state.arrived.push_back(frame);
        state.wake();
    }

    pub fn end(&self, end: SessionEnd) {
        let mut state = self.state.lock();
        state.end.get_or_insert(end);
        state.wake();
    }

    /// The frames to send, and how the node closes the session after them, if it does.
    pub fn take_flushed(&self) -> (Vec<Vec<u8>>, Option<EndKind>) {
        let mut state = self.state.lock();
        let close = state.close.take();
        let count = if close.is_some() { state.pushed.len() } else { state.flushed };
        state.flushed = 0;
        let frames: Vec<_> = state.pushed.drain(..count).collect();
        let messages = frames.iter().filter(|frame| frame.class == Class::Message);
        state.message_bytes -= messages.map(|frame| frame.bytes.len()).sum::<usize>();
        (frames.into_iter().map(|frame| frame.bytes).collect(), close)
    }

    fn busy(self: &Arc<Self>) {
        self.desk.busy.lock().push(self.clone());
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// A session, as the runtime sees it.
pub struct SimSession {
    pub peer: PeerInfo,
    pub line: Arc<Line>,
}

#[async_trait]
impl Session for SimSession {
    fn peer(&self) -> &PeerInfo {
        &self.peer
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        Arc::new(SimOutbox(self.line.clone()))
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        poll_fn(|cx| {
            let mut state = self.line.state.lock();
            if !state.arrived.is_empty() {
                state.arrived.drain(..).for_each(|frame| frames.push(&frame));
                return Poll::Ready(Ok(()));
            }
            if let Some(end) = state.end {
                return Poll::Ready(Err(end));
            }
            state.reader = Some(cx.waker().clone());
            Poll::Pending
        })
        .await
    }
}

/// The session is abandoned, unless it was over.
impl Drop for SimSession {
    fn drop(&mut self) {
        SimOutbox(self.line.clone()).close(EndKind::Closed);
    }
}

struct SimOutbox(Arc<Line>);

impl Outbox for SimOutbox {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        let mut state = self.0.state.lock();
        if state.end.is_some() || state.close.is_some() {
            return Err(PushError::Closed);
        }
        if meta.class == Class::Message && state.message_bytes > MAX_MESSAGES {
            return Err(PushError::Full);
        }
        let mut bytes = Vec::new();
        write(&mut bytes);
        if meta.class == Class::Message {
            state.message_bytes += bytes.len();
        }
        state.pushed.push_back(Pushed { class: meta.class, bytes });
        Ok(())
    }

    fn flush(&self) {
        {
            let mut state = self.0.state.lock();
            state.flushed = state.pushed.len();
        }
        self.0.busy();
    }

    fn poll_ready(&self, _: ChannelId, _: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(Ok(()))
    }

    fn close(&self, kind: EndKind) {
        self.0.state.lock().close.get_or_insert(kind);
        self.0.busy();
    }

    fn queued(&self) -> usize {
        self.0.state.lock().message_bytes
    }
}
