//! Differences between operating systems. No other file of this crate depends on the operating
//! system; the crate documentation tells users what that means for them.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod not_linux;
#[cfg(not(unix))]
mod not_unix;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use self::linux::{limit_unsent, set_user_timeout};
#[cfg(not(target_os = "linux"))]
pub(crate) use self::not_linux::{limit_unsent, set_user_timeout};
#[cfg(not(unix))]
pub(crate) use self::not_unix::{exposing_mode, is_out_of_descriptors};
#[cfg(unix)]
pub(crate) use self::unix::{exposing_mode, is_out_of_descriptors};
