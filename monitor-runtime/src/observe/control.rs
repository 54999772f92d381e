//! Looking into a node from outside: questions over a Unix socket that only its owner can open.
//!
//! [`serve`] opens the socket of a node, [`ask`] asks one. A question is one line of JSON, and so
//! is the answer; then the connection is over. So any program can ask, and whoever asks joins no
//! cluster:
//!
//! ```text
//! $ echo '"nodes"' | nc -U $XDG_RUNTIME_DIR/obit/a-4711.sock
//! {"nodes":{"name":"a@10.0.0.7:7001","incarnation":"8c21…","peers":[…],…}}
//! ```
//!
//! ```
//! use monitor_runtime::{Config, Node, control::{self, Answer, Question}};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let socket = std::env::temp_dir().join(format!("obit-doc-{}.sock", std::process::id()));
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
//! let served = control::serve(&node, &socket)?; // until it is dropped
//! let Answer::Nodes(nodes) = control::ask(&socket, &Question::Nodes).await? else { panic!() };
//! assert_eq!((nodes.name.as_str(), nodes.peers.len()), ("a@local", 0));
//! # drop(served);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: 128 clients are connected at once and 16 of them answered, others wait for their
//! turn; a client may take 2 s to ask and 10 s to read the answer; a question has at most 4 KiB, an
//! answer 64 MiB, 10,000 monitors of each kind and 10,000 nodes.

mod answers;
pub(crate) mod bounded;
mod client;
mod place;
mod platform;
mod protocol;
mod server;

pub(crate) use answers::Extent;
pub use answers::{CountLine, Look, MonitorLine, MonitorList, NodeList, PastDownLine, PeerLine, WatchedLine};
pub use client::{AskError, ask};
pub use place::{check_default_directory, default_directory, default_socket};
pub use protocol::{Answer, Question};
pub use server::{Served, serve};
