//! A TLS peer that is not a node.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rustls::Connection;
use smol::Async;

use super::soon;

/// Runs the handshake, sends `what`, and reads until the other end closes the connection. Returns
/// the received bytes, and the TLS error if there was one.
pub async fn converse(
    mut tls: Connection,
    tcp: &Async<TcpStream>,
    what: &[u8],
) -> (Vec<u8>, Option<rustls::Error>) {
    tls.writer().write_all(what).unwrap();
    let mut received = Vec::new();
    loop {
        while tls.wants_write() {
            if tcp.write_with(|mut tcp| tls.write_tls(&mut tcp)).await.is_err() {
                return (received, None);
            }
        }
        let read = soon("the other end", tcp.read_with(|mut tcp| tls.read_tls(&mut tcp))).await;
        if !matches!(read, Ok(1..)) {
            return (received, None);
        }
        let processed = tls.process_new_packets();
        let _ = tls.reader().read_to_end(&mut received);
        if let Err(error) = processed {
            // Sends the alert, if this end has detected the error.
            let _ = tls.write_tls(&mut tcp.get_ref());
            return (received, Some(error));
        }
    }
}
