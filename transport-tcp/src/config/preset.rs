//! The times that depend on the round trip between nodes.

use std::time::Duration;

use super::Heartbeat;

/// A set of times for one kind of network. The nodes of a cluster may have different presets.
///
/// | time | `Normal` | `Fast` | `Wan` |
/// |---|---|---|---|
/// | [heartbeat](crate::TcpConfig::heartbeat): interval | 1 s | 100 ms | 2.5 s |
/// | heartbeat: timeout | 5 s | 500 ms | 15 s |
/// | [`setup_timeout`](crate::TcpConfig::setup_timeout) | 5 s | 1 s | 15 s |
/// | [`min_redial_delay`](crate::TcpConfig::min_redial_delay) | 50 ms | 50 ms | 250 ms |
/// | [`max_redial_delay`](crate::TcpConfig::max_redial_delay) | 30 s | 5 s | 30 s |
/// | delay before a dial also tries the next address, while the earlier ones have not answered | 250 ms | 100 ms | 500 ms |
/// | how long an old session is probed when its peer connects again, unless the heartbeat's timeout is shorter | 1 s | 500 ms | 3 s |
/// | maximum time that a session closed with a goodbye waits for the peer to close its side | 1 s | 1 s | 3 s |
///
/// A setting of the configuration wins over the preset, whichever is called first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Preset {
    /// One site: the default.
    #[default]
    Normal,
    /// One rack, on machines that are not overloaded.
    Fast,
    /// Connections between sites.
    Wan,
}

impl Preset {
    /// The heartbeat.
    pub const fn heartbeat(self) -> Heartbeat {
        let (interval, timeout) = match self {
            Preset::Normal => (1000, 5000),
            Preset::Fast => (100, 500),
            Preset::Wan => (2500, 15_000),
        };
        Heartbeat { interval: Duration::from_millis(interval), timeout: Duration::from_millis(timeout) }
    }

    pub(crate) const fn min_redial_delay(self) -> Duration {
        Duration::from_millis(match self {
            Preset::Normal | Preset::Fast => 50,
            Preset::Wan => 250,
        })
    }

    pub(crate) const fn max_redial_delay(self) -> Duration {
        Duration::from_secs(match self {
            Preset::Normal | Preset::Wan => 30,
            Preset::Fast => 5,
        })
    }

    /// Maximum time for which a dial tries one address alone.
    pub(crate) const fn head_start(self) -> Duration {
        Duration::from_millis(match self {
            Preset::Normal => 250,
            Preset::Fast => 100,
            Preset::Wan => 500,
        })
    }

    /// Duration of the probe of an old session, unless its timeout is shorter.
    pub(crate) const fn probe_timeout(self) -> Duration {
        Duration::from_millis(match self {
            Preset::Normal => 1000,
            Preset::Fast => 500,
            Preset::Wan => 3000,
        })
    }

    /// Maximum time that a closed session waits until the peer closes its side.
    pub(crate) const fn linger(self) -> Duration {
        Duration::from_secs(match self {
            Preset::Normal | Preset::Fast => 1,
            Preset::Wan => 3,
        })
    }
}

impl Heartbeat {
    /// The heartbeat of [`Preset::Normal`]: interval 1 s, timeout 5 s. The default.
    pub const fn normal() -> Self {
        Preset::Normal.heartbeat()
    }

    /// The heartbeat of [`Preset::Fast`]: interval 100 ms, timeout 500 ms.
    pub const fn fast() -> Self {
        Preset::Fast.heartbeat()
    }

    /// The heartbeat of [`Preset::Wan`]: interval 2.5 s, timeout 15 s.
    pub const fn wan() -> Self {
        Preset::Wan.heartbeat()
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Heartbeat::normal()
    }
}
