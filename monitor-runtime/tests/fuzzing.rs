//! Sessions with a peer that sends arbitrary bytes: no panic, no broken guarantee, and no more
//! memory than the bytes justify.

use fuzz_corpus::Target;

#[test]
fn sessions() {
    let run = monitor_runtime::fuzzing::session;
    Target { name: "runtime_session", run, most: 16 << 10, most_per_byte: 64 }.check();
}
