//! Counts how often a healthy node is reported as down.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::Result;
use harness::net::{
    Network, node_address,
    relay::{Relay, RelayFaults},
};
use serde::Serialize;

use super::{
    PRESETS,
    testbed::{Side, Testbed, name},
};
use crate::cluster::heartbeat::Heartbeat;

/// Adverse conditions without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Quiet,
    /// Twice as many threads as processors do nothing but run.
    Load,
    /// Percentage of inbound packets that every node loses.
    Loss(u8),
    /// Delay of all traffic in both directions, in milliseconds.
    Delay(u64),
}

pub(super) const CONDITIONS: [Condition; 5] =
    [Condition::Quiet, Condition::Load, Condition::Loss(5), Condition::Loss(20), Condition::Delay(200)];

/// One row of the table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FalsePositives {
    pub(super) condition: String,
    pub(super) preset: &'static str,
    pub(super) pairs: usize,
    pub(super) seconds: u64,
    /// Number of reports that a peer is down. No peer was down.
    pub(super) false_downs: usize,
}

impl Condition {
    pub(super) fn name(self) -> String {
        match self {
            Condition::Quiet => "nothing the matter".to_owned(),
            Condition::Load => "every processor busy".to_owned(),
            Condition::Loss(percent) => format!("{percent} % of all packets lost"),
            Condition::Delay(millis) => format!("{millis} ms later, each way"),
        }
    }
}

/// Two nodes that always try to have a session, through a relay that behaves well or badly.
struct Couple {
    sides: [Side; 2],
    relay: Relay,
}

/// Runs that many pairs of each preset under the condition, all at once, and counts the reports.
pub(super) fn measure(
    testbed: &Testbed<'_>,
    condition: Condition,
    pairs: usize,
    lasting: Duration,
) -> Result<Vec<FalsePositives>> {
    let net = Network::new(2 * pairs * PRESETS.len())?;
    let mut hosts = (0..).step_by(2);
    let mut couples = Vec::new();
    for (preset, heartbeat) in PRESETS {
        let couple = |host| Ok((preset, couple(testbed, &net, [host, host + 1], heartbeat)?));
        couples.extend(hosts.by_ref().take(pairs).map(couple).collect::<Result<Vec<_>>>()?);
    }
    for (_, couple) in &couples {
        couple.sides[0].watcher.expect_node_up(&couple.sides[1].node)?;
        couple.sides[1].watcher.expect_node_up(&couple.sides[0].node)?;
    }
    under(condition, &couples, || thread::sleep(lasting))?;
    let row = |(preset, _): &(&'static str, Heartbeat)| -> Result<FalsePositives> {
        let of_preset = couples.iter().filter(|(other, _)| other == preset);
        let downs = of_preset.map(|(_, couple)| couple.downs()).sum::<Result<usize>>()?;
        let condition = condition.name();
        Ok(FalsePositives { condition, preset, pairs, seconds: lasting.as_secs(), false_downs: downs })
    };
    PRESETS.iter().map(row).collect()
}

fn couple(testbed: &Testbed<'_>, net: &Network, hosts: [usize; 2], heartbeat: Heartbeat) -> Result<Couple> {
    let dialled = testbed.start(net, hosts[1], heartbeat, Vec::new())?;
    // Beside the node that it leads to: there is one relay for each.
    let (to, listen) = (node_address(hosts[1]), (dialled.host.address(), 0).into());
    let relay = dialled.host.namespace().run(|| Relay::start(listen, to, 0))??;
    let peer = format!("{}={}", name(hosts[1]), relay.address());
    let dialling = testbed.start(net, hosts[0], heartbeat, vec![peer])?;
    Ok(Couple { sides: [dialling, dialled], relay })
}

/// Does something while the condition lasts.
fn under(condition: Condition, couples: &[(&str, Couple)], meanwhile: impl FnOnce()) -> Result<()> {
    let sides = || couples.iter().flat_map(|(_, couple)| &couple.sides);
    let lose =
        |percent| sides().try_for_each(|side| side.host.filter(|firewall| firewall.loss_percent = percent));
    match condition {
        Condition::Quiet => meanwhile(),
        Condition::Load => under_load(meanwhile),
        Condition::Loss(percent) => {
            lose(percent)?;
            meanwhile();
            lose(0)?;
        }
        Condition::Delay(millis) => {
            let delay = Duration::from_millis(millis);
            couples.iter().for_each(|(_, couple)| {
                couple.relay.set_faults(RelayFaults { delay, ..RelayFaults::default() })
            });
            meanwhile();
        }
    }
    Ok(())
}

fn under_load(meanwhile: impl FnOnce()) {
    let over = &AtomicBool::new(false);
    let threads = 2 * thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while !over.load(Ordering::Relaxed) {});
        }
        meanwhile();
        over.store(true, Ordering::Relaxed);
    });
}

impl Couple {
    /// Returns how often either node reported the other as down.
    fn downs(&self) -> Result<usize> {
        let mut downs = 0;
        for side in &self.sides {
            side.watcher.drain()?;
            downs += side.watcher.node_events().iter().filter(|event| !event.up).count();
        }
        Ok(downs)
    }
}
