//! All peers of one node, behind one lock: what happens to a connection is reported here, decided by the
//! peer's [`Pairing`](crate::proto::peers::pairing::Pairing), and carried out.
//!
//! Lock order: the hub, then the event queue or a link. Events are queued under the hub's lock, so that their
//! order is the order in which things were decided.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures::future::{AbortHandle, AbortRegistration};
use parking_lot::Mutex;
use peer_service::{
    DialId, EndKind, Events, NodeId, NodeName, NodeSpec, Outbox, PeerInfo, SessionEnd, SessionId, Spawner,
};
use refs::Address;
use smol::channel::{Receiver, bounded};
use supervision::Panic;

use crate::{
    config::TcpConfig,
    counters::Counters,
    io::{
        channel_join::Gatherings,
        dialer,
        handshake_io::Conversation,
        session::{channels, connection::Link, driver::Keeper, reader::Reader},
        tasks::{self, Tasks},
    },
    log,
    net::lookup::Lookups,
    proto::{
        self,
        handshake::{Failure, Identity, Met},
        limits::Limits,
        peers::{
            address_book::{AddressBook, Source},
            pairing::{ConnId, Effect, Refusal},
            peer::{Fate, Peer, Plan},
        },
    },
};

/// See the [module](self).
pub(crate) struct Hub {
    pub(crate) config: TcpConfig,
    pub(crate) identity: Identity,
    pub(crate) gatherings: Arc<Gatherings>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Events,
    pub(crate) lookups: Arc<Lookups>,
    pub(crate) tasks: Tasks,
    peers: Mutex<Peers>,
    /// Connections and sessions are numbered from one source.
    numbers: AtomicU64,
}

#[derive(Default)]
struct Peers {
    by_name: BTreeMap<NodeName, Peer<Arc<Link>>>,
    book: AddressBook,
    shut_down: bool,
}

impl Hub {
    pub(crate) fn new(config: TcpConfig, identity: Identity, spawner: Spawner) -> Self {
        Hub {
            config,
            identity,
            gatherings: Arc::default(),
            counters: Arc::default(),
            events: Events::new(),
            lookups: Lookups::system(),
            tasks: Tasks::new(spawner),
            peers: Mutex::default(),
            numbers: AtomicU64::new(1),
        }
    }

    /// A number for a connection or a session.
    pub(crate) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    // What the user of the service asks for.

    /// The peers of that source of the address book are these from now on: those that are new are dialled,
    /// those that are gone are not redialled any more. The own name is skipped.
    pub(crate) fn list(self: &Arc<Self>, source: Source, mut list: Vec<NodeSpec>) {
        list.retain(|spec| *spec.name() != self.identity.node.name);
        let left: Vec<After> = {
            let mut peers = self.peers.lock();
            if peers.shut_down {
                return;
            }
            let now = Instant::now();
            let changed = peers.book.replace(source, list).into_iter();
            let change = |name| {
                let listed = peers.book.lists(&name);
                self.change(&mut peers, &name, false, |peer, _| peer.list(listed, now)).1
            };
            changed.map(change).collect()
        };
        left.into_iter().for_each(|after| after.run(self));
    }

    pub(crate) fn connect(self: &Arc<Self>, spec: &NodeSpec, dial: DialId) {
        let name = spec.name();
        if *name == self.identity.node.name {
            return self.events.failed(name.clone(), dial, EndKind::DuplicateName.into());
        }
        let begun = self.step_unless_shut(name, |peer, out| {
            if let Some((link, end)) = peer.link.clone().and_then(|link| Some((link.clone(), link.end()?))) {
                // It has ended, and this is the first to notice.
                self.over(peer, &link, end, out);
            }
            if !peer.link.as_ref().is_some_and(|link| link.is_open()) {
                peer.ask(dial, spec.addresses());
            }
        });
        if begun.is_none() {
            self.events.failed(name.clone(), dial, EndKind::LocalShutdown.into());
        }
    }

    pub(crate) fn disconnect(self: &Arc<Self>, name: &NodeName) {
        if *name == self.identity.node.name {
            return;
        }
        let link = self.step(name, |peer, out| {
            peer.suspend(out);
            peer.link.clone()
        });
        // Writes to the socket: not under the lock.
        if let Some(link) = link {
            link.close(EndKind::Disconnected);
        }
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.peers.lock().shut_down
    }

