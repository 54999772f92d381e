//! A table of rows with stable keys that returns memory as rows are removed. It is for tables that
//! peers can fill; a look-up costs slightly more than in a [`Slab`](super::Slab).
//!
//! Rows are stored in chunks. A chunk is freed as a whole when its last row is removed, except for
//! one spare chunk, so that a table that grows and shrinks by a few rows does not allocate each
//! time. New rows go to the lowest chunk that has room, so the higher chunks become empty. No step
//! frees or allocates more than one chunk.

use alloc::{collections::BTreeSet, vec::Vec};
use core::{
    marker::PhantomData,
    ops::{Index, IndexMut},
};

use super::key::{Key, MAX_ROWS, key};

/// Number of cells in a chunk: so many that an allocator returns most chunks directly to the
/// system.
const CHUNK: usize = 1 << SHIFT;
const SHIFT: u32 = 12;

key! {
    /// The index of a chunk.
    ChunkIndex
}

key! {
    /// The index of a cell in its chunk.
    CellIndex
}

/// Rows of type `T`, each with a key of type `K`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct ChunkedSlab<K, T> {
    chunks: Vec<Chunk<T>>,
    /// The chunks that have memory and a vacant cell.
    with_room: BTreeSet<ChunkIndex>,
    /// The lowest of `with_room`, or [`Key::NONE`].
    lowest: ChunkIndex,
    /// The chunks that have no memory.
    freed: BTreeSet<ChunkIndex>,
    /// The last chunk that was kept without a row, or [`Key::NONE`]. It may have rows again.
    spare: ChunkIndex,
    key: PhantomData<K>,
}

#[derive(Clone, Debug, Hash)]
struct Chunk<T> {
    /// Grows to [`CHUNK`].
    cells: Vec<Cell<T>>,
    /// The first of the vacant cells, which are chained for reuse; or [`Key::NONE`].
    vacant: CellIndex,
    rows: u32,
}

#[derive(Clone, Debug, Hash)]
enum Cell<T> {
    /// The next vacant cell of the chunk, or [`Key::NONE`].
    Vacant(CellIndex),
    Row(T),
}

impl<K: Key, T> ChunkedSlab<K, T> {
    /// Size of a row in bytes.
    pub(crate) const ROW: usize = size_of::<Cell<T>>();

    pub(crate) const fn new() -> Self {
        ChunkedSlab {
            chunks: Vec::new(),
            with_room: BTreeSet::new(),
            lowest: Key::NONE,
            freed: BTreeSet::new(),
            spare: Key::NONE,
            key: PhantomData,
        }
    }

    /// Adds a row; returns its key.
    pub(crate) fn insert(&mut self, row: T) -> K {
        if self.lowest == Key::NONE {
            self.allocate_chunk();
        }
        let index = self.lowest;
        let chunk = &mut self.chunks[index.index() as usize];
        let cell = chunk.insert(row);
        if !chunk.has_room() {
            self.with_room.remove(&index);
            self.find_lowest();
        }
        K::new(index.index() << SHIFT | cell.index())
    }

    /// Removes a row; its key may be used again.
    #[inline]
    pub(crate) fn remove(&mut self, at: K) -> T {
        let (index, cell) = position(at);
        let chunk = &mut self.chunks[index.index() as usize];
        let had_room = chunk.has_room();
        let cell = chunk.vacate(cell);
        let is_empty = chunk.rows == 0;
        if !had_room {
            self.add_room(index);
        }
        if is_empty && index != self.spare {
            self.chunk_is_empty(index);
        }
        // Unwrapped last: before the calls above, the row would be copied once more.
        let Cell::Row(row) = cell else { unreachable!("only rows are removed, once") };
        row
    }

    #[cold]
    fn add_room(&mut self, chunk: ChunkIndex) {
        self.with_room.insert(chunk);
        self.lowest = self.lowest.min(chunk);
    }

    #[cold]
    fn allocate_chunk(&mut self) {
        let chunk = self.freed.pop_first().unwrap_or_else(|| {
            let index = u32::try_from(self.chunks.len()).ok().filter(|&index| index < MAX_ROWS >> SHIFT);
            self.chunks.push(Chunk { cells: Vec::new(), vacant: Key::NONE, rows: 0 });
            Key::new(index.expect("fewer than 2^31 rows: memory runs out long before"))
        });
        // The first chunk grows as needed, because most tables are small.
        if chunk.index() > 0 {
            self.chunks[chunk.index() as usize].cells.reserve_exact(CHUNK);
        }
        self.with_room.insert(chunk);
        self.lowest = chunk;
    }

