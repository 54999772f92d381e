//! A session makes progress on every executor, with few polls and few reads per frame.
//!
//! The reactor that reports readiness runs on the threads that are in `smol::block_on`, or
//! otherwise on its own thread, concurrently with the tasks. So each test runs in its own process,
//! in which no other test drives the reactor. The counts do not depend on the speed of the machine.

use std::{
    future::poll_fn,
    io,
    net::{TcpListener, TcpStream},
    pin::pin,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    task::{Context, Wake, Waker},
    thread::{self, Thread},
    time::Duration,
};

#[cfg(feature = "tls")]
use futures::future::join;
use futures::future::{BoxFuture, FutureExt};
use peer_service::{FrameBuf, FrameMeta, NodeId, NodeName, Outbox, SessionEnd};
use refs::Incarnation;
use smol::Async;

use super::Reader;
use crate::{
    config::Heartbeat,
    io::session::{connection::Connection, owner::Owner},
    net::{
        error::ConnectError,
        stream::{Layer, Stream},
    },
    proto::{connection::limits::Limits, peers::pairing::ConnId},
};

/// Round trips of each run.
const ROUNDS: usize = 2_000;
/// A frame costs one read.
const READS_PER_FRAME: usize = 1;
/// A frame costs one poll that waits for it and one that returns it.
const POLLS_PER_FRAME: usize = 2;
/// One additional read and poll is allowed for this many frames.
const FRAMES_PER_EXTRA: usize = 20;

#[derive(Default)]
struct Counts {
    reads: AtomicUsize,
    polls: AtomicUsize,
}

/// Counts the reads, each of which is at least one system call.
struct Counting {
    layer: Box<dyn Layer>,
    counts: Arc<Counts>,
}

impl Layer for Counting {
    fn read(&self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        self.counts.reads.fetch_add(1, Ordering::Relaxed);
        self.layer.read(tcp, into)
    }

    fn write(&self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        self.layer.write(tcp, bytes)
    }

    fn flush(&self, tcp: &TcpStream) -> io::Result<()> {
        self.layer.flush(tcp)
    }

    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()> {
        self.layer.end_writing(tcp)
    }

    fn holds_unread(&self) -> bool {
        self.layer.holds_unread()
    }

    fn check_peer_name(&self, peer: &NodeName) -> Result<(), ConnectError> {
        self.layer.check_peer_name(peer)
    }

    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        self.layer.binding()
    }
}

/// A session whose transport was dropped.
struct Orphan;

impl Owner for Orphan {
    fn over(&self, _: &Arc<Connection>, _: SessionEnd) {}
    fn probe_answered(&self, _: &Connection) {}
    fn probe_silent(&self, _: &Connection) {}
}

/// One end of a session without a driver.
struct End {
    reader: Reader,
    connection: Arc<Connection>,
    counts: Arc<Counts>,
}

impl End {
    fn new(stream: Stream, counts: &Arc<Counts>) -> Self {
        let counts = counts.clone();
        let wrap = |layer| -> Box<dyn Layer> { Box::new(Counting { layer, counts: counts.clone() }) };
        let stream = Arc::new(stream.wrapped(wrap));
        let limits = Limits {
            max_frame_out: 1024,
            max_contents_out: 1024,
            max_frame_in: 1024,
            cut_at: None,
            max_message_queue: 1 << 20,
            max_signal_queue: 1 << 20,
            heartbeat: Heartbeat::normal(),
            head_start: Duration::ZERO,
            probe_timeout: std::time::Duration::from_secs(1),
            linger: std::time::Duration::from_secs(1),
            spin: None,
        };
        let peer = NodeId::new("b@host".parse().unwrap(), Incarnation::new(1).unwrap());
        let connection = Arc::new(Connection::new(ConnId(1), stream.clone(), limits, Arc::default()));
        let owner: Arc<dyn Owner> = Arc::new(Orphan);
        let reader = Reader::new(peer, connection.clone(), stream, owner, Vec::new());
        End { reader, connection, counts }
    }

    fn say(&self, frame: &[u8]) {
        self.connection.push(FrameMeta::SIGNAL, &mut |out| out.extend_from_slice(frame)).unwrap();
        self.connection.flush();
    }

    /// The next frames; none at the end of the session.
    async fn receive(&mut self) -> FrameBuf {
        let mut frames = FrameBuf::new();
        let _ = poll_fn(|cx| {
            self.counts.polls.fetch_add(1, Ordering::Relaxed);
            self.reader.poll_recv(cx, &mut frames)
        })
        .await;
        frames
    }

    async fn ask(mut self) {
        for round in 0..ROUNDS as u32 {
            self.say(&round.to_le_bytes());
            let frames = self.receive().await;
            assert_eq!(frames.iter().collect::<Vec<_>>(), [round.to_le_bytes()]);
        }
    }

