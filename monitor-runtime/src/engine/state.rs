//! What a node is made of, and the one way into it.
//!
//! Every input takes the same road: lock, call the core, run its effects in order to their end,
//! unlock; then, without any lock, flush, wake and dial. Locks are taken in the order state,
//! directory, queue or outbox, and never back; nothing waits under a lock.

use std::{
    collections::BTreeMap,
    mem,
    net::SocketAddr,
    ops::DerefMut,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use futures::task::AtomicWaker;
use monitor_core::{Core, CoreConfig, Effect, LocalPid, MonitorId};
use parking_lot::{Mutex, RwLock};
use peer_service::{Capabilities, PeerService, Spawner};
use refs::{DialId, EndKind, NodeId, NodeName, SessionId};
use smol::channel::Sender;
use supervision::unwind::{self, Payload};

use crate::{
    engine::{
        address_cache::AddressCache,
        after_unlock::AfterUnlock,
        aliases::{AliasKey, Aliases},
        directory::Directory,
        history::History,
        pending_sends::PendingSends,
    },
    error::NotAlive,
    inbox::{prefetch::PrefetchCount, queue::MailboxLimits},
    records::counters::{Counters, DownCounters},
    session::{handle::SessionHandle, routes::Routes},
    sync::{fair_lock::FairLock, waker_set::WakerSet},
    threads::{environment::Environment, runner::Runner, watchdog},
};

/// A node. Held by handles, processes and monitors; the node's own tasks hold it weakly.
pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) service: Arc<dyn PeerService>,
    /// Where it listens, if it does.
    pub(crate) local_addr: Option<SocketAddr>,
    /// Whether it was configured to be hidden.
    #[cfg_attr(
        not(all(feature = "control", unix)),
        expect(dead_code, reason = "read only by the control socket")
    )]
    pub(crate) hidden: bool,
    started: Instant,
    pub(crate) capabilities: Capabilities,
    pub(crate) limits: Limits,
    pub(crate) alias_key: AliasKey,
    /// Starts tasks of the node itself: [`Inner::run_task`].
    pub(crate) engine: Spawner,
    /// Starts the bodies of processes.
    pub(crate) bodies: Spawner,
    /// What the watchdog calls the node.
    pub(crate) number: OnceLock<u64>,
    pub(crate) environment: Environment,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) counters: Counters,
    pub(crate) down_counters: DownCounters,
    /// The task that works off the core's backlog; it does not keep the node alive.
    pub(crate) backlog: Arc<AtomicWaker>,
    /// That task is lost, or the node has stopped: each caller works off what it adds to the
    /// backlog. Set under the state's lock.
    pub(crate) backlog_inline: AtomicBool,
    /// Senders that wait until fewer things wait for a connection.
    pub(crate) send_waiters: WakerSet,
    pub(crate) stopping: Stopping,
    /// Set under the state's lock, by a panic there, and never taken back.
    failed: AtomicBool,
    pub(crate) routes: Routes,
    state: FairLock<State>,
    /// Dropped to end the node's own threads, if it has any.
    pub(crate) threads: Mutex<Option<Sender<()>>>,
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
    /// When it is over at the latest. Set when it begins.
    pub(crate) deadline: OnceLock<Option<Instant>>,
    pub(crate) waiters: WakerSet,
}

/// What the lock protects.
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) sessions: BTreeMap<SessionId, Arc<SessionHandle>>,
    pub(crate) pending_sends: PendingSends,
    /// Addresses that were given with calls.
    pub(crate) address_cache: AddressCache,
    /// Dials that were not answered yet.
    pub(crate) dialling: BTreeMap<NodeName, DialId>,
    /// The peer service answers no more dials.
    pub(crate) service_over: bool,
    pub(crate) history: History,
    pub(crate) aliases: Aliases,
    /// `Down`s that receivers have taken out of the core and not yet received, by receiver.
    pub(crate) prefetch_counts: BTreeMap<LocalPid, Arc<PrefetchCount>>,
    /// Used again by every input.
    effects: Vec<Effect>,
    pub(crate) fired: Vec<MonitorId>,
}

/// Why the core was not called to the end.
enum Failure {
    /// The node had failed before.
    Before,
    /// This call has panicked. The payload itself: results with room for its text cost each input
    /// 30 instructions more.
    Now(Payload),
}

impl Inner {
    pub(crate) fn new(
        core: CoreConfig,
        alias_key: AliasKey,
        limits: Limits,
        service: Arc<dyn PeerService>,
        local_addr: Option<SocketAddr>,
        hidden: bool,
        runner: Runner,
    ) -> Self {
        Inner {
            id: service.local().clone(),
            capabilities: service.capabilities(),
            service,
            local_addr,
            hidden,
            started: runner.environment.now(),
            limits,
            alias_key,
            engine: runner.engine,
            bodies: runner.bodies,
            number: OnceLock::new(),
            environment: runner.environment,
            directory: RwLock::default(),
            counters: Counters::default(),
            down_counters: DownCounters::default(),
            backlog: Arc::default(),
            backlog_inline: AtomicBool::new(false),
            send_waiters: WakerSet::default(),
            stopping: Stopping::default(),
            failed: AtomicBool::new(false),
            routes: Routes::default(),
            state: FairLock::new(State {
                core: Core::new(core),
                sessions: BTreeMap::new(),
                pending_sends: PendingSends::new(limits.max_waiting_bytes),
                address_cache: AddressCache::new(limits.max_addresses),
                dialling: BTreeMap::new(),
                service_over: false,
                history: History::new(limits.max_history),
                aliases: Aliases::default(),
                prefetch_counts: BTreeMap::new(),
                effects: Vec::new(),
                fired: Vec::new(),
            }),
            threads: Mutex::new(runner.running),
        }
    }

