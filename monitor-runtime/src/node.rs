//! The handle of a node.

#[cfg(feature = "tcp")]
mod start;

use std::{fmt, future::Future, net::SocketAddr, sync::Arc};

use monitor_core::{Connect, CoreConfig, NodeType};
use peer_service::PeerService;
use refs::{ChannelId, Dest, IntoRef, NodeId, NodeName, NodeSpec, Pid, RegName, WhereIs};

use crate::{
    caller::Caller,
    config::Config,
    engine::{
        aliases::AliasKey,
        directory::Verdict,
        state::{Inner, Limits},
    },
    envelope::IntoEnvelope,
    error::{ConnectError, NotAlive, RegisterError, SendError, StartError, TrySendError},
    event::NodeInfo,
    inbox::queue::MailboxLimits,
    session::message_frame::{self, MAX_SIGNAL_FRAME},
    tasks::{backlog, stop},
    threads::{runner::Runner, watchdog},
};

/// A node: it hosts processes and connects them to other nodes. A cheap handle; clones are the same
/// node.
///
/// A node lives as long as a handle, a process or a monitor of it. If the last of them is dropped
/// without [`Node::stop`], other nodes see the same as after a crash:
/// [`EndKind::Closed`](crate::EndKind::Closed).
///
/// Only async functions wait. Every function can be called from any thread.
#[derive(Clone)]
#[doc(alias = "net_kernel")]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

impl Node {
    /// Starts a node over an existing peer service, such as one of your own or that of
    /// `peer_service::memory`. `Node::start` starts one over TCP.
    ///
    /// It never waits, so it cannot be canceled midway.
    ///
    /// # Errors
    /// [`StartError::Field`] if a field of the configuration is out of its limits;
    /// [`StartError::WrongName`], [`StartError::FramesTooSmall`], [`StartError::Random`],
    /// [`StartError::Thread`].
    pub fn with_service(config: Config, service: Arc<dyn PeerService>) -> Result<Node, StartError> {
        let configured = config.check()?;
        let name = &service.local().name;
        if name != configured {
            return Err(StartError::WrongName { service: name.clone(), config: configured.clone() });
        }
        check_frames(service.max_frame())?;
        let runner = config.runner()?;
        Node::assemble(config, service, runner, None)
    }

    /// Assembles a node from checked parts: the configuration is valid, and the service has the
    /// same name and frames that are long enough.
    fn assemble(
        config: Config,
        service: Arc<dyn PeerService>,
        runner: Runner,
        local_addr: Option<SocketAddr>,
    ) -> Result<Node, StartError> {
        let local = service.local().clone();
        let max_frame = service.max_frame();
        let random = || config.environment.random().map_err(StartError::random);
        let core = CoreConfig::new(local, random()?).limits(config.limits.clone());
        let alias_key = AliasKey::new([random()?, random()?]);
        let limits = Limits {
            max_batch: config.limits.get_max_batch(),
            mailbox: MailboxLimits {
                bytes: config.max_mailbox_bytes,
                messages: config.max_mailbox_messages,
                node_events: config.max_node_events,
            },
            max_message: config.max_message.min(max_frame - message_frame::MAX_OVERHEAD),
            max_history: config.max_history,
            max_addresses: config.max_addresses,
            max_waiting_bytes: config.max_waiting_bytes,
            stop_timeout: config.stop_timeout,
        };
        #[cfg(feature = "tcp")]
        let hidden = config.tcp.get_hidden();
        #[cfg(not(feature = "tcp"))]
        let hidden = false;
        let inner = Arc::new(Inner::new(core, alias_key, limits, service, local_addr, hidden, runner));
        inner.number.get_or_init(|| watchdog::number_of(&inner.id));
        backlog::start(&inner);
        Ok(Node { inner })
    }

    /// The node's name and incarnation.
    pub fn id(&self) -> &NodeId {
        &self.inner.id
    }

    /// The node's name.
    pub fn name(&self) -> &NodeName {
        &self.inner.id.name
    }

    /// The address on which the node listens, if it was started over TCP.
    pub fn local_addr(&self) -> Option<SocketAddr> {
        self.inner.local_addr
    }

    // ----- processes

