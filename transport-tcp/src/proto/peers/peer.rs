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

/// Maximum delay between a failure and a dial on demand, whose caller waits for a result.
const MAX_DEMAND_WAIT: Duration = Duration::from_millis(500);
/// Minimum duration of a session that resets the backoff.
const STABLE: Duration = Duration::from_secs(5);
/// Delay before a node that was refused because its name is taken redials on its own.
const NAME_TAKEN_WAIT: Duration = Duration::from_secs(30);
/// Delay before the loser of two simultaneous dials redials, before jitter.
const LOST_WAIT: Duration = Duration::from_millis(100);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) pairing: Pairing,
    /// The session that was handed out, as long as it is the pairing's.
    pub(crate) session: Option<ConnId>,
    since: Instant,
    /// Inbound connections that have proved their node and wait for a decision.
    undecided: Vec<ConnId>,
    /// A probe was requested before the session was handed out.
    probe_due: bool,
    /// The dial in progress, until it becomes a session or is dropped.
    running_dial: Option<ConnId>,
    /// Requested dials without a result.
    demand: Vec<Demand>,
    /// The addresses given with the last demand that gave some, unless the address book has changed
    /// since.
    pub(crate) addresses: Vec<Address>,
    /// Whether the peer is in the address book: it is redialed for ever.
    listed: bool,
    /// Whether it was disconnected on request: it is not redialed before the next demand.
    suspended: bool,
    backoff: Backoff,
    /// Earliest time of the next dial: of one for the address book, and of one on demand.
    redial_at: Instant,
    demand_at: Instant,
    /// A dialer runs for this peer.
    pub(crate) has_dialer: bool,
}

/// A requested dial without a result.
#[derive(Debug)]
struct Demand {
    dial: DialId,
    /// Latest time of its result. Set when the dialer first plans it: time in which the local node
    /// did not run does not count.
    deadline: Option<Instant>,
}

/// The next step of the dialer of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Dial now, and finish by that time.
    Dial(Instant),
    /// Ask again at that time, or when something has changed.
    Sleep(Instant),
    /// End: no session is needed. The table starts another dialer when one is needed.
    Stop,
}

