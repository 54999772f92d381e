//! The transport of one node: its table of peers behind one lock, and the tasks, connections and
//! events that carry out the table's decisions.
//!
//! Lock order: the endpoint, then the event queue or a connection. Events are queued under the
//! endpoint's lock, so that their order is the order of the decisions.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use futures::future::{AbortHandle, AbortRegistration};
use parking_lot::Mutex;
use peer_service::{
    DialId, EndKind, Events, NodeId, NodeName, NodeSpec, Outbox, PeerInfo, SessionEnd, SessionId, Spawner,
};
use refs::Address;
use smol::channel::{Receiver, bounded};
use supervision::{
    Loss,
    task::{TaskKind, TaskOwner},
};

use self::handles::{Deferred, Handles};
use crate::{
    config::TcpConfig,
    counters::Counters,
    io::{
        channel_join::ChannelJoins,
        failure::Failure,
        handshake_io::Opened,
        session::{channels, connection::Connection, driver::Driver, owner::Owner, reader::Reader},
        tasks::{self, Tasks},
    },
    log,
    net::lookup::Lookups,
    proto::{
        self,
        connection::limits::Limits,
        handshake::{Identity, Negotiated},
        peers::{
            action::InboundDecision,
            address_book::Source,
            pairing::ConnId,
            peer::Plan,
            table::{DialTimes, PeerTable},
        },
    },
};

mod handles;

/// See the [module](self).
pub(crate) struct Endpoint {
    pub(crate) config: TcpConfig,
    pub(crate) identity: Arc<Identity>,
    pub(crate) channel_joins: Arc<ChannelJoins>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) events: Events,
    pub(crate) lookups: Arc<Lookups>,
    pub(crate) tasks: Tasks,
    start_dialer: StartDialer,
    peers: Mutex<Peers>,
}

/// Starts the task that dials a peer. The receiver wakes the task when the plan or the addresses of
/// that peer have changed.
pub(crate) type StartDialer = fn(&Arc<Endpoint>, NodeName, Receiver<()>);

struct Peers {
    table: PeerTable,
    handles: Handles,
}

impl Endpoint {
    pub(crate) fn new(
        config: TcpConfig,
        identity: Identity,
        spawner: Spawner,
        start_dialer: StartDialer,
    ) -> Self {
        let table = PeerTable::new(identity.node.name.clone(), DialTimes::of(&config));
        Endpoint {
            config,
            identity: Arc::new(identity),
            channel_joins: Arc::default(),
            counters: Arc::default(),
            events: Events::new(),
            lookups: Lookups::system(),
            tasks: Tasks::new(spawner),
            start_dialer,
            peers: Mutex::new(Peers { table, handles: Handles::default() }),
        }
    }

    // Calls of the service's user.

    /// Replaces the peers of one source of the address book.
    pub(crate) fn list(self: &Arc<Self>, source: Source, list: Vec<NodeSpec>) {
        self.step(|peers| peers.table.list(source, list, Instant::now()));
    }

    pub(crate) fn connect(self: &Arc<Self>, spec: &NodeSpec, dial: DialId) {
        self.step(|peers| {
            let connection = peers.session(spec.name());
            let is_open = connection.as_ref().is_some_and(|connection| connection.is_open());
            if let Some((connection, end)) =
                connection.and_then(|connection| Some((connection.clone(), connection.end()?)))
            {
                // The session has ended, and no report of that has reached the table yet.
                self.over(peers, spec.name(), &connection, end);
            }
            peers.table.connect(spec, dial, is_open, Instant::now());
        });
    }

    pub(crate) fn disconnect(self: &Arc<Self>, name: &NodeName) {
        let connection = self.step(|peers| {
            let conn = peers.table.disconnect(name, Instant::now())?;
            peers.handles.sessions.get(&conn).cloned()
        });
        // Without the lock, because it writes to the socket.
        if let Some(connection) = connection {
            connection.close(EndKind::Disconnected);
        }
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.peers.lock().table.is_shut_down()
    }

    /// Starts no further session; open dials fail with `kind`. Returns whether this is the first
    /// call.
    pub(crate) fn shut_down(&self, kind: EndKind) -> bool {
        let mut peers = self.peers.lock();
        let is_first = peers.table.shut_down(kind);
        // No dialer starts after a shutdown, and no session replaces another, so nothing is
        // deferred.
        peers.carry_out(self);
        if is_first {
            self.events.close();
        }
        is_first
    }

    // Reports of the task that dials a peer.

