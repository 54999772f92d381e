//! The promises of a TLS stream to readers, writers and waiting tasks.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::LazyLock,
    task::Context,
    time::{Duration, Instant},
};

use futures::task::noop_waker;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use smol::Async;

use crate::{
    net::error::ConnectError,
    net::{stream::Stream, tls::Tls},
};

/// The configuration of both ends: a certificate of `b@host`.
static TLS: LazyLock<Tls> = LazyLock::new(|| {
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca_pem = ca.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(ca, key);
    let key = KeyPair::generate().unwrap();
    let own = CertificateParams::new(vec!["b.host".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    Tls::from_pem(ca_pem.as_bytes(), own.pem().as_bytes(), key.serialize_pem().as_bytes()).unwrap()
});

/// Both ends of a connection.
fn pair() -> (Stream, Stream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let dialer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let acceptor = listener.accept().unwrap().0;
    let (dialer, acceptor) = (Async::new(dialer).unwrap(), Async::new(acceptor).unwrap());
    smol::block_on(async {
        let name = "b@host".parse().unwrap();
        let both = futures::future::try_join(
            crate::net::tls::dial(&TLS, &name, dialer),
            crate::net::tls::accept(&TLS, acceptor),
        );
        both.await.unwrap()
    })
}

/// Waits until `bytes` bytes have arrived in the socket.
fn arrived(at: &Stream, bytes: usize) {
    let deadline = Instant::now() + Duration::from_secs(20);
    let mut seen = vec![0; bytes];
    while at.tcp().peek(&mut seen).is_ok_and(|there| there < bytes) || !at.has_unread() {
        assert!(Instant::now() < deadline, "{bytes} bytes did not arrive");
        std::thread::yield_now();
    }
}

fn is_readable(stream: &Stream) -> bool {
    stream.poll_readable(&mut Context::from_waker(&noop_waker())).is_ready()
}

fn read(stream: &Stream, at_most: usize) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = vec![0; at_most];
    let read = stream.read_now(&mut bytes).map_err(|error| error.kind())?;
    bytes.truncate(read);
    Ok(bytes)
}

/// Overhead of a record: five bytes of header; behind the content one byte with its type, and a tag
/// of sixteen bytes.
const RECORD: usize = 5 + 1 + 16;

#[test]
fn decrypted_bytes_that_were_not_read_count_as_unread() {
    let (a, b) = pair();
    assert!(!b.has_unread());
    assert_eq!(read(&b, 10), Err(ErrorKind::WouldBlock));
    assert_eq!(a.write_now(b"0123456789").unwrap(), 10);
    arrived(&b, 10 + RECORD);
    assert_eq!(read(&b, 4).unwrap(), b"0123");
    assert_eq!(b.tcp().peek(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock, "the socket is empty");
    assert!(b.has_unread() && is_readable(&b));
    assert_eq!(read(&b, 100).unwrap(), b"456789");
    assert!(!b.has_unread());
}

#[test]
fn a_read_takes_all_that_has_arrived_and_fits() {
    let (a, b) = pair();
    for _ in 0..100 {
        assert_eq!(a.write_now(&[7; 500]).unwrap(), 500);
    }
    arrived(&b, 100 * (500 + RECORD));
    assert_eq!(read(&b, 40_000).unwrap().len(), 40_000);
    assert_eq!(read(&b, 40_000).unwrap().len(), 10_000);
    assert_eq!(read(&b, 1), Err(ErrorKind::WouldBlock));
}

#[test]
fn bytes_that_the_socket_does_not_accept_are_bounded_and_sent_by_a_flush() {
    let (a, b) = pair();
    let mut taken = 0;
    let full = loop {
        match a.write_now(&[1; 100_000]) {
            Ok(bytes) => taken += bytes,
            Err(error) => break error,
        }
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    assert_eq!(a.flush_now().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut received = 0;
    let mut flushed = false;
    let deadline = Instant::now() + Duration::from_secs(20);
    while received < taken {
        assert!(Instant::now() < deadline, "{received} of {taken} bytes");
        received += read(&b, 1 << 20).map_or(0, |bytes| bytes.len());
        flushed = flushed || a.flush_now().is_ok();
    }
    assert_eq!(received, taken);
    assert!(flushed && a.flush_now().is_ok());
}

#[test]
fn a_close_notify_ends_one_direction_and_the_other_continues() {
    let (a, b) = pair();
    a.write_now(b"last words").unwrap();
    a.end_writing().unwrap();
    arrived(&b, 10 + RECORD + 2 + RECORD);
    assert_eq!(read(&b, 100).unwrap(), b"last words");
    assert!(b.has_unread() && is_readable(&b), "the end of the stream");
    assert_eq!(read(&b, 100).unwrap(), b"");
    b.write_now(b"an answer").unwrap();
    arrived(&a, 9 + RECORD);
    assert_eq!(read(&a, 100).unwrap(), b"an answer");
}

#[test]
fn a_connection_without_a_close_notify_ends_as_well() {
    let (a, b) = pair();
    a.write_now(b"last words").unwrap();
    a.shut_down();
    arrived(&b, 10 + RECORD);
    assert_eq!(read(&b, 100).unwrap(), b"last words");
    assert_eq!(read(&b, 100).unwrap(), b"");
}

#[test]
fn valid_bytes_before_an_invalid_record_are_read_first() {
    let (a, b) = pair();
    a.write_now(b"good").unwrap();
    let bad = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
    a.tcp().write_all(&bad).unwrap();
    arrived(&b, 4 + RECORD + bad.len());
    assert_eq!(read(&b, 100).unwrap(), b"good");
    // Nothing more follows, so a waiting reader must be woken.
    assert!(b.has_unread() && is_readable(&b));
    let mut error = b.read_now(&mut [0; 100]).unwrap_err();
    for _ in 0..2 {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(ConnectError::from(error), ConnectError::Tls(_)));
        error = b.read_now(&mut [0; 100]).unwrap_err();
    }
    // The other end receives an alert.
    arrived(&a, 2 + RECORD);
    assert!(matches!(a.read_now(&mut [0; 100]).map_err(ConnectError::from), Err(ConnectError::Tls(_))));
}

#[test]
fn an_incomplete_record_does_not_count_as_unread() {
    let (a, b) = pair();
    // A record of `a`, of which only the first half is sent.
    let (held, mut wire) = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let into = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (into, listener.accept().unwrap().0)
    };
    a.layer().write(&held, b"in two halves").unwrap();
    drop(held);
    let mut record = Vec::new();
    wire.read_to_end(&mut record).unwrap();
    let (first, second) = record.split_at(record.len() / 2);
    a.tcp().write_all(first).unwrap();
    arrived(&b, first.len());
    assert_eq!(read(&b, 100), Err(ErrorKind::WouldBlock));
    assert!(!b.has_unread(), "half a record does not count as unread: it may never be completed");
    a.tcp().write_all(second).unwrap();
    arrived(&b, second.len());
    assert_eq!(read(&b, 100).unwrap(), b"in two halves");
}
