//! What is known of one peer name: its connections, who waits for a session with it, and when to dial it.
//!
//! Knows nothing of sockets: it is told the time and what has happened, and a session is to it whatever can be
//! [probed](Probed). Public for the simulation in `monitor-runtime/examples/sim`, and for nobody else.

use std::{
    fmt,
    time::{Duration, Instant},
};

use futures::future::AbortHandle;
use peer_service::{DialId, EndKind, SessionEnd};
use refs::Address;
use smol::channel::Sender;

use crate::proto::peers::{
    backoff::{Backoff, jitter},
    pairing::{ConnId, Effect, Pairing, Refusal},
};

/// A dial on demand begins at the latest this long after the failure before it: its caller waits for an
/// answer.
const MOST_DEMAND_WAIT: Duration = Duration::from_millis(500);
/// A session that has lasted that long shows that the peer is well.
const STABLE: Duration = Duration::from_secs(5);
/// After that time a node that was refused because its name is taken tries again by itself.
const NAME_TAKEN_WAIT: Duration = Duration::from_secs(30);
/// How long the loser of two simultaneous dials waits before it dials again, before jitter.
const LOST_WAIT: Duration = Duration::from_millis(100);

/// A session, as far as the rules about peers go.
pub trait Probed {
    /// Somebody wants to know whether the peer lives.
    fn want_probe(&self);
}

/// See the [module](self).
pub struct Peer<L> {
    /// Which of its connections becomes the session.
    pub pairing: Pairing,
    /// The session that was handed out, as long as it is the pairing's.
    pub link: Option<L>,
    since: Instant,
    /// Newcomers that have proved themselves and wait to learn their fate.
    pub newcomers: Vec<(ConnId, Sender<Fate>)>,
    /// A probe was asked for before the session was handed out.
    probe_due: bool,
    dial_task: Option<AbortHandle>,
    /// Dials that were asked for and wait for their answer.
    demand: Vec<Demand>,
    /// The addresses given with the last demand that gave some, unless the address book has changed since.
    pub addresses: Vec<Address>,
    /// It is in the address book: redialled for ever.
    listed: bool,
    /// Disconnected on request: not redialled before the next demand.
    suspended: bool,
    backoff: Backoff,
    /// Not before then is it dialled because it is listed, and because of a demand.
    redial_at: Instant,
    demand_at: Instant,
    /// Wakes the task that dials this peer, if there is one.
    pub caller: Option<Sender<()>>,
}

impl<L> fmt::Debug for Peer<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peer").field("pairing", &self.pairing).finish_non_exhaustive()
    }
}

/// What becomes of a newcomer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is the session.
    Accepted,
    /// It is asked whether it still has the session that stands.
    Asked,
    /// It is closed, and told why.
    Refused(Refusal),
}

/// A dial that waits for its answer.
struct Demand {
    dial: DialId,
    /// By when it is answered. Set when the task that dials first looks at it: the time in which this node did not
    /// run is not held against the peer.
    deadline: Option<Instant>,
}

/// What the task that dials a peer does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Dial now, and be done by then.
    Dial(Instant),
    /// Look again then, or when something has changed.
    Sleep(Instant),
    /// Nobody wants a session that is not there.
    Stop,
}

impl<L: Probed> Peer<L> {
    /// A peer without a session. `higher`: the name of the local node is higher; `listed`: it is in the address book.
    pub fn new(higher: bool, listed: bool, now: Instant) -> Self {
        Peer {
            pairing: Pairing::new(higher),
            link: None,
            since: now,
            newcomers: Vec::new(),
            probe_due: false,
            dial_task: None,
            demand: Vec::new(),
            addresses: Vec::new(),
            listed,
            suspended: false,
            backoff: Backoff::default(),
            redial_at: now,
            demand_at: now,
            caller: None,
        }
    }

    // Demand.

