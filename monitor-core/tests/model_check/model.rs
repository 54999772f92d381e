//! The possible steps, and the conditions that must hold after each.

use stateright::{Model, Property};

use crate::{
    bounds::{Aim, Bounds, Wish},
    observer::{End, Promise, Stage},
    world::{B, LinkIx, NodeIx, Side, World},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Monitor(Wish),
    Demonitor {
        monitor: usize,
        flush: bool,
    },
    Exit(NodeIx),
    Spawn(NodeIx),
    Restart(NodeIx),
    /// A process receives the first notice of its mailbox.
    Receive(NodeIx),
    /// A core continues its backlog.
    Resume(NodeIx),
    FailDial(NodeIx),
    /// A session between `b` and this node begins; neither end is told yet.
    Connect(NodeIx),
    /// One end is told of the session.
    Announce(LinkIx, usize),
    /// The first signal on its way to one end arrives.
    Arrive(LinkIx, usize),
    Break(LinkIx),
    /// One end is told that the session has ended. The signals that have not arrived by then are
    /// the lost suffix.
    NoticeEnd(LinkIx, usize),
}

impl Bounds {
    /// How often this monitor may still be made.
    fn wishes_left(&self, world: &World, wish: Wish) -> bool {
        let made = world.monitors.iter().filter(|monitor| monitor.wish == wish).count();
        self.monitors.iter().filter(|other| **other == wish).count() > made
    }

    fn actions_of_processes(&self, world: &World, actions: &mut Vec<Action>) {
        for (ix, &wish) in self.monitors.iter().enumerate() {
            let is_known = match wish.aim {
                Aim::Pid(incarnation) => incarnation <= world.nodes[wish.to].process.incarnation,
                Aim::Missing | Aim::Name => true,
            };
            let is_first = !self.monitors[..ix].contains(&wish);
            if is_first && is_known && world.nodes[wish.from].alive && self.wishes_left(world, wish) {
                actions.push(Action::Monitor(wish));
            }
        }
        for (monitor, state) in world.monitors.iter().enumerate() {
            match state.stage {
                Stage::Open(_) => actions.push(Action::Demonitor { monitor, flush: true }),
                Stage::Told(_) => {
                    actions.push(Action::Demonitor { monitor, flush: true });
                    actions.push(Action::Demonitor { monitor, flush: false });
                }
                Stage::Over(_) => {}
            }
        }
    }

    fn actions_of_node(&self, world: &World, at: NodeIx, actions: &mut Vec<Action>) {
        let node = &world.nodes[at];
        let may_exit = self.exits.contains(&at);
        actions.extend((node.alive && may_exit).then_some(Action::Exit(at)));
        actions.extend((!node.alive && world.spawns < self.spawns).then_some(Action::Spawn(at)));
        let may_restart = node.process.incarnation == 1 && self.restarts.contains(&at);
        actions.extend(may_restart.then_some(Action::Restart(at)));
        actions.extend((!node.mailbox.is_empty()).then_some(Action::Receive(at)));
        actions.extend(node.core.has_backlog().then_some(Action::Resume(at)));
        actions.extend((!node.dials.is_empty()).then_some(Action::FailDial(at)));
        let mut links = world.links.iter().filter(|link| link.nodes.contains(&at));
        if at != B && links.clone().count() < self.sessions && links.all(|link| link.broken) {
            actions.push(Action::Connect(at));
        }
    }

    fn actions_of_link(&self, world: &World, link: LinkIx, actions: &mut Vec<Action>) {
        let state = &world.links[link];
        actions.extend((!state.broken).then_some(Action::Break(link)));
        for end in [0, 1] {
            match state.ends[end] {
                Side::Ahead if !state.broken => actions.push(Action::Announce(link, end)),
                Side::Ahead | Side::Up if state.broken => actions.push(Action::NoticeEnd(link, end)),
                _ => {}
            }
            actions.extend(world.may_arrive(link, end).then_some(Action::Arrive(link, end)));
        }
    }
}

impl Model for Bounds {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        self.actions_of_processes(world, actions);
        (0..world.nodes.len()).for_each(|at| self.actions_of_node(world, at, actions));
        (0..world.links.len()).for_each(|link| self.actions_of_link(world, link, actions));
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let mut next = world.clone();
        match action {
            Action::Monitor(wish) => next.monitor(self, wish),
            Action::Demonitor { monitor, flush } => next.demonitor(self, monitor, flush),
            Action::Exit(at) => next.exit(self, at),
            Action::Spawn(at) => next.spawn(at),
            Action::Restart(at) => next.restart(self, at),
            Action::Receive(at) => next.receive(at),
            Action::Resume(at) => next.resume(self, at),
            Action::FailDial(at) => next.fail_dial(self, at),
            Action::Connect(at) => next.connect(at),
            Action::Announce(link, end) => next.announce(self, link, end),
            Action::Arrive(link, end) => next.arrive(self, link, end),
            Action::Break(link) => next.links[link].broken = true,
            Action::NoticeEnd(link, end) => next.notice_end(self, link, end),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn keeps(world: &World, promise: Promise) -> bool {
            world.broken != Some(promise)
        }
        fn ends(world: &World, end: End) -> bool {
            world.monitors.iter().any(|monitor| monitor.stage == Stage::Over(end))
        }
        vec![
            Property::always("at most one Down", |_, world| keeps(world, Promise::Once)),
            Property::always("silence after demonitor and exit", |_, world| keeps(world, Promise::Silence)),
            Property::always("demonitor tells what it found", |_, world| keeps(world, Promise::Answer)),
            Property::always("the reason is what has happened", |_, world| keeps(world, Promise::Reason)),
            Property::always("node events in order", |_, world| keeps(world, Promise::NodeEvents)),
            Property::always("no core breaks the rules", |_, world| keeps(world, Promise::Rules)),
            Property::always("at rest all have ended that must", |_, world: &World| {
                !world.is_at_rest() || world.all_ended_that_must()
            }),
            Property::always("at rest nothing is left", |_, world: &World| {
                !world.is_at_rest() || world.nothing_is_left()
            }),
            // Without these, the other properties could hold because nothing happens.
            Property::sometimes("a monitor ends with an exit", |_, world| ends(world, End::Exit)),
            Property::sometimes("a monitor ends with NoProc", |_, world| ends(world, End::NoProc)),
            Property::sometimes("a monitor ends with NoConnection", |_, world| {
                ends(world, End::NoConnection)
            }),
            Property::sometimes("a monitor is demonitored", |_, world| ends(world, End::Demonitored)),
            Property::sometimes("at rest a monitor is open", |_, world: &World| {
                world.is_at_rest() && world.monitors.iter().any(|monitor| monitor.course().is_some())
            }),
        ]
    }
}
