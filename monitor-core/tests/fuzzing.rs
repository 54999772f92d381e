//! Frames of signals from any source: no panic, and no more memory than their length justifies.

#[path = "../../fuzz/stable.rs"]
mod stable;

#[test]
fn signals() {
    let run = monitor_core::fuzzing::signals;
    stable::Target { name: "core_signals", run, most: 1024, most_per_byte: 32 }.check();
}
