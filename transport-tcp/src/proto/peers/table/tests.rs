use super::*;
use crate::proto::peers::action::InboundDecision::{Accepted, Asked, Refused};

const SETUP: Duration = Duration::from_secs(5);

fn times() -> DialTimes {
    DialTimes::of(&crate::TcpConfig::new().setup_timeout(SETUP))
}

fn node(name: &str, incarnation: u64) -> NodeId {
    NodeId::new(name.parse().unwrap(), refs::Incarnation::new(incarnation).unwrap())
}

/// The table of node m at a given time.
struct Table {
    table: PeerTable,
    now: Instant,
}

impl Table {
    fn new() -> Self {
        Table { table: PeerTable::new("m@h".parse().unwrap(), times()), now: Instant::now() }
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.table.poll_action()).collect()
    }

    fn connect(&mut self, name: &str, dial: u64) -> Vec<Action> {
        self.table.connect(&name.parse().unwrap(), DialId(dial), false, self.now);
        self.actions()
    }

    /// Begins the handshake of a dial, as the dialer of that peer does.
    fn dial(&mut self, name: &NodeName) -> ConnId {
        assert_eq!(self.table.plan(name, self.now).0, Plan::Dial(self.now + SETUP));
        let conn = self.table.begin_dial(name, self.now).unwrap();
        assert!(self.table.hello_written(name, conn, self.now));
        conn
    }

    /// A session with that node, which has dialed.
    fn session(&mut self, peer: &NodeId) -> ConnId {
        let conn = ConnId(self.table.number());
        self.table.proved(peer, 1, conn, self.now);
        assert_eq!(self.actions(), [Action::Decide(conn, Accepted)]);
        assert!(self.table.establish(&peer.name, conn, self.now));
        self.actions();
        conn
    }
}

fn fail(name: &NodeName, dial: u64, kind: EndKind) -> Action {
    Action::FailDial(name.clone(), DialId(dial), kind)
}

#[test]
fn a_call_starts_one_dialer_and_a_failed_dial_answers_all_calls() {
    let (mut m, b) = (Table::new(), node("b@h", 1));
    assert_eq!(m.connect("b@h", 1), [Action::StartDialer(b.name.clone())]);
    assert_eq!(m.connect("b@h", 2), [Action::WakeDialer(b.name.clone())]);
    let conn = m.dial(&b.name);
    m.table.closed(&b.name, conn, m.now);
    m.actions();
    m.table.dial_failed(&b.name, DialFailure::Failed(EndKind::Refused), m.now, 0);
    let wake = Action::WakeDialer(b.name.clone());
    assert_eq!(m.actions(), [wake, fail(&b.name, 1, EndKind::Refused), fail(&b.name, 2, EndKind::Refused)]);
}

#[test]
fn a_peer_is_forgotten_when_its_failures_make_no_dial_wait_any_more() {
    let (mut m, b) = (Table::new(), node("b@h", 1));
    m.connect("b@h", 1);
    m.table.dial_failed(&b.name, DialFailure::Failed(EndKind::Refused), m.now, u64::MAX);
    let Plan::Sleep(at) = m.table.plan(&b.name, m.now).0 else { panic!("the failure is remembered") };
    assert_eq!((m.table.plan(&b.name, at).0, m.table.peers.len()), (Plan::Stop, 0));
}

#[test]
fn a_lost_dialer_answers_its_calls_and_the_next_call_starts_another() {
    let (mut m, b) = (Table::new(), node("b@h", 1));
    m.connect("b@h", 1);
    let conn = m.dial(&b.name);
    m.actions();
    m.table.dialer_lost(&b.name, m.now, 0);
    assert_eq!(m.actions(), [Action::DropDial(conn), fail(&b.name, 1, EndKind::Internal)]);
    assert_eq!(m.connect("b@h", 2), [Action::StartDialer(b.name)]);
}

