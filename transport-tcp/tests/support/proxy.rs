//! A proxy between nodes: forwards their bytes until a test tells it to do something else.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use smol::{
    Async, Task,
    io::{AsyncReadExt, AsyncWriteExt},
};
use socket2::SockRef;

type Stream = Arc<Async<TcpStream>>;

/// The proxy of one node. Connections are identified by the name of the dialing node, or by an
/// empty name if they are encrypted.
pub struct Proxy {
    pub address: SocketAddr,
    lines: Arc<Mutex<Vec<Line>>>,
    _accepting: Task<()>,
}

struct Line {
    from: String,
    /// All bytes that the dialing node has sent.
    said: Arc<Mutex<Vec<u8>>>,
    to_dialer: Stream,
    to_target: Stream,
    silent: Arc<AtomicBool>,
    _relays: [Task<()>; 2],
}

impl Proxy {
    pub fn to(target: SocketAddr) -> Self {
        Proxy::limited(target, usize::MAX)
    }

    /// Forwards the first connection; accepts the others without forwarding anything.
    pub fn to_first(target: SocketAddr) -> Self {
        Proxy::limited(target, 1)
    }

    fn limited(target: SocketAddr, most: usize) -> Self {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let accepted = lines.clone();
        let accepting = smol::spawn(async move {
            let mut mute = Vec::new();
            let mut connections = 0;
            while let Ok((stream, _)) = listener.accept().await {
                connections += 1;
                if connections > most {
                    mute.push(stream);
                    continue;
                }
                let lines = accepted.clone();
                smol::spawn(async move {
                    if let Some(line) = join(stream, target).await {
                        lines.lock().unwrap().push(line);
                    }
                })
                .detach();
            }
        });
        Proxy { address, lines, _accepting: accepting }
    }

    /// Resets the connections that `from` has dialed.
    pub fn sever(&self, from: &str) {
        self.lines.lock().unwrap().retain(|line| {
            let cut = line.from == from;
            if cut {
                line.reset();
            }
            !cut
        });
    }

    /// Resets all connections.
    pub fn sever_all(&self) {
        self.lines.lock().unwrap().drain(..).for_each(|line| line.reset());
    }

    /// Drops everything, also ends, on the connections that `from` has dialed.
    pub fn silence(&self, from: &str) {
        for line in self.lines.lock().unwrap().iter().filter(|line| line.from == from) {
            line.silent.store(true, Ordering::SeqCst);
        }
    }

    /// All bytes that `from` has sent on its connections so far.
    pub fn said_by(&self, from: &str) -> Vec<u8> {
        let lines = self.lines.lock().unwrap();
        let said =
            lines.iter().filter(|line| line.from == from).map(|line| line.said.lock().unwrap().clone());
        said.collect::<Vec<_>>().concat()
    }

    /// Sends bytes to the target in the name of `from`. Returns false if `from` has no connection
    /// here.
    pub async fn inject(&self, from: &str, bytes: &[u8]) -> bool {
        self.say(from, bytes, |line| line.to_target.clone()).await
    }

    /// Sends bytes to `from` in the name of the target. Returns false if `from` has no connection
    /// here.
    pub async fn inject_back(&self, from: &str, bytes: &[u8]) -> bool {
        self.say(from, bytes, |line| line.to_dialer.clone()).await
    }

    async fn say(&self, from: &str, bytes: &[u8], end: impl Fn(&Line) -> Stream) -> bool {
        let streams: Vec<Stream> =
            self.lines.lock().unwrap().iter().filter(|line| line.from == from).map(end).collect();
        for stream in &streams {
            // The connection may have ended already.
            let _ = (&**stream).write_all(bytes).await;
        }
        !streams.is_empty()
    }
}

impl Line {
    fn reset(&self) {
        for stream in [&self.to_dialer, &self.to_target] {
            // A close with a linger time of zero resets the connection; the tasks that hold it end
            // with the line.
            SockRef::from(stream.get_ref()).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
}

/// Reads the name of the caller, and connects it to the target.
async fn join(dialer: Async<TcpStream>, target: SocketAddr) -> Option<Line> {
    let mut first = vec![0; 1024];
    let read = (&dialer).read(&mut first).await.ok().filter(|read| *read > 0)?;
    let target = Async::<TcpStream>::connect(target).await.ok()?;
    dialer.get_ref().set_nodelay(true).ok()?;
    target.get_ref().set_nodelay(true).ok()?;
    (&target).write_all(&first[..read]).await.ok()?;
    let (to_dialer, to_target) = (Arc::new(dialer), Arc::new(target));
    let silent = Arc::new(AtomicBool::new(false));
    let said = Arc::new(Mutex::new(first[..read].to_vec()));
    let relays = [
        smol::spawn(relay(to_dialer.clone(), to_target.clone(), silent.clone(), said.clone())),
        smol::spawn(relay(to_target.clone(), to_dialer.clone(), silent.clone(), Arc::default())),
    ];
    let from = caller(&first[..read]).unwrap_or_default();
    Some(Line { from, said, to_dialer, to_target, silent, _relays: relays })
}

async fn relay(from: Stream, to: Stream, silent: Arc<AtomicBool>, said: Arc<Mutex<Vec<u8>>>) {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match (&*from).read(&mut bytes).await {
            Ok(0) | Err(_) if silent.load(Ordering::SeqCst) => return,
            Ok(0) | Err(_) => {
                let _ = to.get_ref().shutdown(std::net::Shutdown::Write);
                return;
            }
            Ok(_) if silent.load(Ordering::SeqCst) => {}
            Ok(read) => {
                said.lock().unwrap().extend_from_slice(&bytes[..read]);
                if (&*to).write_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// The name in a HELLO: behind the length, the kind, 64 bytes of fixed fields, and the cluster.
/// `None` for anything else.
fn caller(hello: &[u8]) -> Option<String> {
    let body = hello.get(hello.iter().position(|byte| byte & 0x80 == 0)? + 2..)?;
    body.starts_with(b"OBIT").then_some(())?;
    let cluster = usize::from(*body.get(64)?);
    let name = body.get(65 + cluster..)?;
    let name = name.get(1..1 + usize::from(*name.first()?))?;
    Some(String::from_utf8_lossy(name).into_owned())
}
