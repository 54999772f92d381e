//! Generic storage for the tables. Each structure is typed by the keys of its table.
//!
//! | what | where |
//! |---|---|
//! | typed keys, and the macro that declares them | `key` |
//! | rows in one vector, with stable keys | `slab` |
//! | the same in chunks, which returns memory as rows are removed | `chunked_slab` |
//! | doubly linked lists threaded through the rows of a table | `list` |
//! | a hash index that finds rows by a value they contain | `hash_index` |

mod chunked_slab;
mod hash_index;
mod key;
mod list;
mod slab;

pub(crate) use chunked_slab::ChunkedSlab;
pub(crate) use hash_index::HashIndex;
pub(crate) use key::{Key, key};
pub(crate) use list::{Linked, List, ListLinks, Lists, linked};
pub(crate) use slab::{Cursor, Slab};
