//! Systems whose sockets lack these options of Linux keep their defaults. That changes only how
//! soon a failure is detected and data is discarded.

use std::{net::TcpStream, time::Duration};

/// The system's default applies.
pub(crate) const fn limit_unsent(_: &TcpStream) {}

/// The system's default applies.
pub(crate) const fn set_user_timeout(_: &TcpStream, _: Duration) {}
