//! How a node is set up.

#[cfg(feature = "tcp")]
mod tcp;

use std::{fmt, time::Duration};

use peer_service::Spawner;
use refs::{IntoRef, NodeName, ParseError};

use crate::{
    error::StartError,
    threads::{
        environment::Environment,
        executor::{self, Threads},
        runner::Runner,
    },
};

/// How a node is set up: its name, its limits, and for `Node::start` its network.
///
/// Each setting says which values it takes; a count or a number of bytes has no upper limit unless
/// it says so. A start checks all of them before it makes a thread or a socket, and refuses others
/// with [`StartError::Field`], or with `StartError::Tcp` for those of the transport. Both name the
/// field and say what is allowed.
///
/// ```
/// use monitor_runtime::Config;
/// let config = Config::new("billing@10.0.0.7:7001".parse()?).max_mailbox_bytes(16 << 20);
/// # Ok::<(), monitor_runtime::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) name: NodeName,
    /// The first text that could not be parsed.
    pub(crate) invalid: Option<ParseError>,
    pub(crate) max_batch: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_waiting_bytes: usize,
    pub(crate) max_incoming: usize,
    pub(crate) max_mailbox_bytes: usize,
    pub(crate) max_mailbox_messages: usize,
    pub(crate) max_node_events: usize,
    pub(crate) max_reason_bytes: usize,
    pub(crate) max_node_reason_bytes: usize,
    pub(crate) max_message: usize,
    pub(crate) max_history: usize,
    pub(crate) max_addresses: usize,
    pub(crate) stop_timeout: Duration,
    pub(crate) max_blocked_threads: usize,
    pub(crate) spawner: Option<Spawner>,
    /// Runs the engine, too: tests want all of it on one thread.
    pub(crate) engine: Option<Spawner>,
    pub(crate) environment: Environment,
    #[cfg(feature = "tcp")]
    pub(crate) tcp: crate::tcp::TcpConfig,
}

impl Config {
    /// A node of that name, with the defaults. Other nodes use the name as well, and no two nodes
    /// may have the same one. A text that is no node name is an error of the start.
    pub fn new(name: impl IntoRef<NodeName>) -> Self {
        let (name, invalid) = match name.into_ref() {
            Ok(name) => (name, None),
            Err(error) => ("invalid@invalid".parse().expect("it is a node name"), Some(error)),
        };
        Config {
            invalid,
            max_batch: 256,
            max_waiting: 65_536,
            max_waiting_bytes: 8 << 20,
            max_incoming: 1 << 24,
            max_mailbox_bytes: 64 << 20,
            max_mailbox_messages: 1 << 19,
            max_node_events: 8192,
            max_reason_bytes: 8 << 20,
            max_node_reason_bytes: 64 << 20,
            max_message: 16 << 20,
            max_history: 0,
            max_addresses: 65_536,
            stop_timeout: Duration::from_secs(5),
            max_blocked_threads: 64,
            spawner: None,
            engine: None,
            environment: Environment::default(),
            #[cfg(feature = "tcp")]
            tcp: crate::tcp::TcpConfig::new(name.clone()),
            name,
        }
    }

    /// The node's name.
    pub const fn name(&self) -> &NodeName {
        &self.name
    }

    /// Most units of work (core table steps, or frames of one session) done before other tasks get
    /// a turn. 256 by default, at least 1.
    #[must_use]
    pub const fn max_batch(mut self, steps: usize) -> Self {
        self.max_batch = steps;
        self
    }

    /// How many monitors and messages may wait for one node to be connected; beyond it a monitor
    /// ends with `NoConnection(Quota)` and a message is refused. 65,536 by default, at least 1.
    #[must_use]
    pub const fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// How many bytes of messages may wait for connections, of the whole node; beyond it a message
    /// is refused. One that is longer may wait alone. 8 MiB by default, at least 1.
    #[must_use]
    pub const fn max_waiting_bytes(mut self, bytes: usize) -> Self {
        self.max_waiting_bytes = bytes;
        self
    }

    /// How many monitors one peer may hold on processes of this node; beyond it they end with
    /// `NoConnection(Quota)`. 16,777,216 by default, at least 1.
    #[must_use]
    pub const fn max_incoming(mut self, monitors: usize) -> Self {
        self.max_incoming = monitors;
        self
    }

