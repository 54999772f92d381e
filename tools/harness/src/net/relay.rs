//! A program between two nodes that carries their bytes, and does it badly on purpose.
//!
//! It can delay, hold back one direction, let connections overtake one another, and break them with
//! a reset. It works on streams, above TCP: within one connection it can neither reorder nor lose
//! nor double a packet, since TCP would not know. That is done to real packets, by
//! [`firewall`](super::firewall) and [`shaping`](super::shaping).

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

/// How badly. The default is: not at all.
#[derive(Clone, Copy, Debug, Default)]
pub struct Manners {
    /// How much later everything arrives, in either direction.
    pub delay: Duration,
    /// Connections are set up late, each by a random time of at most this: a later one may come
    /// first.
    pub scatter: Duration,
    /// Nothing of what the caller sends arrives; it is kept.
    pub hold_forth: bool,
    /// Nothing of what is sent to the caller arrives; it is kept.
    pub hold_back: bool,
}

impl Manners {
    /// Whether it keeps what goes that way.
    fn hold(&self, way: Way) -> bool {
        match way {
            Way::Forth(_) => self.hold_forth,
            Way::Back => self.hold_back,
        }
    }
}

/// A relay. Dropping it resets its connections and ends it.
pub struct Relay {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    to: SocketAddr,
    manners: Mutex<Manners>,
    rng: Mutex<Rng>,
    connections: Mutex<Vec<Arc<Connection>>>,
    /// What callers have sent, each as far as it is kept, in the order in which their connections
    /// were set up.
    heard: Mutex<Vec<Vec<u8>>>,
    over: AtomicBool,
}

/// How long a thread sleeps that has nothing to do, before it looks whether it should end.
const TICK: Duration = Duration::from_millis(50);
/// So many bytes of what a caller sends are kept for whoever asks.
const MOST_HEARD: usize = 4 << 10;
/// So many bytes are taken from one side that the other has not got yet.
const MOST_HELD: usize = 1 << 20;

impl Relay {
    /// Starts to listen at `listen` and to carry what comes there to `to`, from where the calling
    /// thread is.
    pub fn start(listen: SocketAddr, to: SocketAddr, seed: u64) -> Result<Self> {
        let what = || format!("cannot relay from {listen} to {to}");
        let listener = TcpListener::bind(listen).with_context(what)?;
        let address = listener.local_addr().with_context(what)?;
        listener.set_nonblocking(true).with_context(what)?;
        let shared = Arc::new(Shared {
            to,
            manners: Mutex::default(),
            rng: Mutex::new(Rng::with_seed(seed)),
            connections: Mutex::default(),
            heard: Mutex::default(),
            over: AtomicBool::new(false),
        });
        let accepting = shared.clone();
        thread::spawn(move || accepting.accept(&listener));
        Ok(Relay { address, shared })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it behaves like that, also on connections that stand.
    pub fn behave(&self, manners: Manners) {
        *lock(&self.shared.manners) = manners;
    }

    /// Resets every connection: both sides are told at once, and what was under way is lost.
    pub fn cut(&self) {
        for connection in lock(&self.shared.connections).drain(..) {
            connection.reset();
        }
    }

    /// What each caller so far has sent first, the earliest caller first.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        lock(&self.shared.heard).clone()
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
                // Nobody calls, or nobody can be served just now.
                Err(_) => thread::sleep(TICK / 10),
            }
        }
    }

    /// Sets up the other half, late if so wanted, and carries.
    fn connect(&self, caller: TcpStream) {
        // Decided before sleeping: no lock is held meanwhile, or connections would wait for one
        // another.
        let late = lock(&self.manners).scatter.mul_f64(lock(&self.rng).f64());
        thread::sleep(late);
        let Ok(callee) = TcpStream::connect_timeout(&self.to, Duration::from_secs(5)) else { return };
        let prepared = [&caller, &callee].iter().all(|stream| {
            stream.set_nodelay(true).is_ok()
                && stream.set_nonblocking(false).is_ok()
                && stream.set_write_timeout(Some(TICK)).is_ok()
        });
        if !prepared {
            return;
        }
        let connection = Arc::new(Connection { caller, callee, reset: AtomicBool::new(false) });
        let mut connections = lock(&self.connections);
        if self.over.load(Ordering::SeqCst) {
            return;
        }
        connections.push(connection.clone());
        drop(connections);
        let caller = self.listen_to_one_more();
        thread::scope(|scope| {
            scope.spawn(|| self.carry(&connection, Way::Forth(caller)));
            self.carry(&connection, Way::Back);
        });
        lock(&self.connections).retain(|other| !Arc::ptr_eq(other, &connection));
    }

    /// Carries one direction to its end, or to the end of the connection.
    fn carry(&self, connection: &Connection, way: Way) {
        let (from, to) = connection.ends(way);
        let mut under_way = UnderWay::default();
        let mut ended = false;
        while !connection.reset.load(Ordering::SeqCst) {
            let manners = *lock(&self.manners);
            let carried = match under_way.wait(manners.delay) {
                Some(wait) if ended || under_way.held >= MOST_HELD => {
                    thread::sleep(wait);
                    Ok(None)
                }
                wait => under_way.take_in(from, wait.unwrap_or(TICK)),
            };
            let carried = carried.and_then(|taken| {
                ended |= taken == Some(0);
                if let (Way::Forth(caller), Some(1..)) = (way, taken) {
                    self.listen(caller, under_way.newest());
                }
                if manners.hold(way) { Ok(()) } else { under_way.hand_out(to, manners.delay) }
            });
            if carried.is_err() {
                // One half has broken: so has the other.
                return connection.reset();
            }
            if ended && under_way.chunks.is_empty() {
                // If it is gone already, it need not be told.
                let _ = to.shutdown(Shutdown::Write);
                return;
            }
        }
    }

    /// The number of a caller that was not heard before.
    fn listen_to_one_more(&self) -> usize {
        let mut heard = lock(&self.heard);
        heard.push(Vec::new());
        heard.len() - 1
    }

    fn listen(&self, caller: usize, bytes: &[u8]) {
        let heard = &mut lock(&self.heard)[caller];
        heard.extend(bytes.iter().take(MOST_HEARD - heard.len()));
    }
}

