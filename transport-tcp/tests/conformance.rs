//! The transport keeps the contract of a peer service.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use support::loopback::{Loopback, Plain};

peer_service::conformance_tests!(Loopback::new(Plain));
