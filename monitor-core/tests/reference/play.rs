//! Plays a script to a core and to the model, and compares all visible state of the two after every
//! input.

use monitor_core::{
    Connect, Core, CoreConfig, CoreLimits, Effect, LocalPid, MonitorOptions, RemoteTarget, Route, Signal,
    Ticket,
    refs::{ChannelId, EndKind, SessionEnd, SessionId},
};

use crate::{
    compare,
    model::Model,
    names::Names,
    output::{Event, Output, show},
    script::{Mon, Node, OWN_INCARNATION, Script, Step},
};

/// More turns of one step each than the longest script can leave work for.
const TURNS: usize = 10_000;

pub(crate) struct Play {
    pub(crate) core: Core,
    pub(crate) model: Model,
    pub(crate) names: Names,
    /// The effects of the present input.
    out: Vec<Effect>,
}

/// Plays a script to its end, and continues until nothing of it is left.
///
/// # Errors
/// Where and how core and model differ.
pub(crate) fn play(script: &Script) -> Result<(), String> {
    let mut play = Play::new(script);
    for (at, step) in script.steps.iter().enumerate() {
        play.take(step).map_err(|difference| format!("at {}. {step}\n{difference}", at + 1))?;
    }
    play.wind_up().map_err(|difference| format!("when everything ends\n{difference}"))
}

impl Play {
    fn new(script: &Script) -> Self {
        let local = Node('a').id(OWN_INCARNATION);
        let limits = CoreLimits::new()
            .max_batch(script.max_batch)
            .max_waiting(script.max_waiting)
            .max_incoming(script.max_incoming)
            .max_reason_bytes(script.max_reason_bytes)
            .max_node_reason_bytes(script.max_node_reason_bytes);
        Play {
            core: Core::new(CoreConfig::new(local.clone(), 7).limits(limits)),
            model: Model::new(local, script),
            names: Names::new(),
            out: Vec::new(),
        }
    }

    /// Plays one line of the script. A line is skipped if its process is dead, or if its session
    /// may not deliver.
    fn take(&mut self, step: &Step) -> Result<(), String> {
        let speaker = match step {
            Step::Monitor { who, .. }
            | Step::Demonitor { who, .. }
            | Step::MonitorNode { who, .. }
            | Step::Send { who, .. }
            | Step::NotSent { who, .. }
            | Step::Exit(who, _)
            | Step::Register(who, _)
            | Step::DemonitorNode(who, _)
            | Step::MonitorNodes(who, _)
            | Step::DemonitorNodes(who, _) => self.names.living(*who),
            _ => Some(LocalPid::NONE),
        };
        let Some(who) = speaker else { return Ok(()) };
        match step {
            Step::Start(_) | Step::Register(..) | Step::Unregister(_) => {
                self.registry(who, step);
                Ok(())
            }
            Step::Up { .. }
            | Step::Closing(_)
            | Step::Ended(..)
            | Step::DialFailed(..)
            | Step::Signal { .. } => self.network(step),
            Step::Exit(..) | Step::Resume | Step::Settle => self.go_on(who, step),
            _ => self.call(who, step),
        }
    }

    /// The events that the core does not see.
    fn registry(&mut self, who: LocalPid, step: &Step) {
        match step {
            Step::Start(actor) => self.names.start(*actor),
            Step::Register(_, label) => self.names.register(*label, who),
            Step::Unregister(label) => self.names.unregister(*label),
            _ => unreachable!("not of the registry"),
        }
    }

    fn call(&mut self, who: LocalPid, step: &Step) -> Result<(), String> {
        let Play { core, model, names, out } = self;
        match step {
            Step::Monitor { .. } => return self.monitor(who, step),
            Step::NotSent { which, never, .. } => return self.not_sent(who, *which, *never),
            Step::Send { who: _, to, never } => return self.send(who, *to, *never),
            Step::Demonitor { which, flush, .. } => {
                let id = names.monitor(*which);
                same("demonitor", core.demonitor(who, id, *flush, out), model.demonitor(who, id, *flush))?;
            }
            Step::Take(which) => {
                let id = names.monitor(*which);
                let taken = core.take(id);
                let reference = taken.as_ref().map(|down| down.monitor.clone());
                let taken = taken.map(|down| (down.target, down.reason, down.reason_was_cut, down.tag));
                let expected = model.take(id);
                same("reference", reference, expected.as_ref().map(|_| core.reference(id)))?;
                same("take", taken, expected)?;
            }
            Step::MonitorNode { node, never, .. } => {
                core.monitor_node(who, &node.name(), connect(*never), out);
                model.monitor_node(who, &node.name(), *never);
            }
            Step::DemonitorNode(_, node) => {
                core.demonitor_node(who, &node.name());
                model.demonitor_node(who, &node.name());
            }
            Step::MonitorNodes(_, options) => {
                let up = core.monitor_nodes(who, *options);
                model.monitor_nodes(who, *options);
                same("monitor_nodes", up, core.nodes(options.node_type))?;
            }
            Step::DemonitorNodes(_, options) => {
                core.demonitor_nodes(who, *options);
                model.demonitor_nodes(who, *options);
            }
            _ => unreachable!("no call"),
        }
        self.compare(3)
    }