    /// Somebody wants a session.
    pub fn ask(&mut self, dial: DialId, addresses: &[Address]) {
        self.suspended = false;
        if !addresses.is_empty() {
            self.addresses = addresses.to_vec();
        }
        self.demand.push(Demand { dial, deadline: None });
    }

    /// The address book has changed: the peer is in it, or is not, or is elsewhere.
    pub fn list(&mut self, listed: bool, now: Instant) {
        self.suspended &= self.listed;
        self.listed = listed;
        self.addresses.clear();
        self.backoff.reset();
        self.redial_at = now;
    }

    /// Those who wait, to be told that they need not wait any more.
    pub fn take_demand(&mut self) -> Vec<DialId> {
        std::mem::take(&mut self.demand).into_iter().map(|demand| demand.dial).collect()
    }

    /// Those who have waited too long.
    pub fn take_expired(&mut self, now: Instant) -> Vec<DialId> {
        let (expired, waiting) = std::mem::take(&mut self.demand)
            .into_iter()
            .partition(|demand| demand.deadline.is_some_and(|at| at <= now));
        self.demand = waiting;
        expired.into_iter().map(|demand| demand.dial).collect()
    }

    /// Whether somebody waits for a session, or there should always be one.
    pub fn is_wanted(&self) -> bool {
        !self.demand.is_empty() || self.listed && !self.suspended && self.link.is_none()
    }

