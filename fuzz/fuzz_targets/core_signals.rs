#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| monitor_core::fuzzing::signals(bytes));
