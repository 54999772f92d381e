//! The interleavings of two sessions and their node, forced step by step, without tasks or a
//! network.

use std::{
    sync::{Mutex, OnceLock},
    task::{Context, Poll},
};

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::AbortHandle;
use monitor_core::{
    CoreConfig, CoreLimits, LocalPid, MonitorId, MonitorOptions, NodesOptions, RemoteTarget, encode,
};
use peer_service::{Capabilities, Closed, FrameMeta, Outbox, PeerEvent, PeerInfo, PeerService, PushError};
use refs::{Dest, DialId, Incarnation, NodeId, NodeName, NodeSpec, Pid, Serial, SessionId};

use super::*;
use crate::{
    engine::{
        aliases::AliasKey,
        directory::{LiveProcess, LocalEndpoint},
        messaging::OutboundMessage,
        monitors::WatcherKey,
        state::Limits,
    },
    envelope::SendOptions,
    inbox::queue::{MailboxLimits, QueueItem},
    receiver::Receiver,
    threads::runner::Runner,
};

const BATCH: usize = 4;

fn id(name: &str, incarnation: u64) -> NodeId {
    NodeId::new(name.parse().unwrap(), Incarnation::new(incarnation).unwrap())
}

/// A peer service without a network.
struct NoNetwork(NodeId);

#[async_trait]
impl PeerService for NoNetwork {
    fn local(&self) -> &NodeId {
        &self.0
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }
    fn max_frame(&self) -> usize {
        1 << 20
    }
    async fn next(&self) -> Option<PeerEvent> {
        None
    }
    fn connect(&self, _node: &NodeSpec, _dial: DialId) {}
    fn disconnect(&self, _node: &NodeName) {}
    fn shutdown(&self) {}
}

/// Records the pushed frames.
#[derive(Default)]
struct Recorder {
    frames: Mutex<Vec<Vec<u8>>>,
    closed: Mutex<Option<EndKind>>,
    /// Called before each push.
    on_push: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

impl Outbox for Recorder {
    fn push(&self, _meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        if let Some(on_push) = self.on_push.get() {
            on_push();
        }
        let mut frame = Vec::new();
        write(&mut frame);
        self.frames.lock().unwrap().push(frame);
        Ok(())
    }
    fn flush(&self) {}
    fn poll_ready(&self, _: peer_service::ChannelId, _cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(Ok(()))
    }
    fn close(&self, kind: EndKind) {
        self.closed.lock().unwrap().get_or_insert(kind);
    }
    fn queued(&self) -> usize {
        0
    }
}

/// One node, one watching process, and sessions with a peer, which a test drives step by step.
struct Fixture {
    node: Inner,
    watcher: LocalPid,
    process: Arc<LiveProcess>,
    after: AfterUnlock,
}

impl Fixture {
    fn new() -> Self {
        let core = CoreConfig::new(id("a@local", 1), 0).limits(CoreLimits::new().max_batch(BATCH));
        let limits = Limits {
            max_batch: BATCH,
            mailbox: MailboxLimits { bytes: 1 << 20, messages: 1 << 10, node_events: 1 << 10 },
            max_message: 1 << 20,
            max_history: 0,
            max_addresses: 8,
            max_waiting_bytes: 1 << 20,
            stop_timeout: std::time::Duration::ZERO,
        };
        let service = Arc::new(NoNetwork(id("a@local", 1)));
        let node = Inner::new(core, AliasKey::fixed(0), limits, service, None, false, Runner::none());
        let process = Arc::new(LiveProcess::new(limits.mailbox, None));
        let watcher = node.register_endpoint(LocalEndpoint::Process(process.clone())).unwrap();
        node.enter(|state, _| state.core.monitor_nodes(watcher, NodesOptions::new()))
            .expect("the node has not failed");
        Fixture { node, watcher, process, after: AfterUnlock::default() }
    }