    /// What the task that dials does next. Whoever has waited too long was taken out before.
    pub fn plan(&mut self, now: Instant, setup_timeout: Duration) -> Plan {
        let deadlines =
            self.demand.iter_mut().map(|demand| *demand.deadline.get_or_insert(now + setup_timeout));
        let deadline = deadlines.min();
        if self.pairing.session().is_some() {
            // It is being set up, or closed: either will be heard of.
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

    /// Has the task that dials look again, if there is one.
    pub fn wake_caller(&self) {
        if let Some(caller) = &self.caller {
            // Full: it will look anyway.
            let _ = caller.try_send(());
        }
    }

    /// Nothing of it is worth remembering.
    pub fn is_forgettable(&self) -> bool {
        !self.listed
            && self.pairing.is_idle()
            && self.link.is_none()
            && self.caller.is_none()
            && self.demand.is_empty()
            && self.newcomers.is_empty()
    }

    // What became of dials and sessions.

    /// An own dial begins, run by that task. False if a session stands.
    pub fn begin_dial(&mut self, conn: ConnId, task: AbortHandle) -> bool {
        let begins = self.pairing.begin_dial(conn);
        if begins {
            self.dial_task = Some(task);
        }
        begins
    }

    /// All addresses were tried in vain.
    pub fn dial_failed(&mut self, kind: EndKind, now: Instant, random: u64) {
        let wait = self.backoff.failed(random);
        self.demand_at = now + wait.min(MOST_DEMAND_WAIT);
        self.redial_at = now + if kind == EndKind::DuplicateName { NAME_TAKEN_WAIT } else { wait };
    }

    /// A demand waits no longer than that, however many dials have failed: it must leave time for the dial itself.
    pub fn dial_demand_by(&mut self, at: Instant) {
        self.demand_at = self.demand_at.min(at);
    }

    /// The task that dials was lost, and with it the dial that it had under way.
    pub fn dialer_lost(&mut self, now: Instant, random: u64, out: &mut Vec<Effect>) {
        self.caller = None;
        if let Some(dial) = self.pairing.dial() {
            self.drop_dial();
            self.pairing.closed(dial, out);
        }
        self.dial_failed(EndKind::Internal, now, random);
    }

    /// Another connection of the pair was preferred: whoever waits goes on waiting, for that one.
    pub fn dial_lost(&mut self, now: Instant, random: u64) {
        self.redial_at = now + jitter(LOST_WAIT, random);
        self.demand_at = self.redial_at;
    }

    /// The session is handed out.
    pub fn established(&mut self, link: L, now: Instant) {
        self.demand.clear();
        self.dial_task = None;
        self.suspended = false;
        self.since = now;
        if std::mem::take(&mut self.probe_due) {
            link.want_probe();
        }
        self.link = Some(link);
    }

    /// The session that was handed out is over.
    pub fn session_over(&mut self, end: SessionEnd, now: Instant, random: u64) {
        self.link = None;
        self.suspended |= end.kind == EndKind::Disconnected;
        if now.saturating_duration_since(self.since) >= STABLE {
            self.backoff.reset();
        }
        // A peer that comes and goes at once is not worth a storm of dials; whoever demands one does not wait
        // for that.
        self.redial_at = now + self.backoff.failed(random);
        self.demand_at = now;
    }

    /// Disconnected on request. The dial under way, if nobody waits for it, is to be dropped.
    pub fn suspend(&mut self, out: &mut Vec<Effect>) {
        self.suspended = true;
        if let Some(dial) = self.pairing.dial()
            && self.demand.is_empty()
        {
            self.drop_dial();
            self.pairing.closed(dial, out);
        }
    }

    /// No session begins any more.
    pub fn shut_down(&mut self) {
        self.listed = false;
        self.drop_dial();
        self.newcomers.clear();
        self.wake_caller();
    }

    // What the pairing decides.

    /// Carries out what is to be done with this peer's connections.
    ///
    /// Returns the session to be ended as replaced, if any: that wakes its user's tasks, so it is not done under a lock.
    #[must_use]
    pub fn carry_out(&mut self, effects: Vec<Effect>) -> Option<L> {
        let mut replaced = None;
        for effect in effects {
            match effect {
                Effect::Accept(conn) => self.tell(conn, Fate::Accepted),
                Effect::Refuse(conn, refusal) => self.tell(conn, Fate::Refused(refusal)),
                Effect::AskNewcomer(conn) => self.tell(conn, Fate::Asked),
                Effect::ProbeSession(_) => match &self.link {
                    Some(link) => link.want_probe(),
                    None => self.probe_due = true,
                },
                Effect::EndSession(_) => {
                    // If it was not handed out yet, its handshake will find that it is not wanted any more.
                    replaced = self.link.take();
                }
                Effect::DropDial(_) => self.drop_dial(),
            }
        }
        replaced
    }

    fn tell(&mut self, conn: ConnId, fate: Fate) {
        if let Some(at) = self.newcomers.iter().position(|(newcomer, _)| *newcomer == conn) {
            // Room for both words it may be told; if it has hung up, it will report that.
            let _ = self.newcomers[at].1.try_send(fate);
            if fate != Fate::Asked {
                self.newcomers.swap_remove(at);
            }
        }
    }

    fn drop_dial(&mut self) {
        if let Some(task) = self.dial_task.take() {
            task.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No test here has a session.
    struct NoSession;

    impl Probed for NoSession {
        fn want_probe(&self) {}
    }

    type Peer = super::Peer<NoSession>;

    const SETUP: Duration = Duration::from_secs(5);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn plan(peer: &mut Peer, at: Instant) -> Plan {
        peer.plan(at, SETUP)
    }

    #[test]
    fn a_demand_is_dialled_at_once_and_forgotten_when_it_was_answered() {
        let now = Instant::now();
        let mut peer = Peer::new(true, false, now);
        assert_eq!((plan(&mut peer, now), peer.is_wanted()), (Plan::Stop, false));
        peer.ask(DialId(1), &[]);
        assert_eq!((plan(&mut peer, now), peer.is_wanted()), (Plan::Dial(now + SETUP), true));
        assert_eq!(peer.take_demand(), [DialId(1)]);
        assert_eq!(plan(&mut peer, now), Plan::Stop);
        assert!(peer.is_forgettable());
    }

    #[test]
    fn a_demand_after_failures_waits_but_never_long() {
        let now = Instant::now();
        let mut peer = Peer::new(true, false, now);
        for _ in 0..20 {
            peer.dial_failed(EndKind::Refused, now, u64::MAX);
        }
        // What has failed is remembered for as long as it makes a demand wait.
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MOST_DEMAND_WAIT));
        peer.ask(DialId(1), &[]);
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MOST_DEMAND_WAIT));
        assert_eq!(plan(&mut peer, now + MOST_DEMAND_WAIT), Plan::Dial(now + SETUP));
    }

