//! Why a call was refused.

use std::time::Duration;

use monitor_core::Down;
use refs::{NodeName, Pid, SessionEnd};
use thiserror::Error;

use crate::event::Message;

/// The node was stopped, or the process that calls has exited: nothing can be begun any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the node was stopped, or the calling process has exited")]
pub struct NotAlive;

/// The node's peer service cannot do what the call needs. Use another service, or do without the
/// call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "the peer service of this node does not offer `{capability}`; use another service, or do without the call"
)]
pub struct NotImplemented {
    /// The field of `peer_service::Capabilities` that is missing.
    pub capability: &'static str,
}

/// Why something could not be monitored. What goes wrong at the target's end is no error: it
/// arrives as a [`Down`](crate::Down).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MonitorError {
    /// The node was stopped, or the watching process has exited.
    #[error(transparent)]
    #[doc(alias = "is_alive")]
    NotAlive(#[from] NotAlive),
    /// The peer service cannot tell what the call asks for.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
    /// [`MonitorOptions::alias`](crate::MonitorOptions::alias) was set for a monitor that is not of
    /// a process: what is sent to an alias needs a mailbox. Use
    /// [`Mailbox::monitor_with`](crate::Mailbox::monitor_with).
    #[error(
        "an alias needs a mailbox; make the monitor by `Mailbox::monitor_with`, or leave the option `alias` out"
    )]
    AliasWithoutMailbox,
}

/// Why [`Mailbox::try_recv`](crate::Mailbox::try_recv) gives no event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TryRecvError {
    /// None waits now.
    #[error("the mailbox is empty")]
    Empty,
    /// None waits, and none will come: the process was killed, or the node was stopped.
    #[error(
        "the mailbox is empty, and nothing more will come: the process was killed, or the node was stopped"
    )]
    Closed,
}

/// Why a connection could not be asked for, or ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The node was stopped.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The peer service makes or ends its connections by itself.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
}

/// Why a message was not sent. That its receiver is gone is no error: as in Erlang, nobody is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendError {
    /// The node was stopped, or the sending process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// Too much waits to be sent to that node. Slow down, or use
    /// [`Mailbox::send_async`](crate::Mailbox::send_async).
    #[error("too much waits to be sent to that node; slow down, or wait for room with `send_async`")]
    Full,
    /// The message is too long. Send it in parts.
    #[error(
        "a message of {len} bytes is too long, the limit is {max}; send it in parts, or raise `max_message` and \
         `max_frame` on both nodes"
    )]
    TooLarge {
        /// Its length, in bytes.
        len: usize,
        /// The limit, in bytes.
        max: usize,
    },
    /// The session with that node has no such channel: the two nodes are not configured alike.
    /// Configure it at both, or allow the default channel:
    /// [`SendOptions::or_default_channel`](crate::SendOptions::or_default_channel).
    #[error(
        "the session with that node has no such channel; configure it on both nodes, or use `or_default_channel`"
    )]
    NoChannel,
    /// There is no connection to that node, and none can be made.
    #[error("no connection to that node: {0}")]
    NotConnected(SessionEnd),
    /// The value cannot be written: its type holds something that postcard does not know, such as a
    /// sequence whose length is not known beforehand, or refuses by itself.
    #[error("the value cannot be written as a message")]
    NotEncoded,
}

/// Why a call has no reply. See [`Mailbox::call`](crate::Mailbox::call).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node was stopped, or the calling process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The peer service cannot monitor the target, and without that a call could wait in vain.
    #[error(transparent)]
    NotImplemented(#[from] NotImplemented),
    /// The request did not go out.
    #[error("the request was not sent")]
    NotSent(#[source] SendError),
    /// The target ended, or cannot be reached: what its monitor says. It may have done what it was
    /// asked to.
    #[error("no reply: {}{}", .0.reason, if .0.reason_was_cut { " (reason cut)" } else { "" })]
    Down(Box<Down>),
    /// The time is over. The target may have done what it was asked to, or do it yet.
    #[error("no reply within {0:?}")]
    Timeout(Duration),
    /// The reply is not of the type that was asked for.
    #[error(transparent)]
    Reply(#[from] DecodeError),
}

/// A message that is not of the type it was to be read as. Nothing is lost: it has the message.
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
    /// The message, as it came.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// The message, as it came: to read it as another type, or to hand it on.
    pub fn into_message(self) -> Message {
        *self.message
    }
}

/// Why nothing could be monitored, whoever asks.
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

/// Why a name could not be given to a process.
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
    /// No such process lives on this node: a name is given to local, live processes only.
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
        /// What is wrong with it, and what is allowed.
        problem: &'static str,
    },
    /// The configuration names one node, the peer service is of another. Give both the same name.
    #[error("the configuration is of {config}, the peer service of {service}; give both the same name")]
    WrongName {
        /// The name in the configuration.
        config: NodeName,
        /// The name of the peer service's own node.
        service: NodeName,
    },
    /// The peer service's frames are too small for a monitor signal with the longest exit reason.
    #[error(
        "the peer service takes frames of at most {max} bytes, and at least {min} are needed; raise its `max_frame`"
    )]
    FramesTooSmall {
        /// What the service takes, in bytes.
        max: usize,
        /// What is needed, in bytes.
        min: usize,
    },
    /// The operating system gave no random numbers.
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
