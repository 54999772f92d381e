//! What the parts of one connection of a session share: its outgoing bytes, its signs of life, its end.
//!
//! Most sessions have one connection. Of several, each has a connection. If one of them ends before its time, its siblings end
//! too, and if one of them is closed in good order, so are its siblings.
//!
//! Three parties work on a connection. Whoever pushes and flushes writes directly while the socket takes it
//! ([`outbox`](crate::io::session::outbox)); the driver writes when it did not, sends pings and judges silence
//! ([`driver`](crate::io::session::driver)); the [`reader`](crate::io::session::reader) reads. Only one of them writes at a
//! time, outside of the lock.

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
            goodbye::{goodbye_code, is_good},
            send_queue::{Chunk, SendQueue},
        },
        limits::Limits,
        peers::pairing::ConnId,
        wire::Kind,
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
    /// The connections of the other connections of the session, if there are any.
    siblings: OnceLock<Vec<Weak<Connection>>>,
    /// When bytes last came in and went out, in nanoseconds since `started`.
    heard: AtomicU64,
    sent: AtomicU64,
    /// The highest number of a pong.
    ponged: AtomicU64,
    /// The service wants to know whether the peer lives.
    probe_wanted: AtomicBool,
    /// This node has asked to close the session in good order.
    closed_here: AtomicBool,
    /// The user has dropped the session while it was being closed: nobody reads any more.
    abandoned: AtomicBool,
    /// The peer has hung up while the session was being closed: nothing more will come.
    peer_done: AtomicBool,
    pub(crate) driver: AtomicWaker,
    pub(crate) reader: AtomicWaker,
}

/// The sending half; see [`Connection::out`].
pub(crate) struct Outgoing {
    pub(crate) phase: Phase,
    pub(crate) queue: SendQueue,
    /// None once nothing can be written any more.
    stream: Option<Arc<Stream>>,
    /// Somebody is writing, outside of the lock.
    writing: bool,
    /// Somebody else wanted to write meanwhile: who is writing does it for them.
    again: bool,
    /// The socket took less than it was given: the driver waits until it takes more.
    blocked: bool,
    /// Tasks that wait until a message would be accepted.
    pub(crate) waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Too many signals waited; the next flush ends the session.
    Overflowed,
    /// Ends in good order once everything is sent and the peer has hung up.
    Closing(EndKind),
    Over,
}

/// How much one call of [`Connection::write_out`] writes before it leaves the rest to the driver, so that whoever
/// flushes is not held up by what others push.
const WRITE_BUDGET: usize = 256 * 1024;

