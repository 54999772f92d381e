//! The sender of messages and calls: a process, or a node outside of any process.

use std::{future::poll_fn, sync::Arc};

use bytes::Bytes;
use monitor_core::{ExitReason, LocalPid};
use refs::{Dest, ParseError, Pid};

use crate::{
    engine::{directory::LiveProcess, messaging::OutboundMessage, state::Inner},
    envelope::{Envelope, SendOptions},
    error::{SendError, TrySendError},
    node::Node,
};

/// A process of a node, for its mailbox and its typed addresses.
#[derive(Clone, Debug)]
pub(crate) struct ProcessHandle {
    pub(crate) node: Node,
    pub(crate) pid: Pid,
    pub(crate) process: Arc<LiveProcess>,
}

impl ProcessHandle {
    pub(crate) const fn local(&self) -> LocalPid {
        LocalPid(self.pid.serial())
    }

    /// Reports the exit of the process, for this reason unless it was killed or ended itself.
    pub(crate) fn exit(&self, reason: impl FnOnce() -> ExitReason) {
        report_exit(&self.node, self.local(), &self.process, reason);
    }
}

/// Reports the exit of a process, for this reason unless it was killed or ended itself. From here
/// on `Node::kill` returns false.
pub(crate) fn report_exit(
    node: &Node,
    pid: LocalPid,
    process: &LiveProcess,
    reason: impl FnOnce() -> ExitReason,
) {
    let reason = process.decide(reason);
    process.gate.close();
    node.inner.exited(pid, reason);
}

/// A [`Caller`] that can be kept.
#[derive(Clone, Debug)]
pub(crate) enum CallerHandle {
    Process(ProcessHandle),
    Node(Node),
}

impl CallerHandle {
    pub(crate) const fn borrow(&self) -> Caller<'_> {
        match self {
            CallerHandle::Process(process) => Caller::Process(process),
            CallerHandle::Node(node) => Caller::Node(node),
        }
    }
}

/// The sender of a message or a call.
#[derive(Clone, Copy)]
pub(crate) enum Caller<'a> {
    Process(&'a ProcessHandle),
    Node(&'a Node),
}

impl<'a> Caller<'a> {
    pub(crate) const fn node(self) -> &'a Node {
        match self {
            Caller::Process(process) => &process.node,
            Caller::Node(node) => node,
        }
    }

    pub(crate) fn to_handle(self) -> CallerHandle {
        match self {
            Caller::Process(process) => CallerHandle::Process(process.clone()),
            Caller::Node(node) => CallerHandle::Node(node.clone()),
        }
    }

    /// Sends a message, or returns it.
    pub(crate) fn try_send(
        self,
        to: Result<Dest, ParseError>,
        message: Envelope,
    ) -> Result<(), TrySendError> {
        let (to, mut body, options) = addressed(to, message)?;
        match self.inner().send(self.outbound(&to, options), &mut body) {
            Ok(()) => Ok(()),
            Err(unsent) => Err(match unsent.final_kind() {
                Some(kind) => SendError::new(kind, body).into(),
                None => TrySendError::Full(body),
            }),
        }
    }

    /// Sends a message, waiting for room, or returns it. Dropped before it is done it has sent
    /// nothing.
    pub(crate) async fn send(self, to: Result<Dest, ParseError>, message: Envelope) -> Result<(), SendError> {
        let (to, mut body, options) = addressed(to, message)?;
        let outbound = self.outbound(&to, options);
        let sent = poll_fn(|cx| self.inner().poll_send(outbound, &mut body, cx)).await;
        sent.map_err(|kind| SendError::new(kind, body))
    }

    pub(crate) fn outbound(self, to: &'a Dest, options: SendOptions) -> OutboundMessage<'a>
    where
        Self: 'a,
    {
        match self {
            Caller::Process(process) => OutboundMessage {
                from: Some(&process.pid),
                sender: process.local(),
                to,
                reply_to: None,
                options,
                gate: Some(&process.process.gate),
            },
            Caller::Node(_) => OutboundMessage::without_sender(to, options),
        }
    }

    fn inner(self) -> &'a Inner {
        &self.node().inner
    }
}

/// The destination, the body and the options of a message that can be sent.
fn addressed(
    to: Result<Dest, ParseError>,
    message: Envelope,
) -> Result<(Dest, Bytes, SendOptions), SendError> {
    match to {
        Err(error) => Err(SendError::new(error.into(), message.into_body())),
        Ok(to) => match message.open() {
            Ok((body, options)) => Ok((to, body, options)),
            Err(kind) => Err(SendError::new(kind, Bytes::new())),
        },
    }
}