    /// The next step of that task, and the addresses to dial. After [`Plan::Stop`] the task is not
    /// woken again.
    pub(crate) fn plan(self: &Arc<Self>, name: &NodeName) -> (Plan, Vec<Address>) {
        let planned = self.step(|peers| {
            let planned = peers.table.plan(name, Instant::now());
            if planned.0 == Plan::Stop {
                peers.handles.dialers.remove(name);
            }
            Some(planned)
        });
        planned.unwrap_or((Plan::Stop, Vec::new()))
    }

    /// The addresses of the peer that are known now.
    pub(crate) fn addresses(&self, name: &NodeName) -> Vec<Address> {
        self.peers.lock().table.addresses(name)
    }

    /// Begins an outbound connection: returns its number, and the registration by which it can be
    /// aborted. `None` if the connection is no longer needed.
    pub(crate) fn begin_dial(self: &Arc<Self>, name: &NodeName) -> Option<(ConnId, AbortRegistration)> {
        self.step(|peers| {
            let conn = peers.table.begin_dial(name, Instant::now())?;
            let (handle, registration) = AbortHandle::new_pair();
            peers.handles.dials.insert(conn, handle);
            Some((conn, registration))
        })
    }

    pub(crate) fn hello_written(self: &Arc<Self>, name: &NodeName, conn: ConnId) -> bool {
        self.step(|peers| peers.table.hello_written(name, conn, Instant::now()))
    }

    pub(crate) fn still_there(self: &Arc<Self>, name: &NodeName, conn: ConnId) -> bool {
        self.step(|peers| peers.table.still_there(name, conn, Instant::now()))
    }

    /// Reports that the peer has accepted the connection. Returns false if it is no longer needed.
    pub(crate) fn dial_accepted(self: &Arc<Self>, conn: ConnId, negotiated: &Negotiated) -> bool {
        self.step(|peers| peers.table.accepted(&negotiated.node, conn, Instant::now()))
    }

    /// Reports that the dial has tried all addresses of a peer.
    pub(crate) fn dialed(self: &Arc<Self>, name: &NodeName, outcome: &Result<(), Failure>) {
        let Err(failure) = outcome else { return };
        let random = random();
        self.step(|peers| peers.table.dial_failed(name, failure.of_dial(), Instant::now(), random));
    }

    /// Reports that the task that dials a peer was lost.
    pub(crate) fn dialer_lost(self: &Arc<Self>, name: &NodeName) {
        let random = random();
        self.step(|peers| {
            peers.handles.dialers.remove(name);
            peers.table.dialer_lost(name, Instant::now(), random);
        });
    }

    // Reports of the tasks of inbound connections.

    /// Returns a number for an inbound connection.
    pub(crate) fn inbound(&self) -> ConnId {
        ConnId(self.peers.lock().table.number())
    }

    /// Reports that an inbound connection has proved its node. The channel yields one or two
    /// decisions about it.
    pub(crate) fn propose(
        self: &Arc<Self>,
        node: &NodeId,
        dial: u64,
        conn: ConnId,
    ) -> Receiver<InboundDecision> {
        let (sender, receiver) = bounded(2);
        self.step(|peers| {
            peers.handles.inbound.insert(conn, sender);
            peers.table.proved(node, dial, conn, Instant::now());
        });
        receiver
    }

    pub(crate) fn answered(self: &Arc<Self>, name: &NodeName, conn: ConnId, still_there: bool) {
        self.step(|peers| peers.table.answered(name, conn, still_there, Instant::now()));
    }

    /// Reports that a connection has closed before it became a session.
    pub(crate) fn closed(self: &Arc<Self>, name: &NodeName, conn: ConnId) {
        self.step(|peers| {
            peers.handles.dials.remove(&conn);
            peers.handles.inbound.remove(&conn);
            peers.table.closed(name, conn, Instant::now());
        });
    }

    // Sessions.

    /// Hands out the session that consists of these connections; the first of them was accepted.
    /// Returns false if the session is no longer needed.
    pub(crate) fn establish(
        self: &Arc<Self>,
        conn: ConnId,
        negotiated: Negotiated,
        connections: Vec<Opened>,
    ) -> bool {
        let limits = Limits::between(&self.config, &negotiated);
        let name = negotiated.node.name.clone();
        let owner: Arc<dyn Owner> = Arc::new(Sessions { endpoint: Arc::downgrade(self), peer: name.clone() });
        let (mut drivers, mut readers) = (Vec::new(), Vec::new());
        for connection in connections {
            let Opened { stream, carried } = connection;
            let stream = Arc::new(stream);
            let connection = Arc::new(Connection::new(conn, stream.clone(), limits, self.counters.clone()));
            drivers.push(Driver::new(connection.clone(), stream.clone(), owner.clone()));
            readers.push(Reader::new(negotiated.node.clone(), connection, stream, owner.clone(), carried));
        }
        let first = readers[0].connection().clone();
        let is_established = self.step(|peers| {
            if !peers.table.establish(&name, conn, Instant::now()) {
                return false;
            }
            peers.handles.dials.remove(&conn);
            peers.handles.sessions.insert(conn, first);
            let mut info = PeerInfo::new(negotiated.node, SessionId(peers.table.number()));
            info.hidden = negotiated.hidden || self.identity.hidden;
            info.features = negotiated.features;
            info.channels = proto::channels::own(&self.config.channels, &negotiated.channels);
            info.max_frame = limits.max_contents_out;
            log::session_up(&info);
            self.counters.sessions.add();
            self.events.session(channels::session(
                &self.config.channels,
                &negotiated.channels,
                info,
                readers,
            ));
            true
        });
        if is_established {
            drivers.into_iter().for_each(|driver| self.drive(driver));
        } else {
            self.closed(&name, conn);
        }
        is_established
    }

