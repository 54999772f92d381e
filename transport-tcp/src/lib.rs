//! Obit's peer service over plain TCP: authenticated sessions, heartbeats, framing, reconnects.
//!
//! [`TcpTransport`] implements [`peer_service::PeerService`] and keeps that trait's contract. Nodes
//! authenticate each other with a shared [`Secret`]. The traffic after the handshake is neither
//! encrypted nor signed, so the network itself must be trusted. With the feature `tls`, off by
//! default, `TcpConfig::tls` encrypts all traffic and binds each node's name to a certificate.
//!
//! ```
//! use std::sync::Arc;
//! use peer_service::{DialId, PeerEvent, PeerService};
//! use transport_tcp::{Secret, TcpConfig, TcpTransport};
//!
//! # smol::block_on(async {
//! let secret = Secret::generate();
//! let start = |name: &str, incarnation| {
//!     let config = TcpConfig::new().listen(([127, 0, 0, 1], 0).into()).secret(secret.clone());
//!     let incarnation = refs::Incarnation::new(incarnation).unwrap();
//!     let node = refs::NodeId::new(name.parse().unwrap(), incarnation);
//!     TcpTransport::start(node, config, Arc::new(|task| smol::spawn(task).detach()))
//! };
//! let (a, b) = (start("a@127.0.0.1", 1).await?, start("b@127.0.0.1", 2).await?);
//!
//! a.connect(&format!("b@127.0.0.1={}", b.local_addr()).parse().unwrap(), DialId(1));
//! let Some(PeerEvent::Session(session)) = a.next().await else { panic!("a session") };
//! assert_eq!(session.peer().node, *b.local());
//! # Ok::<(), transport_tcp::StartError>(())
//! # }).unwrap();
//! ```
//!
//! # How it works
//!
//! | what | where |
//! |---|---|
//! | the rules, without sockets, clocks, locks or tasks | `proto` |
//! | ... frames on the wire | `proto::wire` |
//! | ... the handshake: the identity of the peer and its proof | `proto::handshake` |
//! | ... one connection: queues, fragments, reading, heartbeats, closing | `proto::connection` |
//! | ... a session of several connections | `proto::channels` |
//! | ... one session per pair of nodes; when and where to dial | `proto::peers` |
//! | ... limits on unauthenticated inbound connections; the pace of accepting after errors | `proto::admission`, `proto::accept_errors` |
//! | sockets, TLS, lookups and the race between several addresses, independent of Obit's protocol | `net` |
//! | the tasks that drive the rules over sockets | `io` |
//! | ... the table of peers behind its lock | `io::endpoint` |
//! | ... dialing, accepting, finding peers | `io::dialer`, `io::listener`, `io::discovery` |
//! | ... sessions, as the caller uses them | `io::session` |
//! | the transport as a peer service | `service` |
//! | configuration, errors, secrets | `config`, `error`, `secret` |
//! | counters, log | `counters`, `log` |
//! | differences between operating systems | `platform` |
//!
//! Two tasks work on a session: the caller's, which reads by calling
//! [`recv`](peer_service::Session::recv), and the driver of its connection, which writes the bytes
//! that the socket did not accept at once and ends the session of a silent peer. A heartbeat
//! timeout never counts time during which received bytes are unread, nor time during which the
//! local process did not run.
//!
//! # Operating systems
//!
//! It has been run on Linux alone. Features that depend on the operating system:
//!
//! | feature | available on | elsewhere |
//! |---|---|---|
//! | at most 128 KiB wait in the system unsent (`TCP_NOTSENT_LOWAT`) | Linux | the system's send buffer may hold more unsent bytes, and pings wait behind them |
//! | the system discards data that a dead peer does not acknowledge after the heartbeat timeout (`TCP_USER_TIMEOUT`) | Linux | it does so after its own timeout, often many minutes; the session has ended long before |
//! | the mode of the secret file and of the key file is checked | Unix | not checked |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(missing_debug_implementations)]

mod config;
mod counters;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod io;
mod log;
mod net;
mod platform;
#[cfg(not(feature = "simulation"))]
mod proto;
#[cfg(feature = "simulation")]
pub mod proto;
mod secret;
mod service;

pub use config::{Heartbeat, Preset, TcpConfig};
pub use error::{PeersFileError, SecretError, StartError};
#[cfg(feature = "tls")]
pub use net::tls::{Tls, TlsError};
pub use secret::Secret;
pub use service::TcpTransport;
