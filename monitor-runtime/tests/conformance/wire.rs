//! The way to a node over TCP: passes bytes on until it is told to do something else.

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

/// Whoever connects to its port is connected to the node behind it, if there is one.
pub struct Wire {
    pub port: u16,
    shared: Arc<Shared>,
    _accepting: Task<()>,
}

#[derive(Default)]
struct Shared {
    target: Mutex<Option<SocketAddr>>,
    lines: Mutex<Vec<[Task<()>; 2]>>,
    /// To the node, and back from it: bytes pass while nobody holds the gate for writing.
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
                // What one node writes at once must not wait here for an acknowledgement.
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

    /// From now on it leads there; nowhere, if none: then whoever connects is hung up on.
    pub fn lead_to(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock() = target;
    }

    /// All connections are closed at both ends, with whatever was on its way.
    pub fn sever(&self) {
        self.shared.lines.lock().clear();
    }

    /// Nothing passes, in either direction, and nothing is lost.
    pub async fn hold(&self) {
        self.close(&self.shared.gates[0]).await;
        self.hold_back().await;
    }

    /// Nothing that the node says passes to those who have dialled it.
    pub async fn hold_back(&self) {
        self.close(&self.shared.gates[1]).await;
    }

    async fn close(&self, gate: &Arc<RwLock<()>>) {
        let held = gate.write_arc().await;
        self.shared.held.lock().push(held);
    }

    /// Everything passes again.
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
    // The end does not pass either.
    drop(gate.read().await);
    let _ = to.get_ref().shutdown(std::net::Shutdown::Write);
}
