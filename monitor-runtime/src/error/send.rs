//! Errors of messages and calls.

use std::time::Duration;

use bytes::Bytes;
use monitor_core::Down;
use refs::{ParseError, SessionEnd, Target};
use thiserror::Error;

use super::{DecodeError, NotAlive, Unsupported};

/// Why [`Process::send`](crate::Process::send) did not send a message. It contains the body.
///
/// That the receiver has ended is no error, as in Erlang: monitor the receiver.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{kind}")]
pub struct SendError {
    // Not a source: the texts are the same.
    kind: SendErrorKind,
    body: Bytes,
}

impl SendError {
    pub(crate) const fn new(kind: SendErrorKind, body: Bytes) -> Self {
        SendError { kind, body }
    }

    /// Why the message was not sent.
    pub const fn kind(&self) -> &SendErrorKind {
        &self.kind
    }

    /// The body of the message; empty if the value could not be encoded.
    pub fn into_inner(self) -> Bytes {
        self.body
    }
}

/// Why [`Process::try_send`](crate::Process::try_send) did not send a message. It contains the
/// body.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TrySendError {
    /// Too many messages wait for the receiver's node. Try again later, or use
    /// [`Process::send`](crate::Process::send), which waits for room.
    #[error("too many messages wait for that node; slow down, or wait for room with `send`")]
    Full(Bytes),
    /// The message was not sent, for a reason other than a full queue.
    #[error(transparent)]
    Failed(#[from] SendError),
}

impl TrySendError {
    /// Whether a later attempt may succeed.
    pub const fn is_full(&self) -> bool {
        matches!(self, TrySendError::Full(_))
    }

    /// The body of the message; empty if the value could not be encoded.
    pub fn into_inner(self) -> Bytes {
        match self {
            TrySendError::Full(body) => body,
            TrySendError::Failed(error) => error.into_inner(),
        }
    }
}

/// Why a message cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SendErrorKind {
    /// The node was stopped, or the sending process has exited.
    #[error(transparent)]
    NotAlive(#[from] NotAlive),
    /// The text is not the name of a receiver.
    #[error(transparent)]
    InvalidName(Box<ParseError>),
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
    /// Configure it on both, or allow the default channel:
    /// [`Envelope::or_default_channel`](crate::Envelope::or_default_channel).
    #[error(
        "the session with that node has no such channel; configure it on both nodes, or use `or_default_channel`"
    )]
    NoChannel,
    /// There is no connection to that node, and none can be made.
    #[error("no connection to that node: {0}")]
    NotConnected(SessionEnd),
    /// The value cannot be written: its type contains something that postcard does not support,
    /// such as a sequence whose length is not known beforehand, or its `Serialize` refuses.
    #[error("the value cannot be written as a message")]
    NotEncoded,
}

impl From<ParseError> for SendErrorKind {
    fn from(error: ParseError) -> Self {
        SendErrorKind::InvalidName(Box::new(error))
    }
}

/// Why a call has no reply. Each error names the target. See
/// [`Process::call`](crate::Process::call).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CallError {
    /// The node was stopped, or the calling process has exited.
    #[error("call to {0}: {NotAlive}")]
    NotAlive(Target),
    /// The text is not the name of a target.
    #[error("call: {0}")]
    InvalidName(Box<ParseError>),
    /// The peer service cannot monitor the target, and without that a call could wait in vain.
    #[error("call to {target}: the peer service cannot monitor it")]
    Unsupported {
        /// The target of the call.
        target: Target,
        /// The ability that the peer service lacks.
        source: Unsupported,
    },
    /// The request was not sent.
    #[error("call to {target}: the request was not sent")]
    NotSent {
        /// The target of the call.
        target: Target,
        /// Why.
        source: SendErrorKind,
    },
    /// The target ended, or cannot be reached: this is the `Down` of its monitor. The target may
    /// have carried out the request.
    #[error(
        "call to {}: no reply: {}{}",
        .0.target,
        .0.reason,
        if .0.reason_was_cut { " (reason cut)" } else { "" }
    )]
    Down(Box<Down>),
    /// No reply arrived in time. The target may have carried out the request, or may do so later.
    #[error("call to {target}: no reply within {after:?}")]
    Timeout {
        /// The target of the call.
        target: Target,
        /// The timeout of the call.
        after: Duration,
    },
    /// The reply of a typed call is not of the type that was asked for.
    #[error("call to {target}: the reply is of another type")]
    Reply {
        /// The target of the call.
        target: Target,
        /// The reply, and what is wrong with it.
        source: DecodeError,
    },
}

impl CallError {
    /// The target of the call; `None` if the text that was passed is no name of a target.
    pub const fn target(&self) -> Option<&Target> {
        match self {
            CallError::InvalidName(_) => None,
            CallError::Down(down) => Some(&down.target),
            CallError::NotAlive(target)
            | CallError::Unsupported { target, .. }
            | CallError::NotSent { target, .. }
            | CallError::Timeout { target, .. }
            | CallError::Reply { target, .. } => Some(target),
        }
    }
}

#[cfg(test)]
mod tests {
    use monitor_core::DownReason;
    use refs::{MonitorRef, NodeId, Serial};

    use super::*;

    #[test]
    fn every_error_of_a_call_but_one_names_its_target() {
        let target = || "worker@b@local".parse::<Target>().expect("a name");
        let node: NodeId = "a@local#0000000000000001".parse().expect("a node");
        let down = Down::new(MonitorRef::new(node, Serial::new(1, 1)), target(), DownReason::NoProc);
        let errors = [
            CallError::NotAlive(target()),
            CallError::Unsupported { target: target(), source: Unsupported { capability: "monitoring" } },
            CallError::NotSent { target: target(), source: SendErrorKind::NoChannel },
            CallError::Down(Box::new(down)),
            CallError::Timeout { target: target(), after: Duration::from_secs(1) },
        ];
        for error in errors {
            assert_eq!(error.target(), Some(&target()));
            assert!(error.to_string().contains("worker@b@local"), "{error}");
        }
        let malformed = "worker".parse::<Target>().expect_err("no node");
        assert_eq!(CallError::InvalidName(Box::new(malformed)).target(), None);
    }
}
