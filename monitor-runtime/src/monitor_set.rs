//! Many monitors as one stream.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::stream::{FusedStream, Stream, StreamExt};
use monitor_core::{Demonitored, Down, DownReason, LocalPid, MonitorOptions};
use refs::{EndKind, IntoRef, MonitorRef, Serial, Target};

use crate::{error::MonitorError, monitor::watcher::Watcher, node::Node};

impl Node {
    /// An empty set of monitors.
    pub fn monitor_set(&self) -> MonitorSet {
        MonitorSet { watcher: Watcher::new(self), len: 0 }
    }
}

/// Any number of monitors, and a stream of their `Down`s.
///
/// [`Node::monitor_set`] makes one. All its monitors share one watcher, so a million targets cost a
/// million rows and not a million tasks. The stream yields each `Down` once, in the order in which
/// the monitors fired, and removes its monitor. It yields `None` while the set is empty, and
/// continues when a monitor is added. Dropping the set demonitors and flushes all of it.
///
/// If the node itself fails ([`EndKind::NodeFailed`]), the set yields a single `Down` with that
/// cause for all its monitors, whose target is the set itself, and is empty then.
///
/// Cancel-safe: a `Down` leaves the set only when the stream yields it. If the future of `next()`
/// is dropped before, no `Down` is lost.
///
/// ```
/// # use monitor_runtime::{Config, Node};
/// # use peer_service::memory::Network;
/// # smol::block_on(async {
/// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
/// let mut set = node.monitor_set();
/// for _ in 0..3 {
///     set.monitor(node.spawn(|_mailbox| async { Ok(()) })?)?;
/// }
/// while let Some(down) = set.next().await {
///     println!("{:?}: {}", down.target, down.reason);
/// }
/// assert!(set.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[must_use = "dropping a set demonitors all of it"]
#[derive(Debug)]
pub struct MonitorSet {
    watcher: Watcher,
    /// Number of monitors that were added, and neither removed nor yielded as a `Down`.
    len: usize,
}

impl MonitorSet {
    /// Monitors a target, connecting on demand. Adding the same target twice makes two monitors.
    ///
    /// # Errors
    /// As [`Node::monitor`].
    pub fn monitor(&mut self, target: impl IntoRef<Target>) -> Result<MonitorRef, MonitorError> {
        self.monitor_with(target, MonitorOptions::new())
    }

    /// Monitors a target, with options.
    ///
    /// # Errors
    /// As [`Node::monitor_with`].
    pub fn monitor_with(
        &mut self,
        target: impl IntoRef<Target>,
        options: MonitorOptions,
    ) -> Result<MonitorRef, MonitorError> {
        let id = self.watcher.monitor(&target.into_ref()?, options)?;
        self.len += 1;
        Ok(self.watcher.node.inner.reference(id))
    }

    /// Ends a monitor of this set and flushes: its `Down` is not yielded any more. The result is
    /// [`Demonitored::Unknown`] if it is no monitor of this set, or its `Down` was yielded before.
    /// Amortized O(1).
    pub fn demonitor(&mut self, monitor: &MonitorRef) -> Demonitored {
        let Some(id) = self.watcher.node.inner.monitor_id(monitor) else { return Demonitored::Unknown };
        let found = self.watcher.demonitor(id);
        if found != Demonitored::Unknown {
            self.len -= 1;
        }
        found
    }

    /// Waits for the next `Down`. Returns `None` while the set is empty. The same as
    /// [`StreamExt::next`], without a trait to import.
    ///
    /// Cancel-safe.
    pub async fn next(&mut self) -> Option<Down> {
        StreamExt::next(self).await
    }

    /// The single `Down` for all monitors of the set after the node has failed. Its target is the
    /// set itself, under a pid of the node, and its reference belongs to no monitor.
    fn ends_with_node(&self) -> Down {
        let node = &self.watcher.node.inner;
        let end = DownReason::NoConnection(EndKind::NodeFailed.into());
        Down::new(
            MonitorRef::new(node.id.clone(), Serial::from_u64(0)),
            node.pid(self.watcher.pid().unwrap_or(LocalPid::NONE).0).into(),
            end,
        )
    }

    /// Number of monitors in the set, including those whose `Down` was not yielded yet.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the set has no monitors.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Stream for MonitorSet {
    type Item = Down;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Down>> {
        if self.is_empty() {
            return Poll::Ready(None);
        }
        let down = ready!(self.watcher.poll_down(cx));
        // After the node has failed the set is empty.
        self.len = if down.is_some() { self.len - 1 } else { 0 };
        Poll::Ready(Some(down.unwrap_or_else(|| self.ends_with_node())))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(self.len))
    }
}

impl FusedStream for MonitorSet {
    fn is_terminated(&self) -> bool {
        self.is_empty()
    }
}
