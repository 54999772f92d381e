//! One client.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, task::AtomicWaker};
use smol::lock::{OnceCell, Semaphore, SemaphoreGuardArc};

/// The stream of a client. After the client is dismissed, reads still return all received bytes
/// before they fail, so that a request that has arrived is served.
#[derive(Debug)]
pub(crate) struct Client<S> {
    stream: S,
    progress: Arc<Progress>,
}

/// The progress of a client: whether it has sent its request, and its turn.
#[derive(Debug)]
pub(crate) struct Progress {
    asked: AtomicBool,
    dismissed: AtomicBool,
    /// The task that reads the request.
    reader: AtomicWaker,
    turns: Arc<Semaphore>,
    turn: OnceCell<SemaphoreGuardArc>,
}

impl<S> Client<S> {
    pub(super) const fn new(stream: S, progress: Arc<Progress>) -> Self {
        Client { stream, progress }
    }

    /// Its progress, for use while another owner has the stream.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        self.progress.clone()
    }
}

impl Progress {
    /// The progress of a client that has just connected. Its response takes one of those turns.
    pub(super) fn new(turns: Arc<Semaphore>) -> Self {
        Progress {
            asked: AtomicBool::new(false),
            dismissed: AtomicBool::new(false),
            reader: AtomicWaker::new(),
            turns,
            turn: OnceCell::new(),
        }
    }

    /// Records that the request has been read, and waits for this client's turn, which lasts until
    /// the end of the exchange.
    pub(crate) async fn asked(&self) {
        // Relaxed: the flag orders no other memory access.
        self.asked.store(true, Ordering::Relaxed);
        self.turn.get_or_init(|| self.turns.acquire_arc()).await;
    }

    /// Whether the request has been read.
    pub(super) fn has_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Returns once it is this client's turn.
    pub(super) async fn await_turn(&self) {
        self.turn.wait().await;
    }

    /// Ends the exchange, unless the request has arrived.
    pub(super) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
        self.reader.wake();
    }

    /// Whether the exchange was ended to free the slot for another client.
    pub(super) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Acquire) && !self.has_asked()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Client<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        // Registered before the flag is read, so that a later dismissal wakes this task.
        self.progress.reader.register(cx.waker());
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending if self.progress.is_dismissed() => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            read => read,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Client<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::{io::Write, os::unix::net::UnixStream};

    use futures::{AsyncReadExt, FutureExt};
    use smol::Async;

    use super::*;

    #[test]
    fn a_dismissed_client_is_read_to_the_end_of_its_bytes() {
        let (mut far, near) = UnixStream::pair().unwrap();
        let progress = Arc::new(Progress::new(Arc::new(Semaphore::new(1))));
        let mut client = Client::new(Async::new(near).unwrap(), progress.clone());
        far.write_all(b"question").unwrap();
        progress.dismiss();
        let mut question = [0; 8];
        smol::block_on(client.read_exact(&mut question)).unwrap();
        assert_eq!(&question, b"question");
        assert_eq!(smol::block_on(client.read(&mut question)).unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[test]
    fn a_client_that_has_sent_its_request_is_not_dismissed_and_waits_for_its_turn() {
        let turns = Arc::new(Semaphore::new(1));
        let [first, second] = [(); 2].map(|()| Progress::new(turns.clone()));
        assert!(first.asked().now_or_never().is_some());
        let mut asking = Box::pin(second.asked());
        assert!((&mut asking).now_or_never().is_none());
        second.dismiss();
        assert!(!second.is_dismissed(), "its request has been read");
        drop(first);
        assert!(asking.now_or_never().is_some());
    }
}
