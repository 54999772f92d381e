//! The trace of a run, line by line, and its hash.

use std::collections::VecDeque;

use crate::time::{SECOND, Time};

/// The last lines or all of them, and the hash of all.
pub struct Trace {
    keep_all: bool,
    lines: VecDeque<(Time, String)>,
    hash: u64,
}

/// Number of lines that are kept for a failed run.
const LAST: usize = 60;

impl Trace {
    pub const fn new(keep_all: bool) -> Self {
        Trace { keep_all, lines: VecDeque::new(), hash: 0xcbf2_9ce4_8422_2325 }
    }

    pub fn add(&mut self, at: Time, line: String) {
        // FNV-1a: the same on every machine and with every compiler.
        for byte in at.to_le_bytes().into_iter().chain(line.bytes()) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        self.lines.push_back((at, line));
        if !self.keep_all && self.lines.len() > LAST {
            self.lines.pop_front();
        }
    }

    pub const fn hash(&self) -> u64 {
        self.hash
    }

    pub fn lines(&self) -> impl Iterator<Item = String> {
        let show = |(at, line): &(Time, String)| format!("{:12.6} {line}", *at as f64 / SECOND as f64);
        self.lines.iter().map(show)
    }
}