    fn session(&self, number: u64) -> (Driver, Arc<Recorder>) {
        let outbox = Arc::new(Recorder::default());
        let peer = PeerInfo::new(id("b@local", number), SessionId(number));
        let (abort, _) = AbortHandle::new_pair();
        (
            Driver::new(
                Arc::new(SessionHandle::new(peer, outbox.clone(), abort, &self.node.environment)),
                &self.node,
            )
            .expect("the node has not failed"),
            outbox,
        )
    }

    fn step(&mut self, driver: &mut Driver) -> NextStep {
        let next = driver.advance(&self.node, &mut self.after);
        self.after.run(&self.node);
        next
    }

    /// Steps until the driver waits for a condition.
    fn settle(&mut self, driver: &mut Driver) -> NextStep {
        loop {
            let next = self.step(driver);
            if next != NextStep::Yield {
                return next;
            }
        }
    }

    fn monitor(&self, serial: Serial) -> MonitorId {
        let target = Pid::new(id("b@local", 1), serial).into();
        let watcher = WatcherKey::Registered(self.watcher);
        self.node.monitor(watcher, &target, MonitorOptions::new(), None).unwrap().1
    }

    fn message(&self) -> Vec<u8> {
        self.message_to(self.watcher)
    }

    fn message_to(&self, pid: LocalPid) -> Vec<u8> {
        let mut frame = Vec::new();
        let to = Receiver::Pid(self.node.id.incarnation, pid.0);
        MessageFrame { to, from: None, reply_to: None, body: b"m" }.write(&mut frame);
        frame
    }

    /// Pops the items of the watcher: `up`, `down`, `m` for a message, `Down` for a monitor.
    fn received(&self) -> Vec<&'static str> {
        let items = std::iter::from_fn(|| match self.process.queue.try_pop() {
            Poll::Ready(item) => item,
            Poll::Pending => None,
        });
        let word = |item| match item {
            QueueItem::Event(crate::Event::NodeUp(_)) => "up",
            QueueItem::Event(crate::Event::NodeDown(_)) => "down",
            QueueItem::Event(crate::Event::Message(_)) => "m",
            QueueItem::Event(other) => panic!("{other:?}"),
            QueueItem::Gap(..) => panic!("the queue is below its limit"),
            QueueItem::Down(fired) => {
                self.node.take(fired.id).expect("the monitor was not flushed");
                "Down"
            }
        };
        items.map(word).collect()
    }
}

fn signals(signals: &[Signal]) -> Vec<u8> {
    let (mut frame, mut last) = (vec![SIGNALS], None);
    signals.iter().for_each(|signal| encode(signal, &mut last, &mut frame));
    frame
}

