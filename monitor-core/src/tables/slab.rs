//! A table of rows with stable indices: a vector whose vacant cells are chained for reuse.

use alloc::vec::Vec;

/// Indices are below this, so that an intrusive list can tell a row from the cell of its list's head.
pub(crate) const MAX_ROWS: u32 = 1 << 31;
const NONE: u32 = u32::MAX;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Slab<T> {
    cells: Vec<Cell<T>>,
    vacant: u32,
    len: usize,
}

#[derive(Clone, Debug, Hash)]
enum Cell<T> {
    /// `generation` is the one that the next row here gets, if the owner of the table counts generations.
    Vacant {
        next: u32,
        generation: u32,
    },
    Row(T),
}

impl<T> Slab<T> {
    pub(crate) const fn new() -> Self {
        Slab { cells: Vec::new(), vacant: NONE, len: 0 }
    }

    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Adds the row that `make` makes of its index and generation; returns the index.
    pub(crate) fn insert(&mut self, make: impl FnOnce(u32, u32) -> T) -> u32 {
        self.len += 1;
        let at = self.vacant;
        if let Some(cell) = self.cells.get_mut(at as usize) {
            let Cell::Vacant { next, generation } = *cell else {
                unreachable!("only vacant cells are chained")
            };
            self.vacant = next;
            *cell = Cell::Row(make(at, generation));
            return at;
        }
        let at = u32::try_from(self.cells.len()).ok().filter(|&at| at < MAX_ROWS);
        let at = at.expect("fewer than 2^31 rows: memory ends long before");
        self.cells.push(Cell::Row(make(at, 0)));
        at
    }

    /// Removes a row; the next row in its place gets the generation `next`. With `None` the place is never used again.
    pub(crate) fn remove(&mut self, at: u32, next: Option<u32>) -> T {
        let vacant = Cell::Vacant { next: self.vacant, generation: next.unwrap_or(0) };
        let cell = core::mem::replace(&mut self.cells[at as usize], vacant);
        let Cell::Row(row) = cell else { unreachable!("only rows are removed, once") };
        self.len -= 1;
        if next.is_some() {
            self.vacant = at;
        }
        row
    }

    pub(crate) fn get(&self, at: u32) -> Option<&T> {
        match self.cells.get(at as usize) {
            Some(Cell::Row(row)) => Some(row),
            Some(Cell::Vacant { .. }) | None => None,
        }
    }

    /// The first row at `from` or after it, looking at no more than one cell; and where to look next.
    pub(crate) fn scan(&self, from: u32) -> Option<(Option<&T>, u32)> {
        let cell = self.cells.get(from as usize)?;
        let row = if let Cell::Row(row) = cell { Some(row) } else { None };
        Some((row, from + 1))
    }
}

impl<T> core::ops::Index<u32> for Slab<T> {
    type Output = T;
    fn index(&self, at: u32) -> &T {
        self.get(at)
            .expect("an index that the core holds is one of a row: rows are unlinked before they are removed")
    }
}

impl<T> core::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, at: u32) -> &mut T {
        match &mut self.cells[at as usize] {
            Cell::Row(row) => row,
            Cell::Vacant { .. } => unreachable!("an index that the core holds is one of a row"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_used_again_with_the_generation_it_was_left_with() {
        let mut slab = Slab::new();
        let first = slab.insert(|at, generation| (at, generation));
        assert_eq!(slab.remove(first, Some(7)), (0, 0));
        assert_eq!(slab.insert(|at, generation| (at, generation)), first);
        assert_eq!(slab[first], (0, 7));
    }

    #[test]
    fn a_spent_place_is_never_used_again() {
        let mut slab = Slab::new();
        let first = slab.insert(|at, _| at);
        slab.remove(first, None);
        assert_ne!(slab.insert(|at, _| at), first);
        assert_eq!(slab.len(), 1);
    }
}
