//! The settings as keys of a file.

use peer_service::settings::{List, Size, Time};
use serde::{Deserialize, Deserializer, de};

use super::{Heartbeat, TcpConfig};

/// With the feature `serde`.
///
/// A secret and certificates are no keys: a file of settings is shown and copied too easily. Set
/// them in the program.
impl TcpConfig {
    /// The keys of the settings, which have the names of the setters.
    pub const KEYS: &'static [&'static str] = &[
        "listen",
        "cluster",
        "hidden",
        "peers",
        "peers_file",
        "peers_dns",
        "peers_interval",
        "channels",
        "preset",
        "heartbeat",
        "setup_timeout",
        "min_redial_delay",
        "max_redial_delay",
        "low_latency",
        "max_frame",
        "max_message_queue",
        "max_signal_queue",
        "max_pending",
        "max_pending_per_address",
        "insecure_allow_remote",
    ];

    /// Reads the value of `key` from a map, for a type that has these settings among its own.
    ///
    /// # Errors
    /// Of the deserializer: the value is not one of that setting, or `key` is none of
    /// [`KEYS`](Self::KEYS).
    pub fn read_value<'de, A: de::MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "listen" => self.listen = Some(map.next_value()?),
            "cluster" => self.cluster = map.next_value()?,
            "hidden" => self.hidden = map.next_value()?,
            "peers" => self.peers = map.next_value::<List<_>>()?.0,
            "peers_file" => self.peers_file = Some(map.next_value()?),
            "peers_dns" => self.peers_dns = map.next_value::<List<_>>()?.0,
            "peers_interval" => self.peers_interval = map.next_value::<Time>()?.0,
            "channels" => self.channels = map.next_value::<List<_>>()?.0,
            "preset" => self.preset = map.next_value()?,
            "heartbeat" => self.heartbeat = Some(map.next_value()?),
            "setup_timeout" => self.setup_timeout = Some(map.next_value::<Time>()?.0),
            "min_redial_delay" => self.min_redial_delay = Some(map.next_value::<Time>()?.0),
            "max_redial_delay" => self.max_redial_delay = Some(map.next_value::<Time>()?.0),
            "low_latency" => self.low_latency = map.next_value()?,
            "max_frame" => self.max_frame = map.next_value::<Size>()?.0,
            "max_message_queue" => self.max_message_queue = map.next_value::<Size>()?.0,
            "max_signal_queue" => self.max_signal_queue = map.next_value::<Size>()?.0,
            "max_pending" => self.max_pending = map.next_value()?,
            "max_pending_per_address" => self.max_pending_per_address = map.next_value()?,
            "insecure_allow_remote" => self.insecure_allow_remote = map.next_value()?,
            _ => return Err(de::Error::unknown_field(key, Self::KEYS)),
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Heartbeat {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Parts {
            interval: Time,
            timeout: Time,
        }

        let Parts { interval: Time(interval), timeout: Time(timeout) } = Parts::deserialize(deserializer)?;
        Ok(Heartbeat { interval, timeout })
    }
}
