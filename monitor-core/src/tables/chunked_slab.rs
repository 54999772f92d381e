//! A table of rows with stable indices, which gives its memory back. For what peers can fill: to find a row costs a little more
//! than in a [`Slab`](super::slab::Slab).
//!
//! Rows stand in chunks. A chunk whose last row is removed is freed as a whole, but for one that is kept for the next rows, so
//! that a table that goes up and down by a few rows does not allocate each time. New rows go to the lowest chunk that has
//! room, so the higher ones run empty. No step does more than to free or to begin one chunk.

use alloc::{collections::BTreeSet, vec::Vec};

use super::slab::MAX_ROWS;

const NONE: u32 = u32::MAX;

/// How many cells a chunk has: so many that an allocator hands most chunks straight back to the system.
const CHUNK: usize = 1 << SHIFT;
const SHIFT: u32 = 12;

#[derive(Clone, Debug, Hash)]
pub(crate) struct ChunkedSlab<T> {
    chunks: Vec<Chunk<T>>,
    /// Chunks that have memory and a cell to use.
    with_room: BTreeSet<u32>,
    /// The lowest of those, or [`NONE`].
    lowest: u32,
    /// Chunks that have no memory.
    freed: BTreeSet<u32>,
    /// The chunk that was kept when it had no row, or [`NONE`]. It may have rows again.
    spare: u32,
}

#[derive(Clone, Debug, Hash)]
struct Chunk<T> {
    /// Grows to [`CHUNK`].
    cells: Vec<Cell<T>>,
    /// The first of the vacant cells, which are chained for reuse; or [`NONE`].
    vacant: u32,
    rows: u32,
}

#[derive(Clone, Debug, Hash)]
enum Cell<T> {
    /// The next vacant one of the chunk.
    Vacant(u32),
    Row(T),
}

impl<T> ChunkedSlab<T> {
    /// How many bytes a row takes.
    pub(crate) const ROW: usize = size_of::<Cell<T>>();

    pub(crate) const fn new() -> Self {
        ChunkedSlab {
            chunks: Vec::new(),
            with_room: BTreeSet::new(),
            lowest: NONE,
            freed: BTreeSet::new(),
            spare: NONE,
        }
    }

    /// Adds a row; returns its index.
    pub(crate) fn insert(&mut self, row: T) -> u32 {
        if self.lowest == NONE {
            self.begin_chunk();
        }
        let number = self.lowest;
        let chunk = &mut self.chunks[number as usize];
        let place = chunk.insert(row);
        if !chunk.has_room() {
            self.with_room.remove(&number);
            self.find_lowest();
        }
        number << SHIFT | place
    }

    /// Removes a row; its index may be used again.
    #[inline]
    pub(crate) fn remove(&mut self, at: u32) -> T {
        let number = at >> SHIFT;
        let chunk = &mut self.chunks[number as usize];
        let had_room = chunk.has_room();
        let cell = chunk.vacate(at % CHUNK as u32);
        let is_empty = chunk.rows == 0;
        if !had_room {
            self.got_room(number);
        }
        if is_empty && number != self.spare {
            self.ran_empty(number);
        }
        // Unwrapped last: before the calls above, the row would be copied once more.
        let Cell::Row(row) = cell else { unreachable!("only rows are removed, once") };
        row
    }

    #[cold]
    fn got_room(&mut self, number: u32) {
        self.with_room.insert(number);
        self.lowest = self.lowest.min(number);
    }

    #[cold]
    fn begin_chunk(&mut self) {
        let number = self.freed.pop_first().unwrap_or_else(|| {
            let number = u32::try_from(self.chunks.len()).ok().filter(|&number| number < MAX_ROWS >> SHIFT);
            self.chunks.push(Chunk { cells: Vec::new(), vacant: NONE, rows: 0 });
            number.expect("fewer than 2^31 rows: memory ends long before")
        });
        // The first grows as it is needed: most tables are small.
        if number > 0 {
            self.chunks[number as usize].cells.reserve_exact(CHUNK);
        }
        self.with_room.insert(number);
        self.lowest = number;
    }