impl Connection {
    pub(crate) fn new(conn: ConnId, stream: Arc<Stream>, limits: Limits, counters: Arc<Counters>) -> Self {
        let out = Outgoing {
            phase: Phase::Open,
            queue: SendQueue::new(limits.cut_at.unwrap_or(usize::MAX)),
            stream: Some(stream),
            writing: false,
            again: false,
            blocked: false,
            waiting: Vec::new(),
        };
        Connection {
            conn,
            limits,
            counters,
            started: Instant::now(),
            out: Mutex::new(out),
            end: OnceLock::new(),
            siblings: OnceLock::new(),
            heard: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            ponged: AtomicU64::new(0),
            probe_wanted: AtomicBool::new(false),
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

    /// The session's clock.
    pub(crate) fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// The moment of the session's clock as one of the system's.
    pub(crate) fn instant(&self, at: Duration) -> Instant {
        self.started + at
    }

    /// The session's end, once it has one.
    pub(crate) fn end(&self) -> Option<SessionEnd> {
        self.end.get().copied()
    }

    /// Whether the session stands and nobody has asked to close it.
    pub(crate) fn is_open(&self) -> bool {
        self.out.lock().phase == Phase::Open
    }

    pub(crate) fn phase(&self) -> Phase {
        self.out.lock().phase
    }

    // Signs of life.

    pub(crate) fn note_heard(&self) {
        self.heard.store(self.now().as_nanos() as u64, Ordering::Relaxed);
    }

    pub(crate) fn last_heard(&self) -> Duration {
        Duration::from_nanos(self.heard.load(Ordering::Relaxed))
    }

    pub(crate) fn last_sent(&self) -> Duration {
        Duration::from_nanos(self.sent.load(Ordering::Relaxed))
    }

    pub(crate) fn note_pong(&self, number: u64) {
        self.ponged.fetch_max(number, Ordering::Relaxed);
        self.driver.wake();
    }

    pub(crate) fn last_pong(&self) -> u64 {
        self.ponged.load(Ordering::Relaxed)
    }

    /// Has the driver find out whether the peer lives.
    pub(crate) fn want_probe(&self) {
        self.probe_wanted.store(true, Ordering::Release);
        self.driver.wake();
    }

    pub(crate) fn take_probe_wanted(&self) -> bool {
        self.probe_wanted.swap(false, Ordering::Acquire)
    }

    // Ends.

    /// Ends the session now, unless it has ended. If it was being closed, it ends as it was to be closed.
    pub(crate) fn end_now(&self, end: SessionEnd) {
        let (end, stream, waiting, before_its_time) = {
            let mut out = self.out.lock();
            let (end, before_its_time) = match out.phase {
                Phase::Over => return,
                Phase::Closing(kind) => (kind.into(), false),
                // After a goodbye the others hear theirs.
                Phase::Open | Phase::Overflowed => (end, !is_good(end.kind)),
            };
            out.phase = Phase::Over;
            self.counters.unsent_bytes.add_many(out.queue.len());
            out.queue.clear();
            out.blocked = false;
            // Under the lock, so that whoever sees `Over` finds the end.
            let _ = self.end.set(end);
            (end, out.stream.take(), std::mem::take(&mut out.waiting), before_its_time)
        };
        if let Some(stream) = stream {
            socket::hasten(stream.tcp(), self.limits.heartbeat.timeout);
            if matches!(end.kind, EndKind::Timeout | EndKind::Overloaded) {
                socket::reset_when_closed(stream.tcp());
            }
            stream.hang_up();
        }
        waiting.into_iter().for_each(unwind::wake);
        self.driver.wake();
        self.reader.wake();
        if before_its_time {
            self.siblings().for_each(|sibling| sibling.end_now(end));
        }
    }

    /// Ends the session in good order: each of its connections sends the frames that were pushed, then a goodbye.
    pub(crate) fn end_gracefully(&self, kind: EndKind) {
        let waiting = {
            let mut out = self.out.lock();
            if out.phase != Phase::Open {
                return;
            }
            out.phase = Phase::Closing(kind);
            self.closed_here.store(true, Ordering::Release);
            out.queue.push_goodbye(goodbye_code(kind));
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

    /// Whether this node has asked to close the session in good order.
    pub(crate) fn was_closed_here(&self) -> bool {
        self.closed_here.load(Ordering::Acquire)
    }

    /// Nobody will read the session any more: it ends, or the driver reads what is left of one that is being
    /// closed.
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

    /// Everything the peer had to say was read.
    pub(crate) fn note_peer_done(&self) {
        self.peer_done.store(true, Ordering::Release);
        self.driver.wake();
    }

    pub(crate) fn is_peer_done(&self) -> bool {
        self.peer_done.load(Ordering::Acquire)
    }

    // Writing.

    /// Sends a ping or pong ahead of what waits.
    pub(crate) fn send_urgent(&self, kind: Kind, number: u64) {
        {
            let mut out = self.out.lock();
            // After the goodbye nothing more may go out.
            if out.phase != Phase::Open {
                return;
            }
            out.queue.push_urgent(kind, number);
        }
        self.write_out();
    }

    /// Writes what waits, as long as the socket takes it. If somebody is writing it leaves that to them. The phase
    /// afterwards.
    ///
    /// What is pushed from here on needs a call of its own. To write that too, as it comes, would be to send a flood in
    /// pieces of a few frames, and each costs both ends more than all its frames.
    pub(crate) fn write_out(&self) -> Phase {
        let mut budget = WRITE_BUDGET;
        let mut out = self.out.lock();
        if out.writing || out.blocked {
            out.again = out.writing;
            return out.phase;
        }
        let Some(stream) = out.stream.clone() else { return out.phase };
        out.writing = true;
        let mut left = out.queue.len();
        let mut wake_driver = false;
        while !wake_driver && (left > 0 || out.queue.has_control()) {
            let Some(mut chunk) = out.queue.next() else { break };
            left = left.saturating_sub(chunk.len());
            drop(out);
            let (bytes, outcome) = write_some(&stream, &mut chunk);
            if bytes > 0 {
                self.sent.store(self.now().as_nanos() as u64, Ordering::Relaxed);
            }
            out = self.out.lock();
            if out.phase == Phase::Over {
                break;
            }
            match outcome {
                Ok(Written::All) => {
                    out.queue.sent(chunk);
                    budget = budget.saturating_sub(bytes);
                    wake_driver = budget == 0;
                }
                Ok(Written::Part) => {
                    out.queue.put_back(chunk);
                    out.blocked = true;
                    wake_driver = true;
                }
                // What the peer has sent may still be there to be read, and with it why it hung up: the
                // reader ends the session.
                Err(_) => {
                    self.counters.unsent_bytes.add_many(out.queue.len());
                    out.queue.clear();
                    out.stream = None;
                    wake_driver = true;
                }
            }
            if std::mem::take(&mut out.again) {
                left = out.queue.len();
            }
        }
        out.writing = false;
        wake_driver |= matches!(out.phase, Phase::Closing(_));
        let room = out.queue.messages() <= self.limits.max_message_queue / 2;
        let waiting = if room { std::mem::take(&mut out.waiting) } else { Vec::new() };
        let phase = out.phase;
        drop(out);
        waiting.into_iter().for_each(unwind::wake);
        if wake_driver {
            self.driver.wake();
        }
        phase
    }

    /// Whether the socket took less than it was given.
    pub(crate) fn is_blocked(&self) -> bool {
        self.out.lock().blocked
    }

    /// The socket takes more.
    pub(crate) fn unblock(&self) {
        self.out.lock().blocked = false;
        self.write_out();
    }

    /// How much of the writing is left.
    pub(crate) fn backlog(&self) -> Backlog {
        let out = self.out.lock();
        let idle = !out.writing && out.queue.is_empty();
        Backlog { blocked: out.blocked, signals: out.queue.signals() > 0, idle, broken: out.stream.is_none() }
    }
}

/// How things stand with the writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backlog {
    /// The socket takes nothing.
    pub(crate) blocked: bool,
    /// Signals wait.
    pub(crate) signals: bool,
    /// Nothing waits.
    pub(crate) idle: bool,
    /// Nothing can be written any more.
    pub(crate) broken: bool,
}

enum Written {
    All,
    Part,
}

/// How many bytes the socket has taken, and whether those were all.
fn write_some(stream: &Stream, chunk: &mut Chunk) -> (usize, io::Result<Written>) {
    let mut total = 0;
    loop {
        let step = match chunk.rest() {
            [] => stream.flush_now().map(|()| 0),
            rest => stream.write_now(rest),
        };
        match step {
            Ok(0) => return (total, Ok(Written::All)),
            Ok(bytes) => {
                total += bytes;
                chunk.advance(bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return (total, Ok(Written::Part)),
            Err(error) => return (total, Err(error)),
        }
    }
}
