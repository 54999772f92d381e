//! Adds TLS to connections or removes it, so that a proxy between two gates sees plain frames.

use std::{
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use rustls::Connection;
use smol::{
    Async, Task,
    future::or,
    io::{AsyncReadExt, AsyncWriteExt},
};
use std::io::{self, Read, Write};

/// Forwards every connection that it accepts.
pub struct Gate {
    pub address: SocketAddr,
    bindings: Bindings,
    _accepting: Task<()>,
}

/// The exported keying material of each TLS connection, in the order in which they were set up.
type Bindings = Arc<Mutex<Vec<[u8; 32]>>>;

impl Gate {
    /// Uses TLS with the caller, and none with the target.
    pub fn unwrapping(target: SocketAddr, tls: impl Fn() -> Connection + Send + 'static) -> Self {
        Self::new(target, move |caller, target, bindings| pump(tls(), caller, target, bindings))
    }

    /// Uses TLS with the target, and none with the caller.
    pub fn wrapping(target: SocketAddr, tls: impl Fn() -> Connection + Send + 'static) -> Self {
        Self::new(target, move |caller, target, bindings| pump(tls(), target, caller, bindings))
    }

    /// Opens a connection through the gate. Returns it with the binding of the TLS connection
    /// behind it. At most one concurrent call.
    pub async fn call(&self) -> (Async<TcpStream>, [u8; 32]) {
        let before = self.bindings.lock().unwrap().len();
        let stream = Async::<TcpStream>::connect(self.address).await.unwrap();
        super::until("the TLS handshake", || self.bindings.lock().unwrap().len() > before).await;
        (stream, self.bindings.lock().unwrap()[before])
    }

    fn new<P>(
        to: SocketAddr,
        join: impl Fn(Async<TcpStream>, Async<TcpStream>, Bindings) -> P + Send + 'static,
    ) -> Self
    where
        P: Future<Output = io::Result<()>> + Send + 'static,
    {
        let listener = Async::<TcpListener>::bind(([127, 0, 0, 1], 0)).unwrap();
        let address = listener.get_ref().local_addr().unwrap();
        let bindings = Bindings::default();
        let exported = bindings.clone();
        let accepting = smol::spawn(async move {
            while let Ok((caller, _)) = listener.accept().await {
                if let Ok(target) = Async::<TcpStream>::connect(to).await {
                    smol::spawn(join(caller, target, exported.clone())).detach();
                }
            }
        });
        Gate { address, bindings, _accepting: accepting }
    }
}

/// Runs until both directions have ended, or an error occurs.
async fn pump(
    mut tls: Connection,
    sealed: Async<TcpStream>,
    open: Async<TcpStream>,
    bindings: Bindings,
) -> io::Result<()> {
    sealed.get_ref().set_nodelay(true)?;
    open.get_ref().set_nodelay(true)?;
    let mut bytes = vec![0; 16 * 1024];
    let (mut sealed_over, mut open_over, mut exported) = (false, false, false);
    while !(sealed_over && open_over) {
        while tls.wants_write() {
            sealed.write_with(|mut tcp| tls.write_tls(&mut tcp)).await?;
        }
        let opened = !tls.is_handshaking();
        if opened && !exported {
            exported = true;
            let binding = tls.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(&[]));
            bindings.lock().unwrap().push(binding.map_err(io::Error::other)?);
        }
        let next =
            or(next(sealed_over, &sealed, Side::Sealed), next(open_over || !opened, &open, Side::Open));
        match next.await? {
            Side::Sealed => {
                sealed.read_with(|mut tcp| tls.read_tls(&mut tcp)).await?;
                tls.process_new_packets().map_err(io::Error::other)?;
                loop {
                    match tls.reader().read(&mut bytes) {
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                        Ok(0) | Err(_) => {
                            sealed_over = true;
                            open.get_ref().shutdown(Shutdown::Write)?;
                            break;
                        }
                        Ok(read) => (&open).write_all(&bytes[..read]).await?,
                    }
                }
            }
            Side::Open => match (&open).read(&mut bytes).await? {
                0 => {
                    open_over = true;
                    tls.send_close_notify();
                    while tls.wants_write() {
                        sealed.write_with(|mut tcp| tls.write_tls(&mut tcp)).await?;
                    }
                    sealed.get_ref().shutdown(Shutdown::Write)?;
                }
                read => tls.writer().write_all(&bytes[..read])?,
            },
        }
    }
    Ok(())
}

enum Side {
    Sealed,
    Open,
}

/// Waits until that side has something to read; for ever if it has ended.
async fn next(over: bool, tcp: &Async<TcpStream>, side: Side) -> io::Result<Side> {
    if over {
        smol::future::pending::<()>().await;
    }
    tcp.readable().await?;
    Ok(side)
}
