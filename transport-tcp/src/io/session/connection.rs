//! One connection of a session, shared by its three users.
//!
//! A caller that pushes and flushes writes directly as long as the socket accepts bytes
//! ([`outbox`](super::outbox)). The [`driver`](super::driver) writes the remaining bytes, sends
//! pings, and ends the session of a silent peer. The [`reader`](super::reader) reads. At most one
//! of them writes at a time, without the lock.
//!
//! A session has one connection, or one for each channel. If one of them fails, the others end,
//! too; if one is closed with a goodbye, so are the others.

use std::{
    io,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use peer_service::{EndKind, SessionEnd};
use supervision::unwind;

use crate::{
    counters::Counters,
    net::{socket, stream::Stream},
    proto::{
        connection::{
            chunk::Chunk,
            limits::Limits,
            sending::{Ended, Phase, Sending, Written},
            upkeep::State,
        },
        peers::pairing::ConnId,
    },
};

/// See the [module](self).
pub(crate) struct Connection {
    pub(crate) conn: ConnId,
    pub(crate) limits: Limits,
    pub(crate) counters: Arc<Counters>,
    started: Instant,
    pub(crate) out: Mutex<Outgoing>,
    end: OnceLock<SessionEnd>,
    /// The other connections of the session, if there are any.
    siblings: OnceLock<Vec<Weak<Connection>>>,
    /// Time of the last received and of the last sent bytes, in nanoseconds since `started`.
    last_received: AtomicU64,
    last_sent: AtomicU64,
    /// The highest number of a received pong.
    last_pong: AtomicU64,
    /// The table of peers has requested a probe of the peer.
    probe_requested: AtomicBool,
    /// The local node has requested to close the session with a goodbye.
    closed_here: AtomicBool,
    /// The user has dropped the session while it was closing: the driver reads the remaining input.
    abandoned: AtomicBool,
    /// The peer has closed its side while the session was closing: no more input follows.
    peer_done: AtomicBool,
    pub(crate) driver: AtomicWaker,
    pub(crate) reader: AtomicWaker,
}

/// The sending half; see [`Connection::out`].
pub(crate) struct Outgoing {
    pub(crate) sending: Sending,
    /// `None` once nothing can be written any more.
    stream: Option<Arc<Stream>>,
    /// Tasks that wait until the queue accepts a message.
    pub(crate) waiting: Vec<Waker>,
}

impl Connection {
    pub(crate) fn new(conn: ConnId, stream: Arc<Stream>, limits: Limits, counters: Arc<Counters>) -> Self {
        let out = Outgoing { sending: Sending::new(&limits), stream: Some(stream), waiting: Vec::new() };
        Connection {
            conn,
            limits,
            counters,
            started: Instant::now(),
            out: Mutex::new(out),
            end: OnceLock::new(),
            siblings: OnceLock::new(),
            last_received: AtomicU64::new(0),
            last_sent: AtomicU64::new(0),
            last_pong: AtomicU64::new(0),
            probe_requested: AtomicBool::new(false),
            closed_here: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            peer_done: AtomicBool::new(false),
            driver: AtomicWaker::new(),
            reader: AtomicWaker::new(),
        }
    }

    /// Sets the connections that end, or are closed, with this one. Called at most once.
    pub(crate) fn set_siblings(&self, siblings: Vec<Weak<Connection>>) {
        let _ = self.siblings.set(siblings);
    }

    /// The time of the session's clock.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Converts a time of the session's clock to the system's.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.started + at
    }

    /// The end of the session, `None` while it has not ended.
    pub(crate) fn end(&self) -> Option<SessionEnd> {
        self.end.get().copied()
    }

    /// Whether the session accepts frames.
    pub(crate) fn is_open(&self) -> bool {
        self.phase() == Phase::Open
    }

    pub(crate) fn phase(&self) -> Phase {
        self.out.lock().sending.phase()
    }

    // Heartbeats.

    pub(crate) fn note_received(&self) {
        self.last_received.store(self.now().as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn note_pong(&self, number: u64) {
        self.last_pong.fetch_max(number, Ordering::Relaxed);
        self.driver.wake();
    }

    /// Makes the driver probe the peer.
    pub(crate) fn request_probe(&self) {
        self.probe_requested.store(true, Ordering::Release);
        self.driver.wake();
    }

    // Ends.

    /// Ends the session now, unless it has ended. A session that is closing ends with the kind with
    /// which it was closed.
    pub(crate) fn end_now(&self, end: SessionEnd) {
        let (Ended { end, is_premature, unsent }, stream, waiting) = {
            let mut out = self.out.lock();
            let Some(ended) = out.sending.end(end) else { return };
            // Under the lock, so that a caller that sees `Over` also sees the end.
            let _ = self.end.set(ended.end);
            (ended, out.stream.take(), std::mem::take(&mut out.waiting))
        };
        self.counters.unsent_bytes.add_many(unsent);
        if let Some(stream) = stream {
            socket::limit_retransmission(stream.tcp(), self.limits.heartbeat.timeout);
            if matches!(end.kind, EndKind::Timeout | EndKind::Overloaded) {
                socket::reset_when_closed(stream.tcp());
            }
            stream.shut_down();
        }
        waiting.into_iter().for_each(unwind::wake);
        self.driver.wake();
        self.reader.wake();
        if is_premature {
            self.siblings().for_each(|sibling| sibling.end_now(end));
        }
    }

    /// Closes the session: each of its connections sends the queued frames, then a goodbye.
    pub(crate) fn end_gracefully(&self, kind: EndKind) {
        let waiting = {
            let mut out = self.out.lock();
            if !out.sending.close(kind) {
                return;
            }
            self.closed_here.store(true, Ordering::Release);
            std::mem::take(&mut out.waiting)
        };
        waiting.into_iter().for_each(unwind::wake);
        self.write_out();
        self.driver.wake();
        self.siblings().for_each(|sibling| sibling.end_gracefully(kind));
    }

    fn siblings(&self) -> impl Iterator<Item = Arc<Connection>> {
        self.siblings.get().into_iter().flatten().filter_map(Weak::upgrade)
    }

    /// Whether the local node has requested to close the session with a goodbye.
    pub(crate) fn was_closed_here(&self) -> bool {
        self.closed_here.load(Ordering::Acquire)
    }

    /// The user has dropped the session. An open session ends; for a closing one, the driver reads
    /// the remaining input.
    pub(crate) fn abandon(&self) {
        if let Phase::Closing(_) = self.phase() {
            self.abandoned.store(true, Ordering::Release);
            self.driver.wake();
        } else {
            self.end_now(EndKind::Closed.into());
        }
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Everything that the peer has sent was read.
    pub(crate) fn note_peer_done(&self) {
        self.peer_done.store(true, Ordering::Release);
        self.driver.wake();
    }

    pub(crate) fn is_peer_done(&self) -> bool {
        self.peer_done.load(Ordering::Acquire)
    }

    // Writing.

    /// Sends a ping, ahead of the queued frames.
    pub(crate) fn ping(&self, number: u64) {
        if self.out.lock().sending.ping(number) {
            self.write_out();
        }
    }

    /// Answers a ping, ahead of the queued frames.
    pub(crate) fn pong(&self, number: u64) {
        if self.out.lock().sending.pong(number) {
            self.write_out();
        }
    }

    /// Writes queued bytes as long as the socket accepts them. If another writer is active, that
    /// writer writes these bytes, too. Returns the phase afterwards.
    pub(crate) fn write_out(&self) -> Phase {
        let mut out = self.out.lock();
        let Some(mut turn) = out.sending.begin_turn() else { return out.sending.phase() };
        let Some(stream) = out.stream.clone() else { return out.sending.phase() };
        while let Some(mut chunk) = out.sending.next_chunk(&mut turn) {
            drop(out);
            let (bytes, written) = write_some(&stream, &mut chunk);
            if bytes > 0 {
                self.last_sent.store(self.now().as_nanos() as u64, Ordering::Relaxed);
            }
            out = self.out.lock();
            if !out.sending.written(&mut turn, chunk, bytes, written) {
                break;
            }
        }
        let finished = out.sending.finish_turn(&self.limits, turn);
        if out.sending.is_broken() {
            out.stream = None;
        }
        let waiting = if finished.has_room { std::mem::take(&mut out.waiting) } else { Vec::new() };
        drop(out);
        if finished.unsent > 0 {
            self.counters.unsent_bytes.add_many(finished.unsent);
        }
        waiting.into_iter().for_each(unwind::wake);
        if finished.wake_driver {
            self.driver.wake();
        }
        finished.phase
    }

    /// Whether the socket accepted only a part of the last write.
    pub(crate) fn is_blocked(&self) -> bool {
        self.out.lock().sending.is_blocked()
    }

    /// Reports that the socket is writable again, and writes.
    pub(crate) fn unblock(&self) {
        self.out.lock().sending.unblock();
        self.write_out();
    }

    /// The state of the connection, for its upkeep.
    pub(crate) fn state(&self) -> State {
        let (phase, backlog) = {
            let out = self.out.lock();
            (out.sending.phase(), out.sending.backlog())
        };
        State {
            phase,
            backlog,
            last_received: Duration::from_nanos(self.last_received.load(Ordering::Relaxed)),
            last_sent: Duration::from_nanos(self.last_sent.load(Ordering::Relaxed)),
            pong: self.last_pong.load(Ordering::Relaxed),
            probe_requested: self.probe_requested.swap(false, Ordering::Acquire),
            peer_done: self.peer_done.load(Ordering::Acquire),
        }
    }
}

/// Returns the number of written bytes, and whether those were all.
fn write_some(stream: &Stream, chunk: &mut Chunk) -> (usize, Written) {
    let mut total = 0;
    loop {
        let step = match chunk.rest() {
            [] => stream.flush_now().map(|()| 0),
            rest => stream.write_now(rest),
        };
        match step {
            Ok(0) => return (total, Written::All),
            Ok(bytes) => {
                total += bytes;
                chunk.advance(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (total, Written::Part),
            Err(_) => return (total, Written::Failed),
        }
    }
}
