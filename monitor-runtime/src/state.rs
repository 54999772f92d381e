//! What a node is made of, and the one way into it.
//!
//! Every input takes the same road: lock, call the core, run its effects in order to their end, unlock; then,
//! without any lock, flush, wake and dial. Locks are taken in the order state, directory, queue or outbox,
//! and never back; nothing waits under a lock.

use std::{
    collections::BTreeMap,
    mem,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use futures::{channel::oneshot, task::AtomicWaker};
use monitor_core::{Core, CoreConfig, Down, Effect, ExitReason, LocalPid, MonitorId};
use parking_lot::{Mutex, RwLock};
use peer_service::{Capabilities, PeerService, Spawner};
use refs::{DialId, EndKind, NodeId, NodeName, SessionEnd, SessionId};

use crate::{
    aliases::{AliasKey, Aliases},
    book::Book,
    counters::{Counters, Told},
    effects::{self, After},
    error::NotAlive,
    history::History,
    link::Link,
    lock::Lock,
    parked::Parked,
    processes::{Directory, Resident},
    queue::MailboxLimits,
    waiters::Waiters,
    ways::Ways,
};

/// A node. Held by handles, processes and monitors; the node's own tasks hold it weakly.
pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) service: Arc<dyn PeerService>,
    /// Where it listens, if it does.
    pub(crate) local_addr: Option<SocketAddr>,
    /// Whether it was configured to be hidden.
    #[cfg_attr(not(all(feature = "control", unix)), expect(dead_code, reason = "only told to who looks in"))]
    pub(crate) hidden: bool,
    #[cfg_attr(not(all(feature = "control", unix)), expect(dead_code, reason = "only told to who looks in"))]
    pub(crate) started: Instant,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) alias_key: AliasKey,
    pub(crate) spawner: Spawner,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) counters: Counters,
    pub(crate) told: Told,
    /// The task that works off the core's backlog; it does not keep the node alive.
    pub(crate) backlog: Arc<AtomicWaker>,
    /// Senders that wait until fewer things wait for a connection.
    pub(crate) room: Waiters,
    pub(crate) stopping: Stopping,
    pub(crate) ways: Ways,
    state: Lock<State>,
    /// Dropped to end the node's own thread, if it has one.
    pub(crate) thread: Mutex<Option<oneshot::Sender<()>>>,
}

/// The limits that do not change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_batch: usize,
    pub(crate) mailbox: MailboxLimits,
    pub(crate) max_message: usize,
    pub(crate) max_history: usize,
    pub(crate) max_addresses: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) stop_timeout: std::time::Duration,
}

/// How far the node's end has come.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    /// No call begins anything any more. Set under the state's lock.
    pub(crate) begun: AtomicBool,
    pub(crate) done: AtomicBool,
    pub(crate) waiters: Waiters,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) links: BTreeMap<SessionId, Arc<Link>>,
    pub(crate) parked: Parked,
    /// Addresses that were given with calls.
    pub(crate) book: Book,
    /// Dials that were not answered yet.
    pub(crate) dialling: BTreeMap<NodeName, DialId>,
    /// The peer service answers no more dials.
    pub(crate) service_over: bool,
    pub(crate) history: History,
    pub(crate) aliases: Aliases,
    /// Used again by every input.
    effects: Vec<Effect>,
    pub(crate) fired: Vec<MonitorId>,
}

