//! A table of rows with stable keys: a vector whose vacant cells are chained for reuse.

use alloc::vec::Vec;
use core::ops::{Index, IndexMut};

use super::key::{Key, MAX_ROWS};

/// Rows of type `T`, each with a key of type `K`.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Slab<K, T> {
    cells: Vec<Cell<K, T>>,
    /// The first vacant cell, or [`Key::NONE`].
    vacant: K,
    len: usize,
}

#[derive(Clone, Debug, Hash)]
enum Cell<K, T> {
    Vacant {
        /// The next vacant cell, or [`Key::NONE`].
        next: K,
        /// The generation of the next row in this cell, if the owner of the table counts
        /// generations.
        generation: u32,
    },
    Row(T),
}

/// The cell at which a scan continues. The cell may be vacant, or past the end of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Cursor<K>(K);

impl<K: Key> Cursor<K> {
    /// The first cell of a table.
    pub(crate) fn start() -> Self {
        Cursor(K::new(0))
    }
}

impl<K: Key, T> Slab<K, T> {
    pub(crate) const fn new() -> Self {
        Slab { cells: Vec::new(), vacant: K::NONE, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds the row that `make` returns for the generation of its cell; returns its key.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32) -> T) -> K {
        self.len += 1;
        let at = self.vacant;
        if let Some(cell) = self.cells.get_mut(at.index() as usize) {
            let Cell::Vacant { next, generation } = *cell else {
                unreachable!("only vacant cells are chained")
            };
            self.vacant = next;
            *cell = Cell::Row(make(generation));
            return at;
        }
        let index = u32::try_from(self.cells.len()).ok().filter(|&index| index < MAX_ROWS);
        let index = index.expect("fewer than 2^31 rows: memory runs out long before");
        self.cells.push(Cell::Row(make(0)));
        K::new(index)
    }

    /// Removes a row and returns it. The next row in its cell gets the generation `next`; with
    /// `None` the cell is never used again.
    pub(crate) fn remove(&mut self, at: K, next: Option<u32>) -> T {
        let vacant = self.vacate(at, next);
        let cell = core::mem::replace(&mut self.cells[at.index() as usize], vacant);
        let Cell::Row(row) = cell else { unreachable!("only rows are removed, once") };
        row
    }

    /// Does the same as [`Slab::remove`], but drops the row in its cell, which saves a copy.
    pub(crate) fn discard(&mut self, at: K, next: Option<u32>) {
        let vacant = self.vacate(at, next);
        self.cells[at.index() as usize] = vacant;
    }

    /// Counts one row less and chains its cell for reuse. The caller stores the returned value in
    /// the cell.
    fn vacate(&mut self, at: K, next: Option<u32>) -> Cell<K, T> {
        debug_assert!(matches!(self.cells[at.index() as usize], Cell::Row(_)), "only rows are removed, once");
        let vacant = Cell::Vacant { next: self.vacant, generation: next.unwrap_or(0) };
        self.len -= 1;
        if next.is_some() {
            self.vacant = at;
        }
        vacant
    }

    pub(crate) fn get(&self, at: K) -> Option<&T> {
        match self.cells.get(at.index() as usize) {
            Some(Cell::Row(row)) => Some(row),
            Some(Cell::Vacant { .. }) | None => None,
        }
    }

    /// All rows, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.cells.iter().filter_map(|cell| if let Cell::Row(row) = cell { Some(row) } else { None })
    }

    /// Looks at one cell. Returns its row, if there is one, and the next cell; `None` past the end.
    pub(crate) fn scan(&self, Cursor(at): Cursor<K>) -> Option<(Option<&T>, Cursor<K>)> {
        let cell = self.cells.get(at.index() as usize)?;
        let row = if let Cell::Row(row) = cell { Some(row) } else { None };
        Some((row, Cursor(K::new(at.index() + 1))))
    }
}

impl<K: Key, T> Index<K> for Slab<K, T> {
    type Output = T;
    fn index(&self, at: K) -> &T {
        self.get(at).expect("a stored key is the key of a row: rows are unlinked before they are removed")
    }
}

impl<K: Key, T> IndexMut<K> for Slab<K, T> {
    fn index_mut(&mut self, at: K) -> &mut T {
        match &mut self.cells[at.index() as usize] {
            Cell::Row(row) => row,
            Cell::Vacant { .. } => unreachable!("a stored key is the key of a row"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::key::key, *};

    key! { TestKey }

    #[test]
    fn a_place_is_used_again_with_the_generation_it_was_left_with() {
        let mut slab = Slab::<TestKey, u32>::new();
        let first = slab.insert(|generation| generation);
        assert_eq!((first.index(), slab.remove(first, Some(7))), (0, 0));
        assert_eq!(slab.insert(|generation| generation), first);
        assert_eq!(slab[first], 7);
    }

    #[test]
    fn a_spent_place_is_never_used_again() {
        let mut slab = Slab::<TestKey, u32>::new();
        let first = slab.insert(|_| 1);
        slab.remove(first, None);
        assert_ne!(slab.insert(|_| 2), first);
        assert_eq!(slab.len(), 1);
    }
}
