//! The names by which the parts of an Obit cluster call each other, and how they look as bytes and as text.
//!
//! A cluster is made of *nodes*. A node has a [`NodeName`], which it keeps over restarts, and an
//! [`Incarnation`], which is new with every start; both together are its [`NodeId`]. On a node live
//! processes, each with a [`Pid`]; some also hold a registered name ([`RegName`]), which from another
//! node is written with the node that resolves it: [`Name`]. What can be monitored is a [`Target`]:
//! a pid or a name. A monitor itself is known by its [`MonitorRef`]. [`SessionEnd`] tells how the
//! link to another node ended, or why it could not be made.
//!
//! Pids and monitor references carry the incarnation of their node, names do not: after a restart an
//! old pid means nobody, a name means whoever holds it now.
//!
//! | form | made by | read by |
//! |---|---|---|
//! | bytes | [`to_bytes`] | [`from_bytes`]: total, strict about trailing bytes |
//! | text | `Display`, [`Reference::to_uri`] | `FromStr`, [`Reference::parse`]: total, bounded, errors say where |
//!
//! The crate does no I/O and is `no_std` with `alloc`.
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;

mod address;
mod alias;
mod binary;
mod channel;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod name;
mod node;
mod pid;
mod printable;
mod reference;
mod resolve;
mod serial;
mod session_end;
mod uri;

pub use address::{Address, NodeSpec};
pub use alias::AliasToken;
pub use binary::{BinaryError, from_bytes, to_bytes};
pub use channel::{ChannelId, ChannelName};
pub use error::{ParseError, ParseErrorKind};
pub use name::{Name, RegName};
pub use node::{Incarnation, NodeId, NodeName};
pub use pid::{MonitorRef, Pid};
pub use printable::Printable;
pub use reference::{Reference, Target};
pub use resolve::{Resolution, WhereIs, same_target};
pub use serial::{DialId, Serial, SessionId};
pub use session_end::{EndKind, SessionEnd};
