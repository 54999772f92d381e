//! Entry points that take only bytes. For the fuzzer and its tests; no other code may rely on them.

use alloc::vec::Vec;

use crate::{Signal, Signals, encode};

/// Reads a frame of signals. Signals that can be read must be the same after they are written and
/// read again, and an error must be the last item.
pub fn signals(bytes: &[u8]) {
    let mut reading = Signals::new(bytes);
    let read: Vec<Signal> = reading.by_ref().map_while(Result::ok).collect();
    assert_eq!(reading.next(), None, "nothing comes after the end, or an error");

    let (mut written, mut last) = (Vec::new(), None);
    read.iter().for_each(|signal| encode(signal, &mut last, &mut written));
    let again: Result<Vec<Signal>, _> = Signals::new(&written).collect();
    assert_eq!(again, Ok(read));
}
