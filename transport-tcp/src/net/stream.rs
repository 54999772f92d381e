//! A connection as a byte stream. Only this module depends on the layers between a frame and the
//! socket.
//!
//! Calls whose names end in `_now` never wait: they return
//! [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has no bytes or accepts none. At most
//! one thread reads and one writes at a time; they may be different threads.

use std::{
    future::poll_fn,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    task::{Context, Poll, ready},
};

use refs::NodeName;
use smol::Async;

use self::readiness::Readiness;
use crate::{net::error::ConnectError, net::socket};

mod readiness;

/// See the [module](self).
pub(crate) struct Stream {
    tcp: Async<TcpStream>,
    layer: Box<dyn Layer>,
    readable: Readiness,
    writable: Readiness,
}

/// The next thing to be read from a socket.
enum Unread {
    Nothing,
    Bytes,
    End,
}

/// The layer between a stream's bytes and its socket. Its methods never wait; they correspond to
/// those of [`Stream`].
pub(crate) trait Layer: Send + Sync {
    fn read(&self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize>;
    fn write(&self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize>;
    fn flush(&self, tcp: &TcpStream) -> io::Result<()>;
    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()>;
    /// Whether the layer holds something for the reader that is not in the socket any more: bytes,
    /// or the end of the connection.
    fn holds_unread(&self) -> bool;
    /// Checks that the peer may use that name, as far as the layer has authenticated the peer.
    fn check_peer_name(&self, peer: &NodeName) -> Result<(), ConnectError>;
    /// A value that identifies the connection, if the layer has one.
    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError>;
}

impl Stream {
    /// A stream whose bytes are sent unchanged.
    pub(crate) fn plain(tcp: Async<TcpStream>) -> Self {
        Stream::through(Plain, tcp)
    }

    /// A stream whose bytes are sent through `layer`.
    pub(crate) fn through(layer: impl Layer + 'static, tcp: Async<TcpStream>) -> Self {
        socket::tune(tcp.get_ref());
        Stream { tcp, layer: Box::new(layer), readable: Readiness::new(), writable: Readiness::new() }
    }

    /// The socket, for its options and addresses.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.tcp.get_ref()
    }

    #[cfg(all(test, feature = "tls"))]
    pub(crate) fn layer(&self) -> &dyn Layer {
        &*self.layer
    }

    /// The same connection with its layer inside another one.
    #[cfg(test)]
    pub(crate) fn wrapped(self, wrap: impl FnOnce(Box<dyn Layer>) -> Box<dyn Layer>) -> Self {
        Stream { layer: wrap(self.layer), ..self }
    }

    /// Returns the number of bytes read; 0 at the end of the stream.
    pub(crate) fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        self.layer.read(self.tcp(), into)
    }

    /// Returns the number of accepted bytes; they are sent at the latest by a
    /// [`flush_now`](Self::flush_now).
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.layer.write(self.tcp(), bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            taken => taken,
        }
    }

    /// Passes all accepted bytes to the system.
    pub(crate) fn flush_now(&self) -> io::Result<()> {
        self.layer.flush(self.tcp())
    }

    /// Ready when [`read_now`](Self::read_now) may return bytes. Wakes only the last task that
    /// polled.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.layer.holds_unread() {
            return Poll::Ready(Ok(()));
        }
        self.readable.poll(cx, |cx| self.tcp.poll_readable(cx))
    }

    /// Ready when [`write_now`](Self::write_now) or [`flush_now`](Self::flush_now) may make
    /// progress. Wakes only the last task that polled.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writable.poll(cx, |cx| self.tcp.poll_writable(cx))
    }

    /// Whether something has arrived that was not read: bytes, or the end of the connection.
    pub(crate) fn has_unread(&self) -> bool {
        self.layer.holds_unread() || !matches!(self.unread_in_socket(), Unread::Nothing)
    }

    /// Whether the connection has ended and everything before its end was read. False also if that
    /// is not known yet.
    pub(crate) fn is_over(&self) -> bool {
        !self.layer.holds_unread() && matches!(self.unread_in_socket(), Unread::End)
    }

    fn unread_in_socket(&self) -> Unread {
        match self.tcp().peek(&mut [0]) {
            Ok(1..) => Unread::Bytes,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Unread::Nothing,
            Ok(0) | Err(_) => Unread::End,
        }
    }

    /// Checks that the peer may use that name, as far as the connection itself can tell. Without
    /// TLS every peer may.
    pub(crate) fn check_peer_name(&self, peer: &NodeName) -> Result<(), ConnectError> {
        self.layer.check_peer_name(peer)
    }

    /// A value that identifies the connection at both of its ends; `None` without TLS.
    pub(crate) fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        self.layer.binding()
    }

    /// Ends the writing direction.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        self.layer.end_writing(self.tcp())
    }

    /// Shuts the connection down. The peer sees it at once, even while other owners keep the
    /// stream.
    pub(crate) fn shut_down(&self) {
        // The connection may have ended already.
        let _ = self.tcp.get_ref().shutdown(Shutdown::Both);
    }

    /// Waits until there is something to read.
    pub(crate) async fn read(&self, into: &mut [u8]) -> io::Result<usize> {
        poll_fn(|cx| {
            loop {
                match self.read_now(into) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(self.poll_readable(cx))?;
                    }
                    read => return Poll::Ready(read),
                }
            }
        })
        .await
    }

    /// Waits until the system has accepted all bytes.
    pub(crate) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        poll_fn(|cx| {
            loop {
                let step =
                    if bytes.is_empty() { self.flush_now().map(|()| 0) } else { self.write_now(bytes) };
                match step {
                    Ok(0) => return Poll::Ready(Ok(())),
                    Ok(taken) => bytes = &bytes[taken..],
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        ready!(self.poll_writable(cx))?;
                    }
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
        })
        .await
    }
}

/// No layer: bytes are sent unchanged.
struct Plain;

impl Layer for Plain {
    fn read(&self, mut tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| tcp.read(into))
    }

    fn write(&self, mut tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
        uninterrupted(|| tcp.write(bytes))
    }

    fn flush(&self, _: &TcpStream) -> io::Result<()> {
        Ok(())
    }

    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()> {
        tcp.shutdown(Shutdown::Write)
    }

    fn holds_unread(&self) -> bool {
        false
    }

    fn check_peer_name(&self, _: &NodeName) -> Result<(), ConnectError> {
        Ok(())
    }

    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        Ok(None)
    }
}

/// Repeats the call as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
