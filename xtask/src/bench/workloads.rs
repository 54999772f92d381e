//! The workloads: the commands for the watching node, and the figures that their answers give.
//!
//! The verbs are described in `tools/bench-node/src/watcher.rs`.

use super::pair::System;

/// A workload: the steps that run on one pair of nodes of each system.
pub(super) struct Script {
    pub(super) steps: &'static [Step],
    pub(super) ours: System,
    /// The systems of the comparison: the better one counts.
    pub(super) others: &'static [System],
    /// The watched node does not survive it.
    pub(super) fatal: bool,
    /// It takes too long for a quick run.
    pub(super) long: bool,
}

impl Script {
    /// The description of the measurement.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'static str> {
        self.steps.iter().filter_map(|step| match step {
            Step::Do(_) => None,
            Step::Measure(measure) => Some(measure.id),
        })
    }
}

pub(super) enum Step {
    /// Prepares something.
    Do(&'static str),
    Measure(Measure),
}

pub(super) struct Measure {
    pub(super) id: &'static str,
    pub(super) verb: &'static str,
    /// The count that the verb takes.
    pub(super) n: u64,
    pub(super) figure: Figure,
}

/// The meaning of the numbers of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Figure {
    /// The time of all together: a rate per second.
    Rate,
    /// The time of each: three percentiles.
    Latency,
    /// The other node is killed; the time for all `Down`s, and the longest time of another call
    /// meanwhile.
    Lost,
    /// No numbers: the node is idle for a while, and its processor time and the bytes on the
    /// connection are counted.
    Idle,
    /// No numbers: the resident memory for each of `n` on either side, in bytes, since the start of
    /// the script.
    Memory,
}

/// The minimum and the goal, as a factor of improvement over Erlang/OTP.
pub(super) struct Target {
    pub(super) id: &'static str,
    pub(super) must: f64,
    pub(super) aim: f64,
    /// The minimum count of the rows that it applies to.
    pub(super) from: u64,
}

const fn target(id: &'static str, must: f64, aim: f64) -> Target {
    Target { id, must, aim, from: 0 }
}

pub(super) const TARGETS: &[Target] = &[
    target("W1a", 5.0, 10.0),
    target("W1b", 5.0, 10.0),
    target("W2", 8.0, 15.0),
    target("W3.p50", 1.0, 1.0),
    target("W3.p99", 0.5, 1.0),
    target("W3low.p50", 1.3, 2.0),
    target("W4a", 10.0, 15.0),
    target("W4b", 2.5, 3.5),
    target("W5", 1.5, 2.5),
    target("W5g", 10.0, 15.0),
    Target { from: 1_000_000, ..target("W6", 4.0, 8.0) },
    target("W11.1", 5.0, 5.0),
    target("W11.2", 5.0, 5.0),
    target("W11.4", 5.0, 5.0),
];

/// The two configurations of Erlang/OTP that are fair.
const FAIR: &[System] = &[System::OTP, System::OTP_BIG_BUFFER];

const fn rate(id: &'static str, verb: &'static str, n: u64) -> Step {
    Step::Measure(Measure { id, verb, n, figure: Figure::Rate })
}

const fn script(steps: &'static [Step]) -> Script {
    Script { steps, ours: System::OBIT, others: FAIR, fatal: false, long: false }
}

const fn long(steps: &'static [Step]) -> Script {
    Script { long: true, ..script(steps) }
}

/// Single `Down`s beside messages on a channel of their own. Not beside Erlang/OTP with the big
/// buffer: each answer waits there behind 128 MiB of messages.
const LOADED: Script = Script { ours: System::OBIT_BULK, others: &[System::OTP], ..script(&[]) };

/// W3 and W5 with processes on tokio. They are compared with the figures of the node's own
/// executor.
const ON_TOKIO: Script = Script { ours: System::OBIT_TOKIO, others: &[], ..script(&[]) };