    fn monitor(&mut self, who: LocalPid, step: &Step) -> Result<(), String> {
        let Step::Monitor { what, never, channel, name, .. } = step else { unreachable!("no monitor") };
        let target = self.names.target(*what);
        let found = self.names.bearer(&target);
        let options = MonitorOptions::new()
            .tag(u64::from(name.0) + 100)
            .connect(connect(*never))
            .channel(channel_of(*channel));
        let id = self.core.monitor(&self.names, who, &target, options, &mut self.out);
        self.names.monitors.insert(*name, id);
        let told = self.outputs().contains(&Output::Down(who, id));
        let refused = told && !never && *target.node() != self.model.local.name;
        self.model.monitor(id, who, target, options, found, refused)?;
        self.compare(4)
    }

    fn not_sent(&mut self, who: LocalPid, which: Mon, never: bool) -> Result<(), String> {
        let id = self.names.monitor(which);
        if self.model.monitors.get(&id).is_none_or(|monitor| monitor.watcher != who) {
            return Ok(());
        }
        self.core.monitor_not_sent(id, connect(never), &mut self.out);
        let refused = !never && self.outputs().contains(&Output::Down(who, id));
        self.model.not_sent(who, id, never, refused)?;
        self.compare(3)
    }

    fn send(&mut self, who: LocalPid, to: Node, never: bool) -> Result<(), String> {
        self.names.messages += 1;
        let ticket = Ticket(self.names.messages);
        let answer = self.core.route(&to.name(), ticket, connect(never), &mut self.out);
        self.model.send(who, &to.name(), ticket, never, answer)?;
        self.accept(3)?;
        if let Route::Now(_) = answer {
            self.model.sent_at_once(who, &to.name(), ticket)?;
        }
        self.finish()
    }

    fn network(&mut self, step: &Step) -> Result<(), String> {
        let Play { core, model, names, out } = self;
        let batch = core.config().get_limits().get_max_batch();
        match step {
            Step::Up { session, node, incarnation, hidden } => {
                let Some(session) = names.announce(*session) else { return Ok(()) };
                core.peer_up(session, node.id(*incarnation), *hidden, out);
                model.session_up(session, node.id(*incarnation), *hidden);
            }
            Step::Closing(session) => {
                let session = names.session(*session);
                core.session_closing(session);
                model.session_closing(session);
            }
            Step::Ended(session, kind) => {
                let session = names.session(*session);
                names.open.remove(&session);
                core.peer_down(session, SessionEnd::new(*kind), out);
                model.session_down(session, SessionEnd::new(*kind));
            }
            Step::DialFailed(node, which, kind) => {
                let Some(dial) = names.dial(*node, *which) else { return Ok(()) };
                core.peer_unreachable(&node.name(), dial, SessionEnd::new(*kind), out);
                model.dial_failed(&node.name(), dial, SessionEnd::new(*kind));
            }
            Step::Signal { session, channel, says } => {
                let session = names.session(*session);
                if names.may_deliver(session) {
                    return self.signal(session, channel_of(*channel), &self.names.signal(says));
                }
            }
            _ => unreachable!("not of the network"),
        }
        self.compare(batch)
    }

    fn signal(&mut self, session: SessionId, channel: ChannelId, signal: &Signal) -> Result<(), String> {
        let local = &self.model.local;
        let numbered = match signal {
            Signal::Monitor { target: RemoteTarget::Pid(serial), .. } => Some(LocalPid(*serial)),
            Signal::Monitor { target: RemoteTarget::PidOf(incarnation, serial), .. } => {
                Some(LocalPid(*serial)).filter(|_| *incarnation == local.incarnation)
            }
            _ => None,
        };
        let found = match signal {
            Signal::Monitor { target: RemoteTarget::Name(name), .. } => {
                self.names.bearer(&name.clone().at(local.name.clone()).into())
            }
            _ => numbered.filter(|pid| self.names.alive.contains(pid)),
        };
        let answer = self.core.handle_signal(&self.names, session, channel, signal.clone(), &mut self.out);
        same("the answer", answer, self.model.signal(session, channel, signal, found, numbered))?;
        self.compare(self.core.config().get_limits().get_max_batch())
    }

