//! How a node is set up.

use std::{fmt, time::Duration};

use peer_service::Spawner;
use refs::NodeName;

/// How a node is set up: its name, its limits, and for `Node::start` its network.
///
/// ```
/// use monitor_runtime::Config;
/// let config = Config::new("billing@10.0.0.7:7001".parse()?).max_mailbox_bytes(16 << 20);
/// # Ok::<(), monitor_runtime::ParseError>(())
/// ```
#[derive(Clone)]
pub struct Config {
    pub(crate) name: NodeName,
    pub(crate) max_batch: usize,
    pub(crate) max_waiting: usize,
    pub(crate) max_incoming: usize,
    pub(crate) max_mailbox_bytes: usize,
    pub(crate) max_message: usize,
    pub(crate) max_history: usize,
    pub(crate) stop_timeout: Duration,
    pub(crate) spawner: Option<Spawner>,
    #[cfg(feature = "tcp")]
    pub(crate) tcp: crate::tcp::TcpConfig,
}

impl Config {
    /// A node of that name, with the defaults. It is what other nodes call it by, and must be theirs alone.
    pub fn new(name: NodeName) -> Self {
        Config {
            max_batch: 256,
            max_waiting: 65_536,
            max_incoming: 1 << 24,
            max_mailbox_bytes: 64 << 20,
            max_message: 16 << 20,
            max_history: 0,
            stop_timeout: Duration::from_secs(5),
            spawner: None,
            #[cfg(feature = "tcp")]
            tcp: crate::tcp::TcpConfig::new(name.clone()),
            name,
        }
    }

    /// The node's name.
    pub const fn name(&self) -> &NodeName {
        &self.name
    }

    /// How much the node does in one go before others get their turn: table steps of the core, frames of a
    /// session. 256 by default, at least 1.
    #[must_use]
    pub fn max_batch(mut self, steps: usize) -> Self {
        self.max_batch = steps.max(1);
        self
    }

    /// How many monitors and messages may wait for one node to be connected; beyond it a monitor ends with
    /// `NoConnection(Quota)` and a message is refused. 65,536 by default.
    #[must_use]
    pub const fn max_waiting(mut self, calls: usize) -> Self {
        self.max_waiting = calls;
        self
    }

    /// How many monitors one peer may hold on processes of this node; beyond it they end with
    /// `NoConnection(Quota)`. 16,777,216 by default.
    #[must_use]
    pub const fn max_incoming(mut self, monitors: usize) -> Self {
        self.max_incoming = monitors;
        self
    }

    /// How many bytes of messages may wait in one mailbox. What does not fit is dropped, counted, and shown
    /// in its place as [`Event::Missed`](crate::Event::Missed). Notices of monitors do not count: they are
    /// bounded by the monitors. 64 MiB by default.
    #[must_use]
    pub const fn max_mailbox_bytes(mut self, bytes: usize) -> Self {
        self.max_mailbox_bytes = bytes;
        self
    }

    /// The longest message that can be sent, in bytes. 16 MiB by default, and never more than fits in a frame
    /// of the peer service (over TCP: `TcpConfig::max_frame`), or of the receiver's node if that takes less.
    #[must_use]
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How many `Down`s are kept for [`Node::history`](crate::Node::history) after they were told, each with at most
    /// 1 KiB of its reason. 0 by default: it would cost each of them about as much again. The command `obit` keeps 4,096.
    #[must_use]
    pub const fn max_history(mut self, downs: usize) -> Self {
        self.max_history = downs;
        self
    }

    /// How long [`Node::stop`](crate::Node::stop) takes at most. 5 s by default.
    #[must_use]
    pub const fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Runs the node's tasks, those of [`Node::spawn`](crate::Node::spawn) among them, on an executor of
    /// yours. Without it the node has a thread of its own, named `obit`, for all of them.
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
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut config = f.debug_struct("Config");
        config
            .field("name", &self.name)
            .field("max_batch", &self.max_batch)
            .field("max_waiting", &self.max_waiting)
            .field("max_incoming", &self.max_incoming)
            .field("max_mailbox_bytes", &self.max_mailbox_bytes)
            .field("max_message", &self.max_message)
            .field("max_history", &self.max_history)
            .field("stop_timeout", &self.stop_timeout)
            .field("own_thread", &self.spawner.is_none());
        #[cfg(feature = "tcp")]
        config.field("tcp", &self.tcp);
        config.finish()
    }
}
