//! "One session per pair", checked exhaustively: the real [`Pairing`] of two nodes, with every
//! order of deliveries, broken connections, detected ends and restarts.
//!
//! A connection here is two queues of frames. HELLO represents all frames of a newcomer up to its
//! proof. As in the transport, a newcomer that was asked receives the decision only after its
//! answer was read.
//!
//! An impostor has the secret. It dials one node as the other, in the other's incarnation and with
//! the highest number a dial can have, and denies the session when it is asked.

use std::{collections::VecDeque, time::Instant};

use fastrand::Rng;
use refs::Incarnation;
use stateright::{Checker, Model, Property};
use transport_tcp::proto::peers::pairing::{ConnId, Effect, Pairing, Refusal};

/// The lower name is node 0.
type NodeIx = usize;
type ConnIx = usize;

/// The limits of one run.
#[derive(Clone, Copy)]
struct Bounds {
    dials: u8,
    breaks: u8,
    restarts: u8,
    lies: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Frame {
    Hello { incarnation: Incarnation, number: u64 },
    Accepted { incarnation: Incarnation },
    Refused,
    StillThere,
    Answer { still_there: bool },
    Probe(u8),
    ProbeAnswer(u8),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Conn {
    initiator: NodeIx,
    /// An impostor has dialed; the model plays the initiator's end.
    forged: bool,
    /// The initiator's incarnation at the time of the dial, and the number of the dial in it.
    incarnation: Incarnation,
    number: u64,
    hello_written: bool,
    /// Whether the acceptor has asked and not read the answer yet.
    asked: bool,
    /// The frame that the acceptor sends after the answer.
    withheld: Option<Frame>,
    /// Whether each node has the connection open.
    open: [bool; 2],
    /// Frames in transit to each node.
    to: [VecDeque<Frame>; 2],
    broken: bool,
    /// Number of probes that each node has sent: only the answer to the last one counts.
    probes: [u8; 2],
}

impl Conn {
    fn new(initiator: NodeIx, incarnation: Incarnation, number: u64) -> Self {
        Conn {
            initiator,
            forged: false,
            incarnation,
            number,
            hello_written: false,
            asked: false,
            withheld: None,
            open: [true, true],
            to: [VecDeque::new(), VecDeque::new()],
            broken: false,
            probes: [0, 0],
        }
    }

    /// Whether both nodes have the connection, or one has it and the other is about to: then a
    /// probe is answered.
    fn is_alive(&self) -> bool {
        self.open == [true, true] && !self.broken
    }

    fn is_impostors_end(&self, at: NodeIx) -> bool {
        self.forged && at == self.initiator
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Node {
    pairing: Pairing,
    incarnation: Incarnation,
    dials: u8,
    dials_left: u8,
    /// The session that was handed out, and its peer's incarnation.
    session: Option<(ConnIx, Incarnation)>,
    ups: u8,
    downs: u8,
    had_two: bool,
}

impl Node {
    fn new(at: NodeIx, incarnation: Incarnation, dials_left: u8) -> Self {
        let pairing = Pairing::new(at == 1);
        Node { pairing, incarnation, dials: 0, dials_left, session: None, ups: 0, downs: 0, had_two: false }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct World {
    nodes: [Node; 2],
    conns: Vec<Conn>,
    breaks: u8,
    restarts: u8,
    lies: u8,
    /// Whether a newcomer was refused because of a dial that the peer cannot know of.
    refused_for_nothing: bool,
    /// Whether a node was refused because of a session that it had lost.
    refused_for_the_dead: bool,
    /// Whether a session between the two nodes was ended for a newcomer while both had it.
    live_session_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Action {
    Dial(NodeIx),
    WriteHello(ConnIx),
    Deliver(ConnIx, NodeIx),
    /// The node detects the end of the connection.
    NoticeEnd(ConnIx, NodeIx),
    ProbeTimesOut(NodeIx),
    Break(ConnIx),
    Restart(NodeIx),
    /// An impostor dials that node.
    Impersonate(NodeIx),
}

impl World {
    fn send(&mut self, conn: ConnIx, from: NodeIx, frame: Frame) {
        let conn = &mut self.conns[conn];
        if !conn.broken && conn.open[1 - from] {
            conn.to[1 - from].push_back(frame);
        }
    }

    /// The node closes the connection: it reads no more, and the other end sees the end after the
    /// frames sent before.
    fn close_connection(&mut self, conn: ConnIx, at: NodeIx) {
        self.conns[conn].open[at] = false;
        self.conns[conn].to[at].clear();
        let node = &mut self.nodes[at];
        if node.session.is_some_and(|(session, _)| session == conn) {
            node.session = None;
            node.downs += 1;
        }
    }

    fn hand_out(&mut self, conn: ConnIx, at: NodeIx, peer: Incarnation) {
        let node = &mut self.nodes[at];
        node.had_two |= node.session.is_some();
        node.session = Some((conn, peer));
        node.ups += 1;
    }

    /// The connection has ended for the node.
    fn close(&mut self, conn: ConnIx, at: NodeIx) {
        self.close_connection(conn, at);
        if self.conns[conn].is_impostors_end(at) {
            return;
        }
        self.step(at, |pairing, out| pairing.closed(id(conn), out));
    }

    /// One step of the real machine, and its effects.
    fn step(&mut self, at: NodeIx, input: impl FnOnce(&mut Pairing, &mut Vec<Effect>)) {
        let mut effects = Vec::new();
        input(&mut self.nodes[at].pairing, &mut effects);
        for effect in effects {
            match effect {
                Effect::Accept(ConnId(conn)) => {
                    self.send_decision(
                        conn as ConnIx,
                        at,
                        Frame::Accepted { incarnation: self.nodes[at].incarnation },
                    );
                }
                Effect::Refuse(ConnId(conn), refusal) => {
                    if refusal == Refusal::Simultaneous {
                        let own = self.nodes[at].pairing.dial().expect("the dial that wins");
                        self.refused_for_nothing |= !self.conns[own.0 as ConnIx].hello_written;
                    }
                    if matches!(refusal, Refusal::StandsAlready | Refusal::DuplicateName) {
                        let session = self.nodes[at].pairing.session().expect("the session that stands");
                        let (session, refused) =
                            (&self.conns[session.0 as ConnIx], &self.conns[conn as ConnIx]);
                        let lost = !session.open[1 - at] && !session.forged;
                        self.refused_for_the_dead |= lost && refused.is_alive() && !refused.forged;
                    }
                    self.send_decision(conn as ConnIx, at, Frame::Refused);
                }
                Effect::AskInbound(ConnId(conn)) => {
                    self.conns[conn as ConnIx].asked = true;
                    self.send(conn as ConnIx, at, Frame::StillThere);
                }
                Effect::ProbeSession(ConnId(conn)) => {
                    let probes = &mut self.conns[conn as ConnIx].probes[at];
                    *probes += 1;
                    let probe = Frame::Probe(*probes);
                    self.send(conn as ConnIx, at, probe);
                }
                Effect::EndSession(ConnId(conn)) => {
                    let ended = &self.conns[conn as ConnIx];
                    self.live_session_ended |= ended.is_alive() && !ended.forged;
                    self.close_connection(conn as ConnIx, at);
                }
                Effect::DropDial(ConnId(conn)) => self.close_connection(conn as ConnIx, at),
            }
        }
    }

    /// Sends a newcomer its decision, after its answer if it was asked.
    fn send_decision(&mut self, conn: ConnIx, at: NodeIx, verdict: Frame) {
        if self.conns[conn].asked {
            self.conns[conn].withheld = Some(verdict);
            return;
        }
        self.send(conn, at, verdict);
        match verdict {
            Frame::Refused => self.close_connection(conn, at),
            _ => self.hand_out(conn, at, self.conns[conn].incarnation),
        }
    }

    fn deliver(&mut self, conn: ConnIx, at: NodeIx) {
        let Some(frame) = self.conns[conn].to[at].pop_front() else { return };
        if self.conns[conn].is_impostors_end(at) {
            return self.lie(conn, at, frame);
        }
        match frame {
            Frame::Hello { incarnation, number } => {
                self.step(at, |pairing, out| pairing.proved(id(conn), incarnation, number, out));
            }
            Frame::Accepted { incarnation } => {
                if self.nodes[at].pairing.accepted(id(conn), incarnation) {
                    self.hand_out(conn, at, incarnation);
                } else {
                    self.close(conn, at);
                }
            }
            Frame::Refused => self.close(conn, at),
            Frame::StillThere => {
                let still_there = self.nodes[at].pairing.still_there(id(conn));
                self.send(conn, at, Frame::Answer { still_there });
                if still_there {
                    self.close(conn, at);
                }
            }
            Frame::Answer { still_there } => {
                self.conns[conn].asked = false;
                self.step(at, |pairing, out| pairing.answered(id(conn), still_there, out));
                let withheld = self.conns[conn].withheld.take();
                if still_there {
                    self.close(conn, at);
                } else if let Some(verdict) = withheld {
                    self.send_decision(conn, at, verdict);
                }
            }
            Frame::Probe(number) => self.send(conn, at, Frame::ProbeAnswer(number)),
            Frame::ProbeAnswer(number) if number == self.conns[conn].probes[at] => {
                self.step(at, |pairing, out| pairing.probe_answered(id(conn), out));
            }
            Frame::ProbeAnswer(_) => {}
        }
    }

    /// An impostor receives a frame.
    fn lie(&mut self, conn: ConnIx, at: NodeIx, frame: Frame) {
        match frame {
            Frame::StillThere => self.send(conn, at, Frame::Answer { still_there: false }),
            Frame::Probe(number) => self.send(conn, at, Frame::ProbeAnswer(number)),
            Frame::Refused => self.close(conn, at),
            _ => {}
        }
    }

    /// Whether the probe of that node may time out. While another node waits, even a very slow
    /// answer of a live session must not end it. For an impostor and for an earlier incarnation a
    /// slow answer counts as none, so there a live session answers in time.
    fn may_probe_time_out(&self, at: NodeIx) -> bool {
        let pairing = &self.nodes[at].pairing;
        let (Some(waiting), Some(session)) = (pairing.waiting(), pairing.session()) else { return false };
        let (waiting, session) = (&self.conns[waiting.0 as ConnIx], &self.conns[session.0 as ConnIx]);
        let is_current = waiting.incarnation == self.nodes[1 - at].incarnation;
        !waiting.forged && is_current || !session.is_alive()
    }

    /// Whether a node has a session with an impostor, which may use any name that is free.
    fn is_deceived(&self) -> bool {
        self.nodes.iter().any(|node| node.session.is_some_and(|(conn, _)| self.conns[conn].forged))
    }

    fn restart(&mut self, at: NodeIx) {
        self.restarts += 1;
        for conn in self.conns.iter_mut().filter(|conn| !conn.is_impostors_end(at)) {
            conn.open[at] = false;
            conn.to[at].clear();
        }
        let old = &self.nodes[at];
        let next = Incarnation::new(old.incarnation.get() + 1).expect("not zero");
        // The new incarnation dials again, regardless of earlier dials.
        self.nodes[at] = Node::new(at, next, (old.dials_left + 1).min(old.dials + old.dials_left));
    }

    /// Whether nothing is in transit and every end was detected. With `all_begun`, every dial has
    /// also written its HELLO.
    fn is_quiet(&self, all_begun: bool) -> bool {
        self.conns.iter().all(|conn| {
            (0..2).all(|at| {
                !conn.open[at]
                    || conn.to[at].is_empty()
                        && conn.open[1 - at]
                        && !conn.broken
                        && (conn.hello_written || !all_begun)
            })
        })
    }

    fn is_at_rest(&self) -> bool {
        let settled = |node: &Node| node.pairing.waiting().is_none() && node.pairing.dial().is_none();
        self.is_quiet(false) && self.nodes.iter().all(settled)
    }

    fn has_faults(&self) -> bool {
        self.breaks > 0 || self.restarts > 0 || self.lies > 0
    }
}

/// Both ends use the same, increasing number for a connection: the machine only compares numbers
/// for equality.
fn id(conn: ConnIx) -> ConnId {
    ConnId(conn as u64)
}

impl Model for Bounds {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        let first = Incarnation::new(1).expect("not zero");
        let nodes = [Node::new(0, first, self.dials), Node::new(1, first, self.dials)];
        vec![World {
            nodes,
            conns: Vec::new(),
            breaks: 0,
            restarts: 0,
            lies: 0,
            refused_for_nothing: false,
            refused_for_the_dead: false,
            live_session_ended: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for (at, node) in world.nodes.iter().enumerate() {
            if node.pairing.session().is_none() && node.pairing.dial().is_none() && node.dials_left > 0 {
                actions.push(Action::Dial(at));
            }
            if world.may_probe_time_out(at) {
                actions.push(Action::ProbeTimesOut(at));
            }
            if world.lies < self.lies {
                actions.push(Action::Impersonate(at));
            }
            if world.restarts < self.restarts {
                actions.push(Action::Restart(at));
            }
        }
        for (ix, conn) in world.conns.iter().enumerate() {
            if !conn.broken && (conn.open[0] || conn.open[1]) && world.breaks < self.breaks {
                actions.push(Action::Break(ix));
            }
            if !conn.hello_written && conn.open[0] && conn.open[1] && !conn.broken {
                actions.push(Action::WriteHello(ix));
            }
            for at in 0..2 {
                if conn.open[at] && !conn.to[at].is_empty() {
                    actions.push(Action::Deliver(ix, at));
                }
                // Frames sent before a close are read first; a break may lose any suffix of them.
                if conn.open[at] && (conn.broken || !conn.open[1 - at] && conn.to[at].is_empty()) {
                    actions.push(Action::NoticeEnd(ix, at));
                }
            }
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Dial(at) => {
                let conn = next.conns.len();
                let node = &mut next.nodes[at];
                node.dials += 1;
                node.dials_left -= 1;
                let begun = node.pairing.begin_dial(id(conn));
                assert!(begun, "a dial begins when there is neither session nor dial");
                let (incarnation, number) = (node.incarnation, u64::from(node.dials));
                next.conns.push(Conn::new(at, incarnation, number));
            }
            Action::WriteHello(ix) => {
                let Conn { initiator, incarnation, number, .. } = next.conns[ix];
                next.conns[ix].hello_written = true;
                let wanted = next.nodes[initiator].pairing.hello_written(id(ix));
                assert!(wanted, "a dial that was dropped is closed");
                next.send(ix, initiator, Frame::Hello { incarnation, number });
            }
            Action::Deliver(ix, at) => next.deliver(ix, at),
            Action::NoticeEnd(ix, at) => next.close(ix, at),
            Action::ProbeTimesOut(at) => {
                let session = next.nodes[at].pairing.session()?;
                next.step(at, |pairing, out| pairing.probe_silent(session, out));
            }
            Action::Break(ix) => {
                next.breaks += 1;
                next.conns[ix].broken = true;
            }
            Action::Restart(at) => next.restart(at),
            Action::Impersonate(at) => {
                next.lies += 1;
                let (name, number) = (1 - at, u64::MAX);
                let incarnation = next.nodes[name].incarnation;
                let forged =
                    Conn { forged: true, hello_written: true, ..Conn::new(name, incarnation, number) };
                next.conns.push(forged);
                next.send(next.conns.len() - 1, name, Frame::Hello { incarnation, number });
            }
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("never two sessions at once", |_, world: &World| {
                world.nodes.iter().all(|node| !node.had_two)
            }),
            Property::always("up and down alternate", |_, world: &World| {
                world.nodes.iter().all(|node| node.downs <= node.ups && node.ups <= node.downs + 1)
            }),
            Property::always("no end without a fault", |_, world: &World| {
                world.has_faults() || world.nodes.iter().all(|node| node.downs == 0)
            }),
            Property::always("at rest both agree", |_, world: &World| {
                let [a, b] = &world.nodes;
                !world.is_at_rest()
                    || world.is_deceived()
                    || match (a.session, b.session) {
                        (None, None) => a.pairing.session().is_none() && b.pairing.session().is_none(),
                        (Some((of_a, peer_of_a)), Some((of_b, peer_of_b))) => {
                            of_a == of_b && peer_of_a == b.incarnation && peer_of_b == a.incarnation
                        }
                        _ => false,
                    }
            }),
            Property::always("nothing is stuck", |_, world: &World| {
                let stuck = |node: &Node| node.pairing.waiting().is_some() || node.pairing.dial().is_some();
                !world.is_quiet(true) || !world.nodes.iter().any(stuck)
            }),
            Property::always("no newcomer ends a session that both nodes have", |_, world: &World| {
                !world.live_session_ended
            }),
            Property::always("no node is refused for a session that it has lost", |_, world: &World| {
                !world.refused_for_the_dead
            }),
            Property::always("a dial wins only once its HELLO is written", |_, world: &World| {
                !world.refused_for_nothing
            }),
            Property::always("without a fault a dial ends in a session", |_, world: &World| {
                world.has_faults()
                    || world.conns.is_empty()
                    || !world.is_at_rest()
                    || world.nodes[0].session.is_some()
            }),
        ]
    }
}

/// Visits every state within the bounds; the properties must hold in all of them.
fn check(name: &str, bounds: Bounds) {
    let start = Instant::now();
    let checked = bounds.checker().threads(2).spawn_bfs().join();
    let (states, seconds) = (checked.unique_state_count(), start.elapsed().as_secs_f32());
    eprintln!("{name}: {states} states, {} steps deep, {seconds:.1} s", checked.max_depth());
    checked.assert_properties();
}

#[test]
fn simultaneous_dials_give_one_session_and_no_end() {
    check("4 dials each", Bounds { dials: 4, breaks: 0, restarts: 0, lies: 0 });
}

#[test]
fn a_broken_connection_leaves_nothing_stuck() {
    check("2 dials each, 2 breaks", Bounds { dials: 2, breaks: 2, restarts: 0, lies: 0 });
}

#[test]
fn a_restarted_node_gets_in_and_its_old_life_does_not() {
    check("2 dials each, 1 break, 1 restart", Bounds { dials: 2, breaks: 1, restarts: 1, lies: 0 });
}

#[test]
fn an_impostor_in_the_same_incarnation_ends_no_live_session() {
    check("2 dials each, 2 lies", Bounds { dials: 2, breaks: 0, restarts: 0, lies: 2 });
    check("2 dials each, 1 break, 1 lie", Bounds { dials: 2, breaks: 1, restarts: 0, lies: 1 });
    check("1 dial each, 1 restart, 1 lie", Bounds { dials: 1, breaks: 0, restarts: 1, lies: 1 });
}

/// Not every order, but many pairs and as many dials as needed: all nodes dial all others at the
/// same moment, and frames in transit arrive in random order.
#[test]
fn all_pairs_of_45_nodes_that_dial_at_once_get_one_session_each_and_no_end() {
    const PAIRS: usize = 45 * 44 / 2;
    for seed in 0..5 {
        let bounds = Bounds { dials: 100, breaks: 0, restarts: 0, lies: 0 };
        let both_dial = |world: World| {
            (0..2).fold(world, |world, at| bounds.next_state(&world, Action::Dial(at)).expect("possible"))
        };
        let mut worlds: Vec<World> =
            bounds.init_states().into_iter().cycle().take(PAIRS).map(both_dial).collect();
        let mut unsettled: Vec<usize> = (0..PAIRS).collect();
        let (mut random, mut actions) = (Rng::with_seed(seed), Vec::new());
        while !unsettled.is_empty() {
            let at = random.usize(..unsettled.len());
            let world = &mut worlds[unsettled[at]];
            bounds.actions(world, &mut actions);
            if actions.is_empty() {
                unsettled.swap_remove(at);
                continue;
            }
            let action = actions.swap_remove(random.usize(..actions.len()));
            actions.clear();
            *world = bounds.next_state(world, action).expect("it was offered");
        }
        for World { nodes: [a, b], .. } in &worlds {
            let ((of_a, _), (of_b, _)) = (a.session.expect("a session"), b.session.expect("a session"));
            assert_eq!(of_a, of_b, "seed {seed}");
            assert_eq!([a.ups, a.downs, b.ups, b.downs], [1, 0, 1, 0], "seed {seed}");
        }
    }
}

#[test]
#[ignore = "25 million states: about two minutes with --release"]
fn wider_bounds() {
    check("3 dials each, 2 breaks", Bounds { dials: 3, breaks: 2, restarts: 0, lies: 0 });
    check("3 dials each, 1 break, 1 restart", Bounds { dials: 3, breaks: 1, restarts: 1, lies: 0 });
    check("2 dials each, 1 break, 2 restarts", Bounds { dials: 2, breaks: 1, restarts: 2, lies: 0 });
    check("3 dials each, 2 lies", Bounds { dials: 3, breaks: 0, restarts: 0, lies: 2 });
    check("2 dials each, 1 break, 1 restart, 1 lie", Bounds { dials: 2, breaks: 1, restarts: 1, lies: 1 });
}
