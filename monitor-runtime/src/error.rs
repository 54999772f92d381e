//! Errors of calls.

use refs::{NodeName, ParseError, Pid};
use thiserror::Error;

mod send;

pub use self::send::{CallError, SendError, SendErrorKind, TrySendError};
use crate::event::Message;

/// The node was stopped, or the calling process has exited, so no call can begin any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node was stopped, or the calling process has exited")]
pub struct NotAlive;

/// The node's peer service lacks a capability that the call needs. Use another service, or do
/// without the call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the peer service of this node does not offer `{capability}`; use another service, or do without the call"
)]
pub struct Unsupported {
    /// The field of `peer_service::Capabilities` that is missing.
    pub capability: &'static str,
}

/// Why something could not be monitored. A failure at the target's end is no error: it arrives as
/// a [`Down`](crate::Down).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The node was stopped, or the watching process has exited.
    #[error(transparent)]
    #[doc(alias = "is_alive")]
    NotAlive(#[from] NotAlive),
    /// The peer service lacks a capability that the call needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// The text is not the name of a target or a node.
    #[error(transparent)]
    InvalidName(#[from] ParseError),
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias) was set for a monitor that is not of
    /// a process: what is sent to an alias needs a mailbox. Use
    /// [`Process::monitor_with`](crate::Process::monitor_with).
    #[error(
        "an alias needs a mailbox; make the monitor by `Process::monitor_with`, or leave the option `alias` out"
    )]
    AliasWithoutMailbox,
}

/// Why [`Process::try_recv`](crate::Process::try_recv) gives no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TryRecvError {
    /// There is no unread event now.
    #[error("the mailbox is empty")]
    Empty,
    /// There is no unread event and none will come: the process was killed, or the node was
    /// stopped.
    #[error(
        "the mailbox is empty, and nothing more will come: the process was killed, or the node was stopped"
    )]
    Closed,
}

/// Why a connection could not be asked for, or ended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The node was stopped.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The text is not the name of a node.
    #[error(transparent)]
    InvalidName(#[from] ParseError),
    /// The peer service makes or ends its connections by itself.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
}

/// A message could not be decoded as the requested type. The error holds the message, so none is
/// lost.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "a message of {} bytes cannot be read as {wanted}; sender and receiver must agree on the type",
    message.body.len()
)]
pub struct DecodeError {
    /// Boxed, so that a `Result` with it stays small.
    pub(crate) message: Box<Message>,
    pub(crate) wanted: &'static str,
    #[source]
    pub(crate) cause: DecodeCause,
}

#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(crate) enum DecodeCause {
    #[error(transparent)]
    Malformed(postcard::Error),
    #[error("it has {0} bytes too many")]
    TooLong(usize),
}

impl DecodeError {
    /// The message, as it was received.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message, as it was received: to decode it as another type, or to pass it on.
    pub fn into_message(self) -> Message {
        *self.message
    }
}

/// Why a monitor could not be made, for any kind of watcher.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    NotAlive(NotAlive),
    Unsupported(Unsupported),
}

macro_rules! refusals {
    ($($error:ident),*) => {$(
        impl From<Refusal> for $error {
            fn from(refusal: Refusal) -> Self {
                match refusal {
                    Refusal::NotAlive(error) => error.into(),
                    Refusal::Unsupported(error) => error.into(),
                }
            }
        }
    )*};
}
refusals!(MonitorError);

impl From<NotAlive> for Refusal {
    fn from(error: NotAlive) -> Self {
        Refusal::NotAlive(error)
    }
}

impl From<Unsupported> for Refusal {
    fn from(error: Unsupported) -> Self {
        Refusal::Unsupported(error)
    }
}

/// Why a process could not be registered under a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The node was stopped, or the calling process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The text is not a registered name.
    #[error(transparent)]
    InvalidName(#[from] ParseError),
    /// Another process holds the name. It is free again when that process exits or the name is
    /// unregistered.
    #[error("the name is taken by {0:?}")]
    NameTaken(Pid),
    /// No such process lives on this node: only local, live processes can be registered.
    #[error("no such process lives on this node")]
    NoProc,
}

/// Why a node could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// A text in the configuration is not the name of a node or a channel.
    #[error(transparent)]
    InvalidName(#[from] ParseError),
    /// A field of [`Config`](crate::Config) is out of its limits.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// The problem, and the allowed values.
        problem: &'static str,
    },
    /// The configuration and the peer service have different node names. Give both the same name.
    #[error("the configuration is of {config}, the peer service of {service}; give both the same name")]
    WrongName {
        /// The name in the configuration.
        config: NodeName,
        /// The node name of the peer service.
        service: NodeName,
    },
    /// The peer service's frames are too small for a monitor signal with the longest exit reason.
    #[error(
        "the peer service takes frames of at most {max} bytes, and at least {min} are needed; raise its `max_frame`"
    )]
    FramesTooSmall {
        /// The maximum length of the service's frames, in bytes.
        max: usize,
        /// The length that is needed, in bytes.
        min: usize,
    },
    /// The operating system returned no random numbers.
    #[error("the operating system gave no random numbers")]
    Random(#[source] std::io::Error),
    /// The thread that runs the node could not be started.
    #[error("the node's thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The TCP service could not be started: a setting, or the address to listen on.
    #[cfg(feature = "tcp")]
    #[error(transparent)]
    Tcp(#[from] crate::tcp::TcpStartError),
}

impl StartError {
    pub(crate) fn random(error: getrandom::Error) -> Self {
        StartError::Random(std::io::Error::other(error))
    }
}
