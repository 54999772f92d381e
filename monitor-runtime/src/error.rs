//! Errors of calls.

use std::time::Duration;

use monitor_core::Down;
use refs::{NodeName, Pid, SessionEnd};
use thiserror::Error;

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
pub struct NotImplemented {
    /// The field of `peer_service::Capabilities` that is false.
    pub capability: &'static str,
}

/// Why a monitor could not be made. A failure at the target's end is no error: it arrives as a
/// [`Down`](crate::Down).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The node was stopped, or the watching process has exited.
    #[error(transparent)]
    #[doc(alias = "is_alive")]
    NotAlive(#[from] NotAlive),
    /// The peer service lacks a capability that the call needs.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias) was set for a monitor that belongs
    /// to no process, so messages to the alias would have no mailbox. Use
    /// [`Mailbox::monitor_with`](crate::Mailbox::monitor_with).
    #[error(
        "an alias needs a mailbox; make the monitor by `Mailbox::monitor_with`, or leave the option `alias` out"
    )]
    AliasWithoutMailbox,
}

/// Why [`Mailbox::try_recv`](crate::Mailbox::try_recv) returned no event.
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

/// Why a connection could not be requested, or could not be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The node was stopped.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The peer service makes or ends its connections on its own.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
}

/// Why a message was not sent. It is no error if the receiver has exited: as in Erlang, the sender
/// is not notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The node was stopped, or the sending process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The queue to that node is full. Slow down, or use
    /// [`Mailbox::send_async`](crate::Mailbox::send_async).
    #[error("too much waits to be sent to that node; slow down, or wait for room with `send_async`")]
    Full,
    /// The message exceeds the maximum length. Send it in parts.
    #[error(
        "a message of {len} bytes is too long, the limit is {max}; send it in parts, or raise `max_message` and \
         `max_frame` on both nodes"
    )]
    TooLarge {
        /// The length of the message, in bytes.
        len: usize,
        /// The maximum length, in bytes.
        max: usize,
    },
    /// The session with that node has no such channel, because one of the two nodes is not
    /// configured with it. Configure it on both, or allow the default channel:
    /// [`SendOptions::or_default_channel`](crate::SendOptions::or_default_channel).
    #[error(
        "the session with that node has no such channel; configure it on both nodes, or use `or_default_channel`"
    )]
    NoChannel,
    /// The node is not connected, and the peer service cannot dial it.
    #[error("no connection to that node: {0}")]
    NotConnected(SessionEnd),
    /// The value cannot be encoded: its type contains something that postcard does not support,
    /// such as a sequence without a length in advance, or its `Serialize` returned an error.
    #[error("the value cannot be written as a message")]
    NotEncoded,
}

/// Why a call returned no reply. See [`Mailbox::call`](crate::Mailbox::call).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node was stopped, or the calling process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The peer service cannot monitor the target, so the call could not detect the target's end.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
    /// The request was not sent.
    #[error("the request was not sent")]
    NotSent(#[source] SendError),
    /// The target ended, or cannot be reached, as its monitor reports. It may have carried out the
    /// request.
    #[error("no reply: {}{}", .0.reason, if .0.reason_was_cut { " (reason cut)" } else { "" })]
    Down(Box<Down>),
    /// The timeout has passed. The target may have carried out the request, or may still do so.
    #[error("no reply within {0:?}")]
    Timeout(Duration),
    /// The reply is not of the requested type.
    #[error(transparent)]
    Reply(#[from] DecodeError),
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
    NotImplemented(NotImplemented),
}

macro_rules! refusals {
    ($($error:ident),*) => {$(
        impl From<Refusal> for $error {
            fn from(refusal: Refusal) -> Self {
                match refusal {
                    Refusal::NotAlive(error) => error.into(),
                    Refusal::NotImplemented(error) => error.into(),
                }
            }
        }
    )*};
}
refusals!(MonitorError, CallError);

impl From<NotAlive> for Refusal {
    fn from(error: NotAlive) -> Self {
        Refusal::NotAlive(error)
    }
}

impl From<NotImplemented> for Refusal {
    fn from(error: NotImplemented) -> Self {
        Refusal::NotImplemented(error)
    }
}

/// Why a process could not be registered under a name.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RegisterError {
    /// The node was stopped, or the calling process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
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
    Random(#[source] getrandom::Error),
    /// The thread that runs the node could not be started.
    #[error("the node's thread could not be started")]
    Thread(#[source] std::io::Error),
    /// The TCP service could not be started: a setting, or the address to listen on.
    #[cfg(feature = "tcp")]
    #[error(transparent)]
    Tcp(#[from] crate::tcp::TcpStartError),
}
