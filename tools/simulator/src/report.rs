//! Runs several seeds in parallel, and prints a report.

use std::{
    fs,
    io::{self, IsTerminal},
    process::ExitCode,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Instant,
};

use parking_lot::Mutex;
use serde_json::json;

use crate::{
    counts::Counts,
    options::Options,
    tasks,
    time::SECOND,
    world::{Settings, Violation, World},
};

/// Number of seeds with all faults after which every event must have happened at least once.
const ENOUGH: u64 = 20;

#[derive(Default)]
struct Results {
    done: u64,
    counts: Counts,
    hash: u64,
    failed: Vec<Failed>,
}

struct Failed {
    seed: u64,
    violation: Violation,
    lines: Vec<String>,
}

/// Runs the seeds, and prints the report. The exit code is 0 if every property held.
pub fn run(options: &Options) -> ExitCode {
    tasks::silence_planned_panics();
    let start = Instant::now();
    let (next, results) = (AtomicU64::new(0), Mutex::new(Results::default()));
    thread::scope(|scope| {
        for _ in 0..options.threads.min(options.seeds as usize) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= options.seeds {
                        return;
                    }
                    run_seed(options.seed + seed, options, &results, start);
                }
            });
        }
    });
    let mut results = results.into_inner();
    results.failed.sort_by_key(|failed| failed.seed);
    print_report(options, &results, start.elapsed().as_secs_f64())
}

fn run_seed(seed: u64, options: &Options, results: &Mutex<Results>, start: Instant) {
    let Options { nodes, seconds, faults, trace, .. } = *options;
    let mut world = World::new(Settings { seed, nodes, seconds, faults, keep_trace: trace });
    world.run();
    if trace {
        world.log.lines().for_each(|line| println!("{line}"));
    }
    let mut results = results.lock();
    results.done += 1;
    results.counts.add(&world.counts);
    // Seeds end in any order, and the sum does not depend on the order.
    results.hash = results.hash.wrapping_add(world.log.hash());
    if let Some(violation) = world.violation.take() {
        results.failed.push(Failed { seed, violation, lines: world.log.lines().collect() });
    }
    if io::stderr().is_terminal() {
        let seconds = start.elapsed().as_secs_f64();
        eprint!(
            "\r{} of {} seeds, {} failed, {seconds:.0} s ",
            results.done,
            options.seeds,
            results.failed.len()
        );
    }
}

fn print_report(options: &Options, results: &Results, seconds: f64) -> ExitCode {
    if io::stderr().is_terminal() {
        eprintln!();
    }
    for failed in &results.failed {
        let Violation { property, what, at } = &failed.violation;
        println!(
            "FAILED  seed {}: {property} broken at {:.6} s: {what}",
            failed.seed,
            *at as f64 / SECOND as f64
        );
        if !options.trace {
            failed.lines.iter().for_each(|line| println!("    {line}"));
        }
        println!("  replay: {}", replay(options, failed.seed));
    }
    let missing = results.counts.missing();
    let vacuous = options.fault_list == "all" && options.seeds >= ENOUGH && !missing.is_empty();
    if vacuous {
        println!(
            "FAILED  these events never happened, so the run shows nothing about them: {}",
            missing.join(", ")
        );
    }
    for (what, number) in results.counts.list() {
        println!("{number:>12}  {what}");
    }
    for (kind, number) in &results.counts.ends {
        println!("{number:>12}  ends of sessions: {kind:?}");
    }
    let hours = results.counts.node_seconds as f64 / 3600.0;
    println!(
        "{} seeds from {}, {} nodes, faults {}: {} failed; {hours:.1} simulated node-hours in {seconds:.1} s, \
         {:.2} seeds/s; trace {:016x}",
        options.seeds,
        options.seed,
        options.nodes,
        options.fault_list,
        results.failed.len(),
        options.seeds as f64 / seconds,
        results.hash,
    );
    let written =
        options.json.as_ref().map_or(Ok(()), |file| fs::write(file, json(options, results, seconds)));
    if let Err(error) = &written {
        eprintln!("error: cannot write the JSON: {error}");
    }
    if results.failed.is_empty() && !vacuous && written.is_ok() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn replay(options: &Options, seed: u64) -> String {
    let Options { nodes, seconds, fault_list, .. } = options;
    format!("cargo xtask sim --seed {seed} --nodes {nodes} --seconds {seconds} --faults {fault_list} --trace")
}

fn json(options: &Options, results: &Results, seconds: f64) -> String {
    let failed: Vec<_> = results
        .failed
        .iter()
        .map(|failed| {
            json!({
                "seed": failed.seed,
                "property": failed.violation.property,
                "what": failed.violation.what,
                "at_us": failed.violation.at,
                "trace": failed.lines,
                "replay": replay(options, failed.seed),
            })
        })
        .collect();
    let report = json!({
        "seed": options.seed,
        "seeds": options.seeds,
        "nodes": options.nodes,
        "faults": options.fault_list,
        "wall_seconds": seconds,
        "seeds_per_second": options.seeds as f64 / seconds,
        "simulated_node_hours": results.counts.node_seconds as f64 / 3600.0,
        "trace_hash": format!("{:016x}", results.hash),
        "counts": results.counts.to_json(),
        "failed": failed,
    });
    format!("{report:#}\n")
}
