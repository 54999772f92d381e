//! The driver: raised inputs run one after the other, each with all its effects.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    panic::{AssertUnwindSafe, catch_unwind},
};

use monitor_core::{
    Connect, Core, CoreConfig, CoreLimits, Driver, Effect, EffectHandler, ExitReason, LocalPid, LocalTarget,
    MonitorId, MonitorOptions, NodesOptions, Processes, RaisedInputs, RemoteTarget, Signal, Ticket,
    refs::{ChannelId, DialId, EndKind, Incarnation, NodeId, Pid, Serial, SessionId},
};
use proptest::{collection::vec, prelude::*};

/// An input of a core, as data. A process has a number below 4.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Input {
    Monitor { watcher: u32, on_peer: bool, target: u32 },
    Demonitor { watcher: u32, monitor: u32 },
    Exit(u32),
    MonitorNode(u32),
    MonitorNodes(u32),
    Route,
    Up,
    Closing,
    Down,
    Unreachable,
    Signal { target: u32 },
    Resume,
}

fn input() -> impl Strategy<Value = Input> {
    let process = || 0..4_u32;
    prop_oneof![
        6 => (process(), any::<bool>(), process())
            .prop_map(|(watcher, on_peer, target)| Input::Monitor { watcher, on_peer, target }),
        2 => (process(), 0..6_u32).prop_map(|(watcher, monitor)| Input::Demonitor { watcher, monitor }),
        1 => process().prop_map(Input::Exit),
        1 => process().prop_map(Input::MonitorNode),
        1 => process().prop_map(Input::MonitorNodes),
        2 => Just(Input::Route),
        3 => Just(Input::Up),
        1 => Just(Input::Closing),
        2 => Just(Input::Down),
        1 => Just(Input::Unreachable),
        2 => process().prop_map(|target| Input::Signal { target }),
        3 => Just(Input::Resume),
    ]
}

/// The part of an embedder that the inputs need: which processes and sessions there are.
#[derive(Default)]
struct World {
    exited: [bool; 4],
    sessions: VecDeque<SessionId>,
    last: u64,
}

impl Processes for World {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        let LocalTarget::Pid(pid) = *target else { return None };
        self.exited.get(pid.0.slot() as usize).is_some_and(|exited| !exited).then_some(pid)
    }
}

