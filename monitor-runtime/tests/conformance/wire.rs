//! A TCP proxy in front of a node: it forwards bytes, and can hold or reset its connections.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
};

use parking_lot::Mutex;
use smol::{
    Async, Task,
    io::{AsyncReadExt, AsyncWriteExt},
    lock::{RwLock, RwLockWriteGuardArc},
};

/// Forwards connections to its port to the node behind it, if there is one.
pub struct Wire {
    pub port: u16,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

#[derive(Default)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    lines: Mutex<Vec<[Task<()>; 2]>>,
    /// The gates to the node and back from it. Bytes pass while no holder has locked the gate for
    /// writing.
    gates: [Arc<RwLock<()>>; 2],
    held: Mutex<Vec<RwLockWriteGuardArc<()>>>,
}

impl Wire {
    pub fn new() -> Self {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let port = listener.get_ref().local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let joins = shared.clone();
        let accepting = smol::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let target = *joins.target.lock();
                let Some(target) = target else { continue };
                let Ok(target) = Async::<TcpStream>::connect(target).await else { continue };
                // The proxy must not delay a write until the previous one is acknowledged.
                let undelayed = [&stream, &target].map(|end| end.get_ref().set_nodelay(true));
                let (Ok(()), Ok(())) = undelayed.into() else { continue };
                let (one, other) = (Arc::new(stream), Arc::new(target));
                let there = smol::spawn(relay(one.clone(), other.clone(), joins.gates[0].clone()));
                let back = smol::spawn(relay(other, one, joins.gates[1].clone()));
                joins.lines.lock().push([there, back]);
            }
        });
        Wire { port, shared, _accepting: accepting }
    }

    /// Sets the address of the node. With `None` it closes new connections at once.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock() = target;
    }

    /// Closes all connections at both ends, and discards the bytes in transit.
    pub fn sever(&self) {
        self.shared.lines.lock().clear();
    }

    /// Holds the bytes of both directions.
    pub async fn hold(&self) {
        self.close(&self.shared.gates[0]).await;
        self.hold_back().await;
    }

    /// Holds the bytes from the node to its dialing peers.
    pub async fn hold_back(&self) {
        self.close(&self.shared.gates[1]).await;
    }

    async fn close(&self, gate: &Arc<RwLock<()>>) {
        let held = gate.write_arc().await;
        self.shared.held.lock().push(held);
    }

    /// Releases the held bytes.
    pub fn release(&self) {
        self.shared.held.lock().clear();
    }
}

async fn relay(from: Arc<Async<TcpStream>>, to: Arc<Async<TcpStream>>, gate: Arc<RwLock<()>>) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = (&*from).read(&mut bytes).await {
        drop(gate.read().await);
        if (&*to).write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
    // The end of the stream is held, too.
    drop(gate.read().await);
    let _ = to.get_ref().shutdown(std::net::Shutdown::Write);
}