impl Inner {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is a thing of its own, and there is one caller beside tests"
    )]
    pub(crate) fn new(
        core: CoreConfig,
        alias_key: AliasKey,
        limits: Limits,
        service: Arc<dyn PeerService>,
        local_addr: Option<SocketAddr>,
        hidden: bool,
        spawner: Spawner,
        thread: Option<oneshot::Sender<()>>,
    ) -> Self {
        Inner {
            id: service.local().clone(),
            capabilities: service.capabilities(),
            service,
            local_addr,
            hidden,
            started: Instant::now(),
            limits,
            alias_key,
            spawner,
            directory: RwLock::default(),
            counters: Counters::default(),
            told: Told::default(),
            backlog: Arc::default(),
            room: Waiters::default(),
            stopping: Stopping::default(),
            ways: Ways::default(),
            state: Lock::new(State {
                core: Core::new(core),
                links: BTreeMap::new(),
                parked: Parked::new(limits.max_waiting_bytes),
                book: Book::new(limits.max_addresses),
                dialling: BTreeMap::new(),
                service_over: false,
                history: History::new(limits.max_history),
                aliases: Aliases::default(),
                effects: Vec::new(),
                fired: Vec::new(),
            }),
            thread: Mutex::new(thread),
        }
    }

    /// One input. `input` calls the core; its effects have been run when this returns.
    pub(crate) fn enter<R>(&self, input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R) -> R {
        let mut after = After::default();
        let result = self.enter_state(&mut self.state.lock(), &mut after, input);
        after.run(self);
        result
    }

    /// One input of many: the caller runs `after` soon, and uses it again.
    pub(crate) fn enter_with<R>(
        &self,
        after: &mut After,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> R {
        self.enter_state(&mut self.state.lock_for_batch(), after, input)
    }

    fn enter_state<R>(
        &self,
        state: &mut State,
        after: &mut After,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> R {
        let mut effects = mem::take(&mut state.effects);
        let result = input(state, &mut effects);
        effects::run(&effects, state, self, after);
        effects.clear();
        state.effects = effects;
        after.backlog |= state.core.has_backlog();
        result
    }

    /// An input that begins something.
    pub(crate) fn enter_alive<R>(
        &self,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter(|state, out| if self.is_alive() { Ok(input(state, out)) } else { Err(NotAlive) })
    }

    /// An input of a process or watcher, which must not have exited: the core would make a row that nobody
    /// removes.
    pub(crate) fn enter_as<R>(
        &self,
        who: LocalPid,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_alive(|state, out| {
            // Exits take the state's lock, so this stays true.
            let lives = self.directory.read().get(who).is_some();
            if lives { Ok(input(state, out)) } else { Err(NotAlive) }
        })
        .and_then(|result| result)
    }

    /// Between two inputs of many: lets others in. The caller does not hold the lock.
    pub(crate) fn give_way(&self) {
        self.state.give_way();
    }

    /// Looks at the state; no input.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&State) -> R) -> R {
        look(&self.state.lock())
    }

    /// Whether calls may begin something.
    pub(crate) fn is_alive(&self) -> bool {
        !self.stopping.begun.load(Ordering::Acquire)
    }

    /// Gives a number to what can watch, unless the node was stopped.
    pub(crate) fn move_in(&self, resident: Resident) -> Result<LocalPid, NotAlive> {
        self.enter_alive(|_, _| self.directory.write().insert(resident))
    }

    /// The exit of a process or a watcher. It is out of the directory, and its names are free, before anybody
    /// is told.
    pub(crate) fn exited(&self, pid: LocalPid, reason: ExitReason) {
        let gone = self.enter(|state, out| {
            let gone = self.directory.write().remove(pid);
            state.aliases.exited(pid);
            state.core.process_exited(pid, Some(reason), out);
            gone
        });
        if let Some(Resident::Process(process)) = gone {
            // Whoever still holds the mailbox receives what waits, and then nothing. If nobody does, it is
            // dropped here, without a lock.
            process.close();
            self.progress();
        }
    }

    /// What a monitor that fired has to say; none if it was flushed meanwhile.
    pub(crate) fn take(&self, id: MonitorId) -> Option<Down> {
        self.take_from(|core| core.take(id))
    }

    /// Takes notices out of the core; no input.
    pub(crate) fn take_from<R>(&self, take: impl FnOnce(&mut Core) -> R) -> R {
        take(&mut self.state.lock_for_batch().core)
    }

    /// A dial has failed.
    pub(crate) fn unreachable(&self, node: &NodeName, dial: DialId, end: SessionEnd) {
        self.enter(|state, out| {
            if state.dialling.get(node) == Some(&dial) {
                state.dialling.remove(node);
            }
            state.core.peer_unreachable(node, dial, end, out);
        });
        self.room.wake_all();
    }

    /// The peer service has ended: every dial that it did not answer has failed, and so will later ones.
    pub(crate) fn service_is_over(&self) {
        let unanswered = self.enter(|state, _| {
            state.service_over = true;
            mem::take(&mut state.dialling)
        });
        for (node, dial) in unanswered {
            self.unreachable(&node, dial, EndKind::LocalShutdown.into());
        }
        self.progress();
    }
}

impl Drop for Inner {
    /// Dropped without `stop`: a crash. What only waits is woken, finds the node gone, and ends.
    fn drop(&mut self) {
        self.service.shutdown();
        for link in self.state.get_mut().links.values() {
            link.outbox.close(EndKind::Closed);
            link.waker.wake();
        }
        self.backlog.wake();
    }
}
