//! One end of a session: the halves of a connection of `transport-tcp`, between the runtime and a
//! socket in memory.

use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use monitor_runtime::test_util::Clock as _;
use parking_lot::Mutex;
use peer_service::{ChannelId, Closed, EndKind, FrameMeta, Outbox, PushError, SessionEnd, SessionId};
use transport_tcp::proto::connection::{
    limits::Limits,
    sending::{Phase, Sending, Written},
    upkeep::{self, Unread},
};

use crate::{
    conn::{ConnIx, Packet},
    service::SimService,
    time::NodeClock,
};

mod reader;

pub use reader::SimSession;

/// Capacity of the socket, in packets that the peer has not read.
const SOCKET: usize = 128;

/// See the [module](self). Shared by the runtime, which pushes and reads, and the world, which
/// carries packets and drives the upkeep.
pub struct Endpoint {
    pub conn: ConnIx,
    pub side: usize,
    pub session: SessionId,
    service: Arc<SimService>,
    limits: Limits,
    clock: Arc<NodeClock>,
    /// When the session began, by the clock of the node.
    pub began: Duration,
    state: Mutex<State>,
}

struct State {
    sending: Sending,
    /// Bytes that the socket has accepted and the world has not taken yet.
    written: Vec<Vec<u8>>,
    /// Number of sent packets that the peer has not read.
    unread: usize,
    /// Packets that have arrived and were not read.
    arrived: VecDeque<Packet>,
    /// Number of packets read since the last [`Endpoint::take_work`].
    read: usize,
    /// Whether the upkeep needs a poll.
    wakes_driver: bool,
    end: Option<SessionEnd>,
    /// The end of the session, until the world takes it.
    unreported: Option<SessionEnd>,
    reader: Option<Waker>,
    waiting: Vec<Waker>,
    heard: Duration,
    sent: Duration,
    pong: u64,
    probe_wanted: bool,
    peer_done: bool,
    abandoned: bool,
}

/// The work of the world for one end of a session.
pub struct Work {
    pub written: Vec<Vec<u8>>,
    /// Number of packets of the peer that were read.
    pub read: usize,
    /// Whether the upkeep needs a poll.
    pub wakes_driver: bool,
    pub ended: Option<SessionEnd>,
}

impl Endpoint {
    pub fn new(
        place: (ConnIx, usize),
        session: SessionId,
        service: Arc<SimService>,
        limits: Limits,
        clock: Arc<NodeClock>,
    ) -> Arc<Self> {
        let state = State {
            sending: Sending::new(&limits),
            written: Vec::new(),
            unread: 0,
            arrived: VecDeque::new(),
            read: 0,
            wakes_driver: false,
            end: None,
            unreported: None,
            reader: None,
            waiting: Vec::new(),
            heard: Duration::ZERO,
            sent: Duration::ZERO,
            pong: 0,
            probe_wanted: false,
            peer_done: false,
            abandoned: false,
        };
        let (conn, side) = place;
        let began = clock.now();
        Arc::new(Endpoint { conn, side, session, service, limits, clock, began, state: Mutex::new(state) })
    }

    pub fn now(&self) -> Duration {
        self.clock.now().saturating_sub(self.began)
    }

