//! Forwards the bytes between two nodes, with faults.
//!
//! It can delay bytes, hold back one direction, let connections overtake each other, and reset
//! them. It works on streams, above TCP, so it cannot reorder, lose or duplicate packets within a
//! connection: [`firewall`](super::firewall) and [`shaping`](super::shaping) do that to real
//! packets.

use std::{
    collections::VecDeque,
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use fastrand::Rng;
use rustix::net::sockopt::set_socket_linger;

/// The faults of a relay; none by default.
#[derive(Clone, Copy, Debug, Default)]
pub struct RelayFaults {
    /// Delay of all bytes, in both directions.
    pub delay: Duration,
    /// Maximum of the random delay with which each connection is set up, so that a later connection
    /// may be first.
    pub scatter: Duration,
    /// Holds back all bytes from the caller.
    pub hold_to_target: bool,
    /// Holds back all bytes to the caller.
    pub hold_to_caller: bool,
}

impl RelayFaults {
    /// Whether bytes in this direction are held back.
    fn hold(&self, direction: Direction) -> bool {
        match direction {
            Direction::ToTarget(_) => self.hold_to_target,
            Direction::ToCaller => self.hold_to_caller,
        }
    }
}

/// A relay. Its drop resets its connections and ends it.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    faults: Mutex<RelayFaults>,
    rng: Mutex<Rng>,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// The first bytes of each caller, in the order in which their connections were set up.
    recorded: Mutex<Vec<Vec<u8>>>,
    over: AtomicBool,
}

/// How often an idle thread checks whether it has to end.
const TICK: Duration = Duration::from_millis(50);
/// Maximum number of recorded bytes for each caller.
const MAX_RECORDED: usize = 4 << 10;
/// Maximum number of bytes that one direction of a connection buffers.
const MAX_BUFFERED: usize = 1 << 20;

impl Relay {
    /// Listens at `listen` and forwards connections to `to`, in the network namespace of the
    /// calling thread.
    pub fn start(listen: SocketAddr, to: SocketAddr, seed: u64) -> Result<Self> {
        let what = || format!("cannot relay from {listen} to {to}");
        let listener = TcpListener::bind(listen).with_context(what)?;
        let address = listener.local_addr().with_context(what)?;
        listener.set_nonblocking(true).with_context(what)?;
        let shared = Arc::new(Shared {
            to,
            faults: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
            connections: Mutex::default(),
            recorded: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(Relay { address, shared })
    }

    /// The address at which it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the faults, also of existing connections.
    pub fn set_faults(&self, faults: RelayFaults) {
        *lock(&self.shared.faults) = faults;
    }

    /// Resets every connection: both sides receive a reset, and buffered bytes are lost.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            connection.reset();
        }
    }