    fn go_on(&mut self, who: LocalPid, step: &Step) -> Result<(), String> {
        match step {
            Step::Exit(_, reason) => {
                self.names.exit(who);
                self.core.process_exited(who, reason.clone(), &mut self.out);
                self.model.exited(who, reason.clone());
                self.compare(self.core.config().get_limits().get_max_batch())
            }
            Step::Resume => self.resume(),
            _ => self.settle(),
        }
    }

    fn resume(&mut self) -> Result<(), String> {
        let more = self.core.resume(&mut self.out);
        same("more", more, self.core.has_backlog())?;
        self.compare(self.core.config().get_limits().get_max_batch())
    }

    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..TURNS {
            self.resume()?;
            if !self.core.has_backlog() {
                return Ok(());
            }
        }
        Err("the backlog never ends".to_owned())
    }

    /// All sessions end, no dial succeeds, all processes exit: then the tables are empty.
    fn wind_up(&mut self) -> Result<(), String> {
        self.settle()?;
        let end = SessionEnd::new(EndKind::LocalShutdown);
        while let Some(session) = self.names.open.pop_last() {
            self.core.peer_down(session, end, &mut self.out);
            self.model.session_down(session, end);
            self.compare(self.core.config().get_limits().get_max_batch())?;
        }
        self.settle()?;
        while let Some((node, dial)) = self.names.dials.pop() {
            self.core.peer_unreachable(&node, dial, end, &mut self.out);
            self.model.dial_failed(&node, dial, end);
            self.compare(self.core.config().get_limits().get_max_batch())?;
            self.settle()?;
        }
        while let Some(who) = self.names.alive.first().copied() {
            self.names.exit(who);
            self.core.process_exited(who, None, &mut self.out);
            self.model.exited(who, None);
            self.compare(self.core.config().get_limits().get_max_batch())?;
        }
        self.settle()?;
        same("the empty tables", self.core.stats(), Default::default())
    }

    /// After an input: all visible state is as the model has it. The input took at most `limit`
    /// effects.
    fn compare(&mut self, limit: usize) -> Result<(), String> {
        self.accept(limit)?;
        self.finish()
    }

    fn outputs(&self) -> Vec<Output> {
        self.out.iter().map(Output::of).collect()
    }

    fn accept(&mut self, limit: usize) -> Result<(), String> {
        let outputs = self.outputs();
        self.out.clear();
        let show = |output: &Output| show(output, &|id| self.names.name_of(id));
        for (at, output) in outputs.iter().enumerate() {
            self.model.accept(output).map_err(|why| {
                let before: String =
                    outputs[..at].iter().map(|output| format!("{}\n", show(output))).collect();
                format!("{before}{}\n^ {why}", show(output))
            })?;
        }
        for output in &outputs {
            match output {
                Output::Admit(session) => drop(self.names.admitted.insert(*session)),
                Output::Connect(node, dial) => self.names.dials.push((node.clone(), *dial)),
                _ => {}
            }
        }
        if outputs.len() > limit {
            Err(format!("{} effects, more than {limit}", outputs.len()))
        } else {
            Ok(())
        }
    }

    fn finish(&mut self) -> Result<(), String> {
        let up: Vec<Event> = self.core.nodes(Default::default()).iter().map(Event::of).collect();
        let left = self.model.finish(&up, self.core.has_backlog());
        left.map_err(|left| format!("left undone, {left}"))?;
        compare::tables(self)
    }
}

fn channel_of(place: u8) -> ChannelId {
    ChannelId::new(usize::from(place)).expect("scripts name few channels")
}

const fn connect(never: bool) -> Connect {
    if never { Connect::Never } else { Connect::OnDemand }
}

/// Fails unless the core and the model agree.
pub(crate) fn same<T: PartialEq + std::fmt::Debug>(what: &str, core: T, model: T) -> Result<(), String> {
    if core == model {
        return Ok(());
    }
    Err(format!("{what}\nin the core:  {core:?}\nin the model: {model:?}"))
}
