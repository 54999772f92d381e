//! Typed keys: each table declares a type for the indices of its rows, so that the compiler rejects
//! a key of one table in another.

use core::{fmt::Debug, hash::Hash};

/// Indices are below this, so that an intrusive list can tell a row from the head of a list.
pub(crate) const MAX_ROWS: u32 = 1 << 31;

/// The index of a row, typed by its table. Declared with [`key!`].
pub(crate) trait Key: Copy + Ord + Hash + Debug {
    /// A value that is the key of no row.
    const NONE: Self;

    fn new(index: u32) -> Self;

    fn index(self) -> u32;
}

/// Declares the key type of one table. In memory it is a plain `u32`.
macro_rules! key {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub(crate) struct $name(u32);

        impl $crate::tables::storage::Key for $name {
            const NONE: Self = $name(u32::MAX);

            #[inline]
            fn new(index: u32) -> Self {
                $name(index)
            }

            #[inline]
            fn index(self) -> u32 {
                self.0
            }
        }

        const _: () = assert!(size_of::<$name>() == size_of::<u32>());
    };
}
pub(crate) use key;
