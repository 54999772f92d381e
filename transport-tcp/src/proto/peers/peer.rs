//! One peer: its connections, the callers that wait for a session with it, and when to dial it.
//!
//! The [table](super::table) owns the peers and passes the time in.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use peer_service::{DialId, EndKind, SessionEnd};
use refs::{Address, Incarnation};

use super::{
    action::{Action, InboundDecision},
    backoff::{Backoff, jitter},
    pairing::{ConnId, Effect, Pairing},
};

/// A dial on demand begins at the latest this long after the failure before it: its caller waits
/// for an answer.
const MOST_DEMAND_WAIT: Duration = Duration::from_millis(500);
/// A session that has lasted that long shows that the peer is well.
const STABLE: Duration = Duration::from_secs(5);
/// After that time a node that was refused because its name is taken tries again by itself.
const NAME_TAKEN_WAIT: Duration = Duration::from_secs(30);
/// How long the loser of two simultaneous dials waits before it dials again, before jitter.
const LOST_WAIT: Duration = Duration::from_millis(100);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) pairing: Pairing,
    /// The session that was handed out, as long as it is the pairing's.
    pub(crate) session: Option<ConnId>,
    since: Instant,
    /// Inbound connections that have proved themselves and wait for a decision.
    undecided: Vec<ConnId>,
    /// A probe was asked for before the session was handed out.
    probe_due: bool,
    /// The dial that a task runs, until it has become a session or was dropped.
    running_dial: Option<ConnId>,
    /// Dials that were asked for and wait for their answer.
    demand: Vec<Demand>,
    /// The addresses given with the last demand that gave some, unless the address book has changed
    /// since.
    pub(crate) addresses: Vec<Address>,
    /// It is in the address book: redialed for ever.
    listed: bool,
    /// Disconnected on request: not redialed before the next demand.
    suspended: bool,
    backoff: Backoff,
    /// Earliest time of the next dial because the peer is listed, and because of a demand.
    redial_at: Instant,
    demand_at: Instant,
    /// A dialer runs for this peer.
    pub(crate) has_dialer: bool,
}

/// A dial that waits for its answer.
#[derive(Debug)]
struct Demand {
    dial: DialId,
    /// By when it is answered. Set when the task that dials first looks at it: the time in which
    /// this node did not run is not held against the peer.
    deadline: Option<Instant>,
}

/// The next step of the dialer of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Dial now, and finish by then.
    Dial(Instant),
    /// Ask again then, or when something has changed.
    Sleep(Instant),
    /// End: no session is wanted that is missing. The table starts another dialer when one is
    /// needed.
    Stop,
}

impl Peer {
    /// A peer without a session. `higher`: the name of the local node is higher. `listed`: it is in
    /// the address book.
    pub(crate) fn new(higher: bool, listed: bool, now: Instant) -> Self {
        Peer {
            pairing: Pairing::new(higher),
            session: None,
            since: now,
            undecided: Vec::new(),
            probe_due: false,
            running_dial: None,
            demand: Vec::new(),
            addresses: Vec::new(),
            listed,
            suspended: false,
            backoff: Backoff::default(),
            redial_at: now,
            demand_at: now,
            has_dialer: false,
        }
    }

    // Demand.

    /// A caller wants a session.
    pub(crate) fn ask(&mut self, dial: DialId, addresses: &[Address]) {
        self.suspended = false;
        if !addresses.is_empty() {
            self.addresses = addresses.to_vec();
        }
        self.demand.push(Demand { dial, deadline: None });
    }

    /// The address book has changed: the peer is in it, or is not, or is elsewhere.
    pub(crate) fn list(&mut self, listed: bool, now: Instant) {
        self.suspended &= self.listed;
        self.listed = listed;
        self.addresses.clear();
        self.backoff.reset();
        self.redial_at = now;
    }

    /// The dials that wait, which are answered now.
    pub(crate) fn take_demand(&mut self) -> Vec<DialId> {
        std::mem::take(&mut self.demand).into_iter().map(|demand| demand.dial).collect()
    }

