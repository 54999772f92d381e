//! `cargo xtask scale`: measures the costs of monitors, processes and nodes on one machine, and how
//! each cost grows with their number.
//!
//! Every node is a process of its own on loopback. Each subject is measured at several sizes; a
//! power of the size is fitted to each cost ([`growth`]), and its exponent shows whether a cost
//! grows faster than expected.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::{Args, builder::RangedU64ValueParser};
use harness::{
    build,
    children::Children,
    files::{self, make_folder},
    machine, workspace,
};

use self::{
    costs::{Costs, Subject},
    nodes::Shape,
};
use crate::bench::pair::Lab;

mod costs;
mod descriptors;
mod growth;
mod monitors;
mod nodes;
mod plot;
mod processes;

/// The text that `--help` shows below the options.
pub(crate) const EXAMPLES: &str = "\
Examples:
  cargo xtask scale --quick                 small sizes, in less than a minute
  cargo xtask scale --json scale.json       up to ten million monitors, a million processes, two hundred nodes
  cargo xtask scale --only mesh,on-demand
  cargo xtask scale --only mesh --sizes 20,150 --heartbeat 10000/60000

docs/SCALE.md describes the measurements. A full run takes about 4 GiB of memory. Plots go to target/scale.";

/// The options of `scale`.
#[derive(Args)]
pub(crate) struct Options {
    /// Only these subjects: monitors, processes, mesh, on-demand.
    #[arg(long, value_name = "SUBJECT", value_delimiter = ',')]
    only: Vec<String>,
    /// Small sizes.
    #[arg(long)]
    quick: bool,
    /// These sizes instead, such as 150 for as many nodes.
    #[arg(long, value_name = "N", value_delimiter = ',', requires = "only", value_parser = RangedU64ValueParser::<usize>::new().range(10..=10_000_000))]
    sizes: Vec<usize>,
    /// Heartbeat interval and timeout of the nodes of a mesh and of nodes on demand, in
    /// milliseconds.
    #[arg(long, value_name = "INTERVAL/TIMEOUT", default_value = "1000/5000")]
    heartbeat: String,
    /// Write the figures as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// A subject, its measurement, and its sizes: all of them, and those of a quick run.
struct Part {
    subject: Subject,
    measure: fn(&Testbed, usize, &mut Costs) -> Result<()>,
    sizes: &'static [usize],
    quick: &'static [usize],
}

const PARTS: [Part; 4] = [
    Part {
        subject: monitors::SUBJECT,
        measure: |testbed, monitors, costs| monitors::measure(&testbed.pairs, monitors, costs),
        sizes: &[10_000, 100_000, 1_000_000, 10_000_000],
        quick: &[1_000, 10_000, 100_000],
    },
    Part {
        subject: processes::SUBJECT,
        measure: |testbed, processes, costs| processes::measure(&testbed.pairs, processes, costs),
        sizes: &[1_000, 10_000, 100_000, 1_000_000],
        quick: &[1_000, 10_000, 30_000],
    },
    Part {
        subject: nodes::MESH,
        measure: |testbed, nodes, costs| nodes::measure(testbed, Shape::Mesh, nodes, costs),
        sizes: NODES,
        quick: NODES_QUICK,
    },
    Part {
        subject: nodes::ON_DEMAND,
        measure: |testbed, nodes, costs| nodes::measure(testbed, Shape::OnDemand, nodes, costs),
        sizes: NODES,
        quick: NODES_QUICK,
    },
];

const NODES: &[usize] = &[10, 25, 50, 100, 200];
const NODES_QUICK: &[usize] = &[10, 20, 40];

/// The programs and settings that all measurements use.
struct Testbed {
    /// For pairs of nodes as `cargo xtask bench` has them.
    pairs: Lab,
    /// The program of the nodes that run in hundreds.
    node: PathBuf,
    /// Their heartbeats, as the program takes them.
    heartbeat: String,
    /// A quick run: fixed waiting times are shorter, too.
    quick: bool,
}

impl Testbed {
    /// Returns the time that nodes get to become idle before a measurement of idle nodes.
    const fn quiescence(&self) -> Duration {
        Duration::from_millis(if self.quick { 500 } else { 2_000 })
    }
}

/// Runs the measurements and prints the results.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let children = Children::default();
    children.end_on_interrupt()?;
    match measure(options, &children) {
        // The signal ended the nodes, so any error that follows from that means nothing.
        Err(_) if children.interrupted() => Ok(ExitCode::from(130)),
        measured => measured.map(|()| ExitCode::SUCCESS),
    }
}

fn measure(options: &Options, children: &Children) -> Result<()> {
    let parts = options.parts()?;
    let folder = workspace::root().join("target").join("scale");
    make_folder(&folder)?;
    let testbed = Testbed {
        pairs: Lab {
            before: None,
            children: children.clone(),
            program: build::tool("bench-node", true)?,
            folder: folder.clone(),
        },
        node: build::tool("scale-node", true)?,
        heartbeat: options.heartbeat.clone(),
        quick: options.quick,
    };
    println!("load of the machine before: {}", load());
    let mut costs = Costs::default();
    for part in parts {
        println!("\n{}", part.subject.title);
        for &size in options.sizes(part) {
            (part.measure)(&testbed, size, &mut costs)
                .with_context(|| format!("{}, {size}", part.subject.id))?;
            println!("  {}", costs.line(part.subject, size));
        }
    }
    tell(options, &folder, &costs)
}

impl Options {
    fn parts(&self) -> Result<Vec<&'static Part>> {
        let ids = || PARTS.iter().map(|part| part.subject.id);
        if let Some(unknown) = self.only.iter().find(|only| !ids().any(|id| id == *only)) {
            bail!("--only {unknown}: the subjects are {}", ids().collect::<Vec<_>>().join(", "));
        }
        let wanted = |part: &&Part| self.only.is_empty() || self.only.iter().any(|id| id == part.subject.id);
        Ok(PARTS.iter().filter(wanted).collect())
    }

    fn sizes<'a>(&'a self, part: &'a Part) -> &'a [usize] {
        match (self.sizes.as_slice(), self.quick) {
            ([], true) => part.quick,
            ([], false) => part.sizes,
            (sizes, _) => sizes,
        }
    }
}

fn tell(options: &Options, folder: &Path, costs: &Costs) -> Result<()> {
    println!("\n{}", costs.tables());
    for (name, svg) in plot::all(costs) {
        files::write(&folder.join(name), &svg)?;
    }
    println!("plots: {}", folder.display());
    if let Some(file) = &options.json {
        let figures = costs.json(&load(), &machine::commit())?;
        files::write(file, &(serde_json::to_string_pretty(&figures).context("the figures")? + "\n"))?;
    }
    Ok(())
}

/// Returns the load averages of the last minute, five minutes and fifteen minutes.
fn load() -> String {
    let loadavg = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    loadavg.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
