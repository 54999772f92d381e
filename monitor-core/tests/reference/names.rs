//! The meaning of a script's names in a run, and which processes are alive: the knowledge of the
//! core's caller.

use std::collections::{BTreeMap, BTreeSet};

use monitor_core::{
    LocalPid, LocalTarget, MonitorId, Processes, RemoteTarget,
    refs::{DialId, Incarnation, NodeName, Pid, RegName, Serial, SessionId, Target},
};

use crate::{
    generate::ACTORS,
    script::{Actor, Dial, Label, Mon, Node, OWN_INCARNATION, Says, Sess, What},
};

#[derive(Default)]
pub(crate) struct Names {
    generations: BTreeMap<Actor, u32>,
    registered: BTreeMap<RegName, LocalPid>,
    pub(crate) alive: BTreeSet<LocalPid>,
    pub(crate) monitors: BTreeMap<Mon, MonitorId>,
    sessions: BTreeMap<Sess, SessionId>,
    /// Announced and not ended.
    pub(crate) open: BTreeSet<SessionId>,
    /// The sessions that may deliver.
    pub(crate) admitted: BTreeSet<SessionId>,
    pub(crate) dials: Vec<(NodeName, DialId)>,
    pub(crate) messages: u64,
}

impl Processes for Names {
    fn resolve(&self, target: &LocalTarget<'_>) -> Option<LocalPid> {
        match target {
            LocalTarget::Pid(pid) => self.alive.get(pid).copied(),
            LocalTarget::Name(name) => self.registered.get(*name).copied(),
        }
    }
}

impl Names {
    /// All actors are alive.
    pub(crate) fn new() -> Self {
        let mut names = Names::default();
        for actor in (0..ACTORS).map(Actor) {
            names.generations.insert(actor, 0);
            names.alive.insert(actor.in_generation(0));
        }
        names
    }

    /// The process of that actor, or its last one.
    pub(crate) fn pid(&self, actor: Actor) -> LocalPid {
        actor.in_generation(self.generations[&actor])
    }

    pub(crate) fn living(&self, actor: Actor) -> Option<LocalPid> {
        Some(self.pid(actor)).filter(|pid| self.alive.contains(pid))
    }

    pub(crate) fn start(&mut self, actor: Actor) {
        if self.living(actor).is_none() {
            *self.generations.get_mut(&actor).expect("an actor") += 1;
            self.alive.insert(self.pid(actor));
        }
    }

    pub(crate) fn exit(&mut self, pid: LocalPid) {
        self.alive.remove(&pid);
        self.registered.retain(|_, holder| *holder != pid);
    }

    pub(crate) fn register(&mut self, label: Label, pid: LocalPid) {
        self.registered.insert(label.name(), pid);
    }

    pub(crate) fn unregister(&mut self, label: Label) {
        self.registered.remove(&label.name());
    }

    pub(crate) fn target(&self, what: What) -> Target {
        let own = |incarnation, pid: LocalPid| Pid::new(Node('a').id(incarnation), pid.0).into();
        match what {
            What::Own(who) => own(OWN_INCARNATION, self.pid(who)),
            What::OfAnotherIncarnation(who) => own(OWN_INCARNATION + 1, self.pid(who)),
            What::Pid(node, incarnation, slot) => Pid::new(node.id(incarnation), Serial::new(slot, 0)).into(),
            What::Name(node, label) => label.name().at(node.name()).into(),
        }
    }

    /// The local process with the target's number or name, whichever node the target is on.
    pub(crate) fn bearer(&self, target: &Target) -> Option<LocalPid> {
        match target {
            Target::Pid(pid) => self.resolve(&LocalTarget::Pid(LocalPid(pid.serial()))),
            Target::Name(name) => self.resolve(&LocalTarget::Name(&name.name)),
        }
    }

    /// The number behind the name of a monitor; a number that was never used if there was no such
    /// monitor.
    pub(crate) fn monitor(&self, name: Mon) -> MonitorId {
        self.monitors.get(&name).copied().unwrap_or(NEVER_MADE)
    }

    /// The session behind a name; one that was never announced if there was no such session.
    pub(crate) fn session(&self, name: Sess) -> SessionId {
        self.sessions.get(&name).copied().unwrap_or(SessionId(u64::MAX - name.0))
    }

    /// A new session of that name, if the last one has ended.
    pub(crate) fn announce(&mut self, name: Sess) -> Option<SessionId> {
        let last = self.sessions.get(&name).copied();
        if last.is_some_and(|last| self.open.contains(&last)) {
            return None;
        }
        let session = last.map_or(SessionId(name.0), |last| SessionId(last.0 + 10));
        self.sessions.insert(name, session);
        self.open.insert(session);
        Some(session)
    }

    /// Whether a signal of this session may be passed in: the caller has to wait for the admission
    /// of the session.
    pub(crate) fn may_deliver(&self, session: SessionId) -> bool {
        self.admitted.contains(&session) || !self.open.contains(&session)
    }

    pub(crate) fn dial(&self, node: Node, which: Dial) -> Option<DialId> {
        let mut to_node = self.dials.iter().rev().filter(|(to, _)| *to == node.name()).map(|(_, dial)| *dial);
        match which {
            Dial::Latest => to_node.next(),
            Dial::OneBefore => to_node.nth(1),
        }
    }

    /// The signal that the peer sends.
    pub(crate) fn signal(&self, says: &Says) -> monitor_core::Signal {
        use monitor_core::Signal::{Demonitor, Down, Monitor};
        let number = |number: u32| MonitorId(Serial::new(number, 0));
        match says {
            Says::Monitor(id, who) => {
                Monitor { id: number(*id), target: RemoteTarget::Pid(self.pid(*who).0) }
            }
            Says::MonitorNumber(id, incarnation, slot, generation) => {
                let serial = Serial::new(*slot, *generation);
                let with_incarnation =
                    |incarnation| RemoteTarget::PidOf(Incarnation::new(incarnation).unwrap(), serial);
                Monitor {
                    id: number(*id),
                    target: incarnation.map_or(RemoteTarget::Pid(serial), with_incarnation),
                }
            }
            Says::MonitorName(id, label) => {
                Monitor { id: number(*id), target: RemoteTarget::Name(label.name()) }
            }
            Says::Demonitor(id) => Demonitor { id: number(*id) },
            Says::Down(name, reason) => Down { id: self.monitor(*name), reason: reason.clone() },
            Says::DownOfUnknown(reason) => Down { id: NEVER_MADE, reason: reason.clone() },
        }
    }

    /// The script's name for a monitor.
    pub(crate) fn name_of(&self, id: MonitorId) -> String {
        let named = self.monitors.iter().find(|(_, named)| **named == id);
        named
            .map_or_else(|| format!("a monitor of no name any more ({})", id.0), |(name, _)| name.to_string())
    }
}

const NEVER_MADE: MonitorId = MonitorId(Serial::new(1_000_000, 0));
