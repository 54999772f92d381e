//! What a stream through TLS promises to those who read, write and wait.

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

/// What all ends here hold: a certificate of `b@host`.
static CARD: LazyLock<Tls> = LazyLock::new(|| {
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
    let dialler = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let acceptor = listener.accept().unwrap().0;
    let (dialler, acceptor) = (Async::new(dialler).unwrap(), Async::new(acceptor).unwrap());
    smol::block_on(async {
        let name = "b@host".parse().unwrap();
        let both = futures::future::try_join(
            crate::net::tls::dial(&CARD, &name, dialler),
            crate::net::tls::accept(&CARD, acceptor),
        );
        both.await.unwrap()
    })
}

/// Waits until so many bytes lie in the socket.
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

/// What a record adds: five bytes before it; behind it one that says what it holds, and sixteen
/// that seal it.
const RECORD: usize = 5 + 1 + 16;

#[test]
fn what_was_decrypted_and_not_taken_counts_as_unread() {
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
fn what_the_socket_does_not_take_is_bounded_and_goes_out_with_a_flush() {
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
fn a_farewell_ends_one_direction_and_the_other_goes_on() {
    let (a, b) = pair();
    a.write_now(b"last words").unwrap();
    a.end_writing().unwrap();
    arrived(&b, 10 + RECORD + 2 + RECORD);
    assert_eq!(read(&b, 100).unwrap(), b"last words");
    assert!(b.has_unread() && is_readable(&b), "the news of the end");
    assert_eq!(read(&b, 100).unwrap(), b"");
    b.write_now(b"an answer").unwrap();
    arrived(&a, 9 + RECORD);
    assert_eq!(read(&a, 100).unwrap(), b"an answer");
}

#[test]
fn the_end_of_the_connection_without_a_farewell_is_an_end_as_well() {
    let (a, b) = pair();
    a.write_now(b"last words").unwrap();
    a.hang_up();
    arrived(&b, 10 + RECORD);
    assert_eq!(read(&b, 100).unwrap(), b"last words");
    assert_eq!(read(&b, 100).unwrap(), b"");
}

#[test]
fn what_is_bad_ends_the_reading_at_once_and_what_was_good_comes_first() {
    let (a, b) = pair();
    a.write_now(b"good").unwrap();
    let bad = [&[23, 3, 3, 0, 40][..], &[7; 40]].concat();
    a.tcp().write_all(&bad).unwrap();
    arrived(&b, 4 + RECORD + bad.len());
    assert_eq!(read(&b, 100).unwrap(), b"good");
    // Nothing more will come, and whoever waits must not wait for it.
    assert!(b.has_unread() && is_readable(&b));
    let mut error = b.read_now(&mut [0; 100]).unwrap_err();
    for _ in 0..2 {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(matches!(ConnectError::from(error), ConnectError::Tls(_)));
        error = b.read_now(&mut [0; 100]).unwrap_err();
    }
    // The other end is told.
    arrived(&a, 2 + RECORD);
    assert!(matches!(a.read_now(&mut [0; 100]).map_err(ConnectError::from), Err(ConnectError::Tls(_))));
}

#[test]
fn a_record_that_has_not_arrived_whole_is_nothing_yet() {
    let (a, b) = pair();
    // Sealed by a and held back, but for its first half.
    let (held, mut way) = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let into = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (into, listener.accept().unwrap().0)
    };
    a.layer().write(&held, b"in two halves").unwrap();
    drop(held);
    let mut record = Vec::new();
    way.read_to_end(&mut record).unwrap();
    let (first, second) = record.split_at(record.len() / 2);
    a.tcp().write_all(first).unwrap();
    arrived(&b, first.len());
    assert_eq!(read(&b, 100), Err(ErrorKind::WouldBlock));
    assert!(!b.has_unread(), "half a record is no news: it may never become one");
    a.tcp().write_all(second).unwrap();
    arrived(&b, second.len());
    assert_eq!(read(&b, 100).unwrap(), b"in two halves");
}
