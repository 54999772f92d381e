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
//! use monitor_runtime::{Config, Node, control::{self, Response, Request}};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let socket = std::env::temp_dir().join(format!("obit-doc-{}.sock", std::process::id()));
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
//! let served = control::serve(&node, &socket)?; // until it is dropped
//! let Response::Nodes(nodes) = control::ask(&socket, &Request::Nodes).await? else { panic!() };
//! assert_eq!((nodes.name.as_str(), nodes.peers.len()), ("a@local", 0));
//! # drop(served);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: 128 clients are connected at once and 16 of them answered, others wait for their
//! turn; a client may take 2 s to ask and 10 s to read the answer; a question has at most 4 KiB, an
//! answer 64 MiB, 10,000 monitors of each kind and 10,000 nodes.

pub(crate) mod bounded;
mod client;
mod platform;
mod protocol;
mod responses;
mod server;
mod socket_path;

pub use client::{AskError, ask};
pub use protocol::{Request, Response};
pub(crate) use responses::Extent;
pub use responses::{
    CountLine, MonitorLine, MonitorList, NodeList, PastDownLine, PeerLine, Snapshot, WatchedLine,
};
pub use server::{Served, serve};
pub use socket_path::{check_default_directory, default_directory, default_socket};
