//! A table of rows with stable indices, which gives its memory back.
//!
//! Rows stand in chunks. A chunk whose last row is removed is freed as a whole, but for one that is kept for the next rows, so
//! that a table that goes up and down by a few rows does not allocate each time. New rows go to the lowest chunk that has
//! room, so the higher ones run empty. No step does more than to free or to begin one chunk.

use alloc::{collections::BTreeSet, vec::Vec};

/// Indices are below this, so that an intrusive list can tell a row from the cell of its list's head.
pub(crate) const MAX_ROWS: u32 = 1 << 31;
const NONE: u32 = u32::MAX;

/// How many cells a chunk has: so many that an allocator hands most chunks straight back to the system.
const CHUNK: usize = 1 << SHIFT;
const SHIFT: u32 = 12;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Pool<T> {
    chunks: Vec<Chunk<T>>,
    /// The lowest of `with_room`, or [`NONE`].
    lowest: u32,
    /// Chunks that have memory and a cell to use.
    with_room: BTreeSet<u32>,
    /// Chunks that have no memory.
    freed: BTreeSet<u32>,
    /// The chunk that has memory and no row, or [`NONE`].
    spare: u32,
    len: usize,
}

#[derive(Clone, Debug, Hash)]
struct Chunk<T> {
    /// Grows to [`CHUNK`].
    cells: Vec<Cell<T>>,
    /// The first of the vacant cells, which are chained for reuse; or [`NONE`].
    vacant: u32,
    rows: u32,
    /// The generation of rows in cells that were not used since the chunk was begun.
    generation: u32,
    /// One that no row of the chunk has had.
    unused: u32,
    /// It has a cell that must never be used again, and so is not freed.
    pinned: bool,
}

#[derive(Clone, Debug, Hash)]
enum Cell<T> {
    /// `generation` is the one that the next row here gets, if the owner of the table counts generations. `next` is an
    /// index within the chunk.
    Vacant {
        next: u32,
        generation: u32,
    },
    Row(T),
}

impl<T> Pool<T> {
    /// How many bytes a row takes.
    pub(crate) const ROW: usize = size_of::<Cell<T>>();

    pub(crate) const fn new() -> Self {
        Pool {
            chunks: Vec::new(),
            lowest: NONE,
            with_room: BTreeSet::new(),
            freed: BTreeSet::new(),
            spare: NONE,
            len: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds the row that `make` makes of its index and generation; returns the index.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32, u32) -> T) -> u32 {
        if self.lowest == NONE {
            self.begin_chunk();
        }
        let number = self.lowest;
        let chunk = &mut self.chunks[number as usize];
        if chunk.rows == 0 {
            self.spare = NONE;
        }
        let at = chunk.insert(number << SHIFT, make);
        if !chunk.has_room() {
            self.with_room.remove(&number);
            self.lowest = self.with_room.first().copied().unwrap_or(NONE);
        }
        self.len += 1;
        at
    }

    /// Removes a row; the next row in its place gets the generation `next`, or a later one. With `None` the place is never
    /// used again.
    pub(crate) fn remove(&mut self, at: u32, next: Option<u32>) -> T {
        let number = at >> SHIFT;
        let chunk = &mut self.chunks[number as usize];
        let was_full = !chunk.has_room();
        let row = chunk.remove(at & (CHUNK as u32 - 1), next);
        self.len -= 1;
        if was_full && chunk.has_room() {
            self.with_room.insert(number);
            self.lowest = self.lowest.min(number);
        }
        if chunk.rows == 0 && !chunk.pinned {
            self.ran_empty(number);
        }
        row
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        match self.chunks.get((at >> SHIFT) as usize)?.cells.get(at as usize % CHUNK) {
            Some(Cell::Row(row)) => Some(row),
            Some(Cell::Vacant { .. }) | None => None,
        }
    }

    /// The first row at `from` or after it, looking at no more than one cell; and where to look next.
    pub(crate) fn scan(&self, from: u32) -> Option<(Option<&T>, u32)> {
        let number = from >> SHIFT;
        match self.chunks.get(number as usize)?.cells.get(from as usize % CHUNK) {
            Some(Cell::Row(row)) => Some((Some(row), from + 1)),
            Some(Cell::Vacant { .. }) => Some((None, from + 1)),
            // The chunk has no more cells.
            None => Some((None, (number + 1) << SHIFT)),
        }
    }

