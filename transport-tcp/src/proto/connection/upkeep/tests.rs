use std::cell::Cell;

use super::*;
use crate::{config::Heartbeat, proto::connection::sending::Backlog};

const MS: fn(u64) -> Duration = Duration::from_millis;
const IDLE: Backlog = Backlog { blocked: false, signals: false, idle: true, broken: false };

/// The unread input of a connection.
#[derive(Default)]
struct Socket {
    has_unread: Cell<bool>,
    is_over: Cell<bool>,
}

impl Unread for Socket {
    fn has_unread(&self) -> bool {
        self.has_unread.get()
    }

    fn is_over(&self) -> bool {
        self.is_over.get()
    }
}

/// A connection that has sent its first ping at time zero.
struct Side {
    upkeep: Upkeep,
    state: State,
    socket: Socket,
}

impl Side {
    fn new() -> Self {
        let limits = Limits {
            max_frame_out: 1024,
            max_contents_out: 1024,
            max_frame_in: 1024,
            cut_at: None,
            max_message_queue: 1024,
            max_signal_queue: 1024,
            heartbeat: Heartbeat::fast(),
            head_start: Duration::ZERO,
            probe_timeout: Duration::from_millis(500),
            linger: Duration::from_secs(1),
            spin: None,
        };
        let state = State {
            phase: Phase::Open,
            backlog: IDLE,
            last_received: Duration::ZERO,
            last_sent: Duration::ZERO,
            pong: 0,
            probe_requested: false,
            peer_done: false,
        };
        let mut side = Side { upkeep: Upkeep::new(&limits), state, socket: Socket::default() };
        assert_eq!(side.at(0), Step::Ping(1));
        side
    }

    fn at(&mut self, ms: u64) -> Step {
        let step = self.upkeep.poll(MS(ms), &self.state, &self.socket);
        self.state.probe_requested = false;
        step
    }

    /// The first step at that time that is not a ping.
    fn past_pings(&mut self, ms: u64) -> Step {
        loop {
            match self.at(ms) {
                Step::Ping(_) => {}
                step => return step,
            }
        }
    }

    /// The first step from that time on that is neither a ping nor a wait, and its time. Polls at
    /// the requested times.
    fn until_end(&mut self, mut ms: u64) -> (u64, Step) {
        loop {
            match self.past_pings(ms) {
                Step::Wait(at) => ms = at.as_millis() as u64,
                step => return (ms, step),
            }
        }
    }

    /// Begins a probe at 10 ms; returns the number of its ping.
    fn probe(&mut self) -> u64 {
        self.state.probe_requested = true;
        let Step::Ping(number) = self.at(10) else { panic!("a probe is a ping") };
        assert_eq!(self.at(10), Step::Wait(MS(110)));
        number
    }
}

#[test]
fn a_silent_peer_ends_the_session_unless_bytes_of_it_are_unread() {
    let mut side = Side::new();
    side.socket.has_unread.set(true);
    assert_eq!(side.past_pings(500), Step::Wait(MS(600)));
    side.socket.has_unread.set(false);
    assert_eq!(side.past_pings(600), Step::End(SessionEnd::timeout(MS(600))));
}

#[test]
fn a_peer_that_accepts_no_signals_ends_the_session_as_overloaded() {
    let mut side = Side::new();
    side.state.backlog = Backlog { blocked: true, signals: true, idle: false, broken: false };
    assert!(matches!(side.past_pings(10), Step::Wait(_)));
    side.state.last_received = MS(90);
    assert_eq!(side.until_end(100), (510, Step::End(EndKind::Overloaded.into())));
}

#[test]
fn only_the_pong_of_a_probe_answers_it() {
    let mut side = Side::new();
    let number = side.probe();
    side.state.pong = number - 1;
    side.state.last_received = MS(20);
    assert!(matches!(side.at(20), Step::Wait(_)));
    side.state.pong = number + 100;
    assert!(matches!(side.at(20), Step::Wait(_)), "a number that was never sent");
    side.state.pong = number;
    assert_eq!(side.at(20), Step::ProbeAnswered);
    assert!(matches!(side.at(20), Step::Wait(_)), "once");
}

#[test]
fn a_probe_without_an_answer_ends_in_time_and_unread_bytes_may_hold_the_answer() {
    for has_unread in [false, true] {
        let mut side = Side::new();
        side.probe();
        // The heartbeat's timeout, which is shorter than a second.
        side.state.last_received = MS(509);
        assert!(matches!(side.past_pings(509), Step::Wait(at) if at == MS(510)));
        side.socket.has_unread.set(has_unread);
        let expected = if has_unread { Step::ProbeAnswered } else { Step::ProbeSilent };
        assert_eq!(side.at(510), expected);
    }
}

#[test]
fn a_probe_of_a_connection_that_is_over_ends_at_once() {
    let mut side = Side::new();
    side.state.pong = side.probe();
    side.socket.is_over.set(true);
    side.socket.has_unread.set(true);
    assert_eq!(side.at(20), Step::ProbeSilent);
}

#[test]
fn a_connection_that_is_closed_ends_its_stream_once_all_is_sent_and_waits_for_the_peer() {
    let mut side = Side::new();
    side.state.phase = Phase::Closing(EndKind::Left);
    side.state.backlog = Backlog { idle: false, ..IDLE };
    assert!(matches!(side.at(100), Step::Wait(_)));
    side.state.backlog = IDLE;
    assert_eq!(side.at(200), Step::EndWriting);
    assert_eq!(side.at(200), Step::Wait(MS(1200)));
    let closed = Step::End(EndKind::Closed.into());
    assert_eq!(side.at(1200), closed, "the peer has had its time");
    side.state.peer_done = true;
    assert_eq!(side.at(300), closed, "or has closed the connection");
}

#[test]
fn a_connection_that_is_closed_does_not_wait_for_a_peer_that_accepts_nothing() {
    let mut side = Side::new();
    side.state.phase = Phase::Closing(EndKind::Left);
    side.state.backlog = Backlog { idle: false, ..IDLE };
    assert_eq!(side.until_end(0), (500, Step::End(EndKind::Closed.into())));
    side.state.backlog = Backlog { broken: true, ..IDLE };
    assert_eq!(side.at(100), Step::End(EndKind::Closed.into()), "nor if nothing can be written");
}

#[test]
fn a_session_that_has_ended_waits_for_nothing() {
    let mut side = Side::new();
    side.state.phase = Phase::Over;
    assert_eq!(side.at(20), Step::Over);
}
