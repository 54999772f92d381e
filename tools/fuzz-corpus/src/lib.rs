//! Runs the fuzz targets without a fuzzer: over the committed corpus, and over inputs derived from
//! the corpus with a fixed seed. The tests of all crates with fuzz targets use it.

#![allow(clippy::unwrap_used, reason = "only tests use it")]

use std::{fs, path::Path, thread};

/// Number of derived inputs; an environment variable can raise it.
const ROUNDS: usize = 20_000;
const ROUNDS_VARIABLE: &str = "OBIT_FUZZ_ROUNDS";
/// Maximum length of a derived input.
const LONGEST: usize = 4096;

/// A fuzz target, and its limit on memory.
pub struct Target {
    /// The folder of the corpus.
    pub name: &'static str,
    /// Handles one input.
    pub run: fn(&[u8]),
    /// Maximum number of allocated bytes at any moment, for an empty input.
    pub most: u64,
    /// Additional bytes for each byte of the input.
    pub most_per_byte: u64,
}

impl Target {
    /// Runs the target over the corpus and over derived inputs.
    pub fn check(&self) {
        let corpus = self.corpus();
        corpus.iter().for_each(|input| self.check_one(input));
        let rounds = std::env::var(ROUNDS_VARIABLE).map_or(ROUNDS, |rounds| rounds.parse().unwrap());
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..rounds {
            self.check_one(&mutated(&corpus, &mut random));
        }
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus").join(self.name);
        let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        assert!(!files.is_empty(), "{} is empty", folder.display());
        files.iter().map(|file| fs::read(file).unwrap()).collect()
    }

    /// The peak also bounds every single allocation.
    fn check_one(&self, input: &[u8]) {
        let _told = Told { target: self.name, input };
        let taken = allocation_counter::measure(|| (self.run)(input)).bytes_max;
        let most = self.most + self.most_per_byte * input.len() as u64;
        assert!(taken <= most, "{taken} bytes for an input of {}, at most {most} are allowed", input.len());
    }
}

/// Prints the input if the test panics.
struct Told<'a> {
    target: &'a str,
    input: &'a [u8],
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            let hex: String = self.input.iter().map(|byte| format!("{byte:02x}")).collect();
            eprintln!("target {}, input in hex: {hex}", self.target);
        }
    }
}

/// Derives an input: one of the corpus, changed in a few places.
fn mutated(corpus: &[Vec<u8>], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut input = corpus[random.usize(..corpus.len())].clone();
    for _ in 0..random.usize(1..=4) {
        let at = random.usize(..=input.len());
        match random.u8(..8) {
            0 => input.truncate(at),
            1 => input.insert(at, random.u8(..)),
            2 => drop(input.splice(at..at, std::iter::repeat_n(random.u8(..), random.usize(..64)))),
            3 => {
                let other = &corpus[random.usize(..corpus.len())];
                let from = random.usize(..=other.len());
                input.splice(at.., other[from..].iter().copied());
            }
            4 => input.extend_from_within(at..),
            change if at < input.len() => match change {
                5 => input[at] ^= 1 << random.u8(..8),
                6 => input[at] = [0, 1, 0x7f, 0x80, 0xff][random.usize(..5)],
                _ => drop(input.remove(at)),
            },
            _ => {}
        }
    }
    input.truncate(LONGEST);
    input
}
