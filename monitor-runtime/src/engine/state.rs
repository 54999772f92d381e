//! The state of a node, and the functions that enter it.
//!
//! Every input takes the same steps: lock, call the core, run all its effects in order, unlock;
//! then, without any lock, flush, wake and dial. Locks are acquired in the order state, directory,
//! queue or outbox, and never in another order. Code that holds a lock never waits.

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

/// A node. Handles, processes and monitors hold it; the node's own tasks hold it weakly.
pub(crate) struct Inner {
    pub(crate) id: NodeId,
    pub(crate) service: Arc<dyn PeerService>,
    /// The address that it listens on. `None` if it does not listen.
    pub(crate) local_addr: Option<SocketAddr>,
    /// True if it was configured to be hidden.
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
    /// The number of the node at the watchdog.
    pub(crate) number: OnceLock<u64>,
    pub(crate) environment: Environment,
    pub(crate) directory: RwLock<Directory>,
    pub(crate) counters: Counters,
    pub(crate) down_counters: DownCounters,
    /// Wakes the task that works off the core's backlog. That task does not keep the node alive.
    pub(crate) backlog: Arc<AtomicWaker>,
    /// Set when the backlog task is lost or the node has stopped. Then each caller works off its
    /// own additions to the backlog. Written under the state's lock.
    pub(crate) backlog_inline: AtomicBool,
    /// Senders that wait until fewer messages wait for a connection.
    pub(crate) send_waiters: WakerSet,
    pub(crate) stopping: Stopping,
    /// Set under the state's lock by a panic there, and never cleared.
    failed: AtomicBool,
    pub(crate) routes: Routes,
    state: FairLock<State>,
    /// Dropped to end the node's own threads. `None` if it has no threads of its own.
    pub(crate) threads: Mutex<Option<Sender<()>>>,
}

/// The limits of a node, fixed at its start.
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

/// The progress of the stop of a node.
#[derive(Debug, Default)]
pub(crate) struct Stopping {
    /// Once true, the node refuses new work. Set under the state's lock.
    pub(crate) begun: AtomicBool,
    pub(crate) done: AtomicBool,
    /// Deadline of the stop, set when it begins.
    pub(crate) deadline: OnceLock<Option<Instant>>,
    pub(crate) waiters: WakerSet,
}

/// The state that the lock protects.
pub(crate) struct State {
    pub(crate) core: Core,
    pub(crate) sessions: BTreeMap<SessionId, Arc<SessionHandle>>,
    pub(crate) pending_sends: PendingSends,
    /// Addresses of nodes that callers have given.
    pub(crate) address_cache: AddressCache,
    /// Dials that the peer service has not answered yet.
    pub(crate) pending_dials: BTreeMap<NodeName, DialId>,
    /// True once the peer service has ended and answers no more dials.
    pub(crate) service_ended: bool,
    pub(crate) history: History,
    pub(crate) aliases: Aliases,
    /// Number of `Down`s that each receiver has taken out of the core and not yet received.
    pub(crate) prefetch_counts: BTreeMap<LocalPid, Arc<PrefetchCount>>,
    /// Reused by every input, to save allocations.
    effects: Vec<Effect>,
    pub(crate) fired: Vec<MonitorId>,
}

/// The reason why a call of the core did not complete.
enum Failure {
    /// The node had failed before.
    Before,
    /// This call panicked. It holds the payload, not its text: the larger result would cost each
    /// input 30 more instructions.
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
                pending_dials: BTreeMap::new(),
                service_ended: false,
                history: History::new(limits.max_history),
                aliases: Aliases::default(),
                prefetch_counts: BTreeMap::new(),
                effects: Vec::new(),
                fired: Vec::new(),
            }),
            threads: Mutex::new(runner.running),
        }
    }

    /// Runs one input. `input` calls the core; all its effects have run when this returns.
    ///
    /// # Errors
    /// The node has failed, by this input or earlier. If it failed earlier, `input` is not called.
    pub(crate) fn enter<R>(
        &self,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        let mut after = AfterUnlock::default();
        let result = self.enter_then(&mut after, input);
        after.run(self);
        result
    }

    /// Runs one input. The caller runs `after` as soon as it may run code of the program.
    pub(crate) fn enter_then<R>(
        &self,
        after: &mut AfterUnlock,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_state(&mut self.state.lock(), after, input)
    }

    /// Runs one input of a batch. The caller runs `after` soon, and reuses it.
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

    /// Runs one input under the lock that the caller holds. The caller runs `after` once it has
    /// released the lock.
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
    /// released, because the core may be half changed. Later calls do not reach the core.
    fn guarded<R>(&self, call: impl FnOnce() -> R) -> Result<R, Failure> {
        if self.has_failed() {
            return Err(Failure::Before);
        }
        unwind::catch_whole(call).map_err(|panic| {
            self.failed.store(true, Ordering::Release);
            Failure::Now(panic)
        })
    }

    /// Returns true if a panic left the node's tables half changed. Such a node does no more work.
    pub(crate) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Runs an input that begins new work. Returns [`NotAlive`] if the node was stopped or has
    /// failed.
    pub(crate) fn enter_alive<R>(
        &self,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter(|state, out| if self.is_alive() { Ok(input(state, out)) } else { Err(NotAlive) })?
    }

    /// Runs an input of a process or watcher. Returns [`NotAlive`] if it has exited, because the
    /// core would add a row that no exit removes.
    pub(crate) fn enter_as<R>(
        &self,
        caller: LocalPid,
        input: impl FnOnce(&mut State, &mut Vec<Effect>) -> R,
    ) -> Result<R, NotAlive> {
        self.enter_alive(|state, out| {
            // An exit needs the state's lock, so this stays true during the input.
            let is_registered = self.directory.read().get(caller).is_some();
            if is_registered { Ok(input(state, out)) } else { Err(NotAlive) }
        })?
    }

    /// Accesses the state of a node that may have failed. `take` must not use the core.
    pub(crate) fn abandon<R>(&self, take: impl FnOnce(&mut State) -> R) -> R {
        take(&mut self.state.lock())
    }

    /// Lets waiting callers acquire the lock between two inputs of a batch. The caller does not
    /// hold the lock.
    pub(crate) fn yield_to_waiters(&self) {
        self.state.yield_to_waiters();
    }

    /// Reads the state without an input. Returns the default if the node has failed, because its
    /// tables may be half changed.
    pub(crate) fn read_state<R: Default>(&self, read: impl FnOnce(&State) -> R) -> R {
        let state = self.state.lock();
        if self.has_failed() { R::default() } else { read(&state) }
    }

    /// Time since the start of the node.
    #[cfg_attr(
        not(all(feature = "control", unix)),
        expect(dead_code, reason = "read only by the control socket")
    )]
    pub(crate) fn uptime(&self) -> Duration {
        self.environment.now() - self.started
    }

    /// Returns true if the node accepts new work.
    pub(crate) fn is_alive(&self) -> bool {
        !self.stopping.begun.load(Ordering::Acquire) && !self.has_failed()
    }

    /// Takes notices out of the core, without an input. `None` also if the node has failed.
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
    /// A drop without `stop` is a crash. Waiting tasks are woken; they see that the node is gone,
    /// and end.
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
