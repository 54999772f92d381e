//! The TLS handshake, before anything of Obit's protocol is sent.

use std::{
    io::Read,
    net::{Shutdown, TcpStream},
    time::Duration,
};

use refs::NodeName;
use rustls::Connection;
use smol::{Async, Timer, future::or};

use super::{Tls, tunnel::Tunnel};
use crate::{
    net::error::{ConnectError, tls::Problem},
    net::stream::{Stream, uninterrupted},
};

/// Maximum time in which a refused peer can read the reason.
const LINGER: Duration = Duration::from_secs(1);

/// Secures a connection to the node of that name, which has proved its name.
pub(crate) async fn dial(tls: &Tls, to: &NodeName, tcp: Async<TcpStream>) -> Result<Stream, ConnectError> {
    shake(tls.dialed(to)?, tcp).await
}

/// Secures a connection of a peer that dialed and has a certificate of the CA. Its name is checked
/// later.
pub(crate) async fn accept(tls: &Tls, tcp: Async<TcpStream>) -> Result<Stream, ConnectError> {
    shake(tls.accepted()?, tcp).await
}

/// Nothing here grows with the bytes of an unauthenticated peer: rustls refuses handshake messages
/// of more than 64 KiB.
async fn shake(mut tls: Connection, tcp: Async<TcpStream>) -> Result<Stream, ConnectError> {
    while tls.is_handshaking() || tls.wants_write() {
        if tls.wants_write() {
            tcp.write_with(|mut tcp| uninterrupted(|| tls.write_tls(&mut tcp))).await?;
        } else if tcp.read_with(|mut tcp| uninterrupted(|| tls.read_tls(&mut tcp))).await? == 0 {
            return Err(ConnectError::Closed);
        } else if let Err(error) = tls.process_new_packets() {
            or(send_alert(&mut tls, &tcp), async {
                Timer::after(LINGER).await;
            })
            .await;
            return Err(Problem::from(error).into());
        }
    }
    Ok(Stream::through(Tunnel::new(tls), tcp))
}

/// Sends the alert, and continues to read for a while: a close with unread input would reset the
/// connection, and the alert could be lost.
async fn send_alert(tls: &mut Connection, tcp: &Async<TcpStream>) {
    const READS: usize = 64;
    while tls.wants_write() {
        if tcp.write_with(|mut tcp| uninterrupted(|| tls.write_tls(&mut tcp))).await.is_err() {
            return;
        }
    }
    let _ = tcp.get_ref().shutdown(Shutdown::Write);
    let mut bytes = [0; 1024];
    for _ in 0..READS {
        if !matches!(tcp.read_with(|mut tcp| tcp.read(&mut bytes)).await, Ok(1..)) {
            return;
        }
    }
}
