//! Erlang's monitors for Rust: your program learns, exactly once, when a process or a node
//! elsewhere in its cluster has ended or can no longer be reached, and why.
//!
//! This crate has the product's name and no code of its own: it re-exports [`monitor_runtime`],
//! whose first page says which function to use for what. Every feature of that crate that is meant
//! for users is a feature of this one.
//!
//! # A first program
//!
//! A node starts a process on tokio and gives it a name; another node monitors it by that name. Two
//! nodes in two programs do the same.
//!
#![cfg_attr(all(feature = "tcp", feature = "tokio"), doc = "```")]
#![cfg_attr(not(all(feature = "tcp", feature = "tokio")), doc = "```ignore")]
//! use obit::prelude::*;
//!
//! #[tokio::main]
//! async fn main() -> anyhow::Result<()> {
//!     // Port 0: the system chooses a free port. A name with a port, such as `b@10.0.0.8:7001`,
//!     // needs neither `listen` nor `connect`. Without a secret a node connects on loopback only.
//!     let config = |name| Config::new(name).listen(([127, 0, 0, 1], 0).into()).tokio();
//!     let b = Node::start(config("b@127.0.0.1")).await?;
//!     let worker = b.spawn(async |_process| {
//!         tokio::time::sleep(std::time::Duration::from_millis(100)).await; // its work
//!         Ok(()) // reported as `normal`; an error or a panic would be reported instead
//!     })?;
//!     b.register("worker", &worker)?;
//!
//!     let a = Node::start(config("a@127.0.0.1")).await?;
//!     a.connect(format!("b@127.0.0.1={}", b.local_addr().expect("it uses TCP")))?;
//!     let down = a.monitor("worker@b@127.0.0.1")?.await; // returns exactly once
//!     println!("{down}"); // worker@b@127.0.0.1 is gone: exit: normal
//!     # assert_eq!(down.to_string(), "worker@b@127.0.0.1 is gone: exit: normal");
//!     a.stop().await;
//!     b.stop().await;
//!     Ok(())
//! }
//! ```
//!
//! Without tokio, leave out `.tokio()`: processes then run on the node's own thread. The futures of
//! a node can be awaited in any executor, such as by `smol::block_on`.
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
//! | `tokio` | `Config::tokio`: processes run on tokio, and can use its timers and sockets |
//! | `test-util` | a cluster in memory, with faults and a clock that the test advances; for `[dev-dependencies]` |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doctest)]
mod doc_tests;

#[doc(inline)]
pub use monitor_runtime::*;