    /// One input. `input` calls the core; its effects have been run when this returns.
    ///
    /// # Errors
    /// The node has failed, by this input or before: then its core is not called.
    pub(crate) fn enter<R>(
        &self,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        let mut after = AfterUnlock::default();
        let result = self.enter_then(&mut after, input);
        after.run(self);
        result
    }

    /// One input; the caller runs `after` once it may run code of others.
    pub(crate) fn enter_then<R>(
        &self,
        after: &mut AfterUnlock,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_state(&mut self.state.lock(), after, input)
    }

    /// One input of many: the caller runs `after` soon, and uses it again.
    ///
    /// # Errors
    /// As [`Inner::enter`].
    pub(crate) fn enter_with<R>(
        &self,
        after: &mut AfterUnlock,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_state(&mut self.state.lock_for_batch(), after, input)
    }

    /// Acquires the lock for several inputs in one step: see [`Inner::enter_state`].
    pub(super) fn lock_state(&self) -> impl DerefMut<Target = State> + '_ {
        self.state.lock()
    }

    /// One input under the lock that the caller holds; the caller runs `after` once it has released
    /// it.
    pub(super) fn enter_state<R>(
        &self,
        state: &mut State,
        after: &mut AfterUnlock,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.guarded(|| {
            let mut effects = mem::take(&mut state.effects);
            let result = input(state, &mut effects);
            self.run_effects(&effects, state, after);
            effects.clear();
            state.effects = effects;
            after.backlog |= state.core.has_backlog();
            result
        })
        .map_err(|failure| {
            if let Failure::Now(panic) = failure {
                after.set_failed(panic.into());
            }
            NotAlive
        })
    }

    /// Calls the core, under the lock. A panic in it marks the node as failed before the lock is
    /// released, because the core may be half changed: no later call gets to the core.
    fn guarded<R>(&self, call: impl FnOnce() -> R) -> Result<R, Failure> {
        if self.has_failed() {
            return Err(Failure::Before);
        }
        unwind::catch_whole(call).map_err(|panic| {
            self.failed.store(true, Ordering::Release);
            Failure::Now(panic)
        })
    }

    /// Whether a panic left the node's tables half changed. Such a node does nothing any more.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// An input that begins something.
    pub(crate) fn enter_alive<R>(
        &self,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter(|state, out| if self.is_alive() { Ok(input(state, out)) } else { Err(NotAlive) })?
    }

    /// An input of a process or watcher, which must not have exited: the core would make a row that
    /// nobody removes.
    pub(crate) fn enter_as<R>(
        &self,
        who: LocalPid,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_alive(|state, out| {
            // Exits take the state's lock, so this stays true.
            let lives = self.directory.read().get(who).is_some();
            if lives { Ok(input(state, out)) } else { Err(NotAlive) }
        })?
    }

    /// Takes out of the state of a failed node what is still of use. The core stays untouched.
    pub(crate) fn abandon<R>(&self, take: impl FnOnce(&mut State) -> R) -> R {
        take(&mut self.state.lock())
    }

    /// Between two inputs of many: lets others in. The caller does not hold the lock.
    pub(crate) fn yield_to_waiters(&self) {
        self.state.yield_to_waiters();
    }

    /// Looks at the state; no input. The default if the node has failed: its tables are not looked
    /// at any more.
    pub(crate) fn read_state<R: Default>(&self, read: impl FnOnce(&State) -> R) -> R {
        let state = self.state.lock();
        if self.has_failed() { R::default() } else { read(&state) }
    }

    /// How long ago the node was started.
    #[cfg_attr(
        not(all(feature = "control", unix)),
        expect(dead_code, reason = "read only by the control socket")
    )]
    pub(crate) fn uptime(&self) -> Duration {
        self.environment.now() - self.started
    }

    /// Whether calls may begin something.
    pub(crate) fn is_alive(&self) -> bool {
        !self.stopping.begun.load(Ordering::Acquire) && !self.has_failed()
    }

    /// Takes notices out of the core; no input. `None` also if the node has failed.
    pub(crate) fn take_from<R>(&self, take: impl FnOnce(&mut State) -> Option<R>) -> Option<R> {
        let taken = {
            let mut state = self.state.lock_for_batch();
            self.guarded(|| take(&mut state))
        };
        taken.unwrap_or_else(|failure| {
            if let Failure::Now(panic) = failure {
                self.fail(&panic.into());
            }
            None
        })
    }
}

impl Drop for Inner {
    /// Dropped without `stop`: a crash. What only waits is woken, finds the node gone, and ends.
    fn drop(&mut self) {
        self.service.shutdown();
        for handle in self.state.get_mut().sessions.values() {
            handle.outbox.close(EndKind::Closed);
            handle.waker.wake();
        }
        self.backlog.wake();
        if let Some(&number) = self.number.get() {
            watchdog::forget(number);
        }
    }
}
