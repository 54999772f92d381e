//! Doubly linked lists that are threaded through the rows of a table.
//!
//! Both ends of a list point back to the cell that holds its head. So a row can leave its list
//! without knowing which list it is in, and a whole list can change its owner in one step, however
//! long it is. That is how the end of a session or the exit of a process leaves its rows to the
//! backlog.

use alloc::vec::Vec;
use core::{
    marker::PhantomData,
    num::NonZeroU32,
    ops::{Index, IndexMut},
};

use super::key::{Key, MAX_ROWS};

/// The neighbors of a row in one list.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct ListLinks<K> {
    prev: ListPosition<K>,
    next: ListPosition<K>,
}

/// A neighbor in a list: a row, or from [`MAX_ROWS`] up the head of the list.
#[derive(Clone, Copy, Debug, Hash)]
#[repr(transparent)]
struct ListPosition<K>(u32, PhantomData<K>);

/// One list of the kind `L`, by the position of its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct List<L>(NonZeroU32, PhantomData<L>);

/// A kind of list: finds the links of that kind in a row, which may be in lists of several kinds.
pub(crate) trait Linked {
    type Key: Key;
    type Row;
    fn links(row: &Self::Row) -> &ListLinks<Self::Key>;
    fn links_mut(row: &mut Self::Row) -> &mut ListLinks<Self::Key>;
}

/// Declares a kind of list: the lists that are threaded through one field of the rows of a table.
macro_rules! linked {
    ($(#[$doc:meta])* $kind:ident: $key:ty => $row:ident.$field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub(crate) struct $kind;

        impl $crate::tables::storage::Linked for $kind {
            type Key = $key;
            type Row = $row;
            fn links(row: &$row) -> &$crate::tables::storage::ListLinks<$key> {
                &row.$field
            }
            fn links_mut(row: &mut $row) -> &mut $crate::tables::storage::ListLinks<$key> {
                &mut row.$field
            }
        }
    };
}
pub(crate) use linked;

/// The heads of all lists of one kind. They are in one vector, where each change of a list finds
/// its head at once. The vector is freed when there is no list left.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Lists<L: Linked> {
    heads: Vec<ListLinks<L::Key>>,
    unused: Vec<List<L>>,
}

/// Room for this many heads is kept.
const KEPT_HEADS: usize = 4096;

impl<K> ListPosition<K> {
    const fn new(position: u32) -> Self {
        ListPosition(position, PhantomData)
    }

    const fn of_head<L>(list: List<L>) -> Self {
        ListPosition::new(list.0.get())
    }
}

impl<K: Key> ListPosition<K> {
    /// The row, unless this is the head.
    fn row(self) -> Option<K> {
        if self.0 < MAX_ROWS { Some(K::new(self.0)) } else { None }
    }

    /// Where [`Lists::heads`] holds the head.
    const fn cell(self) -> usize {
        (self.0 & (MAX_ROWS - 1)) as usize
    }
}

impl<K> ListLinks<K> {
    /// The links of a row that is in no list.
    pub(crate) const LOOSE: Self =
        ListLinks { prev: ListPosition::new(u32::MAX), next: ListPosition::new(u32::MAX) };
}

impl<L: Linked + Copy> Lists<L> {
    pub(crate) const fn new() -> Self {
        Lists { heads: Vec::new(), unused: Vec::new() }
    }

    /// Makes an empty list.
    pub(crate) fn create(&mut self) -> List<L> {
        if let Some(list) = self.unused.pop() {
            return list;
        }
        let cell = u32::try_from(self.heads.len()).ok().filter(|&cell| cell < MAX_ROWS);
        let cell = cell.expect("fewer than 2^31 lists: each belongs to a process or a session");
        let head = NonZeroU32::new(MAX_ROWS | cell).expect("the bit that marks a head is set");
        let list = List(head, PhantomData);
        let head = ListPosition::of_head(list);
        self.heads.push(ListLinks { prev: head, next: head });
        list
    }

    /// Gives up a list, which must be empty.
    pub(crate) fn destroy(&mut self, list: List<L>) {
        debug_assert!(self.first(list).is_none(), "a list is emptied before it is given up");
        self.unused.push(list);
        if self.unused.len() == self.heads.len() && self.heads.len() > KEPT_HEADS {
            (self.heads, self.unused) = (Vec::new(), Vec::new());
        }
    }

    pub(crate) fn first(&self, list: List<L>) -> Option<L::Key> {
        self.heads[ListPosition::<L::Key>::of_head(list).cell()].next.row()
    }