    /// A chunk has no row any more. Of two such the higher one is freed.
    #[cold]
    fn ran_empty(&mut self, number: u32) {
        let other = self.chunks.get(self.spare as usize).filter(|other| other.rows == 0).map(|_| self.spare);
        self.spare = other.map_or(number, |other| other.min(number));
        if let Some(other) = other {
            let freed = other.max(number);
            let chunk = &mut self.chunks[freed as usize];
            (chunk.cells, chunk.vacant) = (Vec::new(), NONE);
            self.with_room.remove(&freed);
            self.freed.insert(freed);
            self.find_lowest();
        }
    }

    fn find_lowest(&mut self) {
        self.lowest = self.with_room.first().copied().unwrap_or(NONE);
    }
}

impl<T> Chunk<T> {
    fn has_room(&self) -> bool {
        self.vacant != NONE || self.cells.len() < CHUNK
    }

    fn insert(&mut self, row: T) -> u32 {
        self.rows += 1;
        let vacant = self.vacant;
        if let Some(cell) = self.cells.get_mut(vacant as usize) {
            let Cell::Vacant(next) = *cell else { unreachable!("only vacant cells are chained") };
            self.vacant = next;
            *cell = Cell::Row(row);
            return vacant;
        }
        self.cells.push(Cell::Row(row));
        self.cells.len() as u32 - 1
    }

    fn vacate(&mut self, place: u32) -> Cell<T> {
        let cell = core::mem::replace(&mut self.cells[place as usize], Cell::Vacant(self.vacant));
        self.rows -= 1;
        self.vacant = place;
        cell
    }
}

impl<T> core::ops::Index<u32> for ChunkedSlab<T> {
    type Output = T;
    fn index(&self, at: u32) -> &T {
        match &self.chunks[(at >> SHIFT) as usize].cells[at as usize % CHUNK] {
            Cell::Row(row) => row,
            Cell::Vacant(_) => unreachable!("an index that the core holds is one of a row"),
        }
    }
}

impl<T> core::ops::IndexMut<u32> for ChunkedSlab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        match &mut self.chunks[(at >> SHIFT) as usize].cells[at as usize % CHUNK] {
            Cell::Row(row) => row,
            Cell::Vacant(_) => unreachable!("an index that the core holds is one of a row"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// Chunks that have memory.
    fn held<T>(table: &ChunkedSlab<T>) -> usize {
        table.chunks.iter().filter(|chunk| chunk.cells.capacity() > 0).count()
    }

    #[test]
    fn chunks_without_rows_are_freed_but_for_one_and_one_row_holds_one_chunk() {
        let mut table = ChunkedSlab::new();
        let rows: Vec<u32> = (0..10 * CHUNK as u32).map(|row| table.insert(row)).collect();
        assert_eq!(held(&table), 10);
        let (survivor, others) = rows.split_last().unwrap();
        others.iter().for_each(|&at| _ = table.remove(at));
        assert_eq!((held(&table), table[*survivor]), (2, *survivor));
        table.remove(*survivor);
        assert_eq!(held(&table), 1);
    }

    #[test]
    fn a_table_that_goes_up_and_down_across_a_chunk_keeps_it() {
        let mut table = ChunkedSlab::new();
        (0..CHUNK).for_each(|row| _ = table.insert(row));
        for _ in 0..3 {
            let at = table.insert(0);
            assert_eq!(at, CHUNK as u32);
            table.remove(at);
            assert_eq!(held(&table), 2);
        }
    }

    #[test]
    fn rows_are_what_they_were_while_chunks_come_and_go() {
        let (mut table, mut model) = (ChunkedSlab::new(), BTreeMap::new());
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20 {
            // Grows to some chunks, and nearly to nothing.
            let wanted = if round % 2 == 0 { 5 * CHUNK } else { random.usize(0..8) };
            while model.len() < wanted {
                let row = random.u64(..);
                assert_eq!(model.insert(table.insert(row), row), None, "the index was free");
            }
            let mut places: Vec<u32> = model.keys().copied().collect();
            random.shuffle(&mut places);
            for at in places.split_off(wanted.min(places.len())) {
                assert_eq!(Some(table.remove(at)), model.remove(&at));
            }
            assert!(model.iter().all(|(&at, row)| table[at] == *row));
            assert!(held(&table) <= 6);
        }
    }
}
