//! What a node measures, for the recorder of the program: the facade of the crate `metrics`.
//!
//! The names, and what they count, are those of `/metrics`; each has a label `node` beside them.
//! `docs/METRICS.md` explains all of them.
//!
//! ```
//! use std::time::Duration;
//! use monitor_runtime::{Config, Node};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
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

/// Tells the recorder what the node measures: before this returns, and again each time that `every`
/// has passed. Less than a millisecond counts as one; after a time that the clock cannot reach,
/// such as `Duration::MAX`, nothing is told again. Install the recorder before; without one nothing
/// is recorded.
///
/// Counters are set to what the node has counted since its start. It takes as long as
/// [`Node::stats`], on the node's own threads, and does not keep the node alive.
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
        // Aborted or not, it is over.
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
        // The recorder is code of the program, which may block.
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
