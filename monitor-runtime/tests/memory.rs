//! Memory of a process that only waits.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::{Arc, Mutex};

use allocation_counter::measure;
use common::PassTo;
use futures::future::BoxFuture;
use monitor_runtime::{Config, Node};
use peer_service::memory::Network;

const PROCESSES: u64 = 1000;

/// Maximum heap bytes for each process, including its entries in the node. Most of it is the task,
/// which holds a mailbox; with room for a second copy of the mailbox it would be half as much
/// again.
const MOST: u64 = 700;

#[test]
fn a_task_that_is_a_process_has_room_for_its_mailbox_once() {
    let tasks = Arc::new(Mutex::new(Vec::<BoxFuture<'static, ()>>::with_capacity(2 * PROCESSES as usize)));
    let kept = tasks.clone();
    let config = Config::new("a@local");
    let config = config.runtime(PassTo(move |task| kept.lock().unwrap().push(task)));
    let service = Network::new().join("a@local".parse().unwrap());
    let node = Node::with_service(config, service).unwrap();
    let spawn = || {
        let process = node.spawn(|mut mailbox| async move {
            mailbox.recv().await;
            Ok(())
        });
        process.unwrap();
    };
    let taken = measure(|| (0..PROCESSES).for_each(|_| spawn()));
    let each = u64::try_from(taken.bytes_current).unwrap() / PROCESSES;
    assert!(each <= MOST, "{each} bytes a process");
    // One allocation each for the task, its abort handle and the process; the node's tables grow
    // now and then.
    assert!(taken.count_total <= 3 * PROCESSES + 64, "{} allocations", taken.count_total);
}
