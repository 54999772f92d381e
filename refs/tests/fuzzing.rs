//! Bytes and texts from any source: no panic, and no more memory than their length justifies.

use fuzz_corpus::Target;

#[test]
fn binary_forms() {
    Target { name: "refs_binary", run: refs::fuzzing::binary, most: 256, most_per_byte: 8 }.check();
}

#[test]
fn texts() {
    Target { name: "refs_text", run: refs::fuzzing::text, most: 256, most_per_byte: 8 }.check();
}