    /// Begins no more sessions; open dials fail with `kind`. True the first time.
    pub(crate) fn shut_down(&self, kind: EndKind) -> bool {
        let mut peers = self.peers.lock();
        if std::mem::replace(&mut peers.shut_down, true) {
            return false;
        }
        for (name, peer) in &mut peers.by_name {
            peer.shut_down();
            for dial in peer.take_demand() {
                self.events.failed(name.clone(), dial, kind.into());
            }
        }
        self.events.close();
        true
    }

    // What the task that dials a peer reports.

    /// What that task does next, and where it is to dial. After [`Plan::Stop`] it is not woken any more.
    pub(crate) fn plan(&self, name: &NodeName) -> (Plan, Vec<Address>) {
        let now = Instant::now();
        let peers = &mut *self.peers.lock();
        let Some(peer) = peers.by_name.get_mut(name) else { return (Plan::Stop, Vec::new()) };
        self.fail(name, peer.take_expired(now), EndKind::SetupTimeout);
        let plan = if peers.shut_down { Plan::Stop } else { peer.plan(now, self.config.setup_timeout) };
        if plan == Plan::Stop {
            peer.caller = None;
            if peer.is_forgettable() {
                peers.by_name.remove(name);
            }
            return (plan, Vec::new());
        }
        let known = known(peer, name, &peers.book);
        (plan, known)
    }

    /// Where the peer is to be dialled, as far as is known by now.
    pub(crate) fn addresses(&self, name: &NodeName) -> Vec<Address> {
        let peers = self.peers.lock();
        peers.by_name.get(name).map(|peer| known(peer, name, &peers.book)).unwrap_or_default()
    }

    /// Begins a dial to one address: its number, and what cancels it. None if it is not wanted any more.
    pub(crate) fn begin_dial(self: &Arc<Self>, name: &NodeName) -> Option<(ConnId, AbortRegistration)> {
        let conn = ConnId(self.number());
        let (task, registration) = AbortHandle::new_pair();
        self.step_unless_shut(name, |peer, _| peer.begin_dial(conn, task)).filter(|begins| *begins)?;
        Some((conn, registration))
    }

    pub(crate) fn hello_written(self: &Arc<Self>, name: &NodeName, conn: ConnId) -> bool {
        self.step(name, |peer, _| peer.pairing.hello_written(conn))
    }

    pub(crate) fn still_there(self: &Arc<Self>, name: &NodeName, conn: ConnId) -> bool {
        self.step(name, |peer, _| peer.pairing.still_there(conn))
    }

    /// The peer has accepted the dial. False if it is not wanted any more.
    pub(crate) fn dial_accepted(self: &Arc<Self>, conn: ConnId, met: &Met) -> bool {
        self.step(&met.node.name, |peer, _| peer.pairing.accepted(conn, met.node.incarnation))
    }

    /// All addresses of a peer were tried, and this came of it.
    pub(crate) fn dialled(self: &Arc<Self>, name: &NodeName, outcome: &Result<(), Failure>) {
        let Err(failure) = outcome else { return };
        let random = random();
        self.step(name, |peer, _| match failure {
            Failure::Dropped
            | Failure::Refused(Refusal::Simultaneous | Refusal::Superseded | Refusal::StandsAlready) => {
                peer.dial_lost(Instant::now(), random);
            }
            failure => {
                let now = Instant::now();
                peer.dial_failed(failure.end_kind(), now, random);
                // A demand that is told that its time is over was dialed.
                if let Some(at) = now.checked_add(self.config.setup_timeout / 2) {
                    peer.dial_demand_by(at);
                }
                self.fail(name, peer.take_demand(), failure.end_kind());
            }
        });
    }

    /// The task that dials a peer was lost. Its dials are answered, and the next demand starts another one.
    fn dialer_lost(self: &Arc<Self>, name: &NodeName) {
        let (now, random) = (Instant::now(), random());
        self.step(name, |peer, out| {
            peer.dialer_lost(now, random, out);
            self.fail(name, peer.take_demand(), EndKind::Internal);
        });
    }

    // What the tasks of incoming connections report.

    /// A newcomer has proved who it is. It learns its fate from the channel, in one or two words.
    pub(crate) fn propose(self: &Arc<Self>, node: &NodeId, dial: u64, conn: ConnId) -> Receiver<Fate> {
        let (sender, receiver) = bounded(2);
        self.step_unless_shut(&node.name, |peer, out| {
            peer.newcomers.push((conn, sender));
            peer.pairing.proved(conn, node.incarnation, dial, out);
        });
        receiver
    }