    /// Maximum number of bytes in the bodies of the messages that wait in one mailbox. Only bodies
    /// count: with a limit of 4,000 four messages of 1,000 bytes fit, and a fifth does not. 64 MiB
    /// by default; with 0 the mailbox takes no message at all, not even an empty one.
    ///
    /// A message that does not fit is dropped, counted (`messages_missed`), and shown in its place
    /// as [`Event::Missed`](crate::Event::Missed). What a message takes beside its body is bounded
    /// by [`Config::max_mailbox_messages`].
    #[must_use]
    pub const fn max_mailbox_bytes(mut self, bytes: usize) -> Self {
        self.max_mailbox_bytes = bytes;
        self
    }

    /// Maximum number of messages that wait in one mailbox, whatever their length. Each takes up to
    /// 160 bytes beside its body. 524,288 by default, which makes that 80 MiB at most; with 0 the
    /// mailbox takes no message at all. A message that does not fit is treated as by
    /// [`Config::max_mailbox_bytes`].
    #[must_use]
    pub const fn max_mailbox_messages(mut self, messages: usize) -> Self {
        self.max_mailbox_messages = messages;
        self
    }

    /// Maximum number of bytes in the exit reasons of unread [`Down`](crate::Down)s, of one
    /// mailbox, [`Monitor`](crate::Monitor) or [`MonitorSet`](crate::MonitorSet). 8 MiB by default,
    /// any number from 0.
    ///
    /// No `Down` is ever dropped, and a reason of at most 256 bytes is always whole. A longer one
    /// that does not fit is cut to what is left, but never below 256 bytes, and the `Down` says so:
    /// `reason_was_cut`. Its kind stays what it was. So the unread reasons of one receiver take at
    /// most this limit and 256 bytes for each unread `Down`. Up to 128 KiB more may be on their way
    /// to a reader.
    #[must_use]
    pub const fn max_reason_bytes(mut self, bytes: usize) -> Self {
        self.max_reason_bytes = bytes;
        self
    }

    /// Maximum number of bytes in the exit reasons of all unread `Down`s of the node. 64 MiB by
    /// default, any number from 0.
    ///
    /// A reason is cut as by [`Config::max_reason_bytes`], to the smaller of what the two limits
    /// leave, but never below 256 bytes. So the unread reasons of the node take at most this limit
    /// and 256 bytes for each unread `Down`, of which each monitor has at most one.
    #[must_use]
    pub const fn max_node_reason_bytes(mut self, bytes: usize) -> Self {
        self.max_node_reason_bytes = bytes;
        self
    }

    /// Maximum number of events of [`Process::monitor_nodes`](crate::Process::monitor_nodes) that
    /// wait in one mailbox, over all nodes and subscriptions. Each takes up to 512 bytes. 8,192 by
    /// default, at least 1.
    ///
    /// Of one node and subscription at most two wait anyway. An event that does not fit is dropped
    /// and counted (`node_events_missed`), and so are all later ones of that subscription, until
    /// the process receives [`Event::NodesMissed`](crate::Event::NodesMissed) in their place.
    #[must_use]
    pub const fn max_node_events(mut self, events: usize) -> Self {
        self.max_node_events = events;
        self
    }

    /// The longest message that can be sent, in bytes. 16 MiB by default, at least 1, and never
    /// more than fits in a frame of the peer service (over TCP: `TcpConfig::max_frame`), or of the
    /// receiver's node if that takes less.
    #[must_use]
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many `Down`s are kept for [`Node::history`](crate::Node::history) after they were told,
    /// each with at most 1 KiB of its reason. 0 by default: it would cost each of them about as
    /// much again. The command `obit` keeps 4,096.
    #[must_use]
    pub const fn max_history(mut self, downs: usize) -> Self {
        self.max_history = downs;
        self
    }

