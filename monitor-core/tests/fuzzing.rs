//! Frames of signals from any source: no panic, and no more memory than their length justifies.

use fuzz_corpus::Target;

#[test]
fn signals() {
    let run = monitor_core::fuzzing::signals;
    Target { name: "core_signals", run, most: 1024, most_per_byte: 32 }.check();
}
