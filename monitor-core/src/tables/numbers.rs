//! Finds rows by the numbers that peers gave them.
//!
//! A peer gives its numbers in sequence and rows end in much the same order, so numbers that follow each other share a page:
//! the hash table is asked for the page, and for the next few rows both are still in the processor's caches. A table asked
//! for every row alone costs a few misses of the caches a row as soon as it is large, which is more than all else that is
//! done for it. A peer that gives numbers far apart costs a page a row, no more.

use super::{chunked::Chunked, index::Index};
use crate::ids::MonitorId;

/// How many numbers share a page: a page is little larger than the rows' other memory if only one of its places is used.
const PAGE: usize = 8;

/// No row is here.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Numbers {
    pages: Chunked<Page>,
    index: Index,
}

#[derive(Clone, Debug, Hash)]
struct Page {
    key: Key,
    rows: [u32; PAGE],
}

const _: () = assert!(size_of::<Page>() <= 48);

/// Slots are numbered by their use, too: a slot that a peer uses again may still be in use here, if channels let the news of
/// that overtake the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    peer: u32,
    generation: u32,
    block: u32,
}

impl Key {
    /// The page of a number, and its place there.
    const fn of(peer: u32, id: MonitorId) -> (Self, usize) {
        let (slot, generation) = (id.0.slot(), id.0.generation());
        (Key { peer, generation, block: slot / PAGE as u32 }, slot as usize % PAGE)
    }
}

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Numbers { pages: Chunked::new(), index: Index::new(seed) }
    }

    /// The row to which that peer gave that number.
    pub(crate) fn find(&mut self, peer: u32, id: MonitorId) -> Option<u32> {
        let (key, place) = Key::of(peer, id);
        let page = self.page(key)?;
        let row = self.pages[page].rows[place];
        (row != NONE).then_some(row)
    }

    /// The peer has given the row a number that no other row has of it.
    pub(crate) fn insert(&mut self, peer: u32, id: MonitorId, row: u32) {
        let (key, place) = Key::of(peer, id);
        let page = self.page(key).unwrap_or_else(|| {
            let page = self.pages.insert(Page { key, rows: [NONE; PAGE] });
            self.index.insert(page, |page| self.pages[page].key);
            page
        });
        self.pages[page].rows[place] = row;
    }

    /// The number stands for no row any more.
    pub(crate) fn remove(&mut self, peer: u32, id: MonitorId) {
        let (key, place) = Key::of(peer, id);
        let Some(page) = self.page(key) else { return };
        let rows = &mut self.pages[page].rows;
        rows[place] = NONE;
        if *rows == [NONE; PAGE] {
            self.index.remove(page, key, |page| self.pages[page].key);
            self.pages.remove(page);
        }
    }

    fn page(&mut self, key: Key) -> Option<u32> {
        self.index.find(key, |page| self.pages[page].key == key)
    }
}

#[cfg(test)]
mod tests {
    use refs::Serial;

    use super::*;

    fn id(slot: u32, generation: u32) -> MonitorId {
        MonitorId(Serial::new(slot, generation))
    }

    #[test]
    fn neighbours_share_a_page_and_leave_it_one_by_one() {
        let mut numbers = Numbers::new(1);
        for slot in 0..2 * PAGE as u32 {
            numbers.insert(0, id(slot, 7), 100 + slot);
        }
        assert_eq!(numbers.index.len(), 2);
        for slot in 0..2 * PAGE as u32 {
            assert_eq!(numbers.find(0, id(slot, 7)), Some(100 + slot));
            numbers.remove(0, id(slot, 7));
            assert_eq!(numbers.find(0, id(slot, 7)), None);
        }
        assert_eq!(numbers.index.len(), 0);
    }

    #[test]
    fn peers_and_uses_of_a_slot_are_told_apart() {
        let mut numbers = Numbers::new(1);
        let keys = [(0, id(3, 0)), (0, id(3, 1)), (1, id(3, 0)), (0, id(3 + PAGE as u32, 0))];
        for (row, (peer, id)) in (0..).zip(keys) {
            assert_eq!(numbers.find(peer, id), None);
            numbers.insert(peer, id, row);
        }
        numbers.remove(0, id(3, 1));
        let found = keys.map(|(peer, id)| numbers.find(peer, id));
        assert_eq!(found, [Some(0), None, Some(2), Some(3)]);
    }
}