    /// Of how many nodes addresses are kept, at most 16 of each, that were given with calls:
    /// [`Node::connect`](crate::Node::connect) and
    /// [`Process::monitor_node`](crate::Process::monitor_node) with a
    /// [`NodeSpec`](crate::NodeSpec). Beyond it those that were given longest ago are forgotten and
    /// counted (`addresses_forgotten`): such a node is then looked for as if none had been given.
    /// 65,536 by default, at least 1.
    #[must_use]
    pub const fn max_addresses(mut self, nodes: usize) -> Self {
        self.max_addresses = nodes;
        self
    }

    /// How long [`Node::stop`](crate::Node::stop) takes at most. 5 s by default; with 0 it does not
    /// wait for anything, and a time that the clock cannot reach, such as `Duration::MAX`, is no
    /// limit.
    #[must_use]
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Maximum number of spawned processes that may block a thread at the same time without holding
    /// up others: each costs a thread while it blocks. Beyond it other processes wait until one
    /// returns; the node itself never waits. 64 by default, from 1 to 1,024. Without effect on
    /// processes that a [`Config::spawner`] runs.
    #[must_use]
    pub const fn max_blocked_threads(mut self, threads: usize) -> Self {
        self.max_blocked_threads = threads;
        self
    }

    /// Runs the processes of [`Node::spawn`](crate::Node::spawn) on an executor of yours, where
    /// they may use its timers and sockets. Without it they run on the node's own thread, named
    /// `obit`.
    ///
    /// The node itself always runs on its own thread: its heartbeats, and the `Down`s of other
    /// processes, do not depend on that executor. A process whose task the executor drops was
    /// [`Killed`](crate::ExitReason::Killed).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use monitor_runtime::Config;
    /// let config = Config::new("a@localhost".parse()?).spawner(Arc::new(|task| smol::spawn(task).detach()));
    /// # Ok::<(), monitor_runtime::ParseError>(())
    /// ```
    #[must_use]
    pub fn spawner(mut self, spawner: Spawner) -> Self {
        self.spawner = Some(spawner);
        self
    }

    /// The threads that this configuration asks for; starts them.
    pub(crate) fn runner(&self) -> Result<Runner, StartError> {
        let environment = self.environment.clone();
        if let Some(engine) = &self.engine {
            let bodies = self.spawner.as_ref().unwrap_or(engine).clone();
            return Ok(Runner { engine: engine.clone(), bodies, environment, running: None });
        }
        let Threads { engine, bodies, running } =
            executor::start(self.max_blocked_threads).map_err(StartError::Thread)?;
        let bodies = self.spawner.clone().unwrap_or(bodies);
        Ok(Runner { engine, bodies, environment, running: Some(running) })
    }

    /// Whether every field is within its limits; those of `TcpConfig` are the transport's to check.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        if let Some(error) = &self.invalid {
            return Err(error.clone().into());
        }
        let counts = [
            ("max_batch", self.max_batch),
            ("max_waiting", self.max_waiting),
            ("max_waiting_bytes", self.max_waiting_bytes),
            ("max_incoming", self.max_incoming),
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
        #[cfg(feature = "tcp")]
        if self.tcp.name != self.name {
            let problem =
                "is of another node; change the settings that `Config::tcp` hands over, and return those";
            return Err(StartError::Field { field: "tcp", problem });
        }
        Ok(())
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut config = f.debug_struct("Config");
        config
            .field("name", &self.name)
            .field("max_batch", &self.max_batch)
            .field("max_waiting", &self.max_waiting)
            .field("max_waiting_bytes", &self.max_waiting_bytes)
            .field("max_incoming", &self.max_incoming)
            .field("max_mailbox_bytes", &self.max_mailbox_bytes)
            .field("max_mailbox_messages", &self.max_mailbox_messages)
            .field("max_node_events", &self.max_node_events)
            .field("max_reason_bytes", &self.max_reason_bytes)
            .field("max_node_reason_bytes", &self.max_node_reason_bytes)
            .field("max_message", &self.max_message)
            .field("max_history", &self.max_history)
            .field("max_addresses", &self.max_addresses)
            .field("stop_timeout", &self.stop_timeout)
            .field("max_blocked_threads", &self.max_blocked_threads)
            .field("own_thread", &self.spawner.is_none());
        #[cfg(feature = "tcp")]
        config.field("tcp", &self.tcp);
        config.finish()
    }
}
