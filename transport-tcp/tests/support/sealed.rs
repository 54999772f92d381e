//! Somebody who speaks TLS and is no node.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use rustls::Connection;
use smol::Async;

use super::soon;

/// Shakes hands, says that, and listens until the other end hangs up: what it has said, and how TLS
/// failed if it did.
pub async fn converse(
    mut tls: Connection,
    tcp: &Async<TcpStream>,
    what: &[u8],
) -> (Vec<u8>, Option<rustls::Error>) {
    tls.writer().write_all(what).unwrap();
    let mut heard = Vec::new();
    loop {
        while tls.wants_write() {
            if tcp.write_with(|mut tcp| tls.write_tls(&mut tcp)).await.is_err() {
                return (heard, None);
            }
        }
        let read = soon("the other end", tcp.read_with(|mut tcp| tls.read_tls(&mut tcp))).await;
        if !matches!(read, Ok(1..)) {
            return (heard, None);
        }
        let processed = tls.process_new_packets();
        let _ = tls.reader().read_to_end(&mut heard);
        if let Err(error) = processed {
            // Why, if it was this end that has found something.
            let _ = tls.write_tls(&mut tcp.get_ref());
            return (heard, Some(error));
        }
    }
}
