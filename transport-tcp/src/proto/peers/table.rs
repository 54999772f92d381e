//! All peers of one node. The driver reports the events of each connection here; the peer's
//! [`Pairing`](super::pairing::Pairing) decides, and the decisions are returned as [`Action`]s.
//!
//! After each call the driver carries out the actions that [`poll_action`](PeerTable::poll_action)
//! returns.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use peer_service::{DialId, EndKind, SessionEnd};
use refs::{Address, NodeId, NodeName, NodeSpec};

use super::{
    action::Action,
    address_book::{AddressBook, Source},
    backoff::Backoff,
    pairing::{ConnId, Effect, Refusal},
    peer::{Peer, Plan},
};
use crate::config::TcpConfig;

/// See the [module](self).
#[derive(Debug)]
pub struct PeerTable {
    local: NodeName,
    times: DialTimes,
    peers: BTreeMap<NodeName, Peer>,
    book: AddressBook,
    shut_down: bool,
    actions: VecDeque<Action>,
    /// The last number of a connection or a session; both share one sequence.
    last_number: u64,
}

/// When a peer is dialed, and how long a dial may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialTimes {
    pub(crate) setup_timeout: Duration,
    pub(crate) min_redial_delay: Duration,
    pub(crate) max_redial_delay: Duration,
}

/// Why a dial did not result in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DialFailure {
    /// Another connection of the pair was preferred. Callers wait for that one.
    Lost,
    /// All addresses were tried without success.
    Failed(EndKind),
}

impl From<Refusal> for DialFailure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Simultaneous | Refusal::Superseded | Refusal::StandsAlready => DialFailure::Lost,
            Refusal::DuplicateName => DialFailure::Failed(EndKind::DuplicateName),
        }
    }
}

impl DialTimes {
    /// The times of a node with that configuration.
    pub fn of(config: &TcpConfig) -> Self {
        DialTimes {
            setup_timeout: config.get_setup_timeout(),
            min_redial_delay: config.get_min_redial_delay(),
            max_redial_delay: config.get_max_redial_delay(),
        }
    }
}

impl PeerTable {
    /// The table of the node of that name, without peers.
    pub fn new(local: NodeName, times: DialTimes) -> Self {
        PeerTable {
            local,
            times,
            peers: BTreeMap::new(),
            book: AddressBook::default(),
            shut_down: false,
            actions: VecDeque::new(),
            last_number: 0,
        }
    }

    /// The next action. `None` if there is none left.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// Returns a new number for a connection or a session.
    pub fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// The session with that peer that was handed out.
    pub fn session(&self, name: &NodeName) -> Option<ConnId> {
        self.peers.get(name)?.session
    }

    /// Whether a dial or an inbound connection of that peer has no decision yet.
    pub fn is_undecided(&self, name: &NodeName) -> bool {
        self.peers.get(name).is_some_and(Peer::is_undecided)
    }

    // Calls of the user.

    /// Replaces the peers of one source of the address book: new ones are dialed, missing ones are
    /// no longer redialed. The local node's name is skipped.
    pub(crate) fn list(&mut self, source: Source, mut list: Vec<NodeSpec>, now: Instant) {
        if self.shut_down {
            return;
        }
        list.retain(|spec| *spec.name() != self.local);
        for name in self.book.replace(source, list) {
            let listed = self.book.lists(&name);
            self.step(&name, now, |peer, _, _| peer.list(listed, now));
        }
    }

    /// A caller requests a session. `is_open`: whether there is one that accepts frames.
    pub fn connect(&mut self, spec: &NodeSpec, dial: DialId, is_open: bool, now: Instant) {
        let name = spec.name();
        let fails = if *name == self.local {
            Some(EndKind::DuplicateName)
        } else if self.shut_down {
            Some(EndKind::LocalShutdown)
        } else {
            None
        };
        if let Some(kind) = fails {
            return self.fail(name, vec![dial], kind);
        }
        self.step(name, now, |peer, _, _| {
            if !is_open {
                peer.ask(dial, spec.addresses());
            }
        });
    }

