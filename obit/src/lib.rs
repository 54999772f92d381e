//! Erlang's monitors for Rust: your program learns, exactly once, when a process or a node
//! elsewhere in its cluster has ended or can no longer be reached, and why.
//!
//! This crate has the product's name and no code of its own: it re-exports [`monitor_runtime`],
//! whose first page says which function to use for what. Every feature of that crate that is meant
//! for users is a feature of this one.
//!
//! # A first program
//!
//! A node starts a process, gives it a name, and monitors it by that name. Two nodes in two
//! programs do the same over TCP: the name then ends in the name of the other node, as in
//! `worker@b@10.0.0.8:7001`.
//!
#![cfg_attr(feature = "tcp", doc = "```")]
#![cfg_attr(not(feature = "tcp"), doc = "```ignore")]
//! use obit::prelude::*;
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     smol::block_on(async {
//!         // Port 0: the system chooses a free port. Without a secret a node connects on
//!         // loopback only.
//!         let config = Config::new("a@127.0.0.1").listen("127.0.0.1:0".parse()?);
//!         let node = Node::start(config).await?;
//!         let worker = node.spawn(|mut mailbox| async move {
//!             mailbox.recv().await; // its work: to wait for one message
//!             Ok(()) // reported as `normal`; an error or a panic would be reported instead
//!         })?;
//!         node.register("worker", &worker)?;
//!
//!         let monitor = node.monitor("worker@a@127.0.0.1")?; // returns at once
//!         node.try_send(&worker, "please end")?;
//!         let down = monitor.await; // returns exactly once
//!         println!("{down}"); // worker@a@127.0.0.1 is gone: exit: normal
//!         # assert_eq!(down.to_string(), "worker@a@127.0.0.1 is gone: exit: normal");
//!         node.stop().await;
//!         Ok(())
//!     })
//! }
//! ```
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | `tcp` (default) | [`Node::start`](monitor_runtime::Node), which starts a node over TCP |
//! | `tls` | connections that are encrypted, between nodes that prove their names with certificates |
//! | `control` | a Unix socket at which a running node can be inspected |
//! | `http` | the same over HTTP, a page for people, and metrics for Prometheus |
//! | `metrics` | the figures of a node for the recorder of the crate `metrics` |
//! | `test-util` | a cluster in memory, with faults and a clock that the test advances; for `[dev-dependencies]` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
mod doc_tests;

#[doc(inline)]
pub use monitor_runtime::*;
