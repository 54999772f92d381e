//! A node over TCP.

use refs::NodeName;

/// What is set for TCP.
#[derive(Clone, Debug)]
pub(crate) struct TcpSettings {}

impl TcpSettings {
    pub(crate) const fn new(_name: &NodeName) -> Self {
        TcpSettings {}
    }
}

/// Why the TCP service could not be started.
#[derive(Debug, thiserror::Error)]
#[error("tcp")]
pub struct TcpStartError;
