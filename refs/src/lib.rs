//! The names in an Obit cluster: nodes, processes, registered names and monitors, as bytes and as
//! text.
//!
//! A cluster consists of *nodes*. A node has a [`NodeName`], which it keeps over restarts, and an
//! [`Incarnation`], which is new with every start; both together are its [`NodeId`]. A node has
//! processes, each with a [`Pid`]. Some also hold a registered name ([`RegName`]); other nodes
//! write it with the node that resolves it: [`Name`]. A [`Target`] of a monitor is a pid or a name.
//! A [`MonitorRef`] identifies a monitor. [`SessionEnd`] tells how the connection to another node
//! ended, or why it could not be made.
//!
//! Pids and monitor references contain the incarnation of their node, names do not. After a restart
//! an old pid refers to no process; a name refers to the process that holds it now.
//!
//! | form | made by | read by |
//! |---|---|---|
//! | bytes | [`to_bytes`] | [`from_bytes`]: strict about trailing bytes |
//! | text | `Display`, [`Reference::to_uri`] | `FromStr`, [`Reference::parse`]: bounded |
//!
//! Reading never panics. A [`ParseError`] has the offset of the fault.
//!
//! The crate does no I/O and is `no_std` with `alloc`.
//!
//! | what | where |
//! |---|---|
//! | [`NodeName`], [`Incarnation`], [`NodeId`] | `node` |
//! | [`Address`], [`NodeSpec`] | `address` |
//! | [`Serial`], [`SessionId`], [`DialId`] | `serial` |
//! | [`Pid`], [`MonitorRef`] | `pid` |
//! | [`AliasToken`] | `alias` |
//! | [`RegName`], [`Name`] | `name` |
//! | [`ChannelId`], [`ChannelName`] | `channel` |
//! | [`Target`], [`Reference`] | `reference` |
//! | [`Dest`] | `dest` |
//! | [`IntoRef`]: arguments that are a value or its text | `into_ref` |
//! | the text form of references | `uri` |
//! | the meaning of references on one node | `resolve` |
//! | [`SessionEnd`], [`EndKind`] | `session_end` |
//! | the binary form | `binary` |
//! | [`ParseError`] | `error` |
//! | [`Printable`] | `printable` |
//! | the numbers of frames | [`varint`] |
#![no_std]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]
#![warn(clippy::std_instead_of_core, clippy::std_instead_of_alloc)]

extern crate alloc;

mod address;
mod alias;
mod binary;
mod channel;
mod dest;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod into_ref;
mod name;
mod node;
mod pid;
mod printable;
mod reference;
mod resolve;
mod serial;
mod session_end;
mod uri;
pub mod varint;

pub use address::{Address, NodeSpec};
pub use alias::AliasToken;
pub use binary::{BinaryError, from_bytes, to_bytes};
pub use channel::{ChannelId, ChannelName};
pub use dest::Dest;
pub use error::{ParseError, ParseErrorKind};
pub use into_ref::IntoRef;
pub use name::{Name, RegName};
pub use node::{Incarnation, NodeId, NodeName};
pub use pid::{MonitorRef, Pid};
pub use printable::Printable;
pub use reference::{Reference, Target};
pub use resolve::{Resolution, WhereIs, same_target};
pub use serial::{DialId, Serial, SessionId};
pub use session_end::{EndKind, SessionEnd};
