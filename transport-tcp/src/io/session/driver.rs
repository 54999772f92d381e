//! The driver of a connection: a task that does not depend on calls by the session's user.
//!
//! It writes the bytes that were not written at once, and carries out the steps of the connection's
//! [`Upkeep`].

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use peer_service::{EndKind, SessionEnd};
use smol::Timer;

use super::{connection::Connection, owner::Owner};
use crate::{
    net::stream::Stream,
    proto::connection::{
        sending::Phase,
        upkeep::{Step, Unread, Upkeep},
    },
};

/// See the [module](self).
pub(crate) struct Driver {
    connection: Arc<Connection>,
    stream: Arc<Stream>,
    owner: Arc<dyn Owner>,
    upkeep: Upkeep,
    timer: Timer,
}

impl Driver {
    pub(crate) fn new(connection: Arc<Connection>, stream: Arc<Stream>, owner: Arc<dyn Owner>) -> Self {
        let upkeep = Upkeep::new(&connection.limits);
        Driver { connection, stream, owner, upkeep, timer: Timer::never() }
    }

    /// The connection whose end the driver reports, and the owner that receives the report.
    pub(crate) fn reports_to(&self) -> (Arc<Connection>, Arc<dyn Owner>) {
        (self.connection.clone(), self.owner.clone())
    }

    /// Runs until the session has ended.
    pub(crate) async fn run(mut self) {
        let end = std::future::poll_fn(|cx| self.poll(cx)).await;
        self.owner.over(&self.connection, end);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<SessionEnd> {
        self.connection.driver.register(cx.waker());
        loop {
            self.write(cx);
            if let Some(end) = self.connection.end() {
                return Poll::Ready(end);
            }
            self.discard_input(cx);
            let now = self.connection.now();
            match self.upkeep.poll(now, &self.connection.state(), &*self.stream) {
                Step::Wait(at) => {
                    self.timer.set_at(self.connection.instant(at));
                    if Pin::new(&mut self.timer).poll(cx).is_pending() {
                        return Poll::Pending;
                    }
                }
                Step::Ping(number) => self.connection.ping(number),
                Step::ProbeAnswered => self.owner.probe_answered(&self.connection),
                Step::ProbeSilent => self.owner.probe_silent(&self.connection),
                Step::EndWriting => {
                    if self.stream.end_writing().is_err() {
                        self.connection.end_now(EndKind::Closed.into());
                    }
                }
                Step::End(end) => self.connection.end_now(end),
                // Another thread has ended the session since the check above.
                Step::Over => {}
            }
        }
    }

    /// Writes the remaining bytes; registers for writability if the socket accepts none.
    fn write(&mut self, cx: &mut Context<'_>) {
        self.connection.write_out();
        while self.connection.is_blocked() {
            match self.stream.poll_writable(cx) {
                Poll::Ready(Ok(())) => self.connection.unblock(),
                Poll::Ready(Err(_)) => return self.connection.end_now(EndKind::Closed.into()),
                Poll::Pending => return,
            }
        }
    }

    /// Reads and discards the input of a session that its user has dropped while it was closing.
    fn discard_input(&mut self, cx: &mut Context<'_>) {
        if !self.connection.is_abandoned() || !matches!(self.connection.phase(), Phase::Closing(_)) {
            return;
        }
        let mut bytes = [0; 4096];
        while !self.connection.is_peer_done() {
            match self.stream.read_now(&mut bytes) {
                Ok(1..) => self.connection.note_received(),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    match self.stream.poll_readable(cx) {
                        Poll::Ready(Ok(())) => {}
                        Poll::Ready(Err(_)) => self.connection.note_peer_done(),
                        Poll::Pending => return,
                    }
                }
                Ok(0) | Err(_) => self.connection.note_peer_done(),
            }
        }
    }
}

impl Unread for Stream {
    fn has_unread(&self) -> bool {
        Stream::has_unread(self)
    }

    fn is_over(&self) -> bool {
        Stream::is_over(self)
    }
}
