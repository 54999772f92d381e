//! The configuration of a node.

#[cfg(feature = "serde")]
mod keys;
#[cfg(feature = "tcp")]
mod tcp;

#[cfg(feature = "tcp")]
use std::collections::BTreeMap;
use std::{fmt, sync::Arc, time::Duration};

use monitor_core::CoreLimits;
use peer_service::Spawner;
use refs::{IntoRef, NodeName, ParseError};

use crate::{
    error::StartError,
    runtime::{BodyRuntime, Runtime},
    threads::{
        environment::Environment,
        executor::{self, Threads},
        runner::Runner,
    },
};

/// The configuration of a node: its name, its limits, and for `Node::start` its network.
///
/// Each setter replaces the value of the setting of its name, lists included; the order of the
/// calls does not matter. It documents the unit, the default and the values that it accepts. A
/// count or a number of bytes is a `usize`, without an upper limit unless its documentation says
/// so. Getters have the prefix `get_`, because the setters have the plain names.
///
/// `Node::start` and `Node::with_service` check all
/// settings before they make a thread or a socket. They refuse an invalid one with
/// [`StartError::Field`], or with `StartError::Tcp` if it belongs to the transport. Both errors
/// name the field and the allowed values.
///
/// ```
/// use monitor_runtime::Config;
/// let config = Config::new("billing@10.0.0.7:7001").max_mailbox_bytes(16 << 20);
/// # Ok::<(), monitor_runtime::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) name: Result<NodeName, ParseError>,
    /// The settings whose last value is a text that could not be parsed.
    #[cfg(feature = "tcp")]
    pub(crate) invalid: BTreeMap<&'static str, ParseError>,
    pub(crate) limits: CoreLimits,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) max_mailbox_bytes: usize,
    pub(crate) max_mailbox_messages: usize,
    pub(crate) max_node_events: usize,
    pub(crate) max_message: usize,
    pub(crate) max_history: usize,
    pub(crate) max_addresses: usize,
    pub(crate) stop_timeout: Duration,
    pub(crate) max_blocked_threads: usize,
    pub(crate) runtime: BodyRuntime,
    /// Runs the engine, too, so that a test has all tasks on one thread.
    pub(crate) engine: Option<Spawner>,
    pub(crate) environment: Environment,
    #[cfg(feature = "tcp")]
    pub(crate) tcp: crate::tcp::TcpConfig,
}

impl Config {
    /// The configuration of a node of that name, with the defaults. Other nodes reach it by this
    /// name, which must be unique in the cluster. A text that is no node name is an error of the
    /// start.
    pub fn new(name: impl IntoRef<NodeName>) -> Self {
        Config {
            name: name.into_ref(),
            #[cfg(feature = "tcp")]
            invalid: BTreeMap::new(),
            limits: CoreLimits::new(),
            max_waiting_bytes: 8 << 20,
            max_mailbox_bytes: 64 << 20,
            max_mailbox_messages: 1 << 19,
            max_node_events: 8192,
            max_message: 16 << 20,
            max_history: 0,
            max_addresses: 65_536,
            stop_timeout: Duration::from_secs(5),
            max_blocked_threads: 64,
            runtime: BodyRuntime::Own,
            engine: None,
            environment: Environment::default(),
            #[cfg(feature = "tcp")]
            tcp: crate::tcp::TcpConfig::new(),
        }
    }

    /// The node's name.
    ///
    /// # Errors
    /// [`ParseError`] if the text of [`Config::new`] is no node name.
    pub const fn get_name(&self) -> Result<&NodeName, &ParseError> {
        self.name.as_ref()
    }

    /// Maximum number of units of work (core table steps, or frames of one session) before other
    /// tasks get a turn. 256 by default, at least 1.
    #[must_use]
    pub const fn max_batch(mut self, steps: usize) -> Self {
        self.limits = self.limits.max_batch(steps);
        self
    }