pub(super) const SCRIPTS: &[Script] = &[
    script(&[
        Step::Do("targets tasks 1"),
        rate("W1a", "monitors 100000", 100_000),
        rate("W4a", "downs", 100_000),
    ]),
    script(&[
        Step::Do("targets tasks 100000"),
        rate("W1b", "monitors 100000", 100_000),
        rate("W5", "downs", 100_000),
    ]),
    script(&[Step::Do("targets guards 100000"), Step::Do("monitors 100000"), rate("W5g", "downs", 100_000)]),
    script(&[
        Step::Do("targets tasks 1"),
        Step::Do("spawn 100000"),
        rate("W1c", "watch", 100_000),
        rate("W4b", "downs", 100_000),
    ]),
    script(&[Step::Do("targets tasks 1"), rate("W2", "pairs 100000", 100_000)]),
    Script {
        steps: &[
            Step::Do("targets tasks 10000"),
            Step::Measure(Measure { id: "W3", verb: "each", n: 10_000, figure: Figure::Latency }),
        ],
        ours: System::OBIT,
        others: &[System::OTP_NO_BUSY_WAIT],
        fatal: false,
        long: false,
    },
    Script {
        steps: &[
            Step::Do("targets tasks 10000"),
            Step::Measure(Measure { id: "W17.each", verb: "each", n: 10_000, figure: Figure::Latency }),
        ],
        ..ON_TOKIO
    },
    Script {
        steps: &[
            Step::Do("targets tasks 100000"),
            Step::Do("monitors 100000"),
            rate("W17.all", "downs", 100_000),
        ],
        ..ON_TOKIO
    },
    Script {
        steps: &[
            Step::Do("targets tasks 10000"),
            Step::Measure(Measure { id: "W16", verb: "each-blocked", n: 10_000, figure: Figure::Latency }),
        ],
        ours: System::OBIT,
        others: &[],
        fatal: false,
        long: false,
    },
    Script {
        steps: &[
            Step::Do("targets tasks 10000"),
            Step::Measure(Measure { id: "W3low", verb: "each", n: 10_000, figure: Figure::Latency }),
        ],
        ours: System::OBIT_LOW_LATENCY,
        others: &[System::OTP],
        fatal: false,
        long: false,
    },
    Script {
        steps: &[
            Step::Do("targets tasks 1000"),
            Step::Do("monitors 100000"),
            Step::Measure(Measure { id: "W6", verb: "lost", n: 100_000, figure: Figure::Lost }),
        ],
        ours: System::OBIT,
        others: FAIR,
        fatal: true,
        long: false,
    },
    Script {
        steps: &[
            Step::Do("targets tasks 1000"),
            Step::Measure(Measure {
                id: "W7",
                verb: "monitors 1000000",
                n: 1_000_000,
                figure: Figure::Memory,
            }),
            Step::Measure(Measure { id: "W9", verb: "", n: 1_000_000, figure: Figure::Idle }),
            Step::Measure(Measure { id: "W6", verb: "lost", n: 1_000_000, figure: Figure::Lost }),
        ],
        ours: System::OBIT,
        others: FAIR,
        fatal: true,
        long: true,
    },
    script(&[
        Step::Do("targets tasks 1"),
        rate("W10.64", "messages 200000 64", 200_000),
        rate("W10.1k", "messages 100000 1024", 100_000),
        rate("W10.64k", "messages 2000 65536", 2_000),
    ]),
    Script {
        steps: &[
            Step::Do("targets tasks 1000"),
            Step::Measure(Measure {
                id: "W10.down",
                verb: "each-loaded 1000000",
                n: 1000,
                figure: Figure::Latency,
            }),
        ],
        ..LOADED
    },
    Script {
        steps: &[
            Step::Do("targets tasks 500"),
            Step::Measure(Measure {
                id: "W10.flood",
                verb: "each-loaded 0",
                n: 500,
                figure: Figure::Latency,
            }),
        ],
        long: true,
        ..LOADED
    },
    script(&[
        Step::Do("targets tasks 1"),
        rate("W11.1", "calls 1 100000 both", 100_000),
        rate("W11.2", "calls 2 100000 both", 200_000),
        rate("W11.4", "calls 4 100000 both", 400_000),
    ]),
    long(&[
        Step::Do("targets tasks 1"),
        rate("W11.local.1", "calls 1 100000 local", 100_000),
        rate("W11.local.2", "calls 2 100000 local", 200_000),
        rate("W11.remote.1", "calls 1 100000 remote", 100_000),
        rate("W11.remote.2", "calls 2 100000 remote", 200_000),
    ]),
];

/// A detection workload: the system, and the system of the comparison. The names are those of
/// Obit's presets.
pub(super) struct Silence {
    pub(super) id: &'static str,
    pub(super) ours: System,
    pub(super) other: Option<System>,
    /// It takes too long for a quick run.
    pub(super) long: bool,
}

pub(super) const SILENCES: &[Silence] = &[
    Silence { id: "W8.fast", ours: System::obit("fast"), other: Some(System::OTP_SHORT_TICK), long: false },
    Silence { id: "W8.default", ours: System::OBIT, other: Some(System::OTP), long: true },
    Silence { id: "W8.wan", ours: System::obit("wan"), other: None, long: true },
];
