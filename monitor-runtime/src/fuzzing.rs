//! Entry points that take arbitrary bytes, for the fuzzer and its tests. Not part of the public
//! API.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::AbortHandle;
use monitor_core::{CoreConfig, CoreLimits, LocalPid, MonitorOptions};
use peer_service::{ChannelId, Closed, FrameMeta, Outbox, PeerInfo, PeerService, PushError, memory::Network};
use refs::{EndKind, Incarnation, NodeId, Pid, Serial, SessionId};

use crate::{
    engine::{
        after_unlock::AfterUnlock,
        aliases::AliasKey,
        directory::{LiveProcess, LocalEndpoint},
        monitors::WatcherKey,
        state::{Inner, Limits},
    },
    inbox::queue::{MailboxLimits, QueueItem},
    session::handle::SessionHandle,
    tasks::driver::{Driver, NextStep},
    threads::{environment::Environment, runner::Runner},
};

/// A low value, so that a batch often leaves work for the next one.
const MAX_BATCH: usize = 4;
const MAX_MAILBOX: usize = 64 << 10;

/// Runs a whole session with an authenticated peer that breaks every rule. The bytes are its
/// frames: each is a length of two bytes, followed by that many bytes.
///
/// The node has a process with the name `watcher`, which monitors a process of the peer. For any
/// bytes of the peer, that monitor has fired once at the end, and the node holds nothing of the
/// session.
pub fn session(bytes: &[u8]) {
    let peer = NodeId::new("peer@h".parse().expect("a name"), Incarnation::new(2).expect("not zero"));
    let node = Attacked::new(&peer);
    let info = PeerInfo::new(peer, SessionId(1));
    let (abort, _) = AbortHandle::new_pair();
    let handle = Arc::new(SessionHandle::new(info, Arc::new(Unheard), abort, &Environment::default()));
    let (mut driver, mut after) =
        (Driver::new(handle, &node.inner).expect("the node is well"), AfterUnlock::default());

    node.settle(&mut driver, &mut after);
    let mut frames = Frames(bytes);
    while frames.fill(&mut driver) {
        driver.received(Ok(()));
        node.settle(&mut driver, &mut after);
    }
    driver.received(Err(EndKind::Closed.into()));
    node.settle(&mut driver, &mut after);

    assert_eq!(node.downs(), 1, "a monitor fires once");
    let stats = node.inner.read_state(|state| state.core.stats());
    assert_eq!((stats.incoming, stats.outgoing_active, stats.sessions), (0, 0, 0));
    assert!(node.inner.read_state(|state| state.sessions.is_empty()));
}

/// The node under attack.
struct Attacked {
    inner: Inner,
    watcher: Arc<LiveProcess>,
}

impl Attacked {
    fn new(peer: &NodeId) -> Self {
        let service = Network::new().join("node@h".parse().expect("a name"));
        let core_limits = CoreLimits::new().max_batch(MAX_BATCH);
        let core = CoreConfig::new(service.local().clone(), 0).limits(core_limits);
        let limits = Limits {
            max_batch: MAX_BATCH,
            mailbox: MailboxLimits { bytes: MAX_MAILBOX, messages: 64, node_events: 2 },
            max_message: 1 << 20,
            max_history: 8,
            max_addresses: 8,
            max_waiting_bytes: 1 << 20,
            stop_timeout: Duration::ZERO,
        };
        let inner = Inner::new(core, AliasKey::fixed(0), limits, service, None, false, Runner::none());
        let watcher = Arc::new(LiveProcess::new(limits.mailbox, None));
        let pid = inner
            .register_endpoint(LocalEndpoint::Process(watcher.clone()))
            .expect("the node was not stopped");
        let node = Attacked { inner, watcher };
        node.begin(pid, peer);
        node
    }

    /// Registers the watcher under its name, and makes its monitor of a process of the peer.
    fn begin(&self, pid: LocalPid, peer: &NodeId) {
        let name = "watcher".parse().expect("a name");
        self.inner.directory.write().names.register(name, pid).expect("the name is free");
        let target = Pid::new(peer.clone(), Serial::new(0, 1)).into();
        self.inner
            .monitor(WatcherKey::Registered(pid), &target, MonitorOptions::new(), None)
            .expect("the node was not stopped");
    }

    /// Runs until the driver waits for frames or has finished, and the backlog is empty.
    fn settle(&self, driver: &mut Driver, after: &mut AfterUnlock) {
        loop {
            let next = driver.advance(&self.inner, after);
            after.run(&self.inner);
            let more = self.inner.resume(after);
            if !more && matches!(next, NextStep::Frames | NextStep::Ended) {
                return;
            }
        }
    }

    /// Number of monitors of the watcher that have fired.
    fn downs(&self) -> usize {
        let items = std::iter::from_fn(|| match self.watcher.queue.try_pop() {
            Poll::Ready(item) => item,
            Poll::Pending => None,
        });
        items
            .filter(|item| matches!(item, QueueItem::Down(fired) if self.inner.take(fired.id).is_some()))
            .count()
    }
}

/// The bytes that the peer sends.
struct Frames<'a>(&'a [u8]);

impl Frames<'_> {
    /// Maximum number of frames that are received at once.
    const AT_ONCE: usize = 3;

    /// Passes the next frames to the driver. Returns false if there are none.
    fn fill(&mut self, driver: &mut Driver) -> bool {
        for received in 0..Self::AT_ONCE {
            let Some((len, rest)) = self.0.split_first_chunk::<2>() else { return received > 0 };
            let (frame, rest) = rest.split_at(usize::from(u16::from_le_bytes(*len)).min(rest.len()));
            driver.buffer().push(frame);
            self.0 = rest;
        }
        true
    }
}

/// Discards every frame that the node sends.
struct Unheard;

impl Outbox for Unheard {
    fn push(&self, _meta: FrameMeta, write: &mut dyn FnMut(&mut Vec<u8>)) -> Result<(), PushError> {
        write(&mut Vec::new());
        Ok(())
    }
    fn flush(&self) {}
    fn poll_ready(&self, _channel: ChannelId, _cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        Poll::Ready(Ok(()))
    }
    fn close(&self, _kind: EndKind) {}
    fn queued(&self) -> usize {
        0
    }
}
