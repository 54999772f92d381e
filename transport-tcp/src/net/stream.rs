//! A connection as bytes in and bytes out. Only this module knows the layers between a frame and
//! the socket.
//!
//! Calls whose names end in `_now` never wait: they return
//! [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has no bytes or takes none. One party
//! reads and one writes at a time; they may be different threads.

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

/// The next thing to be read of a socket.
enum Unread {
    Nothing,
    Bytes,
    End,
}

/// The layer between a stream's bytes and its socket. No method waits; they are those of
/// [`Stream`].
pub(crate) trait Layer: Send + Sync {
    fn read(&self, tcp: &TcpStream, into: &mut [u8]) -> io::Result<usize>;
    fn write(&self, tcp: &TcpStream, bytes: &[u8]) -> io::Result<usize>;
    fn flush(&self, tcp: &TcpStream) -> io::Result<()>;
    fn end_writing(&self, tcp: &TcpStream) -> io::Result<()>;
    /// Whether it holds something for the reader that the socket has no more: bytes, or the news
    /// that the connection is over.
    fn holds_unread(&self) -> bool;
    /// Whether the other end, as far as the layer knows it, may bear that name.
    fn vouches_for(&self, peer: &NodeName) -> Result<(), ConnectError>;
    /// Identifies the connection, if the layer can.
    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError>;
}

impl Stream {
    /// A stream whose bytes are sent as they are.
    pub(crate) fn plain(tcp: Async<TcpStream>) -> Self {
        Stream::through(Plain, tcp)
    }

    /// A stream whose bytes are sent as that layer makes them.
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

    /// How many bytes were read; none at the end of the stream.
    pub(crate) fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        self.layer.read(self.tcp(), into)
    }

    /// How many bytes were taken; they go out at the latest after a [`flush_now`](Self::flush_now).
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match self.layer.write(self.tcp(), bytes) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            taken => taken,
        }
    }

    /// Hands all that was taken to the system.
    pub(crate) fn flush_now(&self) -> io::Result<()> {
        self.layer.flush(self.tcp())
    }

    /// Ready when [`read_now`](Self::read_now) may have something. Of several tasks the last that
    /// asked is woken.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.layer.holds_unread() {
            return Poll::Ready(Ok(()));
        }
        self.readable.poll(cx, |cx| self.tcp.poll_readable(cx))
    }

    /// Ready when [`write_now`](Self::write_now) or [`flush_now`](Self::flush_now) may get on. Of
    /// several tasks the last that asked is woken.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writable.poll(cx, |cx| self.tcp.poll_writable(cx))
    }

    /// Whether something has arrived that was not read: bytes, or the news that the connection is
    /// over.
    pub(crate) fn has_unread(&self) -> bool {
        self.layer.holds_unread() || !matches!(self.unread_in_socket(), Unread::Nothing)
    }

    /// Whether the connection is over and everything before its end was read. False also if that is
    /// not known yet.
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

    /// Whether the other end may bear that name, as far as the connection itself can tell. On one
    /// without TLS every node may.
    pub(crate) fn vouches_for(&self, peer: &NodeName) -> Result<(), ConnectError> {
        self.layer.vouches_for(peer)
    }

    /// Identifies the connection to both of its ends, if it is one with TLS.
    pub(crate) fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        self.layer.binding()
    }

    /// Nothing more will be written.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        self.layer.end_writing(self.tcp())
    }

    /// The other end sees it at once, however long others keep the stream.
    pub(crate) fn hang_up(&self) {
        // It may be gone already.
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

    /// Waits until the system has taken all of it.
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

/// No layer: bytes go as they are.
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

    fn vouches_for(&self, _: &NodeName) -> Result<(), ConnectError> {
        Ok(())
    }

    fn binding(&self) -> Result<Option<[u8; 32]>, ConnectError> {
        Ok(None)
    }
}

/// The call again, as long as a signal interrupts it.
pub(crate) fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