    /// Whether it accepts frames from its node.
    pub fn is_open(&self) -> bool {
        self.state.lock().sending.phase() == Phase::Open
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    // Called by the world.

    /// Adds arrived packets. Returns whether the driver reads them.
    pub fn arrive(&self, packets: impl IntoIterator<Item = Packet>) -> bool {
        let mut state = self.state.lock();
        state.arrived.extend(packets);
        state.wake();
        state.abandoned
    }

    pub fn take_work(&self) -> Work {
        let mut state = self.state.lock();
        Work {
            written: std::mem::take(&mut state.written),
            read: std::mem::take(&mut state.read),
            wakes_driver: std::mem::take(&mut state.wakes_driver),
            ended: state.unreported.take(),
        }
    }

    /// Records that the peer has read this number of packets, which makes room in its socket.
    pub fn packets_read(&self, packets: usize) {
        let is_blocked = {
            let mut state = self.state.lock();
            state.unread = state.unread.saturating_sub(packets);
            let is_blocked = state.sending.is_blocked() && state.unread < SOCKET;
            if is_blocked {
                state.sending.unblock();
            }
            is_blocked
        };
        if is_blocked {
            self.write_out();
        }
    }

    pub fn request_probe(&self) {
        self.state.lock().probe_wanted = true;
        self.wake_driver();
    }

    /// The state of the connection, for its upkeep.
    pub fn state(&self) -> upkeep::State {
        let mut state = self.state.lock();
        upkeep::State {
            phase: state.sending.phase(),
            backlog: state.sending.backlog(),
            last_received: state.heard,
            last_sent: state.sent,
            pong: state.pong,
            probe_requested: std::mem::take(&mut state.probe_wanted),
            peer_done: state.peer_done,
        }
    }

    pub fn ping(&self, number: u64) {
        if self.state.lock().sending.ping(number) {
            self.write_out();
        }
    }

    /// Discards input of a session that its node dropped while it was being closed.
    pub fn discard_input(&self) {
        let mut state = self.state.lock();
        if !state.abandoned || !matches!(state.sending.phase(), Phase::Closing(_)) {
            return;
        }
        while let Some(packet) = state.arrived.pop_front() {
            state.read += 1;
            match packet {
                Packet::Bytes(_) => state.heard = self.now(),
                Packet::Fin | Packet::Reset => state.peer_done = true,
            }
        }
    }

    // Called by the world and the runtime.

    /// Ends the session now, unless it has ended.
    pub fn end_now(&self, end: SessionEnd) {
        let waiting = {
            let mut state = self.state.lock();
            let Some(ended) = state.sending.end(end) else { return };
            state.end = Some(ended.end);
            state.unreported = Some(ended.end);
            state.wake();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        self.busy();
    }

    pub fn write_out(&self) -> Phase {
        let (phase, is_busy, waiting) = {
            let mut state = self.state.lock();
            let Some(mut turn) = state.sending.begin_turn() else { return state.sending.phase() };
            while let Some(mut chunk) = state.sending.next_chunk(&mut turn) {
                let bytes = chunk.rest().to_vec();
                let (taken, written) =
                    if state.unread < SOCKET { (bytes.len(), Written::All) } else { (0, Written::Part) };
                if taken > 0 {
                    chunk.advance(taken);
                    state.unread += 1;
                    state.written.push(bytes);
                    state.sent = self.now();
                }
                state.sending.written(&mut turn, chunk, taken, written);
            }
            let turned = state.sending.finish_turn(&self.limits, turn);
            let waiting = if turned.has_room { std::mem::take(&mut state.waiting) } else { Vec::new() };
            state.wakes_driver |= turned.wake_driver;
            (turned.phase, state.wakes_driver || !state.written.is_empty(), waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
        if is_busy {
            self.busy();
        }
        phase
    }

    fn end(&self) -> Option<SessionEnd> {
        self.state.lock().end
    }

    fn wake_driver(&self) {
        self.state.lock().wakes_driver = true;
        self.busy();
    }

    fn busy(&self) {
        self.service.busy.lock().push((self.conn, self.side));
    }

    // Called by the reader.

    /// Reads into `room`. Returns the number of bytes, 0 at the end, or `None` if nothing has
    /// arrived.
    fn read(&self, room: &mut [u8]) -> Option<usize> {
        let mut state = self.state.lock();
        let Packet::Bytes(bytes) = state.arrived.front_mut()? else { return Some(0) };
        let some = bytes.len().min(room.len());
        room[..some].copy_from_slice(&bytes[..some]);
        bytes.drain(..some);
        if bytes.is_empty() {
            state.arrived.pop_front();
            state.read += 1;
        }
        state.heard = self.now();
        drop(state);
        self.busy();
        Some(some)
    }
}

impl Unread for Endpoint {
    fn has_unread(&self) -> bool {
        !self.state.lock().arrived.is_empty()
    }

    fn is_over(&self) -> bool {
        matches!(self.state.lock().arrived.front(), Some(Packet::Fin | Packet::Reset))
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Outbox for Endpoint {
    fn push(&self, meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        self.state.lock().sending.push(&self.limits, meta, write)
    }

    fn flush(&self) {
        if self.write_out() == Phase::Overflowed {
            self.end_now(EndKind::Overloaded.into());
        }
    }

    fn poll_ready(&self, _: ChannelId, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        let mut state = self.state.lock();
        if state.sending.phase() != Phase::Open {
            return Poll::Ready(Err(Closed));
        }
        if state.sending.takes_messages(&self.limits) {
            return Poll::Ready(Ok(()));
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }

    fn close(&self, kind: EndKind) {
        match kind {
            EndKind::Left | EndKind::Disconnected => {
                if self.state.lock().sending.close(kind) {
                    self.write_out();
                }
            }
            kind => self.end_now(kind.into()),
        }
    }

    fn queued(&self) -> usize {
        self.state.lock().sending.queued()
    }
}
