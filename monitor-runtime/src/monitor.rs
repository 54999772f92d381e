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
    /// Monitors a process, by pid or by name, on this node or another. Connects on demand.
    ///
    /// Never waits for the peer, for a connection or for room in a buffer (Erlang may block for
    /// seconds). A failure at the target's end arrives as the [`Down`](crate::Down): `NoProc` for
    /// an unknown name or a dead pid, `NoConnection` if no connection can be made. O(1).
    ///
    /// # Errors
    /// [`NotAlive`](crate::NotAlive); [`Unsupported`](crate::Unsupported) if the target is on
    /// another node and the peer service lacks `monitoring`. If the service lacks `connect`, a
    /// monitor of a node that is not connected ends with `NoConnection(NotConnected)`.
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

/// A monitor: a future that is ready when the target has ended, or cannot be reached.
///
/// [`Node::monitor`] makes it. It belongs to no process: it is a watcher of its own, and monitors
/// from the moment it is made, polled or not. Dropping it demonitors and flushes, which never fails
/// and never waits. Awaiting `&mut monitor` is cancel-safe. Once it has been ready it stays
/// pending.
///
/// When it is ready, every message that the target sent to this node before is in its mailbox.
///
/// The waker of the awaiting task is called in place: for an end on another node that is on the
/// node's own thread. A panic of a waker is caught, but a waker that blocks delays the node's
/// heartbeats and other frames, so a waker must not block. The wakers of executors do not.
///
/// ```
/// # use monitor_runtime::{Config, DownReason, ExitReason, Node};
/// # use peer_service::memory::Network;
/// # smol::block_on(async {
/// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
/// let worker = node.spawn(|_mailbox| async { Ok(()) })?;
/// let down = node.monitor(&worker)?.await;
/// assert!(matches!(down.reason, DownReason::Exit(ExitReason::Normal) | DownReason::NoProc));
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "dropping a monitor demonitors"]
#[derive(Debug)]
pub struct Monitor {
    /// `None` once the monitor has fired.
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

    /// Its reference, the same as in the [`Down`].
    pub const fn reference(&self) -> &MonitorRef {
        &self.reference
    }

    /// The target, as it was passed in.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Ends the monitor. If the result is [`Demonitored::Active`], the local node has no report of
    /// the target's end. It is [`Demonitored::Fired`] whether the `Down` was received or not, and
    /// [`Demonitored::Unknown`] if the node has stopped.
    pub fn demonitor(mut self) -> Demonitored {
        self.watcher.take().map_or(Demonitored::Fired, |watcher| watcher.demonitor(self.id))
    }

    /// The `Down` of a node that has failed and can report nothing more about the target.
    fn ends_with_node(&self) -> Down {
        let end = DownReason::NoConnection(EndKind::NodeFailed.into());
        let mut down = Down::new(self.reference.clone(), self.target.clone(), end);
        down.tag = self.tag;
        down
    }

    /// Runs `work` until it completes or the target ends.
    ///
    /// Returns the output of `work` as `Ok`, and ends the monitor. If the target ends or cannot be
    /// reached before that, `work` is dropped at its next await and the `Down` is returned as
    /// `Err`. A panic in `work` propagates to the caller. Cancel-safe if `work` is: dropping this
    /// future drops `work` and demonitors.
    ///
    /// # Errors
    /// The [`Down`], for any reason: [`is_terminal`](monitor_core::DownReason::is_terminal) says
    /// whether the target has ended for good. Side effects of `work` are not undone.
    ///
    /// ```
    /// # use monitor_runtime::{Config, Node};
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// let database = node.process()?;
    /// let answer = node.monitor(database.pid())?.guard(async { 6 * 7 }).await;
    /// assert_eq!(answer, Ok(42));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub async fn guard<F: Future>(self, work: F) -> Result<F::Output, Down> {
        let mut monitor = self;
        let mut work = pin!(work);
        poll_fn(|cx| {
            // The monitor is polled first, so that `work` does not begin if the target has ended.
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