    /// Maximum number of monitors and messages that wait for a connection to one node. A monitor
    /// beyond it ends with `NoConnection(Quota)`; a message beyond it is refused with
    /// [`TrySendError::Full`](crate::TrySendError::Full). 65,536 by default, at least 1.
    #[must_use]
    pub const fn max_waiting(mut self, calls: usize) -> Self {
        self.limits = self.limits.max_waiting(calls);
        self
    }

    /// Maximum number of bytes of messages that wait for connections, for the whole node. A message
    /// beyond it is refused with [`TrySendError::Full`](crate::TrySendError::Full), but a longer
    /// message is accepted while no other waits. 8 MiB by default, at least 1.
    #[must_use]
    pub const fn max_waiting_bytes(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// Maximum number of monitors that one peer holds on processes of this node. Monitors beyond it
    /// end with `NoConnection(Quota)`. 16,777,216 by default, at least 1.
    #[must_use]
    pub const fn max_incoming(mut self, monitors: usize) -> Self {
        self.limits = self.limits.max_incoming(monitors);
        self
    }

    /// Maximum number of bytes in the bodies of the unread messages of one mailbox. Only bodies
    /// count: with a limit of 4,000 four messages of 1,000 bytes fit, and a fifth does not. 64 MiB
    /// by default; with 0 the mailbox accepts no message at all, not even an empty one.
    ///
    /// A message that does not fit is dropped and counted (`messages_missed`); the process receives
    /// an [`Event::Missed`](crate::Event::Missed) in its position. [`Config::max_mailbox_messages`]
    /// limits the memory that messages take beside their bodies.
    #[must_use]
    pub const fn max_mailbox_bytes(mut self, bytes: usize) -> Self {
        self.max_mailbox_bytes = bytes;
        self
    }

    /// Maximum number of unread messages in one mailbox, whatever their length. Each takes up to
    /// 160 bytes beside its body. 524,288 by default, which limits this memory to 80 MiB; with 0
    /// the mailbox accepts no message at all. A message that does not fit is handled as with
    /// [`Config::max_mailbox_bytes`].
    #[must_use]
    pub const fn max_mailbox_messages(mut self, messages: usize) -> Self {
        self.max_mailbox_messages = messages;
        self
    }

    /// Maximum number of bytes in the exit reasons of the unread [`Down`](crate::Down)s of one
    /// mailbox, [`Monitor`](crate::Monitor) or [`MonitorSet`](crate::MonitorSet). 8 MiB by default,
    /// at least 0.
    ///
    /// No `Down` is ever dropped, and a reason of at most 256 bytes is never cut. A longer reason
    /// that does not fit is cut to the remaining space, but not below 256 bytes, and the `Down` has
    /// `reason_was_cut` set. The kind of the reason does not change. So the unread reasons of one
    /// receiver take at most this limit plus 256 bytes for each unread `Down`. Prefetched `Down`s
    /// may take up to 128 KiB more.
    #[must_use]
    pub const fn max_reason_bytes(mut self, bytes: usize) -> Self {
        self.limits = self.limits.max_reason_bytes(bytes);
        self
    }

    /// Maximum number of bytes in the exit reasons of all unread `Down`s of the node. 64 MiB by
    /// default, at least 0.
    ///
    /// A reason is cut as with [`Config::max_reason_bytes`], to the smaller of the remaining spaces
    /// under the two limits, but not below 256 bytes. So the unread reasons of the node take at
    /// most this limit plus 256 bytes for each unread `Down`, and each monitor has at most one.
    #[must_use]
    pub const fn max_node_reason_bytes(mut self, bytes: usize) -> Self {
        self.limits = self.limits.max_node_reason_bytes(bytes);
        self
    }

    /// Maximum number of unread events of [`Process::monitor_nodes`](crate::Process::monitor_nodes)
    /// in one mailbox, over all nodes and subscriptions. Each takes up to 512 bytes. 8,192 by
    /// default, at least 1.
    ///
    /// Independently of this limit, at most two events of one node and subscription are unread. An
    /// event that does not fit is dropped and counted (`node_events_missed`), and so are all later
    /// ones of that subscription, until the process receives
    /// [`Event::NodesMissed`](crate::Event::NodesMissed) in their place.
    #[must_use]
    pub const fn max_node_events(mut self, events: usize) -> Self {
        self.max_node_events = events;
        self
    }

    /// Maximum length of a message that can be sent, in bytes. 16 MiB by default, at least 1. The
    /// frames of the peer service (over TCP: `TcpConfig::max_frame`) and of the receiver's node may
    /// limit it further.
    #[must_use]
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// Maximum number of `Down`s that [`Node::history`](crate::Node::history) keeps, each with at
    /// most 1 KiB of its reason. 0 by default, because it about doubles the cost of each `Down`.
    /// The command `obit` keeps 4,096.
    #[must_use]
    pub const fn max_history(mut self, downs: usize) -> Self {
        self.max_history = downs;
        self
    }

    /// Maximum number of nodes whose addresses are remembered, at most 16 of each, from calls of
    /// [`Node::connect`](crate::Node::connect) and
    /// [`Process::monitor_node`](crate::Process::monitor_node) with a
    /// [`NodeSpec`](crate::NodeSpec). Beyond it the addresses that were given longest ago are
    /// discarded and counted (`addresses_forgotten`); that node is then dialed by its name alone.
    /// 65,536 by default, at least 1.
    #[must_use]
    pub const fn max_addresses(mut self, nodes: usize) -> Self {
        self.max_addresses = nodes;
        self
    }

    /// Maximum time that [`Node::stop`](crate::Node::stop) takes. 5 s by default; with 0 it does
    /// not wait at all. A time beyond the range of the clock, such as `Duration::MAX`, means no
    /// limit.
    #[must_use]
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Maximum number of spawned processes that may block a thread at the same time without
    /// delaying others; each costs a thread while it blocks. If one more blocks, other processes
    /// wait until one returns; the node itself never waits. 64 by default, from 1 to 1,024. It has
    /// no effect on processes that a [`Config::runtime`] runs.
    #[must_use]
    pub const fn max_blocked_threads(mut self, threads: usize) -> Self {
        self.max_blocked_threads = threads;
        self
    }

    /// Runs the processes of [`Node::spawn`](crate::Node::spawn) on that runtime, whose timers and
    /// sockets they may use. Without it they run on the node's own thread, named `obit`.
    ///
    /// The node itself always runs on its own thread: its heartbeats, and the `Down`s of other
    /// processes, do not depend on that runtime. A process whose body the runtime drops exits as
    /// [`Killed`](crate::ExitReason::Killed).
    ///
    /// ```
    /// use monitor_runtime::{Config, SmolRuntime};
    /// let config = Config::new("a@localhost").runtime(SmolRuntime);
    /// ```
    #[must_use]
    pub fn runtime(mut self, runtime: impl Runtime) -> Self {
        self.runtime = BodyRuntime::Other(Arc::new(runtime));
        self
    }

    /// Runs the processes of [`Node::spawn`](crate::Node::spawn) on the runtime of tokio in whose
    /// context this is called; see [`Config::runtime`]. Outside of such a context, the start of the
    /// node fails with [`StartError::Field`]. [`TokioRuntime`](crate::TokioRuntime) takes a handle
    /// instead.
    ///
    /// ```
    /// # use monitor_runtime::{prelude::*, DownReason};
    /// # use peer_service::memory::Network;
    /// #[tokio::main(flavor = "current_thread")]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let config = Config::new("a@local").tokio();
    ///     # let node = Node::with_service(config, Network::new().join("a@local".parse()?))?;
    ///     # /*
    ///     let node = Node::start(config).await?;
    ///     # */
    ///     let (_, monitor) = node.spawn_monitor(|_| async {
    ///         tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    ///         Ok(())
    ///     })?;
    ///     assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
    ///     Ok(())
    /// }
    /// ```
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    pub fn tokio(mut self) -> Self {
        self.runtime = crate::TokioRuntime::current()
            .map_or(BodyRuntime::NoTokio, |tokio| BodyRuntime::Other(Arc::new(tokio)));
        self
    }

    /// Starts the threads of this configuration.
    pub(crate) fn runner(&self) -> Result<Runner, StartError> {
        let environment = self.environment.clone();
        let bodies = match &self.runtime {
            BodyRuntime::Other(runtime) => {
                let runtime = runtime.clone();
                Some(Arc::new(move |body| runtime.spawn(body)) as Spawner)
            }
            _ => None,
        };
        if let Some(engine) = &self.engine {
            let bodies = bodies.unwrap_or_else(|| engine.clone());
            return Ok(Runner { engine: engine.clone(), bodies, environment, running: None });
        }
        let Threads { engine, bodies: own, running } =
            executor::start(self.max_blocked_threads).map_err(StartError::Thread)?;
        let bodies = bodies.unwrap_or(own);
        Ok(Runner { engine, bodies, environment, running: Some(running) })
    }

    /// Checks that every field is within its limits. The transport checks those of `TcpConfig`.
    /// Returns the node's name.
    pub(crate) fn check(&self) -> Result<&NodeName, StartError> {
        let name = self.name.as_ref().map_err(ParseError::clone)?;
        #[cfg(feature = "tcp")]
        if let Some(error) = self.invalid.values().next() {
            return Err(error.clone().into());
        }
        let counts = [
            ("max_batch", self.limits.get_max_batch()),
            ("max_waiting", self.limits.get_max_waiting()),
            ("max_waiting_bytes", self.max_waiting_bytes),
            ("max_incoming", self.limits.get_max_incoming()),
            ("max_message", self.max_message),
            ("max_addresses", self.max_addresses),
            ("max_node_events", self.max_node_events),
        ];
        if let Some(&(field, _)) = counts.iter().find(|(_, limit)| *limit == 0) {
            return Err(StartError::Field { field, problem: "is 0; at least 1 is needed" });
        }
        if !(1..=1024).contains(&self.max_blocked_threads) {
            let problem = "is out of range; from 1 to 1024 threads are allowed";
            return Err(StartError::Field { field: "max_blocked_threads", problem });
        }
        #[cfg(feature = "tokio")]
        if matches!(self.runtime, BodyRuntime::NoTokio) {
            let problem = "no runtime of tokio is running here; call it in an async function that tokio \
                           runs, or give `Config::runtime` a `TokioRuntime` made of a handle";
            return Err(StartError::Field { field: "tokio", problem });
        }
        Ok(name)
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut config = f.debug_struct("Config");
        config
            .field("name", &self.name)
            .field("max_batch", &self.limits.get_max_batch())
            .field("max_waiting", &self.limits.get_max_waiting())
            .field("max_waiting_bytes", &self.max_waiting_bytes)
            .field("max_incoming", &self.limits.get_max_incoming())
            .field("max_mailbox_bytes", &self.max_mailbox_bytes)
            .field("max_mailbox_messages", &self.max_mailbox_messages)
            .field("max_node_events", &self.max_node_events)
            .field("max_reason_bytes", &self.limits.get_max_reason_bytes())
            .field("max_node_reason_bytes", &self.limits.get_max_node_reason_bytes())
            .field("max_message", &self.max_message)
            .field("max_history", &self.max_history)
            .field("max_addresses", &self.max_addresses)
            .field("stop_timeout", &self.stop_timeout)
            .field("max_blocked_threads", &self.max_blocked_threads)
            .field("runtime", &self.runtime);
        #[cfg(feature = "tcp")]
        config.field("tcp", &self.tcp);
        config.finish()
    }
}