impl World {
    /// One input, unless the rules of the core forbid it now.
    fn apply(&mut self, input: &Input, core: &mut Core, out: &mut Vec<Effect>) {
        let (b, session) = (node("b@test"), self.sessions.front().copied());
        let lives = |slot: &u32| !self.exited[*slot as usize];
        match input {
            Input::Monitor { watcher, on_peer, target } if lives(watcher) => {
                let of = if *on_peer { b } else { node("a@test") };
                let target = Pid::new(of, Serial::new(*target, 0)).into();
                core.monitor(self, pid(*watcher), &target, MonitorOptions::new(), out);
            }
            Input::Demonitor { watcher, monitor } if lives(watcher) => {
                core.demonitor(pid(*watcher), MonitorId(Serial::new(*monitor, 0)), true, out);
            }
            Input::Exit(slot) if lives(slot) => {
                self.exited[*slot as usize] = true;
                core.process_exited(pid(*slot), Some(ExitReason::Normal), out);
            }
            Input::MonitorNode(slot) if lives(slot) => {
                core.monitor_node(pid(*slot), &b.name, Connect::OnDemand, out);
            }
            Input::MonitorNodes(slot) if lives(slot) => {
                core.monitor_nodes(pid(*slot), NodesOptions::new());
            }
            Input::Route => {
                self.last += 1;
                core.route(&b.name, Ticket(self.last), Connect::OnDemand, out);
            }
            Input::Up => {
                self.last += 1;
                self.sessions.push_back(SessionId(self.last));
                core.peer_up(SessionId(self.last), b, false, out);
            }
            Input::Closing => session.into_iter().for_each(|session| core.session_closing(session)),
            Input::Down => {
                if let Some(session) = self.sessions.pop_front() {
                    core.peer_down(session, EndKind::Closed.into(), out);
                }
            }
            Input::Unreachable => core.peer_unreachable(&b.name, DialId(1), EndKind::Refused.into(), out),
            Input::Signal { target } => {
                let Some(session) = session else { return };
                self.last += 1;
                let id = MonitorId(Serial::new(self.last as u32, 0));
                let signal = Signal::Monitor { id, target: RemoteTarget::Pid(Serial::new(*target, 0)) };
                core.handle_signal(self, session, ChannelId::DEFAULT, signal, out).unwrap();
            }
            Input::Resume => drop(core.resume(out)),
            _ => {}
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Input(Input),
    Effect(Effect),
}

/// Raises inputs while it runs effects, and records the order of all that happens.
struct Raiser {
    world: World,
    /// The inputs to raise by each of the next effects.
    script: VecDeque<Vec<Input>>,
    /// Inputs that were raised and have not run.
    waiting: VecDeque<Input>,
    log: Vec<Entry>,
}

impl Raiser {
    fn apply(&mut self, input: Input, core: &mut Core, out: &mut Vec<Effect>) {
        self.world.apply(&input, core, out);
        self.log.push(Entry::Input(input));
    }
}

impl EffectHandler for Raiser {
    fn run(&mut self, effect: Effect, _: &Core, raised: &mut RaisedInputs<Self>) {
        self.log.push(Entry::Effect(effect));
        for input in self.script.pop_front().unwrap_or_default() {
            self.waiting.push_back(input.clone());
            raised.push(move |core, raiser, out| {
                assert_eq!(raiser.waiting.pop_front().as_ref(), Some(&input), "the order of raising");
                raiser.apply(input, core, out);
            });
        }
    }
}

fn node(name: &str) -> NodeId {
    NodeId::new(name.parse().unwrap(), Incarnation::new(7).unwrap())
}

fn pid(slot: u32) -> LocalPid {
    LocalPid(Serial::new(slot, 0))
}

fn core(max_batch: usize) -> Core {
    Core::new(CoreConfig::new(node("a@test"), 7).limits(CoreLimits::new().max_batch(max_batch)))
}

fn hash(core: &Core) -> u64 {
    let mut hasher = DefaultHasher::new();
    core.hash(&mut hasher);
    hasher.finish()
}

/// The inputs one after the other, each with all its effects, on a core without a driver.
fn in_sequence(log: &[Entry], max_batch: usize) -> (Vec<Entry>, Core) {
    let (mut core, mut world, mut sequence) = (core(max_batch), World::default(), Vec::new());
    for entry in log {
        if let Entry::Input(input) = entry {
            let mut out = Vec::new();
            world.apply(input, &mut core, &mut out);
            sequence.push(entry.clone());
            sequence.extend(out.into_iter().map(Entry::Effect));
        }
    }
    (sequence, core)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn raised_inputs_equal_their_sequence(
        max_batch in 1..4_usize,
        inputs in vec(input(), 1..40),
        script in vec(vec(input(), 0..3), 0..40),
    ) {
        let mut driver = Driver::new(core(max_batch));
        let total = inputs.len() + script.iter().map(Vec::len).sum::<usize>();
        let (world, waiting) = (World::default(), VecDeque::new());
        let mut raiser = Raiser { world, script: script.into(), waiting, log: Vec::new() };
        for input in inputs {
            driver.input(&mut raiser, |core, raiser, out| raiser.apply(input, core, out));
            prop_assert!(raiser.waiting.is_empty(), "each raised input runs before the first one returns");
        }
        let ran = raiser.log.iter().filter(|entry| matches!(entry, Entry::Input(_))).count();
        let left = raiser.script.iter().map(Vec::len).sum::<usize>();
        prop_assert_eq!(ran + left, total, "each input runs once");
        let (sequence, core) = in_sequence(&raiser.log, max_batch);
        prop_assert_eq!(&raiser.log, &sequence);
        prop_assert_eq!(hash(driver.core()), hash(&core));
    }
}

/// The watcher of two monitors exits while their session begins.
struct ExitsAtAdmit(Vec<Signal>);

impl EffectHandler for ExitsAtAdmit {
    fn run(&mut self, effect: Effect, _: &Core, raised: &mut RaisedInputs<Self>) {
        match effect {
            Effect::Admit { .. } => raised.push(|core, _, out| core.process_exited(pid(0), None, out)),
            Effect::Send { signal, .. } => self.0.push(signal),
            _ => {}
        }
    }
}

#[test]
fn a_raised_exit_cancels_no_monitor_that_was_not_sent() {
    let (mut driver, mut handler) = (Driver::new(core(256)), ExitsAtAdmit(Vec::new()));
    let on_peer = |target| Pid::new(node("b@test"), Serial::new(target, 0)).into();
    let mut monitor = |target| {
        driver.input(&mut handler, |core, _, out| {
            core.monitor(&World::default(), pid(0), &on_peer(target), MonitorOptions::new(), out)
        })
    };
    let (first, second) = (monitor(1), monitor(2));
    driver.input(&mut handler, |core, _, out| core.peer_up(SessionId(1), node("b@test"), false, out));
    let monitor = |id, target| Signal::Monitor { id, target: RemoteTarget::Pid(Serial::new(target, 0)) };
    let cancels = [Signal::Demonitor { id: first }, Signal::Demonitor { id: second }];
    assert_eq!(handler.0[..2], [monitor(first, 1), monitor(second, 2)]);
    assert_eq!(handler.0[2..], cancels);
}

/// Panics at the first effect.
struct Fails;

impl EffectHandler for Fails {
    fn run(&mut self, effect: Effect, _: &Core, _: &mut RaisedInputs<Self>) {
        panic!("cannot run {effect:?}");
    }
}

#[test]
fn a_driver_stops_after_a_panic() {
    let mut driver = Driver::new(core(256));
    let mut dial = || {
        catch_unwind(AssertUnwindSafe(|| {
            driver.input(&mut Fails, |core, _, out| {
                core.monitor_node(pid(0), &node("b@test").name, Connect::OnDemand, out);
            });
        }))
    };
    assert!(dial().is_err());
    let second = dial().unwrap_err();
    assert_eq!(*second.downcast::<&str>().unwrap(), "an earlier input of this core has panicked");
    assert!(driver.has_failed());
}