    /// The first bytes of each caller so far, in the order of the callers.
    pub fn recorded(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.recorded).clone()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.cut();
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        while !self.over.load(Ordering::SeqCst) {
            match listener.accept() {
                Ok((caller, _)) => {
                    let shared = self.clone();
                    thread::spawn(move || shared.connect(caller));
                }
                // No connection is waiting, or none can be accepted now.
                Err(_) => thread::sleep(TICK / 10),
            }
        }
    }

    /// Sets up the connection to the target, after the delay if there is one, and forwards both
    /// directions.
    fn connect(&self, caller: TcpStream) {
        // The delay is read before the sleep: connections would wait for each other if a thread
        // held the lock.
        let late = lock(&self.faults).scatter.mul_f64(lock(&self.rng).f64());
        thread::sleep(late);
        let Ok(target) = TcpStream::connect_timeout(&self.to, Duration::from_secs(5)) else { return };
        let prepared = [&caller, &target].iter().all(|stream| {
            stream.set_nodelay(true).is_ok()
                && stream.set_nonblocking(false).is_ok()
                && stream.set_write_timeout(Some(TICK)).is_ok()
        });
        if !prepared {
            return;
        }
        let connection = Arc::new(Connection { caller, target, reset: AtomicBool::new(false) });
        let mut connections = lock(&self.connections);
        if self.over.load(Ordering::SeqCst) {
            return;
        }
        connections.push(connection.clone());
        drop(connections);
        let caller = self.start_record();
        thread::scope(|scope| {
            scope.spawn(|| self.forward(&connection, Direction::ToTarget(caller)));
            self.forward(&connection, Direction::ToCaller);
        });
        lock(&self.connections).retain(|other| !Arc::ptr_eq(other, &connection));
    }

    /// Forwards one direction until its end, or until the end of the connection.
    fn forward(&self, connection: &Connection, direction: Direction) {
        let (from, to) = connection.ends(direction);
        let mut buffered = Buffered::default();
        let mut ended = false;
        while !connection.reset.load(Ordering::SeqCst) {
            let faults = *lock(&self.faults);
            let carried = match buffered.wait(faults.delay) {
                Some(wait) if ended || buffered.held >= MAX_BUFFERED => {
                    thread::sleep(wait);
                    Ok(None)
                }
                wait => buffered.read_from(from, wait.unwrap_or(TICK)),
            };
            let carried = carried.and_then(|taken| {
                ended |= taken == Some(0);
                if let (Direction::ToTarget(caller), Some(1..)) = (direction, taken) {
                    self.record(caller, buffered.newest());
                }
                if faults.hold(direction) { Ok(()) } else { buffered.write_to(to, faults.delay) }
            });
            if carried.is_err() {
                // One half has failed, so the other half is closed too.
                return connection.reset();
            }
            if ended && buffered.chunks.is_empty() {
                // This fails only if that side is gone already.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }

    /// Starts the record of a new caller, and returns its index.
    fn start_record(&self) -> usize {
        let mut recorded = lock(&self.recorded);
        recorded.push(Vec::new());
        recorded.len() - 1
    }

    fn record(&self, caller: usize, bytes: &[u8]) {
        let recorded = &mut lock(&self.recorded)[caller];
        recorded.extend(bytes.iter().take(MAX_RECORDED - recorded.len()));
    }
}

#[derive(Clone, Copy)]
enum Direction {
    /// From the caller with this index.
    ToTarget(usize),
    ToCaller,
}

/// The two streams of a connection, closed when neither direction is forwarded any more.
struct Connection {
    caller: TcpStream,
    target: TcpStream,
    reset: AtomicBool,
}

impl Connection {
    fn ends(&self, direction: Direction) -> (&TcpStream, &TcpStream) {
        match direction {
            Direction::ToTarget(_) => (&self.caller, &self.target),
            Direction::ToCaller => (&self.target, &self.caller),
        }
    }

    /// Closes both streams with a reset, as soon as the forwarding threads notice it.
    fn reset(&self) {
        for stream in [&self.caller, &self.target] {
            // With a linger time of zero, the close sends a reset at once.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
        self.reset.store(true, Ordering::SeqCst);
    }
}

/// Bytes that were read from one side and not yet written to the other.
#[derive(Default)]
struct Buffered {
    /// Each chunk with the time at which it was read.
    chunks: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
}

impl Buffered {
    /// Time until the next chunk is due; `None` if there is none.
    fn wait(&self, delay: Duration) -> Option<Duration> {
        let (came, _) = self.chunks.front()?;
        let wait = (*came + delay).saturating_duration_since(Instant::now());
        Some(wait.clamp(Duration::from_millis(1), TICK))
    }

    /// The chunk that was read last.
    fn newest(&self) -> &[u8] {
        self.chunks.back().map_or(&[], |(_, chunk)| chunk)
    }

    /// Reads for at most that time. Returns the number of bytes, 0 at the end of the stream, or
    /// `None` if none arrived.
    fn read_from(&mut self, mut from: &TcpStream, wait: Duration) -> std::io::Result<Option<usize>> {
        let mut bytes = [0; 16 << 10];
        from.set_read_timeout(Some(wait))?;
        match from.read(&mut bytes) {
            Ok(n) => {
                if n > 0 {
                    self.held += n;
                    self.chunks.push_back((Instant::now(), bytes[..n].to_vec()));
                }
                Ok(Some(n))
            }
            Err(error) if is_timeout(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes the chunks that are due, as far as the stream accepts them.
    fn write_to(&mut self, mut to: &TcpStream, delay: Duration) -> std::io::Result<()> {
        while let Some((came, chunk)) = self.chunks.front_mut() {
            if Instant::now() < *came + delay {
                break;
            }
            match to.write(chunk) {
                Ok(n) => {
                    self.held -= n;
                    chunk.drain(..n);
                    if chunk.is_empty() {
                        self.chunks.pop_front();
                    }
                }
                Err(error) if is_timeout(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the error is only a timeout.
fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Ignores poisoning: a panic elsewhere leaves the guarded values consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const LONG: Duration = Duration::from_secs(20);

    /// A relay with these faults, a connection through it, and the other end of the connection.
    fn relayed(faults: RelayFaults) -> (Relay, TcpStream, TcpStream) {
        let listener = TcpListener::bind(ANY).unwrap();
        let relay = Relay::start(ANY, listener.local_addr().unwrap(), 1).unwrap();
        relay.set_faults(faults);
        let caller = TcpStream::connect(relay.address()).unwrap();
        let (target, _) = listener.accept().unwrap();
        for stream in [&caller, &target] {
            stream.set_read_timeout(Some(LONG)).unwrap();
        }
        (relay, caller, target)
    }

    fn read(stream: &mut TcpStream, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn it_forwards_both_directions_and_the_end() {
        let (relay, mut caller, mut target) = relayed(RelayFaults::default());
        let long: Vec<u8> = (0..100_000).map(|i| i as u8).collect();
        caller.write_all(&long).unwrap();
        assert_eq!(read(&mut target, long.len()), long);
        target.write_all(b"back").unwrap();
        assert_eq!(read(&mut caller, 4), b"back");
        caller.shutdown(Shutdown::Write).unwrap();
        assert_eq!(target.read(&mut [0; 8]).unwrap(), 0);
        target.write_all(b"still").unwrap();
        assert_eq!(read(&mut caller, 5), b"still");
        assert_eq!(relay.recorded(), [&long[..MAX_RECORDED]]);
    }

    #[test]
    fn delayed_bytes_arrive_no_earlier() {
        let delay = Duration::from_millis(150);
        let (_relay, mut caller, mut target) = relayed(RelayFaults { delay, ..RelayFaults::default() });
        let start = Instant::now();
        caller.write_all(b"forth").unwrap();
        assert_eq!(read(&mut target, 5), b"forth");
        target.write_all(b"back").unwrap();
        assert_eq!(read(&mut caller, 4), b"back");
        assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
    }

    #[test]
    fn held_bytes_arrive_when_released_and_the_other_direction_is_open() {
        let (relay, mut caller, mut target) =
            relayed(RelayFaults { hold_to_target: true, ..RelayFaults::default() });
        caller.write_all(b"held").unwrap();
        target.write_all(b"free").unwrap();
        assert_eq!(read(&mut caller, 4), b"free");
        target.set_nonblocking(true).unwrap();
        assert_eq!(target.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        target.set_nonblocking(false).unwrap();
        relay.set_faults(RelayFaults::default());
        assert_eq!(read(&mut target, 4), b"held");
    }

    #[test]
    fn a_cut_resets_both_sides() {
        let (relay, mut caller, mut target) = relayed(RelayFaults::default());
        caller.write_all(b"x").unwrap();
        read(&mut target, 1);
        relay.cut();
        for stream in [&mut caller, &mut target] {
            assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }
}
