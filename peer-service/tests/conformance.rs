//! The in-memory network keeps the contract, and the suite detects faulty services.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use async_trait::async_trait;
use peer_service::{
    Capabilities, ChannelName, DialId, EndKind, FrameBuf, NodeId, NodeName, NodeSpec, Outbox, PeerEvent,
    PeerInfo, PeerService, Session, SessionEnd,
    conformance::{self, Harness, Outcome, Service, Unsupported},
    memory::{Join, Network, Settings},
};

struct Memory {
    network: Network,
    views: bool,
    fault: Option<Fault>,
}

impl Memory {
    fn new() -> Self {
        // Lower than the default, so that limits are soon reached.
        let settings = Settings::new().max_waiting(32 << 20);
        Memory { network: Network::with(settings), views: false, fault: None }
    }
}

#[async_trait]
impl Harness for Memory {
    async fn join_with_channels(
        &self,
        label: &str,
        channels: &[ChannelName],
    ) -> Result<Service, Unsupported> {
        Ok(self.network.join_with(Join::new(name(label)).channels(channels.iter().cloned())))
    }

    async fn join(&self, label: &str) -> Service {
        let mut join = Join::new(name(label));
        if self.views {
            let capabilities = Capabilities::FULL.views(true);
            let members = ["a", "b"].iter().filter(|other| **other != label).map(|other| name(other));
            join = join.capabilities(capabilities).view(members);
        }
        let service = self.network.join_with(join);
        match self.fault {
            Some(fault) => Arc::new(Faulty { inner: service, fault }),
            None => service,
        }
    }

    fn absent(&self) -> NodeSpec {
        name("absent").into()
    }

    async fn sever(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        self.network.sever(a, b);
        Ok(())
    }

    async fn silence(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        self.network.cut(a, b);
        self.network.advance(Settings::default().get_timeout());
        Ok(())
    }

    async fn kill(&self, node: Service) -> Result<(), Unsupported> {
        self.network.crash(&node.local().name);
        Ok(())
    }

    async fn mute(&self, from: &NodeName) -> Result<NodeSpec, Unsupported> {
        let mute = self.network.join(name("mute"));
        self.network.cut(from, &mute.local().name);
        Ok(name("mute").into())
    }

    async fn pass_setup_time(&self) {
        self.network.advance(Settings::default().get_setup_timeout());
    }

    async fn evict(&self, at: &NodeName, node: &NodeName) -> Result<(), Unsupported> {
        self.network.evict(at, node);
        Ok(())
    }
}

fn name(label: &str) -> NodeName {
    format!("{label}@memory").parse().unwrap()
}

peer_service::conformance_tests!(Memory::new());

#[test]
fn a_service_with_views_keeps_the_contract_too() {
    conformance::expect(19, &Memory { views: true, ..Memory::new() });
    conformance::expect(13, &Memory { views: true, ..Memory::new() });
}

/// The fault of a faulty service.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// Swaps two frames.
    Reorders,
    /// Loses the last frames before an end.
    LosesTheLast,
    /// Reports every end as a timeout.
    MisnamesEnds,
    /// Returns the end once, and then another one.
    ForgetsItsEnd,
    /// Does not report a failed dial.
    SwallowsFailures,
    /// Reports the local node's name as the peer's.
    Misidentifies,
    /// Never refuses a message.
    AcceptsWithoutLimit,
}

#[test]
fn the_suite_catches_broken_services() {
    // A clause that waits in vain takes as long as the deadline of the suite: one such fault is
    // enough.
    let faults: [(Fault, u8); 6] = [
        (Fault::Reorders, 5),
        (Fault::LosesTheLast, 13),
        (Fault::MisnamesEnds, 14),
        (Fault::ForgetsItsEnd, 12),
        (Fault::Misidentifies, 3),
        (Fault::AcceptsWithoutLimit, 10),
    ];
    for (fault, number) in faults {
        expect_caught(fault, number);
    }
}