#[derive(Clone, Copy)]
enum Way {
    /// What the caller of that number sends.
    Forth(usize),
    Back,
}

/// Two halves. Each is closed when nobody carries any more.
struct Connection {
    caller: TcpStream,
    callee: TcpStream,
    reset: AtomicBool,
}

impl Connection {
    fn ends(&self, way: Way) -> (&TcpStream, &TcpStream) {
        match way {
            Way::Forth(_) => (&self.caller, &self.callee),
            Way::Back => (&self.callee, &self.caller),
        }
    }

    /// Both halves are closed with a reset as soon as the threads that carry have noticed.
    fn reset(&self) {
        for stream in [&self.caller, &self.callee] {
            // To linger for no time at all means: tell the other side with a reset, at once.
            let _ = set_socket_linger(stream, Some(Duration::ZERO));
        }
        self.reset.store(true, Ordering::SeqCst);
    }
}

/// What one side has sent and the other has not got yet.
#[derive(Default)]
struct UnderWay {
    /// Each with the time at which it came in.
    chunks: VecDeque<(Instant, Vec<u8>)>,
    held: usize,
}

impl UnderWay {
    /// How long until something is due; nothing if nothing is under way.
    fn wait(&self, delay: Duration) -> Option<Duration> {
        let (came, _) = self.chunks.front()?;
        let wait = (*came + delay).saturating_duration_since(Instant::now());
        Some(wait.clamp(Duration::from_millis(1), TICK))
    }

    /// What came in last.
    fn newest(&self) -> &[u8] {
        self.chunks.back().map_or(&[], |(_, chunk)| chunk)
    }

    /// Reads for at most that long; how many bytes came, if any: none at the end.
    fn take_in(&mut self, mut from: &TcpStream, wait: Duration) -> std::io::Result<Option<usize>> {
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
            Err(error) if is_impatience(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes what is due, as far as it is taken.
    fn hand_out(&mut self, mut to: &TcpStream, delay: Duration) -> std::io::Result<()> {
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
                Err(error) if is_impatience(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether it only took too long.
fn is_impatience(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// What these locks guard is whole between any two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const ANY: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const LONG: Duration = Duration::from_secs(20);

    /// A relay with manners, a connection through it, and the other end of that.
    fn relayed(manners: Manners) -> (Relay, TcpStream, TcpStream) {
        let listener = TcpListener::bind(ANY).unwrap();
        let relay = Relay::start(ANY, listener.local_addr().unwrap(), 1).unwrap();
        relay.behave(manners);
        let caller = TcpStream::connect(relay.address()).unwrap();
        let (callee, _) = listener.accept().unwrap();
        for stream in [&caller, &callee] {
            stream.set_read_timeout(Some(LONG)).unwrap();
        }
        (relay, caller, callee)
    }

    fn read(stream: &mut TcpStream, n: usize) -> Vec<u8> {
        let mut bytes = vec![0; n];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn it_carries_both_ways_and_passes_the_end_on() {
        let (relay, mut caller, mut callee) = relayed(Manners::default());
        let long: Vec<u8> = (0..100_000).map(|i| i as u8).collect();
        caller.write_all(&long).unwrap();
        assert_eq!(read(&mut callee, long.len()), long);
        callee.write_all(b"back").unwrap();
        assert_eq!(read(&mut caller, 4), b"back");
        caller.shutdown(Shutdown::Write).unwrap();
        assert_eq!(callee.read(&mut [0; 8]).unwrap(), 0);
        callee.write_all(b"still").unwrap();
        assert_eq!(read(&mut caller, 5), b"still");
        assert_eq!(relay.heard(), [&long[..MOST_HEARD]]);
    }

    #[test]
    fn what_is_delayed_comes_no_earlier() {
        let delay = Duration::from_millis(150);
        let (_relay, mut caller, mut callee) = relayed(Manners { delay, ..Manners::default() });
        let start = Instant::now();
        caller.write_all(b"forth").unwrap();
        assert_eq!(read(&mut callee, 5), b"forth");
        callee.write_all(b"back").unwrap();
        assert_eq!(read(&mut caller, 4), b"back");
        assert!(start.elapsed() >= 2 * delay, "{:?}", start.elapsed());
    }

    #[test]
    fn what_is_held_back_comes_when_it_is_let_go_and_the_other_way_is_free() {
        let (relay, mut caller, mut callee) = relayed(Manners { hold_forth: true, ..Manners::default() });
        caller.write_all(b"held").unwrap();
        callee.write_all(b"free").unwrap();
        assert_eq!(read(&mut caller, 4), b"free");
        callee.set_nonblocking(true).unwrap();
        assert_eq!(callee.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        callee.set_nonblocking(false).unwrap();
        relay.behave(Manners::default());
        assert_eq!(read(&mut callee, 4), b"held");
    }

    #[test]
    fn a_cut_resets_both_sides() {
        let (relay, mut caller, mut callee) = relayed(Manners::default());
        caller.write_all(b"x").unwrap();
        read(&mut callee, 1);
        relay.cut();
        for stream in [&mut caller, &mut callee] {
            assert_eq!(stream.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::ConnectionReset);
        }
    }
}