    /// Stops redialing the peer until the next [`connect`](Self::connect). Returns the session to
    /// be closed.
    pub fn disconnect(&mut self, name: &NodeName, now: Instant) -> Option<ConnId> {
        if *name == self.local {
            return None;
        }
        self.step(name, now, |peer, out, actions| {
            peer.suspend(out, actions);
            peer.session
        })
    }

    /// Whether the table was shut down.
    pub fn is_shut_down(&self) -> bool {
        self.shut_down
    }

    /// Starts no further session; open dials fail with `kind`. Returns whether this is the first
    /// call.
    pub fn shut_down(&mut self, kind: EndKind) -> bool {
        if std::mem::replace(&mut self.shut_down, true) {
            return false;
        }
        for (name, peer) in &mut self.peers {
            peer.shut_down(&mut self.actions);
            if peer.has_dialer {
                self.actions.push_back(Action::WakeDialer(name.clone()));
            }
            let failed = peer.take_demand().into_iter();
            self.actions.extend(failed.map(|dial| Action::FailDial(name.clone(), dial, kind)));
        }
        true
    }

    // Reports of the dialer of a peer.

    /// The next step of the dialer, and the addresses to dial. After [`Plan::Stop`] the peer has no
    /// dialer.
    pub fn plan(&mut self, name: &NodeName, now: Instant) -> (Plan, Vec<Address>) {
        let Some(peer) = self.peers.get_mut(name) else { return (Plan::Stop, Vec::new()) };
        let expired = peer.take_expired(now);
        let plan = if self.shut_down { Plan::Stop } else { peer.plan(now, self.times.setup_timeout) };
        if plan == Plan::Stop {
            peer.has_dialer = false;
            if peer.is_forgettable() {
                self.peers.remove(name);
            }
        }
        self.fail(name, expired, EndKind::SetupTimeout);
        let addresses = if plan == Plan::Stop { Vec::new() } else { self.addresses(name) };
        (plan, addresses)
    }

    /// The known addresses of the peer: those given with the last call that gave some, otherwise
    /// those of the address book.
    pub fn addresses(&self, name: &NodeName) -> Vec<Address> {
        let Some(peer) = self.peers.get(name) else { return Vec::new() };
        let given = &peer.addresses;
        if given.is_empty() { self.book.addresses(name).to_vec() } else { given.clone() }
    }

    /// Begins an outbound connection. `None` if it is no longer needed.
    pub fn begin_dial(&mut self, name: &NodeName, now: Instant) -> Option<ConnId> {
        if self.shut_down {
            return None;
        }
        let conn = ConnId(self.number());
        self.step(name, now, |peer, _, _| peer.begin_dial(conn)).then_some(conn)
    }

    /// HELLO is about to be written. Returns false if the connection is no longer needed.
    pub fn hello_written(&mut self, name: &NodeName, conn: ConnId, now: Instant) -> bool {
        self.step(name, now, |peer, _, _| peer.pairing.hello_written(conn))
    }

    /// The answer to the peer's question whether the local node still has the session that the peer
    /// has.
    pub fn still_there(&mut self, name: &NodeName, conn: ConnId, now: Instant) -> bool {
        self.step(name, now, |peer, _, _| peer.pairing.still_there(conn))
    }

    /// The peer has accepted the connection. Returns false if it is no longer needed.
    pub fn accepted(&mut self, node: &NodeId, conn: ConnId, now: Instant) -> bool {
        self.step(&node.name, now, |peer, _, _| peer.pairing.accepted(conn, node.incarnation))
    }

    /// A dial has failed. `random` is uniform over the range of its type.
    pub fn dial_failed(&mut self, name: &NodeName, failure: DialFailure, now: Instant, random: u64) {
        let setup_timeout = self.times.setup_timeout;
        let failed = self.step(name, now, |peer, _, _| match failure {
            DialFailure::Lost => {
                peer.dial_lost(now, random);
                None
            }
            DialFailure::Failed(kind) => {
                peer.dial_failed(kind, now, random);
                // A caller whose request expires must have been dialed for at least once.
                if let Some(at) = now.checked_add(setup_timeout / 2) {
                    peer.dial_demand_by(at);
                }
                Some((peer.take_demand(), kind))
            }
        });
        if let Some((dials, kind)) = failed {
            self.fail(name, dials, kind);
        }
    }

