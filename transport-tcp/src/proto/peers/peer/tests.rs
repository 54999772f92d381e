use super::*;

const SETUP: Duration = Duration::from_secs(5);

fn backoff() -> Backoff {
    Backoff::new(Duration::from_millis(50), Duration::from_secs(30))
}
const MS: fn(u64) -> Duration = Duration::from_millis;

fn plan(peer: &mut Peer, at: Instant) -> Plan {
    peer.plan(at, SETUP)
}

#[test]
fn a_demand_is_dialed_at_once_and_forgotten_when_it_was_answered() {
    let now = Instant::now();
    let mut peer = Peer::new(true, false, backoff(), now);
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
    let mut peer = Peer::new(true, false, backoff(), now);
    for _ in 0..20 {
        peer.dial_failed(EndKind::Refused, now, u64::MAX);
    }
    // A failure is remembered as long as it delays a demand.
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MAX_DEMAND_WAIT));
    peer.ask(DialId(1), &[]);
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MAX_DEMAND_WAIT));
    assert_eq!(plan(&mut peer, now + MAX_DEMAND_WAIT), Plan::Dial(now + SETUP));
}

#[test]
fn a_demand_after_failures_is_dialed_before_its_time_is_over() {
    let (now, setup) = (Instant::now(), MS(100));
    let mut peer = Peer::new(true, false, backoff(), now);
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
    let mut peer = Peer::new(true, false, backoff(), now);
    peer.ask(DialId(1), &[]);
    // The local node was starved: the dialer runs for the first time long after the call.
    let late = now + 2 * SETUP;
    assert_eq!(peer.take_expired(late), []);
    assert_eq!(plan(&mut peer, late), Plan::Dial(late + SETUP));
    assert_eq!(peer.take_expired(late + SETUP), [DialId(1)]);
}

#[test]
fn a_listed_peer_is_dialed_for_ever_ever_less_often_unless_it_is_suspended() {
    let now = Instant::now();
    let mut peer = Peer::new(true, true, backoff(), now);
    assert_eq!(plan(&mut peer, now), Plan::Dial(now + SETUP));
    peer.dial_failed(EndKind::Refused, now, u64::MAX);
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(50)));
    peer.dial_failed(EndKind::Refused, now, u64::MAX);
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(100)));
    peer.dial_failed(EndKind::DuplicateName, now, u64::MAX);
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + NAME_TAKEN_WAIT));

    peer.suspend(&mut Vec::new(), &mut VecDeque::new());
    assert!(!peer.is_wanted());
    peer.ask(DialId(1), &[]);
    assert!(peer.is_wanted());
    assert_eq!(peer.take_demand(), [DialId(1)]);
    assert!(peer.is_wanted(), "a demand ends the suspension");
}

#[test]
fn a_peer_that_is_listed_later_is_dialed_at_once_and_not_after_it_was_removed() {
    let now = Instant::now();
    let mut peer = Peer::new(true, true, backoff(), now);
    for _ in 0..20 {
        peer.dial_failed(EndKind::Refused, now, u64::MAX);
    }
    peer.list(true, now);
    assert_eq!(plan(&mut peer, now), Plan::Dial(now + SETUP), "the peer may be at its new address");
    peer.suspend(&mut Vec::new(), &mut VecDeque::new());
    peer.list(true, now);
    assert!(!peer.is_wanted(), "its address has changed, and it is still not wanted");
    peer.list(false, now);
    assert_eq!((plan(&mut peer, now + SETUP), peer.is_wanted()), (Plan::Stop, false));
    peer.list(true, now);
    assert_eq!((plan(&mut peer, now), peer.is_wanted()), (Plan::Dial(now + SETUP), true));
}

#[test]
fn the_loser_of_two_dials_tries_again_soon_and_no_call_waits_longer_than_agreed() {
    let now = Instant::now();
    let mut peer = Peer::new(false, false, backoff(), now);
    peer.ask(DialId(1), &[]);
    assert_eq!(peer.plan(now, MS(60)), Plan::Dial(now + MS(60)));
    peer.dial_lost(now, u64::MAX);
    assert_eq!(plan(&mut peer, now), Plan::Sleep(now + MS(60)));
    assert_eq!(peer.take_expired(now + MS(59)), []);
    assert_eq!(peer.take_expired(now + MS(60)), [DialId(1)]);
    peer.ask(DialId(2), &[]);
    assert_eq!(plan(&mut peer, now + MS(100)), Plan::Dial(now + MS(100) + SETUP));
}
