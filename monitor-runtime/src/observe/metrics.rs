//! The figures of a node for the recorder of the program, through the facade crate `metrics`.
//!
//! Names and meanings are those of `/metrics`, with an additional label `node`. `docs/METRICS.md`
//! explains all of them.
//!
//! ```
//! use std::time::Duration;
//! use monitor_runtime::{Config, Node};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
//! let recording = monitor_runtime::metrics::record(&node, Duration::from_secs(5)); // until it is dropped
//! # drop(recording);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures::future::{AbortHandle, Abortable};
use metrics::{Label, counter, describe_counter, describe_gauge, gauge};
use refs::NodeId;
use smol::Timer;
use supervision::telemetry;

use crate::{
    engine::state::Inner,
    node::Node,
    observe::{inspect::Stats, metric_families::Family},
    tasks::kinds,
};

/// A running recording. Dropping it stops the recording, not the node.
#[derive(Debug)]
#[must_use = "nothing is recorded any more when this is dropped"]
pub struct Recording {
    task: AbortHandle,
}

/// Passes the figures of the node to the recorder: once before this returns, and again after each
/// `every`. An interval below one millisecond counts as one; with an interval beyond the range of
/// the clock, such as `Duration::MAX`, the figures are recorded only once. Install the recorder
/// before; without one nothing is recorded.
///
/// Counters are set to the totals since the start of the node. Each recording takes as long as
/// [`Node::stats`]. The recording does not keep the node alive.
pub fn record(node: &Node, every: Duration) -> Recording {
    for family in Family::all(&node.stats()) {
        if family.counts {
            describe_counter!(family.name, family.help);
        } else {
            describe_gauge!(family.name, family.help);
        }
    }
    tell(&node.inner.id, &node.stats());
    let (task, stopped) = AbortHandle::new_pair();
    let again = again(Arc::downgrade(&node.inner), every.max(Duration::from_millis(1)));
    let recording = async move {
        // It makes no difference whether it was aborted.
        let _ = Abortable::new(again, stopped).await;
    };
    node.inner.run_task(kinds::RECORDING, recording, kinds::settled_on_drop);
    Recording { task }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn again(node: Weak<Inner>, every: Duration) {
    loop {
        Timer::after(every).await;
        let Some(node) = node.upgrade() else { return };
        // The recorder is user code, which may block.
        let (id, stats) = (node.id.clone(), Stats::of(&node));
        telemetry::send(move || tell(&id, &stats));
    }
}

fn tell(node: &NodeId, stats: &Stats) {
    let name = Label::new("node", node.name.to_string());
    for family in Family::all(stats) {
        for (value, figure) in family.figures {
            let of = family.label.map(|label| Label::from_static_parts(label, value));
            let labels: Vec<_> = of.into_iter().chain([name.clone()]).collect();
            if family.counts {
                counter!(family.name, labels).absolute(figure);
            } else {
                gauge!(family.name, labels).set(figure as f64);
            }
        }
    }
}