    /// The dialer of a peer was lost. Its requested dials fail, and the next demand starts another
    /// one.
    pub fn dialer_lost(&mut self, name: &NodeName, now: Instant, random: u64) {
        let dials = self.step(name, now, |peer, out, actions| {
            peer.dialer_lost(now, random, out, actions);
            peer.take_demand()
        });
        self.fail(name, dials, EndKind::Internal);
    }

    // Reports of inbound connections.

    /// An inbound connection has proved its node. `dial` is that node's number of its dial. An
    /// [`Action::Decide`] follows; after a shutdown an [`Action::DropInbound`].
    pub fn proved(&mut self, node: &NodeId, dial: u64, conn: ConnId, now: Instant) {
        if self.shut_down {
            return self.actions.push_back(Action::DropInbound(conn));
        }
        self.step(&node.name, now, |peer, out, _| peer.proved(conn, node.incarnation, dial, out));
    }

    /// A connection that was [asked](super::action::InboundDecision::Asked) has answered.
    pub fn answered(&mut self, name: &NodeName, conn: ConnId, still_there: bool, now: Instant) {
        self.step(name, now, |peer, out, _| peer.pairing.answered(conn, still_there, out));
    }

    /// A connection that is not a session yet has ended.
    pub fn closed(&mut self, name: &NodeName, conn: ConnId, now: Instant) {
        self.step(name, now, |peer, out, _| peer.closed(conn, out));
    }

    // Sessions.

    /// Hands out the session on this connection. Returns false if it is no longer needed.
    pub fn establish(&mut self, name: &NodeName, conn: ConnId, now: Instant) -> bool {
        if self.shut_down {
            return false;
        }
        self.step(name, now, |peer, _, actions| {
            let is_wanted = peer.pairing.session() == Some(conn);
            if is_wanted {
                peer.established(conn, now, actions);
            }
            is_wanted
        })
    }

    /// A session has ended. Returns whether it was the peer's session and its end was not reported
    /// before.
    pub fn session_over(
        &mut self,
        name: &NodeName,
        conn: ConnId,
        end: SessionEnd,
        now: Instant,
        random: u64,
    ) -> bool {
        self.step(name, now, |peer, out, _| {
            let is_current = peer.session == Some(conn);
            if is_current {
                peer.session_over(end, now, random);
            }
            peer.pairing.closed(conn, out);
            is_current
        })
    }

    /// The peer of a probed session has answered.
    pub fn probe_answered(&mut self, name: &NodeName, conn: ConnId, now: Instant) {
        self.step(name, now, |peer, out, _| peer.pairing.probe_answered(conn, out));
    }

    /// The peer of a probed session has not answered in time.
    pub fn probe_silent(&mut self, name: &NodeName, conn: ConnId, now: Instant) {
        self.step(name, now, |peer, out, _| peer.pairing.probe_silent(conn, out));
    }

    /// One step of one peer: applies `change`, carries out the decisions of its pairing, and starts
    /// or wakes its dialer if a session is needed.
    fn step<R>(
        &mut self,
        name: &NodeName,
        now: Instant,
        change: impl FnOnce(&mut Peer, &mut Vec<Effect>, &mut VecDeque<Action>) -> R,
    ) -> R {
        let backoff = Backoff::new(self.times.min_redial_delay, self.times.max_redial_delay);
        let new = || Peer::new(self.local > *name, self.book.lists(name) && !self.shut_down, backoff, now);
        let peer = self.peers.entry(name.clone()).or_insert_with(new);
        let mut effects = Vec::new();
        let result = change(peer, &mut effects, &mut self.actions);
        peer.carry_out(effects, &mut self.actions);
        if peer.has_dialer {
            self.actions.push_back(Action::WakeDialer(name.clone()));
        } else if peer.is_wanted() && !self.shut_down {
            peer.has_dialer = true;
            self.actions.push_back(Action::StartDialer(name.clone()));
        } else if peer.is_forgettable() {
            self.peers.remove(name);
        }
        result
    }

    fn fail(&mut self, name: &NodeName, dials: Vec<DialId>, kind: EndKind) {
        self.actions.extend(dials.into_iter().map(|dial| Action::FailDial(name.clone(), dial, kind)));
    }
}

#[cfg(test)]
mod tests;
