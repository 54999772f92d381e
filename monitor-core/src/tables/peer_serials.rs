//! Finds rows by the numbers that peers gave them.
//!
//! A peer gives its numbers in sequence and rows end in much the same order, so numbers that follow each other share a page:
//! the hash table is asked for the page, and for the next few rows both are still in the processor's caches. A table asked
//! for every row alone costs a few misses of the caches a row as soon as it is large, which is more than all else that is
//! done for it. A peer that gives numbers far apart costs a page a row, no more.

use core::hash::{Hash, Hasher};

use refs::Serial;

use super::{chunked_slab::ChunkedSlab, hash_index::HashIndex};
use crate::ids::MonitorId;

/// How many numbers share a page: a page is little larger than the rows' other memory if only one of its places is used.
const PAGE: usize = 8;

/// No row is here.
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Hash)]
pub(crate) struct PeerSerialIndex {
    pages: ChunkedSlab<Page>,
    index: HashIndex,
    latest: Latest,
}

/// The result of the last search for a page; [`NONE`] if there was none. The next number mostly has the same page, and a number
/// that was not found is mostly entered next, so this saves most searches: 100 of 750 instructions for a new monitor.
#[derive(Clone, Debug)]
struct Latest {
    key: Key,
    page: u32,
}

// It follows from the pages, so equal pages are the same state.
impl Hash for Latest {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Debug, Hash)]
struct Page {
    key: Key,
    rows: [u32; PAGE],
}

const _: () = assert!(size_of::<Page>() <= 48);

/// The place of a number: its page, and which of the page's it is.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct SerialPosition {
    pub(super) page: u32,
    pub(super) place: u8,
}

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

impl PeerSerialIndex {
    pub(crate) fn new(seed: u64) -> Self {
        // True of any key: there is no page yet.
        let latest = Latest { key: Key { peer: 0, generation: 0, block: 0 }, page: NONE };
        PeerSerialIndex { pages: ChunkedSlab::new(), index: HashIndex::new(seed), latest }
    }

    /// The row to which that peer gave that number.
    pub(crate) fn find(&mut self, peer: u32, id: MonitorId) -> Option<u32> {
        let (key, place) = Key::of(peer, id);
        let page = self.page(key)?;
        let row = self.pages[page].rows[place];
        (row != NONE).then_some(row)
    }

    /// The place for a number that no row has. A row is to be [set](PeerSerialIndex::set) there at once.
    pub(crate) fn enter(&mut self, peer: u32, id: MonitorId) -> SerialPosition {
        let (key, place) = Key::of(peer, id);
        let page = self.page(key).unwrap_or_else(|| {
            let page = self.pages.insert(Page { key, rows: [NONE; PAGE] });
            self.index.insert(page, |page| self.pages[page].key);
            self.latest = Latest { key, page };
            page
        });
        SerialPosition { page, place: place as u8 }
    }

    /// The peer has given the row this number.
    pub(crate) fn set(&mut self, position: SerialPosition, row: u32) {
        self.pages[position.page].rows[position.place as usize % PAGE] = row;
    }

    /// The peer that gave a number, and the number.
    pub(crate) fn read(&self, position: SerialPosition) -> (u32, MonitorId) {
        let Key { peer, generation, block } = self.pages[position.page].key;
        (peer, MonitorId(Serial::new(block * PAGE as u32 + u32::from(position.place), generation)))
    }

    /// The number stands for no row any more. Returns the peer that gave it.
    pub(crate) fn remove(&mut self, position: SerialPosition) -> u32 {
        let page = &mut self.pages[position.page];
        let key = page.key;
        page.rows[position.place as usize % PAGE] = NONE;
        if page.rows == [NONE; PAGE] {
            self.index.remove(position.page, key, |page| self.pages[page].key);
            self.pages.remove(position.page);
            // No page has this key any more.
            self.latest = Latest { key, page: NONE };
        }
        key.peer
    }

    fn page(&mut self, key: Key) -> Option<u32> {
        if self.latest.key != key {
            let page = self.index.find(key, |page| self.pages[page].key == key);
            self.latest = Latest { key, page: page.unwrap_or(NONE) };
        }
        (self.latest.page != NONE).then_some(self.latest.page)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn id(slot: u32, generation: u32) -> MonitorId {
        MonitorId(Serial::new(slot, generation))
    }

    #[test]
    fn neighbours_share_a_page_and_leave_it_one_by_one() {
        let mut serials = PeerSerialIndex::new(1);
        let enter = |slot| {
            let position = serials.enter(0, id(slot, 7));
            serials.set(position, 100 + slot);
            position
        };
        let entered: Vec<SerialPosition> = (0..2 * PAGE as u32).map(enter).collect();
        assert_eq!(serials.index.len(), 2);
        for (slot, position) in (0..).zip(entered) {
            assert_eq!(serials.find(0, id(slot, 7)), Some(100 + slot));
            assert_eq!(serials.read(position), (0, id(slot, 7)));
            assert_eq!(serials.remove(position), 0);
            assert_eq!(serials.find(0, id(slot, 7)), None);
        }
        assert_eq!(serials.index.len(), 0);
    }

    #[test]
    fn peers_and_uses_of_a_slot_are_told_apart() {
        let mut serials = PeerSerialIndex::new(1);
        let keys = [(0, id(3, 0)), (0, id(3, 1)), (1, id(3, 0)), (0, id(3 + PAGE as u32, 0))];
        let entered: Vec<SerialPosition> = (0..)
            .zip(keys)
            .map(|(row, (peer, id))| {
                assert_eq!(serials.find(peer, id), None);
                let position = serials.enter(peer, id);
                serials.set(position, row);
                assert_eq!(serials.read(position), (peer, id));
                position
            })
            .collect();
        serials.remove(entered[1]);
        let found = keys.map(|(peer, id)| serials.find(peer, id));
        assert_eq!(found, [Some(0), None, Some(2), Some(3)]);
    }
}
