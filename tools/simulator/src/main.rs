//! Simulates a cluster of real nodes in virtual time, on connections with faults of many kinds.
//! `cargo xtask sim` runs it; `docs/SIMULATION.md` lists the real and the replaced parts.

#![allow(clippy::print_stdout, reason = "a command-line program speaks on standard output")]
#![allow(unreachable_pub, missing_docs, reason = "this is a program, not a library")]

use std::process::ExitCode;

mod conn;
mod counts;
mod faults;
mod handshake;
mod instance;
mod notices;
mod options;
mod oracle;
mod quiescence;
mod report;
mod service;
mod session;
mod tasks;
mod time;
mod trace;
mod transport;
mod upkeep;
mod wires;
mod workload;
mod world;

fn main() -> ExitCode {
    match options::read(std::env::args().skip(1)) {
        Ok(options) => report::run(&options),
        Err(problem) => {
            eprintln!("error: {problem}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Once;

    use crate::{
        faults::FaultSet,
        tasks,
        world::{Settings, World},
    };

    fn run(seed: u64, nodes: usize, seconds: u64, faults: &str) -> World {
        // A planned panic prints nothing, so that a violation is the first panic that a failed test
        // prints.
        static HOOK: Once = Once::new();
        HOOK.call_once(tasks::silence_planned_panics);
        let faults = FaultSet::parse(faults).unwrap();
        let mut world = World::new(Settings { seed, nodes, seconds, faults, keep_trace: false });
        world.run();
        assert!(world.violation.is_none(), "{:?}", world.violation);
        world
    }

    #[test]
    fn every_promise_is_kept_under_all_faults() {
        (0..24).for_each(|seed| {
            run(seed, 20, 20, "all");
        });
    }

    #[test]
    fn the_same_seed_gives_the_same_run_at_every_size() {
        for (nodes, seconds) in [(6, 20), (20, 60), (200, 5)] {
            let hash = |seed| run(seed, nodes, seconds, "all").log.hash();
            let first = hash(7);
            for again in 0..3 {
                assert_eq!(hash(7), first, "{nodes} nodes, replay {again}");
            }
            assert_ne!(hash(8), first, "{nodes} nodes");
        }
    }

    #[test]
    fn without_faults_no_session_ends() {
        let world = run(3, 6, 20, "none");
        assert!(world.counts.sessions > 10 && world.counts.down_exit > 10, "{:?}", world.counts);
    }
}