    #[test]
    fn a_demand_after_failures_is_dialed_before_its_time_is_over() {
        let (now, setup) = (Instant::now(), MS(100));
        let mut peer = Peer::new(true, false, now);
        for _ in 0..20 {
            peer.dial_failed(EndKind::Refused, now, u64::MAX);
            peer.dial_demand_by(now + setup / 2);
        }
        peer.ask(DialId(1), &[]);
        assert_eq!(peer.plan(now, setup), Plan::Sleep(now + setup / 2));
        assert_eq!(peer.plan(now + setup / 2, setup), Plan::Dial(now + setup));
    }

    #[test]
    fn the_time_before_a_demand_is_looked_at_does_not_count() {
        let now = Instant::now();
        let mut peer = Peer::new(true, false, now);
        peer.ask(DialId(1), &[]);
        // This node was starved: the task that dials runs for the first time long after the call.
        let late = now + 2 * SETUP;
        assert_eq!(peer.take_expired(late), []);
        assert_eq!(plan(&mut peer, late), Plan::Dial(late + SETUP));
        assert_eq!(peer.take_expired(late + SETUP), [DialId(1)]);
    }

    #[test]
    fn a_listed_peer_is_dialled_for_ever_ever_less_often_unless_it_is_suspended() {
        let now = Instant::now();
        let mut peer = Peer::new(true, true, now);
        assert_eq!(plan(&mut peer, now), Plan::Dial(now + SETUP));
        peer.dial_failed(EndKind::Refused, now, u64::MAX);
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(50)));
        peer.dial_failed(EndKind::Refused, now, u64::MAX);
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(100)));
        peer.dial_failed(EndKind::DuplicateName, now, u64::MAX);
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + NAME_TAKEN_WAIT));

        peer.suspend(&mut Vec::new());
        assert!(!peer.is_wanted());
        peer.ask(DialId(1), &[]);
        assert!(peer.is_wanted());
        assert_eq!(peer.take_demand(), [DialId(1)]);
        assert!(peer.is_wanted(), "a demand ends the suspension");
    }

    #[test]
    fn a_peer_that_is_listed_later_is_dialled_at_once_and_not_after_it_was_removed() {
        let now = Instant::now();
        let mut peer = Peer::new(true, true, now);
        for _ in 0..20 {
            peer.dial_failed(EndKind::Refused, now, u64::MAX);
        }
        peer.list(true, now);
        assert_eq!(plan(&mut peer, now), Plan::Dial(now + SETUP), "elsewhere it may be there");
        peer.suspend(&mut Vec::new());
        peer.list(true, now);
        assert!(!peer.is_wanted(), "it is elsewhere, and still not wanted");
        peer.list(false, now);
        assert_eq!((plan(&mut peer, now + SETUP), peer.is_wanted()), (Plan::Stop, false));
        peer.list(true, now);
        assert_eq!((plan(&mut peer, now), peer.is_wanted()), (Plan::Dial(now + SETUP), true));
    }

    #[test]
    fn the_loser_of_two_dials_tries_again_soon_and_nobody_waits_longer_than_agreed() {
        let now = Instant::now();
        let mut peer = Peer::new(false, false, now);
        peer.ask(DialId(1), &[]);
        assert_eq!(peer.plan(now, MS(60)), Plan::Dial(now + MS(60)));
        peer.dial_lost(now, u64::MAX);
        assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(60)));
        assert_eq!(peer.take_expired(now + MS(59)), []);
        assert_eq!(peer.take_expired(now + MS(60)), [DialId(1)]);
        peer.ask(DialId(2), &[]);
        assert_eq!(plan(&mut peer, now + MS(100)), Plan::Dial(now + MS(100) + SETUP));
    }
}
