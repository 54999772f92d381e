//! Finds rows by the serials that peers gave them.
//!
//! A peer gives its serials in sequence, and rows end in much the same order. So consecutive
//! serials share a page: the hash table is asked for the page, and for the next few rows the page
//! and its entry are still in the processor's caches. A large hash table with an entry for each row
//! has several cache misses per row, which cost more than all other work on the row. A peer that
//! gives serials far apart costs one page per row, no more.

use core::hash::{Hash, Hasher};

use refs::Serial;

use super::{
    keys::PeerIndex,
    storage::{ChunkedSlab, HashIndex, Key, key},
};
use crate::ids::MonitorId;

/// Number of serials that share a page. A page with a single serial takes little more memory than
/// the rest of its row.
const PAGE: usize = 8;

key! {
    /// A page of [`PeerSerialIndex`].
    PageIndex
}

/// Maps the serials of peers to rows with keys of type `R`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct PeerSerialIndex<R> {
    pages: ChunkedSlab<PageIndex, Page<R>>,
    index: HashIndex<PageIndex>,
    latest: LatestPage,
}

/// The result of the last search for a page: [`Key::NONE`] if no page was found. The next serial is
/// usually on the same page, and a serial that was not found is usually entered next. So this saves
/// most searches: 100 of the 750 instructions for a new monitor.
#[derive(Clone, Debug)]
struct LatestPage {
    key: PageKey,
    page: PageIndex,
}

// It follows from the pages, so equal pages are the same state.
impl Hash for LatestPage {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

#[derive(Clone, Debug, Hash)]
struct Page<R> {
    key: PageKey,
    /// [`Key::NONE`] where a serial has no row.
    rows: [R; PAGE],
}

const _: () = assert!(size_of::<Page<PageIndex>>() <= 48);

/// The position of a serial: its page, and the offset there.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct SerialPosition {
    pub(super) page: PageIndex,
    pub(super) offset: u8,
}

/// The common part of the serials of a page. It includes the generation, because a slot that the
/// peer uses again may still be in use here: the two signals may overtake each other on two
/// channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct PageKey {
    peer: PeerIndex,
    generation: u32,
    block: u32,
}

impl PageKey {
    /// The page of a serial, and its offset there.
    const fn of(peer: PeerIndex, id: MonitorId) -> (Self, usize) {
        let (slot, generation) = (id.0.slot(), id.0.generation());
        (PageKey { peer, generation, block: slot / PAGE as u32 }, slot as usize % PAGE)
    }
}

impl<R: Key> PeerSerialIndex<R> {
    pub(crate) fn new(seed: u64) -> Self {
        // Correct for any key, because there is no page yet.
        let key = PageKey { peer: PeerIndex::NONE, generation: 0, block: 0 };
        let latest = LatestPage { key, page: PageIndex::NONE };
        PeerSerialIndex { pages: ChunkedSlab::new(), index: HashIndex::new(seed), latest }
    }

    /// The row to which the peer gave this serial.
    pub(crate) fn find(&mut self, peer: PeerIndex, id: MonitorId) -> Option<R> {
        let (key, offset) = PageKey::of(peer, id);
        let page = self.page(key)?;
        let row = self.pages[page].rows[offset];
        (row != R::NONE).then_some(row)
    }

    /// Returns the position of a serial that no row has. The caller [sets](PeerSerialIndex::set) a
    /// row there at once.
    pub(crate) fn enter(&mut self, peer: PeerIndex, id: MonitorId) -> SerialPosition {
        let (key, offset) = PageKey::of(peer, id);
        let page = self.page(key).unwrap_or_else(|| {
            let page = self.pages.insert(Page { key, rows: [R::NONE; PAGE] });
            self.index.insert(page, |page| self.pages[page].key);
            self.latest = LatestPage { key, page };
            page
        });
        SerialPosition { page, offset: offset as u8 }
    }

    /// Records the row of the serial at this position.
    pub(crate) fn set(&mut self, position: SerialPosition, row: R) {
        self.pages[position.page].rows[position.offset as usize % PAGE] = row;
    }

    /// The serial at this position, and the peer that gave it.
    pub(crate) fn read(&self, position: SerialPosition) -> (PeerIndex, MonitorId) {
        let PageKey { peer, generation, block } = self.pages[position.page].key;
        (peer, MonitorId(Serial::new(block * PAGE as u32 + u32::from(position.offset), generation)))
    }

    /// Removes the row of the serial at this position. Returns the peer that gave the serial.
    pub(crate) fn remove(&mut self, position: SerialPosition) -> PeerIndex {
        let page = &mut self.pages[position.page];
        let key = page.key;
        page.rows[position.offset as usize % PAGE] = R::NONE;
        if page.rows == [R::NONE; PAGE] {
            self.index.remove(position.page, key, |page| self.pages[page].key);
            self.pages.remove(position.page);
            // No page has this key any more.
            self.latest = LatestPage { key, page: PageIndex::NONE };
        }
        key.peer
    }

    fn page(&mut self, key: PageKey) -> Option<PageIndex> {
        if self.latest.key != key {
            let page = self.index.find(key, |page| self.pages[page].key == key);
            self.latest = LatestPage { key, page: page.unwrap_or(PageIndex::NONE) };
        }
        (self.latest.page != PageIndex::NONE).then_some(self.latest.page)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    key! { TestRow }

    fn id(slot: u32, generation: u32) -> MonitorId {
        MonitorId(Serial::new(slot, generation))
    }

    #[test]
    fn neighbours_share_a_page_and_leave_it_one_by_one() {
        let mut serials = PeerSerialIndex::new(1);
        let peer = PeerIndex::new(0);
        let enter = |slot| {
            let position = serials.enter(peer, id(slot, 7));
            serials.set(position, TestRow::new(100 + slot));
            position
        };
        let entered: Vec<SerialPosition> = (0..2 * PAGE as u32).map(enter).collect();
        assert_eq!(serials.index.len(), 2);
        for (slot, position) in (0..).zip(entered) {
            assert_eq!(serials.find(peer, id(slot, 7)), Some(TestRow::new(100 + slot)));
            assert_eq!(serials.read(position), (peer, id(slot, 7)));
            assert_eq!(serials.remove(position), peer);
            assert_eq!(serials.find(peer, id(slot, 7)), None);
        }
        assert_eq!(serials.index.len(), 0);
    }

    #[test]
    fn peers_and_uses_of_a_slot_are_told_apart() {
        let mut serials = PeerSerialIndex::new(1);
        let (a, b) = (PeerIndex::new(0), PeerIndex::new(1));
        let keys = [(a, id(3, 0)), (a, id(3, 1)), (b, id(3, 0)), (a, id(3 + PAGE as u32, 0))];
        let entered: Vec<SerialPosition> = (0..)
            .zip(keys)
            .map(|(row, (peer, id))| {
                assert_eq!(serials.find(peer, id), None);
                let position = serials.enter(peer, id);
                serials.set(position, TestRow::new(row));
                assert_eq!(serials.read(position), (peer, id));
                position
            })
            .collect();
        serials.remove(entered[1]);
        let found = keys.map(|(peer, id)| serials.find(peer, id).map(Key::index));
        assert_eq!(found, [Some(0), None, Some(2), Some(3)]);
    }
}
