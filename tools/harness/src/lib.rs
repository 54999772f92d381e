//! The parts that the tasks of `xtask` share: programs to start, networks for them, and the machine
//! that they run on. It depends on no crate of Obit.
//!
//! | module | holds |
//! |---|---|
//! | [`build`] | builds the programs of the workspace, and returns their paths |
//! | [`children`] | child processes, each ended through its own handle, also on interrupt |
//! | [`command`] | programs of the command `obit`, as a user would start them |
//! | [`conditions`] | waits for conditions, and checks them |
//! | [`files`] | folders and files, with errors that name them |
//! | [`machine`] | the machine and the commit that figures are measured on |
//! | [`net`] | network namespaces: a host for each node, with cables, firewalls and relays |
//! | [`otp`] | nodes of Erlang/OTP, to compare with |
//! | [`peer`] | processes that are driven by lines, and the resources that they use |
//! | [`ports`] | blocks of ports, unique among concurrent runs |
//! | [`secret`] | secrets for the clusters of one run |
//! | [`workspace`] | the root of the repository, and cargo there |

#![allow(clippy::missing_panics_doc, reason = "a panic is a bug of a tool")]

pub mod build;
pub mod children;
pub mod command;
pub mod conditions;
pub mod files;
pub mod machine;
pub mod net;
pub mod otp;
pub mod peer;
pub mod ports;
pub mod secret;
pub mod workspace;
