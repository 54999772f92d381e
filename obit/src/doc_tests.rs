//! Doc tests of the repository's pages: their Rust code is compiled, and run where possible. `cargo
//! xtask tidy` checks that the list is complete.

/// Pages whose code needs only the default features.
#[cfg(feature = "tcp")]
mod plain {
    #[doc = include_str!("../../README.md")]
    struct Readme;
    #[doc = include_str!("../../ARCHITECTURE.md")]
    struct Architecture;
    #[doc = include_str!("../../CONTRIBUTING.md")]
    struct Contributing;
    #[doc = include_str!("../../SECURITY.md")]
    struct Security;
    #[doc = include_str!("../../docs/CLI.md")]
    struct Cli;
    #[doc = include_str!("../../docs/CONFORMANCE.md")]
    struct Conformance;
    #[doc = include_str!("../../docs/DIFFERENTIAL.md")]
    struct Differential;
    #[doc = include_str!("../../docs/METRICS.md")]
    struct Metrics;
    #[doc = include_str!("../../docs/MUTANTS.md")]
    struct Mutants;
    #[doc = include_str!("../../docs/PERFORMANCE.md")]
    struct Performance;
    #[doc = include_str!("../../docs/RACES.md")]
    struct Races;
    #[doc = include_str!("../../docs/SCALE.md")]
    struct Scale;
    #[doc = include_str!("../../docs/SIMULATION.md")]
    struct Simulation;
    #[doc = include_str!("../../docs/errors.md")]
    struct Errors;
    #[doc = include_str!("../../docs/liveness.md")]
    struct Liveness;
    #[doc = include_str!("../../docs/security-annex.md")]
    struct SecurityAnnex;
    #[doc = include_str!("../../docs/guide/README.md")]
    struct Guide;
    #[doc = include_str!("../../docs/guide/embedding.md")]
    struct Embedding;
    #[doc = include_str!("../../docs/guide/from-erlang.md")]
    struct FromErlang;
    #[doc = include_str!("../../docs/guide/troubleshooting.md")]
    struct Troubleshooting;
    #[doc = include_str!("../../docs/guide/what-a-down-proves.md")]
    struct WhatADownProves;
}

/// Pages whose code needs a cluster in memory.
#[cfg(feature = "test-util")]
#[doc = include_str!("../../docs/guide/concepts.md")]
struct Concepts;

/// Pages whose code needs HTTP.
#[cfg(all(feature = "http", feature = "tcp", unix))]
#[doc = include_str!("../../docs/guide/operating.md")]
struct Operating;
