//! What can be done to this crate with bytes alone. For the fuzzer and its tests; nobody else may rely on it.

use alloc::vec::Vec;

use crate::{Signal, Signals, encode};

/// A frame of signals. What can be read is written and read again as the same, and an error is the last that is said.
pub fn signals(bytes: &[u8]) {
    let mut reading = Signals::new(bytes);
    let read: Vec<Signal> = reading.by_ref().map_while(Result::ok).collect();
    assert_eq!(reading.next(), None, "nothing comes after the end, or an error");

    let (mut written, mut last) = (Vec::new(), None);
    read.iter().for_each(|signal| encode(signal, &mut last, &mut written));
    let again: Result<Vec<Signal>, _> = Signals::new(&written).collect();
    assert_eq!(again, Ok(read));
}