    /// The last row of a chunk was removed. If there are two empty chunks now, frees the higher
    /// one.
    #[cold]
    fn chunk_is_empty(&mut self, empty: ChunkIndex) {
        let spare = self.chunks.get(self.spare.index() as usize);
        let spare = spare.filter(|spare| spare.rows == 0).map(|_| self.spare);
        self.spare = spare.map_or(empty, |spare| spare.min(empty));
        if let Some(spare) = spare {
            let freed = spare.max(empty);
            let chunk = &mut self.chunks[freed.index() as usize];
            (chunk.cells, chunk.vacant) = (Vec::new(), Key::NONE);
            self.with_room.remove(&freed);
            self.freed.insert(freed);
            self.find_lowest();
        }
    }

    fn find_lowest(&mut self) {
        self.lowest = self.with_room.first().copied().unwrap_or(Key::NONE);
    }
}

/// The chunk and the cell of a key.
fn position<K: Key>(at: K) -> (ChunkIndex, CellIndex) {
    (Key::new(at.index() >> SHIFT), Key::new(at.index() % CHUNK as u32))
}

impl<T> Chunk<T> {
    fn has_room(&self) -> bool {
        self.vacant != Key::NONE || self.cells.len() < CHUNK
    }

    fn insert(&mut self, row: T) -> CellIndex {
        self.rows += 1;
        let vacant = self.vacant;
        if let Some(cell) = self.cells.get_mut(vacant.index() as usize) {
            let Cell::Vacant(next) = *cell else { unreachable!("only vacant cells are chained") };
            self.vacant = next;
            *cell = Cell::Row(row);
            return vacant;
        }
        self.cells.push(Cell::Row(row));
        Key::new(self.cells.len() as u32 - 1)
    }

    fn vacate(&mut self, at: CellIndex) -> Cell<T> {
        let cell = core::mem::replace(&mut self.cells[at.index() as usize], Cell::Vacant(self.vacant));
        self.rows -= 1;
        self.vacant = at;
        cell
    }
}

impl<K: Key, T> Index<K> for ChunkedSlab<K, T> {
    type Output = T;
    fn index(&self, at: K) -> &T {
        let (chunk, cell) = position(at);
        match &self.chunks[chunk.index() as usize].cells[cell.index() as usize] {
            Cell::Row(row) => row,
            Cell::Vacant(_) => unreachable!("a stored key is the key of a row"),
        }
    }
}

impl<K: Key, T> IndexMut<K> for ChunkedSlab<K, T> {
    fn index_mut(&mut self, at: K) -> &mut T {
        let (chunk, cell) = position(at);
        match &mut self.chunks[chunk.index() as usize].cells[cell.index() as usize] {
            Cell::Row(row) => row,
            Cell::Vacant(_) => unreachable!("a stored key is the key of a row"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    key! { TestKey }

    type Table<T> = ChunkedSlab<TestKey, T>;

    /// Number of chunks that have memory.
    fn allocated<T>(table: &Table<T>) -> usize {
        table.chunks.iter().filter(|chunk| chunk.cells.capacity() > 0).count()
    }

    #[test]
    fn chunks_without_rows_are_freed_but_for_one_and_one_row_holds_one_chunk() {
        let mut table = Table::new();
        let rows: Vec<TestKey> = (0..10 * CHUNK as u32).map(|row| table.insert(row)).collect();
        assert_eq!(allocated(&table), 10);
        let (survivor, others) = rows.split_last().unwrap();
        others.iter().for_each(|&at| _ = table.remove(at));
        assert_eq!((allocated(&table), table[*survivor]), (2, survivor.index()));
        table.remove(*survivor);
        assert_eq!(allocated(&table), 1);
    }

    #[test]
    fn a_table_that_goes_up_and_down_across_a_chunk_keeps_it() {
        let mut table = Table::new();
        (0..CHUNK).for_each(|row| _ = table.insert(row));
        for _ in 0..3 {
            let at = table.insert(0);
            assert_eq!(at.index(), CHUNK as u32);
            table.remove(at);
            assert_eq!(allocated(&table), 2);
        }
    }

    #[test]
    fn rows_are_what_they_were_while_chunks_come_and_go() {
        let (mut table, mut model) = (Table::new(), BTreeMap::new());
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20 {
            // Grows to several chunks, then shrinks to almost nothing.
            let wanted = if round % 2 == 0 { 5 * CHUNK } else { random.usize(0..8) };
            while model.len() < wanted {
                let row = random.u64(..);
                assert_eq!(model.insert(table.insert(row), row), None, "the key was free");
            }
            let mut keys: Vec<TestKey> = model.keys().copied().collect();
            random.shuffle(&mut keys);
            for at in keys.split_off(wanted.min(keys.len())) {
                assert_eq!(Some(table.remove(at)), model.remove(&at));
            }
            assert!(model.iter().all(|(&at, row)| table[at] == *row));
            assert!(allocated(&table) <= 6);
        }
    }
}