    pub(crate) fn answered(self: &Arc<Self>, name: &NodeName, conn: ConnId, still_there: bool) {
        self.step(name, |peer, out| peer.pairing.answered(conn, still_there, out));
    }

    /// A connection that is not a session yet is over.
    pub(crate) fn closed(self: &Arc<Self>, name: &NodeName, conn: ConnId) {
        self.step(name, |peer, out| {
            peer.newcomers.retain(|(newcomer, _)| *newcomer != conn);
            peer.pairing.closed(conn, out);
        });
    }

    // Sessions.

    /// Hands the session out that these connections have become, the first of which was accepted. False if it is
    /// not wanted any more.
    pub(crate) fn establish(
        self: &Arc<Self>,
        conn: ConnId,
        met: Met,
        connections: Vec<Conversation>,
    ) -> bool {
        let limits = Limits::between(&self.config, &met);
        let name = met.node.name.clone();
        let owner = Owner { hub: Arc::downgrade(self), peer: name.clone() };
        let (mut keepers, mut readers) = (Vec::new(), Vec::new());
        for connection in connections {
            let (stream, carried) = connection.into_parts();
            let stream = Arc::new(stream);
            let link = Arc::new(Link::new(conn, stream.clone(), limits, self.counters.clone()));
            keepers.push(Keeper::new(link.clone(), stream.clone(), owner.clone()));
            readers.push(Reader::new(met.node.clone(), link, stream, owner.clone(), carried));
        }
        let first = readers[0].link().clone();
        let established = self.step_unless_shut(&name, |peer, _| {
            if peer.pairing.session() != Some(conn) {
                return false;
            }
            let mut info = PeerInfo::new(met.node, SessionId(self.number()));
            info.hidden = met.hidden || self.identity.hidden;
            info.features = met.features;
            info.channels = proto::channels::own(&self.config.channels, &met.channels);
            info.max_frame = limits.max_contents_out;
            log::session_up(&info);
            peer.established(first, Instant::now());
            self.counters.sessions.add();
            self.events.session(channels::session(&self.config.channels, &met.channels, info, readers));
            true
        });
        if established == Some(true) {
            keepers.into_iter().for_each(|keeper| self.drive(keeper));
            return true;
        }
        self.closed(&name, conn);
        false
    }

    /// Starts the task of a connection. If it is lost, the session ends.
    fn drive(self: &Arc<Self>, keeper: Keeper) {
        let (link, owner) = keeper.reports_to();
        let end = EndKind::Internal;
        self.tasks.spawn(self, tasks::CONNECTION, keeper.run(), move |_| {
            link.end_now(end.into());
            owner.over(&link, end.into());
        });
    }

    /// One step of one peer: `change` it, carry out what the pairing decides, and see to it that it is
    /// dialled if it is wanted.
    fn step<R: Default>(
        self: &Arc<Self>,
        name: &NodeName,
        change: impl FnOnce(&mut Peer<Arc<Link>>, &mut Vec<Effect>) -> R,
    ) -> R {
        let (result, after) = {
            let mut peers = self.peers.lock();
            let shut_down = peers.shut_down;
            self.change(&mut peers, name, shut_down, change)
        };
        after.run(self);
        result
    }

    /// A session that ends well because this node stops has, for this node, ended by that.
    fn seen_from_here(&self, end: SessionEnd) -> SessionEnd {
        let stops = self.peers.lock().shut_down;
        if stops && end.kind == EndKind::Left { EndKind::LocalShutdown.into() } else { end }
    }

    /// A [`step`](Self::step) that begins something, and is not made after a shutdown.
    fn step_unless_shut<R: Default>(
        self: &Arc<Self>,
        name: &NodeName,
        change: impl FnOnce(&mut Peer<Arc<Link>>, &mut Vec<Effect>) -> R,
    ) -> Option<R> {
        let (result, after) = {
            let mut peers = self.peers.lock();
            if peers.shut_down {
                return None;
            }
            self.change(&mut peers, name, false, change)
        };
        after.run(self);
        Some(result)
    }

