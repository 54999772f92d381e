//! JSON of a bounded length.

use std::io;

use serde::Serialize;

/// The value as JSON; `None` if that has more than `max` bytes. The buffer never exceeds `max`.
pub(crate) fn json(value: &impl Serialize, max: usize) -> Option<Vec<u8>> {
    let mut json = Bounded { bytes: Vec::new(), max };
    // A response consists of texts and numbers, so serializing it fails in no other way.
    serde_json::to_writer(&mut json, value).ok().map(|()| json.bytes)
}

struct Bounded {
    bytes: Vec<u8>,
    max: usize,
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.len() > self.max - self.bytes.len() {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_fits_is_whole_and_there_is_no_other() {
        let value = ["four", "words", "of", "text"];
        let whole = serde_json::to_vec(&value).unwrap();
        assert_eq!(json(&value, whole.len()), Some(whole.clone()));
        for max in 0..whole.len() {
            assert_eq!(json(&value, max), None);
        }
    }
}
