//! The command `obit`, run as users run it: as a program, over TCP on loopback addresses.
#![allow(clippy::unwrap_used, reason = "tests")]

mod ask;
mod config;
mod inherited;
mod job_control;
mod log;
mod parts;
mod pty;
mod run;
mod runtime_directory;
mod secrets;
mod signals;
mod support;
mod tls;
mod top;
mod unstoppable;
mod watch;
