//! Differences between operating systems. No other file of this crate asks which one it is; the
//! page of the crate tells users what that means for them.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod not_linux;
#[cfg(not(unix))]
mod not_unix;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use self::linux::{forget_undelivered_after, keep_little_unsent};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::not_linux::{forget_undelivered_after, keep_little_unsent};
#[cfg(not(unix))]
pub(crate) use self::not_unix::{exposing_mode, is_out_of_descriptors};
#[cfg(unix)]
pub(crate) use self::unix::{exposing_mode, is_out_of_descriptors};