    pub(crate) fn next(&self, rows: &impl Index<L::Key, Output = L::Row>, at: L::Key) -> Option<L::Key> {
        L::links(&rows[at]).next.row()
    }

    /// All rows of a list, in its order; none without a list.
    pub(crate) fn iter(
        &self,
        rows: &impl Index<L::Key, Output = L::Row>,
        list: Option<List<L>>,
    ) -> impl Iterator<Item = L::Key> {
        let first = list.and_then(|list| self.first(list));
        core::iter::successors(first, |&at| self.next(rows, at))
    }

    pub(crate) fn push_back(
        &mut self,
        list: List<L>,
        rows: &mut impl IndexMut<L::Key, Output = L::Row>,
        at: L::Key,
    ) {
        let head = ListPosition::<L::Key>::of_head(list);
        let row = ListPosition::new(at.index());
        let last = core::mem::replace(&mut self.heads[head.cell()].prev, row);
        *L::links_mut(&mut rows[at]) = ListLinks { prev: last, next: head };
        self.links_at(rows, last).next = row;
    }

    /// Removes a row from the list it is in.
    pub(crate) fn remove(&mut self, rows: &mut impl IndexMut<L::Key, Output = L::Row>, at: L::Key) {
        let ListLinks { prev, next } = core::mem::replace(L::links_mut(&mut rows[at]), ListLinks::LOOSE);
        self.links_at(rows, prev).next = next;
        self.links_at(rows, next).prev = prev;
    }

    /// Does the same as [`Lists::remove`] for a row that is no longer in the table.
    #[inline]
    pub(crate) fn close_gap(&mut self, rows: &mut impl IndexMut<L::Key, Output = L::Row>, removed: &L::Row) {
        let ListLinks { prev, next } = *L::links(removed);
        self.links_at(rows, prev).next = next;
        self.links_at(rows, next).prev = prev;
    }

    fn links_at<'a>(
        &'a mut self,
        rows: &'a mut impl IndexMut<L::Key, Output = L::Row>,
        at: ListPosition<L::Key>,
    ) -> &'a mut ListLinks<L::Key> {
        match at.row() {
            None => &mut self.heads[at.cell()],
            Some(row) => L::links_mut(&mut rows[row]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{key::key, slab::Slab},
        *,
    };

    key! { TestKey }

    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct ByTest;
    impl Linked for ByTest {
        type Key = TestKey;
        type Row = ListLinks<TestKey>;
        fn links(row: &Self::Row) -> &Self::Row {
            row
        }
        fn links_mut(row: &mut Self::Row) -> &mut Self::Row {
            row
        }
    }

    type Rows = Slab<TestKey, ListLinks<TestKey>>;

    const _: () = assert!(size_of::<ListLinks<TestKey>>() == 8 && size_of::<Option<List<ByTest>>>() == 4);

    fn contents(lists: &Lists<ByTest>, rows: &Rows, list: List<ByTest>) -> Vec<u32> {
        lists.iter(rows, Some(list)).map(Key::index).collect()
    }

    #[test]
    fn rows_keep_their_order_and_leave_from_anywhere() {
        for removed in 0..4 {
            let (mut rows, mut lists) = (Rows::new(), Lists::<ByTest>::new());
            let list = lists.create();
            for _ in 0..4 {
                let at = rows.insert(|_| ListLinks::LOOSE);
                lists.push_back(list, &mut rows, at);
            }
            lists.remove(&mut rows, TestKey::new(removed));
            let left: Vec<u32> = (0..4).filter(|&at| at != removed).collect();
            assert_eq!(contents(&lists, &rows, list), left);
            lists.push_back(list, &mut rows, TestKey::new(removed));
            assert_eq!(contents(&lists, &rows, list).last(), Some(&removed));
        }
    }

    #[test]
    fn lists_do_not_mix_and_an_emptied_one_is_used_again() {
        let (mut rows, mut lists) = (Rows::new(), Lists::<ByTest>::new());
        let (one, two) = (lists.create(), lists.create());
        let a = rows.insert(|_| ListLinks::LOOSE);
        let b = rows.insert(|_| ListLinks::LOOSE);
        lists.push_back(one, &mut rows, a);
        lists.push_back(two, &mut rows, b);
        lists.remove(&mut rows, a);
        assert_eq!(
            (contents(&lists, &rows, one), contents(&lists, &rows, two)),
            (Vec::new(), alloc::vec![b.index()])
        );
        lists.destroy(one);
        assert_eq!(lists.create(), one);
    }
}
