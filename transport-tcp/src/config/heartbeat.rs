//! The heartbeat of a session.

use std::time::Duration;

/// How often pings are sent, and after how much silence a session ends.
///
/// A peer that dies without its connection being closed is detected `timeout` after its death, give
/// or take an `interval` and a round trip. The two ends of a session need not have the same
/// settings: each end pings at its own interval, and the other end answers. A node answers a ping
/// when it reads it, so an end with a longer interval must still read often enough: a ping that it
/// leaves unread for the other end's timeout ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

impl Heartbeat {
    /// A heartbeat of that interval and timeout.
    ///
    /// A ping is sent when nothing else was sent, or nothing was received, for `interval`: at least
    /// 1 ms. With 100 years or more only the first ping is sent.
    ///
    /// The session ends when nothing was received for `timeout`: at least twice the interval. With
    /// 100 years or more silence never ends a session. The first bytes of a session may take
    /// [`setup_timeout`](crate::TcpConfig::setup_timeout) longer: the peer may not have read yet
    /// that it was accepted.
    pub const fn new(interval: Duration, timeout: Duration) -> Self {
        Heartbeat { interval, timeout }
    }

    /// Duration without traffic after which a ping is sent.
    pub const fn interval(&self) -> Duration {
        self.interval
    }

    /// Duration of silence after which the session ends.
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The [`setup_timeout`](crate::TcpConfig::setup_timeout) of a configuration that sets this
    /// heartbeat and no set-up timeout: the heartbeat's timeout, but at least 1 s and at most 15 s.
    /// A frozen peer is therefore detected about as soon during a dial as during a session.
    pub const fn setup_timeout(&self) -> Duration {
        const LEAST: Duration = Duration::from_secs(1);
        const MOST: Duration = Duration::from_secs(15);
        if self.timeout.as_nanos() < LEAST.as_nanos() {
            LEAST
        } else if self.timeout.as_nanos() > MOST.as_nanos() {
            MOST
        } else {
            self.timeout
        }
    }
}
