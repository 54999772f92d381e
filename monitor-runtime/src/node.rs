//! The handle of a node.

#[cfg(feature = "tcp")]
mod start;

use std::{fmt, net::SocketAddr, sync::Arc};

use monitor_core::{Connect, CoreConfig, NodeType};
use peer_service::PeerService;
use refs::{ChannelId, NodeId, NodeName, NodeSpec, Pid, RegName, WhereIs};

use crate::{
    config::Config,
    dest::Dest,
    engine::{
        aliases::AliasKey,
        directory::Verdict,
        messaging::OutboundMessage,
        state::{Inner, Limits},
    },
    error::{ConnectError, NotAlive, RegisterError, SendError, StartError},
    event::NodeInfo,
    inbox::queue::MailboxLimits,
    send_options::SendOptions,
    session::message_frame::{self, MAX_SIGNAL_FRAME},
    tasks::{backlog, stop},
    threads::{runner::Runner, watchdog},
};

/// A node: the home of processes, and their way to other nodes. A cheap handle; clones are the same
/// node.
///
/// A node lives as long as a handle, a process or a monitor of it. When the last of them is dropped
/// without [`Node::stop`], other nodes see what they would see of a crash:
/// [`EndKind::Closed`](crate::EndKind::Closed).
///
/// Only async functions wait; every call is safe on any thread.
#[derive(Clone)]
#[doc(alias = "net_kernel")]
pub struct Node {
    pub(crate) inner: Arc<Inner>,
}

impl Node {
    /// Starts a node over a peer service that stands already, such as one of your own or
    /// `peer_service::memory`'s. `Node::start` does it over TCP.
    ///
    /// It never waits, so there is nothing to cancel.
    ///
    /// # Errors
    /// [`StartError::Field`] if a field of the configuration is out of its limits;
    /// [`StartError::WrongName`], [`StartError::FramesTooSmall`], [`StartError::Random`],
    /// [`StartError::Thread`].
    pub async fn with_service(config: Config, service: Arc<dyn PeerService>) -> Result<Node, StartError> {
        config.check()?;
        let name = &service.local().name;
        if *name != config.name {
            return Err(StartError::WrongName { service: name.clone(), config: config.name });
        }
        check_frames(service.max_frame())?;
        let runner = config.runner()?;
        Node::assemble(config, service, runner, None)
    }