    /// Registers a local process under a name. A process may have many names; a name has one
    /// holder.
    ///
    /// The name is free again once it is unregistered or its holder exits, and before any watcher
    /// receives the `Down` of that holder. O(log n) for n processes that have names; the exit of a
    /// process costs O(1) more for each of its names.
    ///
    /// # Errors
    /// [`RegisterError::NameTaken`] if another process holds the name; [`RegisterError::NoProc`] if
    /// the process has exited or is on another node; [`NotAlive`].
    pub fn register(&self, name: impl IntoRef<RegName>, pid: impl IntoRef<Pid>) -> Result<(), RegisterError> {
        let (name, pid) = (name.into_ref()?, pid.into_ref()?);
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        let mut directory = self.inner.directory.write();
        let holder = self.inner.local(&pid).filter(|&pid| directory.process(pid).is_some());
        let holder = holder.ok_or(RegisterError::NoProc)?;
        directory
            .names
            .register(name, holder)
            .map_err(|other| RegisterError::NameTaken(self.inner.pid(other.0)))
    }

    /// Frees a name; returns whether a process held it. O(n) for a holder with n names.
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "unregister_name")]
    pub fn unregister(&self, name: impl IntoRef<RegName>) -> Result<bool, NotAlive> {
        if !self.inner.is_alive() {
            return Err(NotAlive);
        }
        Ok(name.into_ref().is_ok_and(|name| self.inner.directory.write().names.unregister(&name)))
    }

    /// The process that holds a name on this node. O(1).
    pub fn whereis(&self, name: impl IntoRef<RegName>) -> Option<Pid> {
        // Before the lock: the conversion may be code of the user.
        let name = name.into_ref().ok()?;
        let holder = self.inner.directory.read().names.whereis(&name)?;
        Some(self.inner.pid(holder.0))
    }

    /// Kills a local process; returns whether this call killed it. A process of another node cannot
    /// be killed from here, as it can in Erlang: send it a message instead.
    ///
    /// If true, the process exits as [`ExitReason::Killed`](crate::ExitReason::Killed), whatever
    /// its body returns. If false, it has exited, is already ending for another reason, or is no
    /// process of this node.
    ///
    /// A spawned process is dropped at its next await, and its exit is reported after that. A
    /// process that is a guard exits as `Killed` when its guard is dropped. Neither receives
    /// messages that are sent after this call. O(1).
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "exit")]
    pub fn kill(&self, pid: &Pid) -> Result<bool, NotAlive> {
        if !self.inner.is_alive() {
            return Err(NotAlive);
        }
        let process = self.inner.local(pid).and_then(|pid| self.inner.directory.read().process(pid).cloned());
        Ok(process.is_some_and(|process| process.kill(Verdict::Killed)))
    }

    /// Whether a local process lives. Always false for processes of other nodes: monitor those.
    pub fn is_process_alive(&self, pid: &Pid) -> bool {
        self.inner.local(pid).is_some_and(|pid| self.inner.directory.read().process(pid).is_some())
    }

    // ----- messages

    /// Sends a message that has no sender. Never waits: see
    /// [`Process::try_send`](crate::Process::try_send).
    ///
    /// # Errors
    /// As [`Process::try_send`](crate::Process::try_send).
    #[doc(alias = "forward_message")]
    #[doc(alias = "cast_message")]
    pub fn try_send(&self, to: impl IntoRef<Dest>, message: impl IntoEnvelope) -> Result<(), TrySendError> {
        Caller::Node(self).try_send(to.into_ref(), message.into_envelope())
    }

    /// Sends a message that has no sender, and waits for room: see
    /// [`Process::send`](crate::Process::send). Cancel-safe like it.
    ///
    /// # Errors
    /// As [`Process::send`](crate::Process::send).
    pub fn send(
        &self,
        to: impl IntoRef<Dest>,
        message: impl IntoEnvelope,
    ) -> impl Future<Output = Result<(), SendError>> + Send {
        Caller::Node(self).send(to.into_ref(), message.into_envelope())
    }

    /// The channel of that name, for [`Envelope::channel`](crate::Envelope::channel) and
    /// [`MonitorOptions::channel`](crate::MonitorOptions::channel). `None` if this node is not
    /// configured with it.
    ///
    /// In a session with a node that has the same channel, each channel has a connection of its
    /// own, so frames queued on one channel do not delay another. A monitor on a channel that the
    /// session lacks uses the default channel.
    pub fn channel(&self, name: &str) -> Option<ChannelId> {
        let at = self.inner.service.channels().iter().position(|channel| channel.as_str() == name)?;
        ChannelId::new(at + 1)
    }

    // ----- nodes

    /// Requests a connection to a node, and remembers the addresses in the spec. Does nothing if
    /// the node is connected or is the local node. Returns before the connection is made:
    /// `monitor_nodes` and [`Node::nodes`] report it.
    ///
    /// The node dials once. It does not retry a dial that fails, and does not redial when the
    /// connection ends later. `Config::peers` lists nodes that should always be connected.
    ///
    /// # Errors
    /// [`NotAlive`]; [`Unsupported`](crate::Unsupported) if the peer service lacks `connect`.
    #[doc(alias = "connect_node")]
    pub fn connect(&self, node: impl IntoRef<NodeSpec>) -> Result<(), ConnectError> {
        let spec = node.into_ref()?;
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        if self.inner.is_local(spec.name()) {
            return Ok(());
        }
        self.inner.require(self.inner.capabilities.connect, "connect")?;
        self.inner.enter_alive(|state, out| {
            self.inner.store_addresses(&spec, state);
            // No message is stored under this ticket: the route is requested for its dial.
            let ticket = state.pending_sends.ticket();
            state.core.route(spec.name(), ticket, Connect::OnDemand, out);
        })?;
        Ok(())
    }

    /// Ends the connection to a node, if there is one. The node is dialed again only on demand.
    ///
    /// # Errors
    /// [`NotAlive`]; [`Unsupported`](crate::Unsupported) if the peer service lacks
    /// `disconnect`.
    #[doc(alias = "disconnect_node")]
    pub fn disconnect(&self, node: impl IntoRef<NodeName>) -> Result<(), ConnectError> {
        let node = node.into_ref()?;
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        if self.inner.is_local(&node) {
            return Ok(());
        }
        self.inner.require(self.inner.capabilities.disconnect, "disconnect")?;
        self.inner.service.disconnect(&node);
        Ok(())
    }

    /// The nodes that are up, sorted by name, without the local node. The sessions are those that
    /// [`Process::monitor_nodes`](crate::Process::monitor_nodes) reports. O(n log n) for n nodes.
    pub fn nodes(&self, filter: NodeType) -> Vec<NodeInfo> {
        self.inner
            .read_state(|state| state.core.nodes(filter).iter().map(|event| NodeInfo::of(event)).collect())
    }

    // ----- the node itself

    /// Stops the node in good order. It may be called several times, also concurrently: all calls
    /// wait for the same end.
    ///
    /// From the first poll on, other calls return [`NotAlive`]. The node finishes calls that have
    /// begun, says goodbye to every peer, and delivers `NoConnection(LocalShutdown)` to local
    /// watchers, followed by the node-downs. Spawned processes exit as
    /// [`ExitReason::Shutdown`](crate::ExitReason::Shutdown), which no peer reports, because the
    /// goodbye has ended its session.
    ///
    /// Once it has returned, every monitor that was made on this node has ended. A guard lives
    /// until its holder drops it, and so does a task that does not end in time: local monitors on
    /// these report `NoConnection(LocalShutdown)`. Unread messages and `Down`s stay readable, in
    /// mailboxes, [`Monitor`](crate::Monitor)s and [`MonitorSet`](crate::MonitorSet)s; after the
    /// last one `recv` returns `None`. All other monitors, subscriptions, aliases and sessions are
    /// gone, in whatever order handles are dropped.
    ///
    /// A process of this node may call it, too, and is ended like any other. It takes at most
    /// [`Config::stop_timeout`]. Nothing happens before the first poll. Cancel-safe: if the future
    /// is dropped after that, the node still stops.
    #[doc(alias = "halt")]
    #[doc(alias = "init")]
    pub async fn stop(&self) {
        stop::stop(&self.inner).await;
    }
}

impl WhereIs for Node {
    fn whereis(&self, name: &RegName) -> Option<Pid> {
        Node::whereis(self, name)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}", self.inner.id)
    }
}

/// Whether the longest signal fits into a frame.
fn check_frames(max_frame: usize) -> Result<(), StartError> {
    if max_frame < MAX_SIGNAL_FRAME {
        return Err(StartError::FramesTooSmall { max: max_frame, min: MAX_SIGNAL_FRAME });
    }
    Ok(())
}