#[test]
fn the_suite_catches_a_dial_that_is_never_answered() {
    expect_caught(Fault::SwallowsFailures, 15);
}

fn expect_caught(fault: Fault, number: u8) {
    let clause = conformance::CLAUSES.iter().find(|clause| clause.number == number).unwrap();
    let outcome = smol::block_on(conformance::check(clause, &Memory { fault: Some(fault), ..Memory::new() }));
    assert!(matches!(outcome, Outcome::Broken(_)), "{fault:?} was not caught by clause {number}: {outcome}");
}

/// A service with a fault.
struct Faulty {
    inner: Service,
    fault: Fault,
}

#[async_trait]
impl PeerService for Faulty {
    fn local(&self) -> &NodeId {
        self.inner.local()
    }
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }
    fn max_frame(&self) -> usize {
        self.inner.max_frame()
    }
    async fn next(&self) -> Option<PeerEvent> {
        loop {
            match (self.inner.next().await, self.fault) {
                (Some(PeerEvent::Failed { .. }), Fault::SwallowsFailures) => {}
                (Some(PeerEvent::Session(inner)), fault) => {
                    let mut info = inner.peer().clone();
                    if let Fault::Misidentifies = fault {
                        info.node = self.inner.local().clone();
                    }
                    return Some(PeerEvent::Session(Box::new(FaultySession {
                        inner,
                        info,
                        fault,
                        ended: false,
                    })));
                }
                (other, _) => return other,
            }
        }
    }
    fn connect(&self, node: &NodeSpec, dial: DialId) {
        self.inner.connect(node, dial);
    }
    fn disconnect(&self, node: &NodeName) {
        self.inner.disconnect(node);
    }
    fn shutdown(&self) {
        self.inner.shutdown();
    }
}

struct FaultySession {
    inner: Box<dyn Session>,
    info: PeerInfo,
    fault: Fault,
    ended: bool,
}

#[async_trait]
impl Session for FaultySession {
    fn peer(&self) -> &PeerInfo {
        &self.info
    }

    fn outbox(&self) -> Arc<dyn Outbox> {
        match self.fault {
            Fault::AcceptsWithoutLimit => Arc::new(Boundless(self.inner.outbox())),
            _ => self.inner.outbox(),
        }
    }

    async fn recv(&mut self, frames: &mut FrameBuf) -> Result<(), SessionEnd> {
        let mut got = FrameBuf::new();
        let result = self.inner.recv(&mut got).await;
        let mut all: Vec<_> = got.iter().map(<[u8]>::to_vec).collect();
        match self.fault {
            Fault::Reorders if all.len() > 1 => all.swap(0, 1),
            Fault::LosesTheLast => drop(all.pop()),
            _ => {}
        }
        all.iter().for_each(|frame| frames.push(frame));
        let again = std::mem::replace(&mut self.ended, result.is_err());
        result.map_err(|end| match self.fault {
            Fault::MisnamesEnds => EndKind::Timeout.into(),
            Fault::ForgetsItsEnd if again => EndKind::Closed.into(),
            _ => end,
        })
    }
}

/// An outbox that drops messages instead of refusing them.
struct Boundless(Arc<dyn Outbox>);

impl Outbox for Boundless {
    fn push(
        &self,
        meta: peer_service::FrameMeta,
        write: &mut dyn FnMut(&mut Vec<u8>),
    ) -> Result<(), peer_service::PushError> {
        match self.0.push(meta, write) {
            Err(peer_service::PushError::Full) => Ok(()),
            other => other,
        }
    }
    fn flush(&self) {
        self.0.flush();
    }
    fn poll_ready(
        &self,
        channel: peer_service::ChannelId,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), peer_service::Closed>> {
        self.0.poll_ready(channel, cx)
    }
    fn close(&self, kind: EndKind) {
        self.0.close(kind);
    }
    fn queued(&self) -> usize {
        self.0.queued()
    }
}