    /// Puts a node together of parts that fit each other: a checked configuration, and a service of
    /// that name whose frames are long enough.
    fn assemble(
        config: Config,
        service: Arc<dyn PeerService>,
        runner: Runner,
        local_addr: Option<SocketAddr>,
    ) -> Result<Node, StartError> {
        let local = service.local().clone();
        let max_frame = service.max_frame();
        let random = || config.environment.random().map_err(StartError::Random);
        let mut core = CoreConfig::new(local, random()?);
        let alias_key = AliasKey::new([random()?, random()?]);
        core.max_batch = config.max_batch;
        core.max_waiting = config.max_waiting;
        core.max_incoming = config.max_incoming;
        core.max_reason_bytes = config.max_reason_bytes;
        core.max_node_reason_bytes = config.max_node_reason_bytes;
        let limits = Limits {
            max_batch: config.max_batch,
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
        let hidden = config.tcp.hidden;
        #[cfg(not(feature = "tcp"))]
        let hidden = false;
        let inner = Arc::new(Inner::new(core, alias_key, limits, service, local_addr, hidden, runner));
        inner.number.get_or_init(|| watchdog::number_of(&inner.id));
        backlog::start(&inner);
        Ok(Node { inner })
    }

    /// The node, in this life of it.
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

    /// Gives a name to a local process. A process may have many names, a name has one holder.
    ///
    /// The name is free again when it is unregistered or its holder exits, and then before anybody
    /// can observe that holder's `Down`. O(log n) for n processes that have names; the exit of a
    /// process costs O(1) more for each of its names.
    ///
    /// # Errors
    /// [`RegisterError::NameTaken`] by another process; [`RegisterError::NoProc`] if the pid is of
    /// another node or gone; [`NotAlive`].
    pub fn register(&self, name: RegName, pid: &Pid) -> Result<(), RegisterError> {
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        let mut directory = self.inner.directory.write();
        let holder = self.inner.local(pid).filter(|&pid| directory.process(pid).is_some());
        let holder = holder.ok_or(RegisterError::NoProc)?;
        directory
            .names
            .register(name, holder)
            .map_err(|other| RegisterError::NameTaken(self.inner.pid(other.0)))
    }

    /// Frees a name; returns whether anybody held it. O(n) for a holder with n names.
    ///
    /// # Errors
    /// [`NotAlive`].
    #[doc(alias = "unregister_name")]
    pub fn unregister(&self, name: &RegName) -> Result<bool, NotAlive> {
        if !self.inner.is_alive() {
            return Err(NotAlive);
        }
        Ok(self.inner.directory.write().names.unregister(name))
    }

    /// Who holds a name on this node. O(1).
    pub fn whereis(&self, name: &RegName) -> Option<Pid> {
        let holder = self.inner.directory.read().names.whereis(name)?;
        Some(self.inner.pid(holder.0))
    }

    /// Kills a local process; returns whether this call did. Processes of other nodes cannot be
    /// killed from here (in Erlang they can: tell them by a message).
    ///
    /// True: the process exits as [`ExitReason::Killed`](crate::ExitReason::Killed), whatever it
    /// says itself. False: it had exited, or something else ends it, or it is no process of this
    /// node.
    ///
    /// A spawned process is dropped at its next await, and `Killed` follows, never before. One that
    /// is a guard exits as `Killed` when its guard is dropped. Neither receives what is sent after
    /// this call. O(1).
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

    /// Whether a local process lives. False for processes of other nodes: monitor those.
    pub fn is_process_alive(&self, pid: &Pid) -> bool {
        self.inner.local(pid).is_some_and(|pid| self.inner.directory.read().process(pid).is_some())
    }

    // ----- messages

    /// Sends a message that comes from no process. See [`Mailbox::send`](crate::Mailbox::send).
    ///
    /// # Errors
    /// As [`Mailbox::send`](crate::Mailbox::send).
    #[doc(alias = "forward_message")]
    #[doc(alias = "cast_message")]
    pub fn send(&self, to: impl Into<Dest>, body: impl Into<Vec<u8>>) -> Result<(), SendError> {
        self.send_with(to, body, SendOptions::new())
    }

    /// [`Node::send`] with options.
    ///
    /// # Errors
    /// As [`Mailbox::send_with`](crate::Mailbox::send_with).
    pub fn send_with(
        &self,
        to: impl Into<Dest>,
        body: impl Into<Vec<u8>>,
        options: SendOptions,
    ) -> Result<(), SendError> {
        Ok(self.inner.send(OutboundMessage::without_sender(&to.into(), options), &mut body.into())?)
    }

    /// The channel of that name, if this node is configured with it: for [`SendOptions::channel`]
    /// and [`MonitorOptions::channel`](crate::MonitorOptions::channel).
    ///
    /// A channel is a way of its own in every session with a node that has it too: what waits on
    /// one holds up no other. A monitor on a channel that the session has not takes the default
    /// one.
    pub fn channel(&self, name: &str) -> Option<ChannelId> {
        let at = self.inner.service.channels().iter().position(|channel| channel.as_str() == name)?;
        ChannelId::new(at + 1)
    }

    // ----- nodes

    /// Asks for a connection to a node, and keeps the addresses that the spec has. Nothing happens
    /// if there is one, or if it is the own node. Whether one comes about is told by
    /// `monitor_nodes`, or by [`Node::nodes`].
    ///
    /// It is asked for once: one that fails, or ends later, is not made again by itself. For nodes
    /// that should always be connected there is `Config::peers`.
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks `connect`.
    #[doc(alias = "connect_node")]
    pub fn connect(&self, node: impl Into<NodeSpec>) -> Result<(), ConnectError> {
        let spec = node.into();
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        if self.inner.is_local(spec.name()) {
            return Ok(());
        }
        self.inner.require(self.inner.capabilities.connect, "connect")?;
        self.inner.enter_alive(|state, out| {
            self.inner.store_addresses(&spec, state);
            // A ticket under which nothing is kept: only the connection is wanted.
            let ticket = state.pending_sends.ticket();
            state.core.route(spec.name(), ticket, Connect::OnDemand, out);
        })?;
        Ok(())
    }

    /// Ends the connection to a node, if there is one. It is not made again before something
    /// demands it.
    ///
    /// # Errors
    /// [`NotAlive`]; [`NotImplemented`](crate::NotImplemented) if the peer service lacks
    /// `disconnect`.
    #[doc(alias = "disconnect_node")]
    pub fn disconnect(&self, node: &NodeName) -> Result<(), ConnectError> {
        if !self.inner.is_alive() {
            return Err(NotAlive.into());
        }
        if self.inner.is_local(node) {
            return Ok(());
        }
        self.inner.require(self.inner.capabilities.disconnect, "disconnect")?;
        self.inner.service.disconnect(node);
        Ok(())
    }

    /// The nodes that are up, sorted by name; never the own one. The sessions are those that
    /// [`Mailbox::monitor_nodes`](crate::Mailbox::monitor_nodes) tells of. O(n log n) for n nodes.
    pub fn nodes(&self, filter: NodeType) -> Vec<NodeInfo> {
        self.inner
            .read_state(|state| state.core.nodes(filter).iter().map(|event| NodeInfo::of(event)).collect())
    }

    // ----- the node itself

    /// Stops the node in good order. May be called again, and by many; all wait for the same end.
    ///
    /// From now on calls give [`NotAlive`]. What was begun is finished, every peer is told goodbye,
    /// local watchers get `NoConnection(LocalShutdown)`, node-downs follow, spawned processes exit
    /// as [`ExitReason::Shutdown`](crate::ExitReason::Shutdown) (no peer hears of that: it has been
    /// told that the node left).
    ///
    /// When it has returned, every monitor that was made on this node has ended. A guard lives
    /// until its holder drops it, and a task that does not end in time lives, too: local monitors
    /// on these give `NoConnection(LocalShutdown)`. Messages and `Down`s that wait stay readable,
    /// in mailboxes, [`Monitor`](crate::Monitor)s and [`MonitorSet`](crate::MonitorSet)s; then
    /// `recv` gives `None`. Nothing else is left of monitors, subscriptions, aliases and sessions,
    /// in whatever order handles are dropped.
    ///
    /// It may be called from anywhere, also from a process of this node, which it ends like any
    /// other. Takes at most [`Config::stop_timeout`]. Nothing happens before the first poll.
    /// Cancel-safe: dropped after that, it waits no more, and the node goes on stopping.
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