    /// The dials that have waited too long.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<DialId> {
        let (expired, waiting) = std::mem::take(&mut self.demand)
            .into_iter()
            .partition(|demand| demand.deadline.is_some_and(|at| at <= now));
        self.demand = waiting;
        expired.into_iter().map(|demand| demand.dial).collect()
    }

    /// Whether a dial waits for a session, or there should always be one.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.demand.is_empty() || self.listed && !self.suspended && self.session.is_none()
    }

    /// The next step of the dialer. Dials that have waited too long were taken out before.
    pub(crate) fn plan(&mut self, now: Instant, setup_timeout: Duration) -> Plan {
        let deadlines =
            self.demand.iter_mut().map(|demand| *demand.deadline.get_or_insert(now + setup_timeout));
        let deadline = deadlines.min();
        if self.pairing.session().is_some() {
            // It is being set up, or closed: either is reported.
            return deadline.map_or(Plan::Stop, Plan::Sleep);
        }
        let at = match deadline {
            Some(_) => self.demand_at,
            None if self.listed && !self.suspended => self.redial_at,
            // The failures are remembered until the next demand may dial.
            None if self.demand_at > now => return Plan::Sleep(self.demand_at),
            None => return Plan::Stop,
        };
        if at > now {
            return Plan::Sleep(deadline.map_or(at, |deadline| at.min(deadline)));
        }
        Plan::Dial(deadline.unwrap_or(now + setup_timeout))
    }

    /// Nothing of it is worth remembering.
    pub(crate) fn is_forgettable(&self) -> bool {
        !self.listed
            && self.pairing.is_idle()
            && self.session.is_none()
            && !self.has_dialer
            && self.demand.is_empty()
            && self.undecided.is_empty()
    }

    /// Whether a dial or an inbound connection is being decided about.
    pub(crate) fn is_undecided(&self) -> bool {
        self.pairing.dial().is_some() || self.pairing.waiting().is_some() || !self.undecided.is_empty()
    }

    // Outcomes of dials and sessions.

    /// An own dial begins. False if a session stands.
    pub(crate) fn begin_dial(&mut self, conn: ConnId) -> bool {
        let begins = self.pairing.begin_dial(conn);
        if begins {
            self.running_dial = Some(conn);
        }
        begins
    }

    /// An inbound connection has proved that it is the peer in that incarnation.
    pub(crate) fn proved(
        &mut self,
        conn: ConnId,
        incarnation: Incarnation,
        number: u64,
        out: &mut Vec<Effect>,
    ) {
        self.undecided.push(conn);
        self.pairing.proved(conn, incarnation, number, out);
    }

    /// A connection that is no session yet has ended.
    pub(crate) fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.undecided.retain(|undecided| *undecided != conn);
        self.running_dial = self.running_dial.filter(|dial| *dial != conn);
        self.pairing.closed(conn, out);
    }

    /// All addresses were tried in vain.
    pub(crate) fn dial_failed(&mut self, kind: EndKind, now: Instant, random: u64) {
        let wait = self.backoff.failed(random);
        self.demand_at = now + wait.min(MOST_DEMAND_WAIT);
        self.redial_at = now + if kind == EndKind::DuplicateName { NAME_TAKEN_WAIT } else { wait };
    }

    /// A demand waits no longer than that, however many dials have failed: it must leave time for
    /// the dial itself.
    pub(crate) fn dial_demand_by(&mut self, at: Instant) {
        self.demand_at = self.demand_at.min(at);
    }

    /// The dialer was lost, and with it the dial that it had under way.
    pub(crate) fn dialer_lost(
        &mut self,
        now: Instant,
        random: u64,
        out: &mut Vec<Effect>,
        actions: &mut VecDeque<Action>,
    ) {
        self.has_dialer = false;
        if let Some(dial) = self.pairing.dial() {
            self.drop_dial(actions);
            self.pairing.closed(dial, out);
        }
        self.dial_failed(EndKind::Internal, now, random);
    }

    /// Another connection of the pair was preferred: waiting dials wait for that one.
    pub(crate) fn dial_lost(&mut self, now: Instant, random: u64) {
        self.redial_at = now + jitter(LOST_WAIT, random);
        self.demand_at = self.redial_at;
    }

    /// The session is handed out.
    pub(crate) fn established(&mut self, conn: ConnId, now: Instant, actions: &mut VecDeque<Action>) {
        self.demand.clear();
        self.running_dial = None;
        self.suspended = false;
        self.since = now;
        if std::mem::take(&mut self.probe_due) {
            actions.push_back(Action::ProbeSession(conn));
        }
        self.session = Some(conn);
    }

    /// The session that was handed out is over.
    pub(crate) fn session_over(&mut self, end: SessionEnd, now: Instant, random: u64) {
        self.session = None;
        self.suspended |= end.kind == EndKind::Disconnected;
        if now.saturating_duration_since(self.since) >= STABLE {
            self.backoff.reset();
        }
        // A peer that comes and goes at once is not worth a storm of dials. A dial on demand does
        // not wait for that.
        self.redial_at = now + self.backoff.failed(random);
        self.demand_at = now;
    }

    /// Disconnected on request. The dial under way is dropped unless a caller waits for it.
    pub(crate) fn suspend(&mut self, out: &mut Vec<Effect>, actions: &mut VecDeque<Action>) {
        self.suspended = true;
        if let Some(dial) = self.pairing.dial()
            && self.demand.is_empty()
        {
            self.drop_dial(actions);
            self.pairing.closed(dial, out);
        }
    }

    /// No session begins any more.
    pub(crate) fn shut_down(&mut self, actions: &mut VecDeque<Action>) {
        self.listed = false;
        self.drop_dial(actions);
        actions.extend(self.undecided.drain(..).map(Action::DropInbound));
    }

    // Decisions of the pairing.

    /// Turns the decisions of the pairing into actions on this peer's connections.
    pub(crate) fn carry_out(&mut self, effects: Vec<Effect>, actions: &mut VecDeque<Action>) {
        for effect in effects {
            match effect {
                Effect::Accept(conn) => self.decided(conn, InboundDecision::Accepted, actions),
                Effect::Refuse(conn, refusal) => {
                    self.decided(conn, InboundDecision::Refused(refusal), actions);
                }
                Effect::AskInbound(conn) => self.decided(conn, InboundDecision::Asked, actions),
                Effect::ProbeSession(_) => match self.session {
                    Some(conn) => actions.push_back(Action::ProbeSession(conn)),
                    None => self.probe_due = true,
                },
                // If it was not handed out yet, its handshake will find that it is not wanted any
                // more.
                Effect::EndSession(_) => actions.extend(self.session.take().map(Action::EndSession)),
                Effect::DropDial(_) => self.drop_dial(actions),
            }
        }
    }

    fn decided(&mut self, conn: ConnId, decision: InboundDecision, actions: &mut VecDeque<Action>) {
        if let Some(at) = self.undecided.iter().position(|undecided| *undecided == conn) {
            actions.push_back(Action::Decide(conn, decision));
            if decision != InboundDecision::Asked {
                self.undecided.swap_remove(at);
            }
        }
    }

    fn drop_dial(&mut self, actions: &mut VecDeque<Action>) {
        actions.extend(self.running_dial.take().map(Action::DropDial));
    }
}

#[cfg(test)]
mod tests;