    fn change<R: Default>(
        self: &Arc<Self>,
        peers: &mut Peers,
        name: &NodeName,
        shut_down: bool,
        change: impl FnOnce(&mut Peer<Arc<Link>>, &mut Vec<Effect>) -> R,
    ) -> (R, After) {
        let new = || {
            let listed = peers.book.lists(name);
            Peer::new(self.identity.node.name > *name, listed && !shut_down, Instant::now())
        };
        let peer = peers.by_name.entry(name.clone()).or_insert_with(new);
        let stepped = supervision::catch(|| {
            let mut effects = Vec::new();
            let result = change(peer, &mut effects);
            (result, peer.carry_out(effects))
        });
        let (result, replaced) = match stepped {
            Ok(stepped) => stepped,
            // The peer may be half changed.
            Err(panic) => return (R::default(), After { failed: Some(panic), ..After::default() }),
        };
        if replaced.is_some() {
            self.counters.sessions_replaced.add();
        }
        let mut caller = None;
        peer.wake_caller();
        if peer.caller.is_some() {
            // It sees to the rest.
        } else if peer.is_wanted() && !shut_down {
            let (wake, woken) = bounded(1);
            peer.caller = Some(wake);
            caller = Some((name.clone(), woken));
        } else if peer.is_forgettable() {
            peers.by_name.remove(name);
        }
        (result, After { caller, replaced, failed: None })
    }

    /// One of the connections of a session has ended. True if it was the peer's session, and its end was not reported before
    /// by this or another of its connections.
    fn over(
        &self,
        peer: &mut Peer<Arc<Link>>,
        link: &Arc<Link>,
        end: SessionEnd,
        out: &mut Vec<Effect>,
    ) -> bool {
        let is_current = peer.link.as_ref().is_some_and(|current| current.conn == link.conn);
        if is_current {
            self.counters.session_over(end.kind, link.was_closed_here());
            peer.session_over(end, Instant::now(), random());
        }
        peer.pairing.closed(link.conn, out);
        is_current
    }

    fn fail(&self, name: &NodeName, dials: Vec<DialId>, kind: EndKind) {
        for dial in dials {
            self.events.failed(name.clone(), dial, kind.into());
        }
    }
}

/// What a step leaves to be done without the lock: it starts or wakes tasks of others.
#[derive(Default)]
struct After {
    /// The step panicked: no session begins any more.
    failed: Option<Panic>,
    /// The peer for which a dialer must be started, and what wakes the dialer.
    caller: Option<(NodeName, Receiver<()>)>,
    /// The session that has made room for another.
    replaced: Option<Arc<Link>>,
}

impl After {
    fn run(self, hub: &Arc<Hub>) {
        if let Some(panic) = self.failed {
            hub.counters.tasks_failed.add();
            log::transport_failed(&panic);
            hub.shut_down(EndKind::Internal);
        }
        if let Some(link) = self.replaced {
            link.end_now(EndKind::Replaced.into());
        }
        if let Some((name, woken)) = self.caller {
            let dialer = dialer::run(hub.clone(), name.clone(), woken);
            hub.tasks.spawn(hub, tasks::DIALER, dialer, move |hub| hub.dialer_lost(&name));
        }
    }
}

/// To whom a session reports. Does not keep the service alive.
#[derive(Clone)]
pub(crate) struct Owner {
    hub: Weak<Hub>,
    peer: NodeName,
}

impl Owner {
    /// The owner of a session whose service is gone.
    #[cfg(test)]
    pub(crate) fn gone(peer: NodeName) -> Self {
        Owner { hub: Weak::new(), peer }
    }

    /// The session has ended. Told by its reader and by its keeper, whoever notices first.
    pub(crate) fn over(&self, link: &Arc<Link>, end: SessionEnd) {
        let Some(hub) = self.hub.upgrade() else { return };
        if hub.step(&self.peer, |peer, out| hub.over(peer, link, end, out)) {
            let end = hub.seen_from_here(end);
            log::session_over(&self.peer, link.conn, end);
        }
    }

    pub(crate) fn probe_answered(&self, link: &Link) {
        if let Some(hub) = self.hub.upgrade() {
            hub.step(&self.peer, |peer, out| peer.pairing.probe_answered(link.conn, out));
        }
    }

    pub(crate) fn probe_silent(&self, link: &Link) {
        if let Some(hub) = self.hub.upgrade() {
            hub.step(&self.peer, |peer, out| peer.pairing.probe_silent(link.conn, out));
        }
    }
}

/// The addresses given with the last call that gave some, or else those of the address book.
fn known(peer: &Peer<Arc<Link>>, name: &NodeName, book: &AddressBook) -> Vec<Address> {
    let given = &peer.addresses;
    if given.is_empty() { book.addresses(name).to_vec() } else { given.clone() }
}

/// Randomness for jitter.
fn random() -> u64 {
    // Without any, everybody waits equally long, which only makes a collision likelier.
    getrandom::u64().unwrap_or_default()
}
