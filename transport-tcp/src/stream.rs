//! A connection as bytes in and bytes out: the only file that knows what lies between a frame and the socket.
//!
//! Whatever ends in `_now` never waits: it is [`WouldBlock`](io::ErrorKind::WouldBlock) when the system has nothing to
//! give or takes nothing. One party reads and one writes at a time; they may be different threads.

use std::{
    future::poll_fn,
    io::{self, Read, Write},
    net::{Shutdown, TcpStream},
    task::{Context, Poll, ready},
};

use smol::Async;

use crate::socket;

/// See the [module](self).
pub(crate) struct Stream {
    tcp: Async<TcpStream>,
}

impl Stream {
    /// What is written goes out as it is.
    pub(crate) fn plain(tcp: Async<TcpStream>) -> Self {
        socket::tune(tcp.get_ref());
        Stream { tcp }
    }

    /// The socket, for its options and addresses.
    pub(crate) fn tcp(&self) -> &TcpStream {
        self.tcp.get_ref()
    }

    /// How many bytes were read; none at the end of the stream.
    pub(crate) fn read_now(&self, into: &mut [u8]) -> io::Result<usize> {
        uninterrupted(|| self.tcp.get_ref().read(into))
    }

    /// How many bytes were taken; they go out at the latest after a [`flush_now`](Self::flush_now).
    pub(crate) fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        match uninterrupted(|| self.tcp.get_ref().write(bytes)) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            taken => taken,
        }
    }

    /// Hands all that was taken to the system.
    pub(crate) fn flush_now(&self) -> io::Result<()> {
        Ok(())
    }

    /// Ready when [`read_now`](Self::read_now) may have something.
    pub(crate) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_readable(cx)
    }

    /// Ready when [`write_now`](Self::write_now) or [`flush_now`](Self::flush_now) may get on.
    pub(crate) fn poll_writable(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.tcp.poll_writable(cx)
    }

    /// Whether something has arrived that was not read: bytes, or the news that the connection is over.
    pub(crate) fn has_unread(&self) -> bool {
        match self.tcp.get_ref().peek(&mut [0]) {
            Ok(_) => true,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock,
        }
    }

    /// Nothing more will be written.
    pub(crate) fn end_writing(&self) -> io::Result<()> {
        self.tcp.get_ref().shutdown(Shutdown::Write)
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

fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}
