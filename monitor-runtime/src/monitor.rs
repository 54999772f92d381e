//! A monitor as a future.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, ready},
};

use futures::future::FusedFuture;
use monitor_core::{Demonitored, Down, DownReason, MonitorId, MonitorOptions};
use refs::{EndKind, IntoRef, MonitorRef, Target};

pub(crate) mod watcher;

use self::watcher::Watcher;
use crate::{error::MonitorError, node::Node};

impl Node {
    /// Monitors a process, by pid or by name, on this node or another. Connects on demand. A text
    /// is parsed first: `node.monitor("worker@b@10.0.0.8:7001".parse::<Name>()?)?`.
    ///
    /// Never waits: not for the peer, nor for a connection, nor for room in a buffer (Erlang may
    /// block for seconds). What goes wrong there arrives as the [`Down`](crate::Down): an unknown
    /// name or a dead pid as `NoProc`, a connection that cannot be made as `NoConnection`. O(1).
    ///
    /// # Errors
    /// [`NotAlive`](crate::NotAlive); [`Unsupported`](crate::Unsupported) if the target is on
    /// another node and the peer service lacks `monitoring`. A service that lacks `connect` is not
    /// asked to: then a node that is not connected is `NoConnection(NotConnected)`.
    pub fn monitor(&self, target: impl IntoRef<Target>) -> Result<Monitor, MonitorError> {
        self.monitor_with(target, MonitorOptions::new())
    }

    /// [`Node::monitor`] with options.
    ///
    /// # Errors
    /// As [`Node::monitor`], and [`MonitorError::AliasWithoutMailbox`] with
    /// [`MonitorOptions::alias`].
    pub fn monitor_with(
        &self,
        target: impl IntoRef<Target>,
        options: MonitorOptions,
    ) -> Result<Monitor, MonitorError> {
        Monitor::new(self, target.into_ref()?, options)
    }
}

/// A monitor: a future that is ready when the target is gone, or cannot be reached.
///
/// It is a watcher of its own, not of the process that made it. Made by [`Node::monitor`]. It
/// monitors from the moment it was made, polled or not. To drop it is to demonitor and flush; that
/// never fails and waits for nobody. To await `&mut monitor` is cancel-safe. Once it has been ready
/// it is never ready again.
///
/// When it is ready, every message that the target sent before is in the mailbox it was sent to.
///
/// ```
/// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
/// # use peer_service::memory::Network;
/// # smol::block_on(async {
/// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
/// let worker = node.spawn(|_mailbox| async { Ok(()) })?;
/// let down = node.monitor(&worker)?.await;
/// assert!(matches!(down.reason, DownReason::Exit(ExitReason::Normal) | DownReason::NoProc));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "to drop a monitor is to demonitor"]
#[derive(Debug)]
pub struct Monitor {
    /// None once it has fired.
    watcher: Option<Watcher>,
    id: MonitorId,
    reference: MonitorRef,
    target: Target,
    tag: u64,
}

impl Monitor {
    pub(crate) fn new(node: &Node, target: Target, options: MonitorOptions) -> Result<Self, MonitorError> {
        let mut watcher = Watcher::new(node);
        let id = watcher.monitor(&target, options)?;
        Ok(Monitor {
            watcher: Some(watcher),
            id,
            reference: node.inner.reference(id),
            target,
            tag: options.tag,
        })
    }

    /// Its reference, as it stands in the [`Down`].
    pub const fn reference(&self) -> &MonitorRef {
        &self.reference
    }

    /// What is monitored, as it was passed in.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Ends the monitor. True if it was active: then nothing has happened to the target as far as
    /// is known here. False if it had fired, whether that was seen or not.
    pub fn demonitor(mut self) -> Demonitored {
        self.watcher.take().map_or(Demonitored::Unknown, |watcher| watcher.demonitor(self.id))
    }

    /// The node has failed: nothing more is known of the target.
    fn ends_with_node(&self) -> Down {
        let end = DownReason::NoConnection(EndKind::NodeFailed.into());
        let mut down = Down::new(self.reference.clone(), self.target.clone(), end);
        down.tag = self.tag;
        down
    }

    /// Runs `work` as long as the target lives.
    ///
    /// What `work` gives comes back as `Ok`, and the monitor is over. If the target is gone, or
    /// cannot be reached, before that, `work` is dropped at its next await, and then its end comes
    /// back as `Err`. A panic in `work` is the caller's. Cancel-safe as far as `work` is: dropped
    /// before it is done, it drops `work` and demonitors.
    ///
    /// # Errors
    /// The [`Down`], of whatever reason: [`is_terminal`](monitor_core::DownReason::is_terminal)
    /// tells whether the target is gone for good. Side effects that `work` has had by then are not
    /// undone.
    ///
    /// ```
    /// # use monitor_runtime::{Config, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// let database = node.process()?;
    /// let answer = node.monitor(database.pid())?.guard(async { 6 * 7 }).await;
    /// assert_eq!(answer, Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub async fn guard<F: Future>(self, work: F) -> Result<F::Output, Down> {
        let mut monitor = self;
        let mut work = pin!(work);
        poll_fn(|cx| {
            // First: work that depends on a target that is gone is not even begun.
            if let Poll::Ready(down) = Pin::new(&mut monitor).poll(cx) {
                return Poll::Ready(Err(down));
            }
            work.as_mut().poll(cx).map(Ok)
        })
        .await
    }
}

impl Future for Monitor {
    type Output = Down;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Down> {
        let Some(watcher) = &mut self.watcher else { return Poll::Pending };
        let down = ready!(watcher.poll_down(cx));
        self.watcher = None;
        Poll::Ready(down.unwrap_or_else(|| self.ends_with_node()))
    }
}

impl FusedFuture for Monitor {
    fn is_terminated(&self) -> bool {
        self.watcher.is_none()
    }
}