impl Peer {
    /// A peer without a session. `higher`: whether the local node's name is higher. `listed`:
    /// whether the peer is in the address book.
    pub(crate) fn new(higher: bool, listed: bool, backoff: Backoff, now: Instant) -> Self {
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
            backoff,
            redial_at: now,
            demand_at: now,
            has_dialer: false,
        }
    }

    // Demand.

    /// A caller requests a session.
    pub(crate) fn ask(&mut self, dial: DialId, addresses: &[Address]) {
        self.suspended = false;
        if !addresses.is_empty() {
            self.addresses = addresses.to_vec();
        }
        self.demand.push(Demand { dial, deadline: None });
    }

    /// The address book has changed: the peer was added or removed, or its addresses have changed.
    pub(crate) fn list(&mut self, listed: bool, now: Instant) {
        self.suspended &= self.listed;
        self.listed = listed;
        self.addresses.clear();
        self.backoff.reset();
        self.redial_at = now;
    }

    /// Removes and returns the requested dials, all of which get their result now.
    pub(crate) fn take_demand(&mut self) -> Vec<DialId> {
        std::mem::take(&mut self.demand).into_iter().map(|demand| demand.dial).collect()
    }

    /// Removes and returns the requested dials whose deadline has passed.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Vec<DialId> {
        let (expired, waiting) = std::mem::take(&mut self.demand)
            .into_iter()
            .partition(|demand| demand.deadline.is_some_and(|at| at <= now));
        self.demand = waiting;
        expired.into_iter().map(|demand| demand.dial).collect()
    }

    /// Whether a session is needed: by a requested dial or by the address book.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.demand.is_empty() || self.listed && !self.suspended && self.session.is_none()
    }

    /// The next step of the dialer. Expired dials were removed before.
    pub(crate) fn plan(&mut self, now: Instant, setup_timeout: Duration) -> Plan {
        let deadlines =
            self.demand.iter_mut().map(|demand| *demand.deadline.get_or_insert(now + setup_timeout));
        let deadline = deadlines.min();
        if self.pairing.session().is_some() {
            // A session that is being set up or closed: either is reported later.
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

    /// Whether the peer has no state that must be kept.
    pub(crate) fn is_forgettable(&self) -> bool {
        !self.listed
            && self.pairing.is_idle()
            && self.session.is_none()
            && !self.has_dialer
            && self.demand.is_empty()
            && self.undecided.is_empty()
    }

    /// Whether a dial or an inbound connection has no decision yet.
    pub(crate) fn is_undecided(&self) -> bool {
        self.pairing.dial().is_some() || self.pairing.waiting().is_some() || !self.undecided.is_empty()
    }

    // Outcomes of dials and sessions.

    /// Begins a local dial. Returns false if there is a session.
    pub(crate) fn begin_dial(&mut self, conn: ConnId) -> bool {
        let begins = self.pairing.begin_dial(conn);
        if begins {
            self.running_dial = Some(conn);
        }
        begins
    }

    /// An inbound connection has proved that it comes from the peer in that incarnation.
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

    /// A connection that is not a session yet has ended.
    pub(crate) fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.undecided.retain(|undecided| *undecided != conn);
        self.running_dial = self.running_dial.filter(|dial| *dial != conn);
        self.pairing.closed(conn, out);
    }

    /// All addresses were tried without success.
    pub(crate) fn dial_failed(&mut self, kind: EndKind, now: Instant, random: u64) {
        let wait = self.backoff.failed(random);
        self.demand_at = now + wait.min(MAX_DEMAND_WAIT);
        self.redial_at = now + if kind == EndKind::DuplicateName { NAME_TAKEN_WAIT } else { wait };
    }

    /// Limits the delay of dials on demand, however many dials have failed: it must leave time for
    /// the dial itself.
    pub(crate) fn dial_demand_by(&mut self, at: Instant) {
        self.demand_at = self.demand_at.min(at);
    }

    /// The dialer was lost, and with it the dial in progress.
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

    /// Another connection of the pair was preferred: requested dials wait for that one.
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

    /// The session that was handed out has ended.
    pub(crate) fn session_over(&mut self, end: SessionEnd, now: Instant, random: u64) {
        self.session = None;
        self.suspended |= end.kind == EndKind::Disconnected;
        if now.saturating_duration_since(self.since) >= STABLE {
            self.backoff.reset();
        }
        // Limits the dials to a peer that connects and disconnects at once. A dial on demand has no
        // such delay.
        self.redial_at = now + self.backoff.failed(random);
        self.demand_at = now;
    }

    /// Disconnected on request. Drops the dial in progress unless a caller waits for it.
    pub(crate) fn suspend(&mut self, out: &mut Vec<Effect>, actions: &mut VecDeque<Action>) {
        self.suspended = true;
        if let Some(dial) = self.pairing.dial()
            && self.demand.is_empty()
        {
            self.drop_dial(actions);
            self.pairing.closed(dial, out);
        }
    }

    /// Starts no further session.
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
                // If the session was not handed out yet, `establish` of its connection fails.
                Effect::EndSession(_) => actions.extend(self.session.take().map(Action::EndSession)),
                Effect::DropDial(_) => self.drop_dial(actions),
            }
        }
    }

    fn decided(&mut self, conn: ConnId, decision: InboundDecision, actions: &mut VecDeque<Action>) {
        if let Some(index) = self.undecided.iter().position(|undecided| *undecided == conn) {
            actions.push_back(Action::Decide(conn, decision));
            if decision != InboundDecision::Asked {
                self.undecided.swap_remove(index);
            }
        }
    }

    fn drop_dial(&mut self, actions: &mut VecDeque<Action>) {
        actions.extend(self.running_dial.take().map(Action::DropDial));
    }
}

#[cfg(test)]
mod tests;