    async fn echo(mut self) {
        loop {
            let frames = self.receive().await;
            if frames.is_empty() {
                return;
            }
            frames.iter().for_each(|frame| self.say(frame));
        }
    }
}

fn plain() -> (Stream, Stream) {
    let (dialer, acceptor) = connection();
    (Stream::plain(dialer), Stream::plain(acceptor))
}

#[cfg(feature = "tls")]
fn sealed() -> (Stream, Stream) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(ca, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["b.host".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let (own, key) = (own.pem(), key.serialize_pem());
    let tls = crate::net::tls::Tls::from_pem(ca_pem.as_bytes(), own.as_bytes(), key.as_bytes()).unwrap();
    let (dialer, acceptor) = connection();
    let name = "b@host".parse().unwrap();
    let both = join(crate::net::tls::dial(&tls, &name, dialer), crate::net::tls::accept(&tls, acceptor));
    let (dialer, acceptor) = smol::block_on(both);
    (dialer.unwrap(), acceptor.unwrap())
}

fn connection() -> (Async<TcpStream>, Async<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let acceptor = listener.accept().unwrap().0;
    (Async::new(dialer).unwrap(), Async::new(acceptor).unwrap())
}

/// Runs round trips between two tasks, and checks their cost.
fn run(streams: (Stream, Stream), spawn: impl Fn(BoxFuture<'static, ()>)) {
    let counts = Arc::new(Counts::default());
    let (asks, echoes) = (End::new(streams.0, &counts), End::new(streams.1, &counts));
    let (over, both) = mpsc::channel();
    let also_over = over.clone();
    spawn(echoes.echo().map(move |()| also_over.send(()).unwrap()).boxed());
    spawn(asks.ask().map(move |()| over.send(()).unwrap()).boxed());
    for _ in 0..2 {
        both.recv_timeout(Duration::from_secs(120)).expect("both tasks end");
    }
    let frames = 2 * ROUNDS;
    let (reads, polls) = (counts.reads.load(Ordering::Relaxed), counts.polls.load(Ordering::Relaxed));
    let extra = frames / FRAMES_PER_EXTRA;
    assert!(reads <= READS_PER_FRAME * frames + extra, "{reads} reads for {frames} frames");
    assert!(polls <= POLLS_PER_FRAME * frames + extra, "{polls} polls for {frames} frames");
}

/// Over plain TCP, and through TLS.
fn run_both(spawn: impl Fn(BoxFuture<'static, ()>)) {
    run(plain(), &spawn);
    #[cfg(feature = "tls")]
    run(sealed(), &spawn);
}

/// Runs the test of that name in its own process.
fn alone(test: &str, run: impl FnOnce()) {
    const MARK: &str = "OBIT_TEST_ALONE";
    if std::env::var_os(MARK).is_some() {
        return run();
    }
    let test = format!("{}::{test}", module_path!().split_once("::").expect("a path within a crate").1);
    let mut child = Command::new(std::env::current_exe().unwrap());
    let output = child.args(["--exact", &test, "--nocapture"]).env(MARK, "1").output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("1 passed"), "{test}: {out}{err}");
}

fn tokio(workers: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).build().unwrap();
    run_both(|task| drop(runtime.spawn(task)));
}

#[test]
fn on_an_executor_whose_thread_drives_the_reactor() {
    alone("on_an_executor_whose_thread_drives_the_reactor", || {
        let executor = Arc::new(smol::Executor::new());
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        let runs = executor.clone();
        let thread = thread::spawn(move || smol::block_on(runs.run(stopped.recv())));
        run_both(|task| executor.spawn(task).detach());
        drop(stop);
        let _ = thread.join().unwrap();
    });
}

#[test]
fn on_the_global_executor_of_smol() {
    alone("on_the_global_executor_of_smol", || {
        run_both(|task| smol::spawn(task).detach());
    });
}

#[test]
fn on_tokio_with_one_worker() {
    alone("on_tokio_with_one_worker", || {
        tokio(1);
    });
}

#[test]
fn on_tokio_with_two_workers() {
    alone("on_tokio_with_two_workers", || {
        tokio(2);
    });
}

#[test]
fn on_tokio_with_eight_workers() {
    alone("on_tokio_with_eight_workers", || {
        tokio(8);
    });
}

#[test]
fn on_threads_that_run_one_task_each_and_no_reactor() {
    alone("on_threads_that_run_one_task_each_and_no_reactor", || {
        run_both(|task| drop(thread::spawn(move || block_on(task))));
    });
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// A minimal executor.
fn block_on(task: impl Future<Output = ()>) {
    let mut task = pin!(task);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    while task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        thread::park();
    }
}
