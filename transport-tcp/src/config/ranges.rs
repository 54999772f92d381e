//! The range of every field, and the error for a value outside of it.

use std::{collections::BTreeSet, time::Duration};

use refs::{ChannelId, NodeName};

use super::TcpConfig;
use crate::error::StartError;
#[cfg(feature = "tls")]
use crate::net::tls;

/// Minimum heartbeat interval and minimum set-up timeout: shorter ones would keep a thread busy.
const SHORTEST: Duration = Duration::from_millis(1);

impl TcpConfig {
    /// Checks that every field is within its range, for a node of that name. Opens and resolves
    /// nothing; [`TcpTransport::start`] calls it first.
    ///
    /// # Errors
    /// [`StartError::Field`] with the first field outside of its range, and the range;
    /// `StartError::Tls` if the certificate does not fit the node.
    ///
    /// [`TcpTransport::start`]: crate::TcpTransport::start
    pub fn check(&self, name: &NodeName) -> Result<(), StartError> {
        let heartbeat = self.heartbeat.unwrap_or_default();
        let (min_redial_delay, max_redial_delay) = (self.get_min_redial_delay(), self.get_max_redial_delay());
        let checks = [
            (self.cluster.len() <= Self::MAX_CLUSTER, "cluster", "is longer than 64 bytes"),
            (
                self.also_accept.is_empty() || self.secret.is_some(),
                "also_accept",
                "makes no sense without `secret`",
            ),
            (self.also_accept.len() <= 8, "also_accept", "has more than 8 secrets"),
            (
                self.peers_dns.iter().all(|name| name.port().is_some()),
                "peers_dns",
                "has a name without a port: write label@host:port",
            ),
            (
                (Duration::from_millis(10)..=Duration::from_secs(3600)).contains(&self.peers_interval),
                "peers_interval",
                "is not between 10 ms and 1 h",
            ),
            (self.channels.len() < ChannelId::LIMIT, "channels", "has more than seven names"),
            (
                self.channels.iter().collect::<BTreeSet<_>>().len() == self.channels.len(),
                "channels",
                "has a name twice",
            ),
            (heartbeat.interval >= SHORTEST, "heartbeat", "has an interval of less than 1 ms"),
            (
                heartbeat.timeout >= heartbeat.interval.saturating_mul(2),
                "heartbeat",
                "has a timeout of less than two intervals: one late ping would end the session",
            ),
            (self.get_setup_timeout() >= SHORTEST, "setup_timeout", "is less than 1 ms"),
            (min_redial_delay >= SHORTEST, "min_redial_delay", "is less than 1 ms"),
            (max_redial_delay >= min_redial_delay, "max_redial_delay", "is less than `min_redial_delay`"),
            ((1 << 10..=64 << 20).contains(&self.max_frame), "max_frame", "is not between 1 KiB and 64 MiB"),
            (self.max_message_queue > 0, "max_message_queue", "is 0; at least 1 is needed"),
            (self.max_signal_queue > 0, "max_signal_queue", "is 0; at least 1 is needed"),
            (self.max_pending > 0, "max_pending", "is 0; at least 1 is needed"),
            (self.max_pending_per_address > 0, "max_pending_per_address", "is 0; at least 1 is needed"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, problem)) => Err(StartError::Field { field, problem }),
            None => self.check_tls(name),
        }
    }

    /// Checks that the certificate fits this node, and that certificates can name the configured
    /// peers.
    fn check_tls(&self, name: &NodeName) -> Result<(), StartError> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.check(name)?;
            for peer in &self.peers {
                tls::can_name(peer.name())?;
            }
            if !self.peers_dns.is_empty() {
                let problem = "names nodes by IP addresses, which TLS does not: use `peers` or `peers_file`";
                return Err(StartError::Field { field: "peers_dns", problem });
            }
        }
        #[cfg(not(feature = "tls"))]
        let _ = name;
        Ok(())
    }
}