    /// Starts the task of a connection. If it is lost, the session ends.
    fn drive(self: &Arc<Self>, driver: Driver) {
        let (connection, owner) = driver.reports_to();
        let end = EndKind::Internal;
        self.tasks.spawn(self, tasks::CONNECTION, driver.run(), move |_| {
            connection.end_now(end.into());
            owner.over(&connection, end.into());
        });
    }

    /// The end of a session as the local node reports it: a goodbye during the local shutdown was
    /// caused by that shutdown.
    fn as_reported_locally(&self, end: SessionEnd) -> SessionEnd {
        if self.is_shut_down() && end.kind == EndKind::Left { EndKind::LocalShutdown.into() } else { end }
    }

    /// Reports that one connection of a session has ended. Returns true if the session was the
    /// peer's current one, and neither this connection nor another has reported its end before.
    fn over(
        &self,
        peers: &mut Peers,
        name: &NodeName,
        connection: &Arc<Connection>,
        end: SessionEnd,
    ) -> bool {
        let is_current = peers.table.session_over(name, connection.conn, end, Instant::now(), random());
        if is_current {
            self.counters.session_over(end.kind, connection.was_closed_here());
            peers.handles.sessions.remove(&connection.conn);
        }
        is_current
    }

    /// Makes a report to the table, and carries out the table's decisions.
    fn step<R: Default>(self: &Arc<Self>, report: impl FnOnce(&mut Peers) -> R) -> R {
        let (result, deferred) = {
            let mut peers = self.peers.lock();
            match supervision::catch(|| report(&mut peers)) {
                Ok(result) => (result, peers.carry_out(self)),
                // The panic may have left a peer half changed.
                Err(panic) => (R::default(), Deferred::failed(panic)),
            }
        };
        deferred.run(self);
        result
    }
}

impl Peers {
    /// Carries out the table's decisions. Returns the work that must not be done under the lock.
    fn carry_out(&mut self, endpoint: &Endpoint) -> Deferred {
        self.handles.carry_out(endpoint, &mut self.table)
    }

    fn session(&self, name: &NodeName) -> Option<Arc<Connection>> {
        self.handles.sessions.get(&self.table.session(name)?).cloned()
    }
}

/// Receives the reports of the sessions with a peer. Does not keep the transport alive.
struct Sessions {
    endpoint: Weak<Endpoint>,
    peer: NodeName,
}

impl Owner for Sessions {
    fn over(&self, connection: &Arc<Connection>, end: SessionEnd) {
        let Some(endpoint) = self.endpoint.upgrade() else { return };
        if endpoint.step(|peers| endpoint.over(peers, &self.peer, connection, end)) {
            log::session_over(&self.peer, connection.conn, endpoint.as_reported_locally(end));
        }
    }

    fn probe_answered(&self, connection: &Connection) {
        if let Some(endpoint) = self.endpoint.upgrade() {
            endpoint.step(|peers| peers.table.probe_answered(&self.peer, connection.conn, Instant::now()));
        }
    }

    fn probe_silent(&self, connection: &Connection) {
        if let Some(endpoint) = self.endpoint.upgrade() {
            endpoint.step(|peers| peers.table.probe_silent(&self.peer, connection.conn, Instant::now()));
        }
    }
}

impl TaskOwner for Endpoint {
    fn has_ended(&self) -> bool {
        self.is_shut_down()
    }

    fn task_failed(&self, kind: TaskKind, loss: &Loss) {
        self.counters.tasks_failed.add();
        log::task_failed(kind, loss);
    }

    fn executor_lost(this: &Arc<Self>) {
        this.shut_down(EndKind::Internal);
    }
}

/// A random number for jitter.
fn random() -> u64 {
    // Without randomness all nodes wait equally long, which only makes a collision likelier.
    getrandom::u64().unwrap_or_default()
}
