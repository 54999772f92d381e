//! Bytes and texts from anywhere: never a panic, and no more memory than they are worth.

use fuzz_corpus::Target;

#[test]
fn binary_forms() {
    Target { name: "refs_binary", run: refs::fuzzing::binary, most: 256, most_per_byte: 8 }.check();
}

#[test]
fn texts() {
    Target { name: "refs_text", run: refs::fuzzing::text, most: 256, most_per_byte: 8 }.check();
}
