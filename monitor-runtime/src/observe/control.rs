//! Inspecting a node from outside: requests over a Unix socket that only its owner can open.
//!
//! [`serve`] opens the socket of a node, [`ask`] sends a request to one. The request is one line of
//! JSON, and so is the response; then the node closes the connection. So a program in any language
//! can send requests, and it does not join the cluster:
//!
//! ```text
//! $ echo '"nodes"' | nc -U $XDG_RUNTIME_DIR/obit/a-4711.sock
//! {"nodes":{"name":"a@10.0.0.7:7001","incarnation":"8c21e0b7a3f5d219","peers":[…],…}}
//! ```
//!
//! ```
//! use monitor_runtime::{Config, Node, control::{self, Response, Request}};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let socket = std::env::temp_dir().join(format!("obit-doc-{}.sock", std::process::id()));
//! # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
//! let served = control::serve(&node, &socket)?; // until it is dropped
//! let Response::Nodes(nodes) = control::ask(&socket, &Request::Nodes).await? else { panic!() };
//! assert_eq!((nodes.name.as_str(), nodes.peers.len()), ("a@local", 0));
//! # drop(served);
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: at most 128 clients are connected at once, and at most 16 of them are served; the
//! others wait. A client has 2 s to send its request and 10 s to read the response. A request has
//! at most 4 KiB. A response has at most 64 MiB, 10,000 monitors of each kind and 10,000 nodes.

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
