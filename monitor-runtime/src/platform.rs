//! Differences between operating systems. No other file of this crate but those of Unix sockets
//! depends on the operating system.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod not_linux;

#[cfg(target_os = "linux")]
pub(crate) use self::linux::coarse_nanos;
#[cfg(not(target_os = "linux"))]
pub(crate) use self::not_linux::coarse_nanos;
