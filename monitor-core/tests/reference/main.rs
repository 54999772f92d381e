//! The core beside a model made of sets: random scripts are played to both, and all outputs are
//! compared.
//!
//! `model` has the rules, `script` the inputs; `generate` makes scripts, and `play` plays them. A
//! script that fails is shrunk and printed line by line. `PROPTEST_CASES=20000 cargo test --release
//! -p monitor-core --test reference` runs longer than the default.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod compare;
mod generate;
mod model;
mod names;
mod output;
mod play;
mod script;

use proptest::prelude::*;

fn config(cases: u32) -> ProptestConfig {
    let config =
        ProptestConfig { failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { ProptestConfig { cases, ..config } }
}

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn every_output_is_that_of_the_model(script in generate::script(80)) {
        play::play(&script).map_err(TestCaseError::fail)?;
    }
}