#[test]
fn a_session_is_announced_then_read_then_ended() {
    let mut fixture = Fixture::new();
    let (mut driver, _) = fixture.session(1);
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    assert_eq!(fixture.received(), ["up"]);
    driver.buffer().push(&fixture.message());
    driver.received(Ok(()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    driver.received(Err(EndKind::Closed.into()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Ended);
    assert_eq!(fixture.received(), ["m", "down"]);
    assert_eq!(fixture.settle(&mut driver), NextStep::Ended);
}

#[test]
fn the_next_session_waits_until_every_event_of_the_previous_one_is_delivered() {
    let mut fixture = Fixture::new();
    let (mut old, _) = fixture.session(1);
    fixture.settle(&mut old);
    assert_eq!(fixture.received(), ["up"]);
    let monitors = 3 * BATCH as u32;
    for slot in 0..monitors {
        fixture.monitor(Serial::new(slot, 1));
    }

    // The peer reconnects before this node has seen the end of the old session.
    let (mut new, _) = fixture.session(2);
    assert_eq!(fixture.settle(&mut new), NextStep::Admission);
    old.buffer().push(&fixture.message());
    old.received(Ok(()));
    assert_eq!(fixture.settle(&mut old), NextStep::Frames);
    assert_eq!(fixture.settle(&mut new), NextStep::Admission);
    old.received(Err(EndKind::Closed.into()));
    assert_eq!(fixture.settle(&mut old), NextStep::Ended);

    // The end of the old session takes more than a batch, so the new session waits for the backlog,
    // too.
    assert_eq!(fixture.settle(&mut new), NextStep::Admission);
    while fixture.node.resume(&mut fixture.after) {}
    assert_eq!(fixture.settle(&mut new), NextStep::Frames);
    new.buffer().push(&fixture.message());
    new.received(Ok(()));
    fixture.settle(&mut new);

    let mut expected = vec!["m"];
    expected.extend(vec!["Down"; monitors as usize]);
    expected.extend(["down", "up", "m"]);
    assert_eq!(fixture.received(), expected);
}

#[test]
fn signals_are_handled_in_batches_and_other_tasks_run_between() {
    let mut fixture = Fixture::new();
    let (mut driver, _) = fixture.session(1);
    fixture.settle(&mut driver);
    let monitor = |slot| Signal::Monitor {
        id: MonitorId(Serial::new(slot, 1)),
        target: RemoteTarget::Pid(fixture.watcher.0),
    };
    let many: Vec<_> = (0..3 * BATCH as u32).map(monitor).collect();
    driver.buffer().push(&signals(&many));
    driver.received(Ok(()));
    let mut last = 0;
    while fixture.step(&mut driver) == NextStep::Yield {
        let incoming = fixture.node.read_state(|state| state.core.stats().incoming);
        assert!(incoming - last <= BATCH, "{} in one step", incoming - last);
        last = incoming;
    }
    assert_eq!(last, many.len());
}

#[test]
fn frames_are_handled_in_order_up_to_the_malformed_one() {
    let mut fixture = Fixture::new();
    let (mut driver, outbox) = fixture.session(1);
    fixture.settle(&mut driver);
    fixture.received();
    let reason = monitor_core::DownReason::NoProc;
    let down = |slot| {
        let id = fixture.monitor(Serial::new(slot, 1));
        signals(&[Signal::Down { id, reason: reason.clone() }])
    };
    let downs: Vec<_> = (0..4).map(down).collect();
    let malformed = [&downs[3][..], &[99]].concat();
    for frame in [&downs[0], &downs[1], &fixture.message(), &downs[2], &malformed, &fixture.message()] {
        driver.buffer().push(frame);
    }
    driver.received(Ok(()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    assert_eq!(fixture.received(), ["Down", "Down", "m", "Down"]);
    assert_eq!(*outbox.closed.lock().unwrap(), Some(EndKind::Protocol));
}

#[test]
fn consecutive_messages_to_the_same_receiver_are_delivered_together() {
    let mut fixture = Fixture::new();
    let (mut driver, outbox) = fixture.session(1);
    fixture.settle(&mut driver);
    fixture.received();
    let (here, gone) = (fixture.message(), fixture.message_to(LocalPid(Serial::new(9, 9))));
    let malformed = vec![MESSAGE, 0xff];
    for frame in [&here, &gone, &gone, &here, &here, &here, &here, &here, &malformed, &here] {
        driver.buffer().push(frame);
    }
    driver.received(Ok(()));

    assert_eq!(fixture.step(&mut driver), NextStep::Yield);
    assert_eq!(fixture.received(), ["m"; BATCH - 2], "a batch, without the messages for an exited process");
    assert_eq!(fixture.step(&mut driver), NextStep::Yield);
    assert_eq!(fixture.received(), ["m"; BATCH]);
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    assert!(fixture.received().is_empty());
    assert_eq!(fixture.node.counters.messages_for_nobody.get(), 2);
    assert_eq!(*outbox.closed.lock().unwrap(), Some(EndKind::Protocol));
}

#[test]
fn a_route_opens_only_after_the_pending_messages_were_pushed() {
    for pending in 0..6 {
        let fixture = Arc::new(Fixture::new());
        let peer = id("b@local", 1);
        let to = Dest::Pid(Pid::new(peer.clone(), Serial::new(7, 1)));
        let send = || {
            assert!(
                fixture
                    .node
                    .send(
                        OutboundMessage::without_sender(&to, SendOptions::new()),
                        &mut Bytes::from_static(&[7])
                    )
                    .is_ok()
            )
        };
        (0..pending).for_each(|_| send());
        let (mut driver, outbox) = fixture.session(1);
        let (name, weak) = (peer.name.clone(), Arc::downgrade(&fixture));
        let has_route =
            move || weak.upgrade().is_some_and(|fixture| fixture.node.routes.find(&name).is_some());
        let pushed = Arc::downgrade(&outbox);
        let check = move || {
            let before = pushed.upgrade().map_or(0, |outbox| outbox.frames.lock().unwrap().len());
            assert!(before >= pending || !has_route(), "number {before} of {pending} can be overtaken");
        };
        assert!(outbox.on_push.set(Box::new(check)).is_ok());
        driver.advance(&fixture.node, &mut AfterUnlock::default());
        // Each send also forwards a part of the pending messages.
        (0..=pending).for_each(|_| send());
        assert!(fixture.node.routes.find(&peer.name).is_some());
        driver.abandon(EndKind::Closed.into(), &fixture.node, &mut AfterUnlock::default());
        assert!(fixture.node.routes.find(&peer.name).is_none());
    }
}

#[test]
fn a_frame_that_breaks_the_protocol_closes_the_session_and_later_frames_are_dropped() {
    let mut fixture = Fixture::new();
    let (mut driver, outbox) = fixture.session(1);
    fixture.settle(&mut driver);
    fixture.received();
    driver.buffer().push(&[99]);
    driver.buffer().push(&fixture.message());
    driver.received(Ok(()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    assert_eq!(*outbox.closed.lock().unwrap(), Some(EndKind::Protocol));
    driver.buffer().push(&fixture.message());
    driver.received(Ok(()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Frames);
    assert!(fixture.received().is_empty());
    driver.received(Err(EndKind::Protocol.into()));
    assert_eq!(fixture.settle(&mut driver), NextStep::Ended);
    assert_eq!(fixture.received(), ["down"]);
}

#[test]
fn an_abandoned_session_ends_once() {
    let mut fixture = Fixture::new();
    let (mut driver, _) = fixture.session(1);
    fixture.settle(&mut driver);
    driver.abandon(EndKind::LocalShutdown.into(), &fixture.node, &mut fixture.after);
    driver.abandon(EndKind::LocalShutdown.into(), &fixture.node, &mut fixture.after);
    assert_eq!(fixture.settle(&mut driver), NextStep::Ended);
    assert_eq!(fixture.received(), ["up", "down"]);
    assert!(fixture.node.read_state(|state| state.sessions.is_empty()));
}

#[test]
fn a_session_abandoned_before_its_announcement_fires_the_waiting_monitors() {
    let mut fixture = Fixture::new();
    fixture.monitor(Serial::new(0, 1));
    let (mut driver, _) = fixture.session(1);
    driver.abandon(EndKind::Internal.into(), &fixture.node, &mut fixture.after);
    fixture.after.run(&fixture.node);
    while fixture.node.resume(&mut fixture.after) {}
    assert_eq!(fixture.received(), ["up", "Down", "down"]);
    assert_eq!(fixture.node.read_state(|state| state.core.stats().waiting), 0);
}

#[test]
fn signals_that_follow_each_other_go_in_one_frame() {
    let mut fixture = Fixture::new();
    let (mut driver, outbox) = fixture.session(1);
    // The requests that wait for the session are sent as soon as it is up, one batch at a time.
    for slot in 0..BATCH as u32 - 1 {
        fixture.monitor(Serial::new(slot, 1));
    }
    fixture.settle(&mut driver);
    while fixture.node.resume(&mut fixture.after) {}
    let frames = outbox.frames.lock().unwrap();
    assert!(frames.len() <= 2, "{} frames", frames.len());
    let sent = frames.iter().flat_map(|frame| Signals::new(&frame[1..]));
    assert_eq!(sent.map(Result::unwrap).count(), BATCH - 1);
}
