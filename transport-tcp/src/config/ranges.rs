//! The range of every field, and the error for a value outside of it.

use std::{collections::BTreeSet, time::Duration};

use refs::ChannelId;

use super::TcpConfig;
use crate::error::StartError;
#[cfg(feature = "tls")]
use crate::net::tls;

/// Longer than any program runs. A time of this length or more means "no limit".
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
/// Minimum heartbeat interval and minimum set-up timeout: shorter ones would keep a thread busy.
const SHORTEST: Duration = Duration::from_millis(1);

impl TcpConfig {
    /// Checks that every field is within its range. Opens and resolves nothing;
    /// [`TcpTransport::start`] calls it first.
    ///
    /// # Errors
    /// [`StartError::Field`] with the first field outside of its range, and the range;
    /// `StartError::Tls` if the certificate does not fit the node.
    ///
    /// [`TcpTransport::start`]: crate::TcpTransport::start
    pub fn check(&self) -> Result<(), StartError> {
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
            (self.heartbeat.interval >= SHORTEST, "heartbeat", "has an interval of less than 1 ms"),
            (
                self.heartbeat.timeout >= self.heartbeat.interval.saturating_mul(2),
                "heartbeat",
                "has a timeout of less than two intervals: one late ping would end the session",
            ),
            (self.setup_timeout >= SHORTEST, "setup_timeout", "is less than 1 ms"),
            ((1 << 10..=64 << 20).contains(&self.max_frame), "max_frame", "is not between 1 KiB and 64 MiB"),
            (self.max_message_queue > 0, "max_message_queue", "is 0; at least 1 is needed"),
            (self.max_signal_queue > 0, "max_signal_queue", "is 0; at least 1 is needed"),
            (self.max_pending > 0, "max_pending", "is 0; at least 1 is needed"),
            (self.max_pending_per_address > 0, "max_pending_per_address", "is 0; at least 1 is needed"),
        ];
        match checks.into_iter().find(|(holds, ..)| !holds) {
            Some((_, field, problem)) => Err(StartError::Field { field, problem }),
            None => self.check_tls(),
        }
    }

    /// Checks that the certificate fits this node, and that certificates can name the configured
    /// peers.
    fn check_tls(&self) -> Result<(), StartError> {
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            tls.check(&self.name)?;
            for peer in &self.peers {
                tls::can_name(peer.name())?;
            }
            if !self.peers_dns.is_empty() {
                let problem = "names nodes by IP addresses, which TLS does not: use `peers` or `peers_file`";
                return Err(StartError::Field { field: "peers_dns", problem });
            }
        }
        Ok(())
    }

    /// The same configuration, with times that mean "no limit" cut to a length that is never
    /// reached either and that can be added to every time of a clock. Arithmetic with them
    /// therefore cannot overflow.
    pub(crate) fn cut_to_clock(mut self) -> Self {
        let times = [&mut self.heartbeat.interval, &mut self.heartbeat.timeout, &mut self.setup_timeout];
        times.into_iter().for_each(|time| *time = FOREVER.min(*time));
        self
    }
}
