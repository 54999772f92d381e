//! The times in use: the explicit ones, or those of the preset.

use std::time::Duration;

use super::{Heartbeat, TcpConfig};

/// Longer than any program runs. A time of this length or more means "no limit".
const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// A time that means "no limit" is cut to a length that is never reached either, and that can be
/// added to every time of a clock. Arithmetic with these times therefore cannot overflow.
impl TcpConfig {
    /// The heartbeat in use: of [`heartbeat`](Self::heartbeat), or of the preset.
    pub fn get_heartbeat(&self) -> Heartbeat {
        let Heartbeat { interval, timeout } = self.heartbeat.unwrap_or(self.preset.heartbeat());
        Heartbeat { interval: interval.min(FOREVER), timeout: timeout.min(FOREVER) }
    }

    /// The set-up timeout in use: of [`setup_timeout`](Self::setup_timeout), of the heartbeat, or
    /// of the preset.
    pub fn get_setup_timeout(&self) -> Duration {
        let default = self.heartbeat.unwrap_or(self.preset.heartbeat()).setup_timeout();
        self.setup_timeout.unwrap_or(default).min(FOREVER)
    }

    /// The value of [`min_redial_delay`](Self::min_redial_delay), or of the preset.
    pub fn get_min_redial_delay(&self) -> Duration {
        self.min_redial_delay.unwrap_or(self.preset.min_redial_delay()).min(FOREVER)
    }

    /// The value of [`max_redial_delay`](Self::max_redial_delay), or of the preset.
    pub fn get_max_redial_delay(&self) -> Duration {
        self.max_redial_delay.unwrap_or(self.preset.max_redial_delay()).min(FOREVER)
    }

    pub(crate) fn head_start(&self) -> Duration {
        self.preset.head_start()
    }

    pub(crate) fn probe_timeout(&self) -> Duration {
        self.preset.probe_timeout().min(self.get_heartbeat().timeout)
    }

    pub(crate) fn linger(&self) -> Duration {
        self.preset.linger()
    }
}
