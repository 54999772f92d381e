//! The command `obit`, run as users run it: as a program, over TCP on loopback addresses.
#![allow(clippy::unwrap_used, reason = "tests")]

mod ask;
mod config;
mod log;
mod run;
mod support;
mod tls;
mod top;
mod watch;
