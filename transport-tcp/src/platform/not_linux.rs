//! Where sockets lack the options of Linux, the system's own habits hold: nothing depends on them
//! but how soon something is noticed or forgotten.

use std::{net::TcpStream, time::Duration};

/// As much waits unsent as the system likes.
pub(crate) const fn keep_little_unsent(_: &TcpStream) {}

/// The system tries to deliver for as long as it likes.
pub(crate) const fn forget_undelivered_after(_: &TcpStream, _: Duration) {}
