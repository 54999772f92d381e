//! Helpers of the checks: waits with a deadline, and expectations.

use std::{fmt::Debug, future::Future};

use futures::FutureExt;
use refs::{DialId, EndKind, SessionEnd};

use super::{Fault, Harness, PATIENCE, Service};
use crate::{
    frame::{Class, FrameBuf, FrameMeta},
    service::{PeerEvent, PushError, Session},
};

pub(super) type Checked<T = ()> = Result<T, Fault>;

pub(super) fn broken<T>(how: impl Into<String>) -> Checked<T> {
    Err(Fault::Broken(how.into()))
}

pub(super) fn ensure(holds: bool, how: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { broken(how()) }
}

pub(super) fn equal<T: PartialEq + Debug>(got: T, expected: T, what: &str) -> Checked {
    ensure(got == expected, || format!("{what}: expected {expected:?}, got {got:?}"))
}

/// Waits until the deadline.
pub(super) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> Checked<T> {
    let deadline = async {
        smol::Timer::after(PATIENCE).await;
        broken(format!("no {what} within {PATIENCE:?}"))
    };
    smol::future::or(async { Ok(wait.await) }, deadline).await
}

pub(super) type Live = Box<dyn Session>;

/// The next event, which must be a session.
pub(super) async fn next_session(service: &Service) -> Checked<Live> {
    match within("a session", service.next()).await? {
        Some(PeerEvent::Session(session)) => Ok(session),
        Some(PeerEvent::Failed { node, end, .. }) => {
            broken(format!("expected a session with {node}, got: {end}"))
        }
        None => broken("expected a session, got the end of all events"),
    }
}

/// The next event, which must be the failure of that dial.
pub(super) async fn next_failure(service: &Service, dial: DialId) -> Checked<SessionEnd> {
    match within("the failure of a dial", service.next()).await? {
        Some(PeerEvent::Failed { dial: failed, end, .. }) => {
            equal(failed, dial, "the dial that failed")?;
            Ok(end)
        }
        Some(PeerEvent::Session(session)) => {
            broken(format!("expected a failure, got a session with {}", session.peer().node))
        }
        None => broken("expected the failure of a dial, got the end of all events"),
    }
}

/// Checks that no event is ready. Call it when all possible events have happened.
pub(super) fn expect_no_event(service: &Service) -> Checked {
    match service.next().now_or_never() {
        None => Ok(()),
        Some(Some(PeerEvent::Session(session))) => {
            broken(format!("a session with {} too many", session.peer().node))
        }
        Some(Some(PeerEvent::Failed { dial, end, .. })) => broken(format!("{dial:?} failed too: {end}")),
        Some(None) => broken("the events are over"),
    }
}

/// Two nodes with a session.
pub(super) struct Pair {
    pub(super) a: Service,
    pub(super) b: Service,
    /// The session at `a`, and at `b`.
    pub(super) at_a: Live,
    pub(super) at_b: Live,
    dials: u64,
}

impl Pair {
    pub(super) async fn new(harness: &dyn Harness) -> Checked<Self> {
        Pair::labelled(harness, "a", "b").await
    }

    pub(super) async fn labelled(harness: &dyn Harness, a: &str, b: &str) -> Checked<Self> {
        let (a, b) = (harness.join(a).await, harness.join(b).await);
        a.connect(&harness.spec(&b), DialId(1));
        let (at_a, at_b) = (next_session(&a).await?, next_session(&b).await?);
        Ok(Pair { a, b, at_a, at_b, dials: 1 })
    }

    /// A new session, dialed by `a`, after the last one has ended.
    pub(super) async fn reconnect(&mut self, harness: &dyn Harness) -> Checked {
        self.dials += 1;
        self.a.connect(&harness.spec(&self.b), DialId(self.dials));
        self.at_a = next_session(&self.a).await?;
        self.at_b = next_session(&self.b).await?;
        Ok(())
    }

    pub(super) async fn sever(&self, harness: &dyn Harness) -> Checked {
        Ok(harness.sever(&self.a.local().name, &self.b.local().name).await?)
    }

    /// Waits for the end at both nodes.
    pub(super) async fn expect_over(&mut self) -> Checked<(EndKind, EndKind)> {
        Ok((end_of(&mut self.at_a).await?.1.kind, end_of(&mut self.at_b).await?.1.kind))
    }
}

/// All frames that still arrive, and the end.
pub(super) async fn end_of(session: &mut Live) -> Checked<(Vec<Vec<u8>>, SessionEnd)> {
    let mut frames = FrameBuf::new();
    loop {
        if let Err(end) = within("the end of a session", session.recv(&mut frames)).await? {
            return Ok((frames.iter().map(<[u8]>::to_vec).collect(), end));
        }
    }
}

/// The next `count` frames.
pub(super) async fn receive(session: &mut Live, count: usize) -> Checked<Vec<Vec<u8>>> {
    let mut frames = FrameBuf::new();
    while frames.len() < count {
        let got = within("frames", session.recv(&mut frames)).await?;
        if let Err(end) = got {
            return broken(format!("expected {count} frames, got {} and the end: {end}", frames.len()));
        }
    }
    equal(frames.len(), count, "the number of frames")?;
    Ok(frames.iter().map(<[u8]>::to_vec).collect())
}

pub(super) const MESSAGE: FrameMeta = FrameMeta::message(1);

/// Pushes without flushing.
pub(super) fn push(session: &Live, meta: FrameMeta, bytes: &[u8]) -> Result<(), PushError> {
    session.outbox().push(meta, &mut |frame| frame.extend_from_slice(bytes))
}

/// Pushes frames of either class and flushes.
pub(super) fn send(session: &Live, frames: &[Vec<u8>]) -> Checked {
    for (at, frame) in frames.iter().enumerate() {
        let class = if at % 2 == 0 { Class::Signal } else { Class::Message };
        let meta = FrameMeta { class, ..MESSAGE };
        if let Err(error) = push(session, meta, frame) {
            return broken(format!("frame {at} was not accepted: {error}"));
        }
    }
    session.outbox().flush();
    Ok(())
}

/// Distinguishable frames of all lengths up to `max`.
pub(super) fn frames(seed: u8, count: usize, max: usize) -> Vec<Vec<u8>> {
    let frame = |at: usize| {
        let mut frame = vec![seed, at as u8, (at >> 8) as u8];
        frame.resize(3 + at * 7919 % max, at as u8);
        frame
    };
    (0..count).map(frame).collect()
}
