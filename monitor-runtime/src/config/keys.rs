//! The configuration as a map of settings.

use std::fmt;

use peer_service::settings::{Size, Time};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};

use super::Config;

/// The keys of the settings that do not belong to a transport.
const KEYS: &[&str] = &[
    "max_batch",
    "max_waiting",
    "max_waiting_bytes",
    "max_incoming",
    "max_mailbox_bytes",
    "max_mailbox_messages",
    "max_node_events",
    "max_reason_bytes",
    "max_node_reason_bytes",
    "max_message",
    "max_history",
    "max_addresses",
    "stop_timeout",
    "max_blocked_threads",
];

/// With the feature `serde`.
impl Config {
    /// The keys of the settings, which have the names of the setters.
    pub fn keys() -> impl Iterator<Item = &'static str> {
        #[cfg(feature = "tcp")]
        let of_transport = crate::tcp::TcpConfig::KEYS;
        #[cfg(not(feature = "tcp"))]
        let of_transport: &[&str] = &[];
        KEYS.iter().chain(of_transport).copied()
    }

    /// The same configuration with the settings of a map, such as the table of a TOML file; other
    /// settings keep their values. The keys have the names of the setters. Settings that are called
    /// afterwards win over those of the map.
    ///
    /// Times are texts such as `"2.5s"` or `"500ms"`; sizes are numbers of bytes or texts such as
    /// `"64MiB"`; `heartbeat` is a map of `interval` and `timeout`; `preset` is `normal`, `fast` or
    /// `wan`. The secrets of the cluster and certificates have no keys: a file of settings is shown
    /// and copied too easily. Neither has `spawner`.
    ///
    /// ```
    /// # use monitor_runtime::Config;
    /// let settings = serde_json::json!({ "max_mailbox_bytes": "16MiB", "stop_timeout": "2.5s" });
    /// let config = Config::new("a@10.0.0.7:7001").read(settings)?;
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    ///
    /// # Errors
    /// Of the deserializer: an unknown key, or a value that is none of its setting. The start
    /// checks the ranges.
    pub fn read<'de, D: Deserializer<'de>>(self, settings: D) -> Result<Self, D::Error> {
        settings.deserialize_map(Settings { config: self, may_name: false })
    }
}

/// The settings as for [`Config::read`], and the key `name` with the node's name.
impl<'de> Deserialize<'de> for Config {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The empty text is no name, so a map without the key `name` is recognized.
        let settings = Settings { config: Config::new(""), may_name: true };
        let config = deserializer.deserialize_map(settings)?;
        if config.name.is_err() {
            return Err(de::Error::missing_field("name"));
        }
        Ok(config)
    }
}

struct Settings {
    config: Config,
    /// Whether the map has the key `name`.
    may_name: bool,
}

impl<'de> Visitor<'de> for Settings {
    type Value = Config;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of settings")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Config, A::Error> {
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" if self.may_name => self.config.name = Ok(map.next_value()?),
                key => self.config.read_value(key, &mut map)?,
            }
        }
        Ok(self.config)
    }
}

impl Config {
    fn read_value<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        let limits = self.limits.clone();
        match key {
            "max_batch" => self.limits = limits.max_batch(map.next_value()?),
            "max_waiting" => self.limits = limits.max_waiting(map.next_value()?),
            "max_incoming" => self.limits = limits.max_incoming(map.next_value()?),
            "max_reason_bytes" => self.limits = limits.max_reason_bytes(map.next_value::<Size>()?.0),
            "max_node_reason_bytes" => {
                self.limits = limits.max_node_reason_bytes(map.next_value::<Size>()?.0);
            }
            "max_waiting_bytes" => self.max_waiting_bytes = map.next_value::<Size>()?.0,
            "max_mailbox_bytes" => self.max_mailbox_bytes = map.next_value::<Size>()?.0,
            "max_mailbox_messages" => self.max_mailbox_messages = map.next_value()?,
            "max_node_events" => self.max_node_events = map.next_value()?,
            "max_message" => self.max_message = map.next_value::<Size>()?.0,
            "max_history" => self.max_history = map.next_value()?,
            "max_addresses" => self.max_addresses = map.next_value()?,
            "stop_timeout" => self.stop_timeout = map.next_value::<Time>()?.0,
            "max_blocked_threads" => self.max_blocked_threads = map.next_value()?,
            #[cfg(feature = "tcp")]
            key if crate::tcp::TcpConfig::KEYS.contains(&key) => {
                self.invalid.remove(key);
                self.tcp.read_value(key, map)?;
            }
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn unknown<E: de::Error>(key: &str) -> E {
    let keys: Vec<_> = Config::keys().map(|key| format!("`{key}`")).collect();
    E::custom(format!("unknown field `{key}`, expected one of {}", keys.join(", ")))
}