    #[cold]
    fn begin_chunk(&mut self) {
        let number = self.freed.pop_first().unwrap_or_else(|| {
            let number = u32::try_from(self.chunks.len()).ok().filter(|number| number << SHIFT < MAX_ROWS);
            self.chunks.push(Chunk::new());
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
        let kept = self.spare.min(number);
        if self.spare != NONE {
            let freed = self.spare.max(number);
            self.chunks[freed as usize].free();
            self.with_room.remove(&freed);
            self.freed.insert(freed);
            self.lowest = self.with_room.first().copied().unwrap_or(NONE);
        }
        self.spare = kept;
    }
}

impl<T> Chunk<T> {
    const fn new() -> Self {
        Chunk { cells: Vec::new(), vacant: NONE, rows: 0, generation: 0, unused: 0, pinned: false }
    }

    fn has_room(&self) -> bool {
        self.vacant != NONE || self.cells.len() < CHUNK
    }

    /// `base` is the index of its first cell.
    fn insert(&mut self, base: u32, make: impl FnOnce(u32, u32) -> T) -> u32 {
        self.rows += 1;
        let vacant = self.vacant;
        if let Some(cell) = self.cells.get_mut(vacant as usize) {
            let Cell::Vacant { next, generation } = *cell else {
                unreachable!("only vacant cells are chained")
            };
            self.vacant = next;
            *cell = Cell::Row(make(base | vacant, generation));
            return base | vacant;
        }
        let at = base | self.cells.len() as u32;
        self.cells.push(Cell::Row(make(at, self.generation)));
        at
    }

    fn remove(&mut self, place: u32, next: Option<u32>) -> T {
        let vacant = Cell::Vacant { next: self.vacant, generation: next.unwrap_or(0) };
        let cell = core::mem::replace(&mut self.cells[place as usize], vacant);
        let Cell::Row(row) = cell else { unreachable!("only rows are removed, once") };
        self.rows -= 1;
        match next {
            Some(generation) => {
                self.vacant = place;
                self.unused = self.unused.max(generation);
            }
            None => self.pinned = true,
        }
        row
    }

    /// Gives its memory back. What it remembers of generations is one for all its cells.
    fn free(&mut self) {
        self.cells = Vec::new();
        self.vacant = NONE;
        self.generation = self.unused;
    }
}

impl<T> core::ops::Index<u32> for Pool<T> {
    type Output = T;
    fn index(&self, at: u32) -> &T {
        self.get(at)
            .expect("an index that the core holds is one of a row: rows are unlinked before they are removed")
    }
}

impl<T> core::ops::IndexMut<u32> for Pool<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        match &mut self.chunks[(at >> SHIFT) as usize].cells[at as usize % CHUNK] {
            Cell::Row(row) => row,
            Cell::Vacant { .. } => unreachable!("an index that the core holds is one of a row"),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    /// Chunks that have memory.
    fn held<T>(pool: &Pool<T>) -> usize {
        pool.chunks.iter().filter(|chunk| chunk.cells.capacity() > 0).count()
    }

    #[test]
    fn a_place_is_used_again_with_the_generation_it_was_left_with() {
        let mut pool = Pool::new();
        let first = pool.insert(|at, generation| (at, generation));
        assert_eq!(pool.remove(first, Some(7)), (0, 0));
        assert_eq!(pool.insert(|at, generation| (at, generation)), first);
        assert_eq!(pool[first], (0, 7));
    }

    #[test]
    fn a_spent_place_is_never_used_again() {
        let mut pool = Pool::new();
        let first = pool.insert(|at, _| at);
        pool.remove(first, None);
        assert_ne!(pool.insert(|at, _| at), first);
        assert_eq!(pool.len(), 1);
        // Nor if all that stood around it is gone.
        let rows: Vec<u32> = (0..3 * CHUNK).map(|_| pool.insert(|at, _| at)).collect();
        rows.into_iter().for_each(|at| _ = pool.remove(at, Some(1)));
        (0..3 * CHUNK).for_each(|_| assert_ne!(pool.insert(|at, _| at), first));
    }

    #[test]
    fn chunks_without_rows_are_freed_but_for_one_and_one_row_holds_one_chunk() {
        let mut pool = Pool::new();
        let rows: Vec<u32> = (0..10 * CHUNK as u32).map(|_| pool.insert(|at, _| at)).collect();
        assert_eq!(held(&pool), 10);
        let (survivor, others) = rows.split_last().unwrap();
        others.iter().for_each(|&at| _ = pool.remove(at, Some(1)));
        assert_eq!((held(&pool), pool[*survivor]), (2, *survivor));
        pool.remove(*survivor, Some(1));
        assert_eq!((held(&pool), pool.len()), (1, 0));
    }

    #[test]
    fn a_table_that_goes_up_and_down_across_a_chunk_keeps_it() {
        let mut pool = Pool::new();
        (0..CHUNK).for_each(|_| _ = pool.insert(|at, _| at));
        for _ in 0..3 {
            let at = pool.insert(|at, _| at);
            assert_eq!(at, CHUNK as u32);
            pool.remove(at, Some(0));
            assert_eq!(held(&pool), 2);
        }
    }

    #[test]
    fn no_number_is_given_twice_though_chunks_come_and_go() {
        let mut pool = Pool::new();
        let (mut live, mut given) = (Vec::new(), BTreeMap::new());
        let mut random = fastrand::Rng::with_seed(7);
        for round in 0..20 {
            // Grows to some chunks, and nearly to nothing.
            let wanted = if round % 2 == 0 { 5 * CHUNK } else { random.usize(0..8) };
            while live.len() < wanted {
                let at = pool.insert(|at, generation| (at, generation));
                let (index, generation) = pool[at];
                assert_eq!(index, at);
                if let Some(before) = given.insert(at, generation) {
                    assert!(before < generation, "{at}: {before}, then {generation}");
                }
                live.push(at);
            }
            while live.len() > wanted {
                let at = live.swap_remove(random.usize(0..live.len()));
                let (_, generation) = pool[at];
                pool.remove(at, Some(generation + 1));
                assert_eq!(pool.get(at), None);
            }
            assert_eq!(pool.len(), live.len());
            let all = core::iter::successors(pool.scan(0), |&(_, next)| pool.scan(next));
            let mut found: Vec<u32> = all.filter_map(|(row, _)| row).map(|&(at, _)| at).collect();
            found.sort_unstable();
            live.sort_unstable();
            assert_eq!(found, live);
        }
    }
}
