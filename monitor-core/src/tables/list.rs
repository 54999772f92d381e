//! Lists that are threaded through the rows of a table.
//!
//! Both ends of a list point back to the cell that holds its head. So a row can leave its list knowing
//! nothing but itself, and a whole list can change its owner in one step, however long it is: that is what lets
//! a session end or a process exit leave their rows to the backlog.

use alloc::vec::Vec;
use core::{
    num::NonZeroU32,
    ops::{Index, IndexMut},
};

use super::slab::MAX_ROWS;

/// The neighbours of a row in one list. An index from [`MAX_ROWS`] up means the cell of the list's head.
#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct ListLinks {
    prev: u32,
    next: u32,
}

impl ListLinks {
    /// Of a row that is in no list yet.
    pub(crate) const LOOSE: ListLinks = ListLinks { prev: u32::MAX, next: u32::MAX };
}

/// One list, by the number of its head's cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct List(NonZeroU32);

/// Finds the link of one kind in a row, for a row that may be in several lists.
pub(crate) trait Linked {
    type Row;
    fn links(row: &Self::Row) -> &ListLinks;
    fn links_mut(row: &mut Self::Row) -> &mut ListLinks;
}

/// Names a kind of list: the one that is threaded through that field of the row.
macro_rules! linked {
    ($(#[$doc:meta])* $kind:ident, $field:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Hash)]
        struct $kind;

        impl crate::tables::list::Linked for $kind {
            type Row = Row;
            fn links(row: &Row) -> &ListLinks {
                &row.$field
            }
            fn links_mut(row: &mut Row) -> &mut ListLinks {
                &mut row.$field
            }
        }
    };
}
pub(crate) use linked;

/// The heads of all lists of one kind. They stand in one vector, where every change of a list finds its head at once; its
/// memory is given back when there is no list any more.
#[derive(Clone, Debug, Hash)]
pub(crate) struct Lists<L> {
    heads: Vec<ListLinks>,
    unused: Vec<List>,
    kind: core::marker::PhantomData<L>,
}

impl<L: Linked> Lists<L> {
    pub(crate) const fn new() -> Self {
        Lists { heads: Vec::new(), unused: Vec::new(), kind: core::marker::PhantomData }
    }

    /// A new, empty list.
    pub(crate) fn create(&mut self) -> List {
        if let Some(list) = self.unused.pop() {
            return list;
        }
        let cell = u32::try_from(self.heads.len()).ok().filter(|&cell| cell < MAX_ROWS);
        let cell = cell.expect("fewer than 2^31 lists: each belongs to a process or a session");
        let head = MAX_ROWS | cell;
        self.heads.push(ListLinks { prev: head, next: head });
        List(NonZeroU32::new(head).expect("the bit that marks a head is set"))
    }

    /// Gives up a list, which must be empty.
    pub(crate) fn destroy(&mut self, list: List) {
        debug_assert!(self.first(list).is_none(), "a list is emptied before it is given up");
        self.unused.push(list);
        if self.unused.len() == self.heads.len() && self.heads.len() > FEW {
            (self.heads, self.unused) = (Vec::new(), Vec::new());
        }
    }

    pub(crate) fn first(&self, list: List) -> Option<u32> {
        row(self.heads[cell(list.0.get())].next)
    }

    pub(crate) fn next(&self, rows: &impl Index<u32, Output = L::Row>, at: u32) -> Option<u32> {
        row(L::links(&rows[at]).next)
    }

    pub(crate) fn push_back(&mut self, list: List, rows: &mut impl IndexMut<u32, Output = L::Row>, at: u32) {
        let last = core::mem::replace(&mut self.heads[cell(list.0.get())].prev, at);
        *L::links_mut(&mut rows[at]) = ListLinks { prev: last, next: list.0.get() };
        self.links_at(rows, last).next = at;
    }

    /// Takes a row out of the list it is in.
    pub(crate) fn remove(&mut self, rows: &mut impl IndexMut<u32, Output = L::Row>, at: u32) {
        let ListLinks { prev, next } = core::mem::replace(L::links_mut(&mut rows[at]), ListLinks::LOOSE);
        self.links_at(rows, prev).next = next;
        self.links_at(rows, next).prev = prev;
    }

    /// [`Lists::remove`] for a row that is no longer in the table.
    #[inline]
    pub(crate) fn close_gap(&mut self, rows: &mut impl IndexMut<u32, Output = L::Row>, gone: &L::Row) {
        let ListLinks { prev, next } = *L::links(gone);
        self.links_at(rows, prev).next = next;
        self.links_at(rows, next).prev = prev;
    }

    fn links_at<'a>(
        &'a mut self,
        rows: &'a mut impl IndexMut<u32, Output = L::Row>,
        at: u32,
    ) -> &'a mut ListLinks {
        if at >= MAX_ROWS { &mut self.heads[cell(at)] } else { L::links_mut(&mut rows[at]) }
    }
}

const fn row(at: u32) -> Option<u32> {
    if at < MAX_ROWS { Some(at) } else { None }
}

const fn cell(at: u32) -> usize {
    (at & (MAX_ROWS - 1)) as usize
}

/// The room for so many heads is kept.
const FEW: usize = 4096;

#[cfg(test)]
mod tests {
    use super::{super::slab::Slab, *};

    #[derive(Clone, Debug)]
    struct ByTest;
    impl Linked for ByTest {
        type Row = ListLinks;
        fn links(row: &ListLinks) -> &ListLinks {
            row
        }
        fn links_mut(row: &mut ListLinks) -> &mut ListLinks {
            row
        }
    }

    fn contents(lists: &Lists<ByTest>, rows: &Slab<ListLinks>, list: List) -> Vec<u32> {
        core::iter::successors(lists.first(list), |&at| lists.next(rows, at)).collect()
    }

    #[test]
    fn rows_keep_their_order_and_leave_from_anywhere() {
        for gone in 0..4 {
            let (mut rows, mut lists) = (Slab::new(), Lists::<ByTest>::new());
            let list = lists.create();
            for _ in 0..4 {
                let at = rows.insert(|_, _| ListLinks::LOOSE);
                lists.push_back(list, &mut rows, at);
            }
            lists.remove(&mut rows, gone);
            let left: Vec<u32> = (0..4).filter(|&at| at != gone).collect();
            assert_eq!(contents(&lists, &rows, list), left);
            lists.push_back(list, &mut rows, gone);
            assert_eq!(contents(&lists, &rows, list).last(), Some(&gone));
        }
    }

    #[test]
    fn lists_do_not_mix_and_an_emptied_one_is_used_again() {
        let (mut rows, mut lists) = (Slab::new(), Lists::<ByTest>::new());
        let (one, two) = (lists.create(), lists.create());
        let a = rows.insert(|_, _| ListLinks::LOOSE);
        let b = rows.insert(|_, _| ListLinks::LOOSE);
        lists.push_back(one, &mut rows, a);
        lists.push_back(two, &mut rows, b);
        lists.remove(&mut rows, a);
        assert_eq!(
            (contents(&lists, &rows, one), contents(&lists, &rows, two)),
            (Vec::new(), alloc::vec![b])
        );
        lists.destroy(one);
        assert_eq!(lists.create(), one);
    }
}