#[test]
fn an_inbound_connection_of_a_higher_name_drops_the_own_dial() {
    let (mut m, z) = (Table::new(), node("z@h", 1));
    m.connect("z@h", 1);
    let (own, inbound) = (m.dial(&z.name), ConnId(m.table.number()));
    m.actions();
    m.table.proved(&z, 7, inbound, m.now);
    let wake = Action::WakeDialer(z.name.clone());
    assert_eq!(m.actions(), [Action::DropDial(own), Action::Decide(inbound, Accepted), wake]);
    assert!(m.table.still_there(&z.name, own, m.now));
    assert!(m.table.establish(&z.name, inbound, m.now), "and the call is answered by the session");
    assert!(!m.table.establish(&z.name, own, m.now));
}

#[test]
fn a_session_is_probed_before_another_incarnation_takes_its_place() {
    let (mut m, b) = (Table::new(), node("b@h", 1));
    let (old, new) = (m.session(&b), ConnId(m.table.number()));
    m.table.proved(&node("b@h", 2), 1, new, m.now);
    assert_eq!(m.actions(), [Action::ProbeSession(old)]);
    m.table.probe_silent(&b.name, old, m.now);
    assert_eq!(m.actions()[..2], [Action::EndSession(old), Action::Decide(new, Accepted)]);
    assert!(
        !m.table.session_over(&b.name, old, EndKind::Closed.into(), m.now, 0),
        "it is not reported twice"
    );
}

#[test]
fn a_probe_that_is_due_before_the_session_is_handed_out_follows_then() {
    let (mut m, b) = (Table::new(), node("b@h", 1));
    let (first, second) = (ConnId(m.table.number()), ConnId(m.table.number()));
    m.table.proved(&b, 1, first, m.now);
    m.table.proved(&b, 2, second, m.now);
    assert_eq!(m.actions(), [Action::Decide(first, Accepted), Action::Decide(second, Asked)]);
    m.table.answered(&b.name, second, false, m.now);
    assert_eq!(m.actions(), []);
    assert!(m.table.establish(&b.name, first, m.now));
    assert_eq!(m.actions(), [Action::ProbeSession(first)]);
    m.table.probe_answered(&b.name, first, m.now);
    assert_eq!(m.actions(), [Action::Decide(second, Refused(Refusal::StandsAlready))]);
}

#[test]
fn after_a_shutdown_nothing_begins_and_all_calls_are_answered() {
    let (mut m, b, c) = (Table::new(), node("b@h", 1), node("c@h", 1));
    m.connect("b@h", 1);
    let own = m.dial(&b.name);
    m.actions();
    assert!(m.table.shut_down(EndKind::LocalShutdown));
    let wake = Action::WakeDialer(b.name.clone());
    assert_eq!(m.actions(), [Action::DropDial(own), wake, fail(&b.name, 1, EndKind::LocalShutdown)]);
    assert!(!m.table.shut_down(EndKind::LocalShutdown));
    assert_eq!(m.connect("c@h", 2), [fail(&c.name, 2, EndKind::LocalShutdown)]);
    assert_eq!(m.table.plan(&b.name, m.now).0, Plan::Stop);
    let inbound = ConnId(m.table.number());
    m.table.proved(&c, 1, inbound, m.now);
    assert_eq!(m.actions(), [Action::DropInbound(inbound)]);
}

#[test]
fn the_local_name_is_never_dialed() {
    let mut m = Table::new();
    let local = m.table.local.clone();
    assert_eq!(m.connect("m@h", 1), [fail(&local, 1, EndKind::DuplicateName)]);
    m.table.list(Source::Config, vec!["m@h:1".parse().unwrap(), local.clone().into()], m.now);
    assert_eq!(m.table.disconnect(&local, m.now), None);
}

#[test]
fn the_address_book_is_dialed_without_a_call_and_a_call_may_give_other_addresses() {
    let (mut m, b) = (Table::new(), node("b@h:1", 1));
    m.table.list(Source::Config, vec!["b@h:1=10.0.0.1:1".parse().unwrap()], m.now);
    assert_eq!(m.actions(), [Action::StartDialer(b.name.clone())]);
    assert_eq!(m.table.addresses(&b.name), ["10.0.0.1:1".parse().unwrap()]);
    m.connect("b@h:1=10.0.0.2:1", 1);
    assert_eq!(m.table.addresses(&b.name), ["10.0.0.2:1".parse().unwrap()]);
    m.table.list(Source::Config, Vec::new(), m.now);
    assert_eq!(m.table.addresses(&b.name), []);
}
