//! Addresses of processes that take messages of one type.

use std::{
    borrow::Borrow,
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use refs::{ChannelId, Dest, IntoRef, ParseError, Target};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    call::Call,
    caller::{Caller, CallerHandle},
    envelope::{Envelope, IntoEnvelope, Postcard, SendOptions},
    error::{CallError, MonitorError, SendError, TrySendError},
    monitor::Monitor,
    node::Node,
    process::Process,
};

impl Node {
    /// The address of a process that takes messages of type `M`. Messages to it have no sender.
    ///
    /// # Errors
    /// The text is not the name of a target.
    pub fn addr<M>(&self, target: impl IntoRef<Target>) -> Result<Addr<M>, ParseError> {
        Ok(Addr::new(Caller::Node(self), target.into_ref()?))
    }
}

impl Process {
    /// The address of a process that takes messages of type `M`. Messages to it are sent by this
    /// process, in one order with its other messages.
    ///
    /// # Errors
    /// The text is not the name of a target.
    pub fn addr<M>(&self, target: impl IntoRef<Target>) -> Result<Addr<M>, ParseError> {
        Ok(Addr::new(self.caller(), target.into_ref()?))
    }
}

/// A process, by pid or by name, that takes messages of type `M`, which are encoded as
/// [`Postcard`].
///
/// Made by [`Node::addr`] or [`Process::addr`], and sends on behalf of that node or process. The
/// receiver reads the messages with [`Event::decode`](crate::Event::decode). The type is an
/// agreement of the two programs, which Obit cannot check.
///
/// A clone costs a few reference counts. Cloned or not, an address keeps its node alive, but not
/// the process that made it.
pub struct Addr<M> {
    caller: CallerHandle,
    target: Target,
    options: SendOptions,
    _message: PhantomData<fn(M)>,
}

impl<M> Addr<M> {
    fn new(caller: Caller<'_>, target: Target) -> Self {
        Addr { caller: caller.to_handle(), target, options: SendOptions::new(), _message: PhantomData }
    }

    /// The process.
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// Sends messages on this channel: see [`Node::channel`].
    #[must_use]
    pub const fn channel(mut self, channel: ChannelId) -> Self {
        self.options.channel = channel;
        self
    }

    /// Sends messages on the default channel if the session has no such channel: see
    /// [`Envelope::or_default_channel`].
    #[must_use]
    pub const fn or_default_channel(mut self) -> Self {
        self.options.or_default_channel = true;
        self
    }

    /// Monitors the process: see [`Node::monitor`].
    ///
    /// # Errors
    /// As [`Node::monitor`].
    pub fn monitor(&self) -> Result<Monitor, MonitorError> {
        self.caller.borrow().node().monitor(&self.target)
    }
}

impl<M: Serialize> Addr<M> {
    /// Sends a message, given as `M` or `&M`. Never waits: see [`Process::try_send`].
    ///
    /// # Errors
    /// As [`Process::try_send`].
    pub fn try_send(&self, message: impl Borrow<M>) -> Result<(), TrySendError> {
        self.caller.borrow().try_send(Ok(Dest::from(&self.target)), self.envelope(message.borrow()))
    }

    /// Sends a message, given as `M` or `&M`, and waits for room: see [`Process::send`].
    /// Cancel-safe like it.
    ///
    /// # Errors
    /// As [`Process::send`].
    pub fn send(&self, message: impl Borrow<M>) -> impl Future<Output = Result<(), SendError>> + Send {
        let envelope = self.envelope(message.borrow());
        self.caller.borrow().send(Ok(Dest::from(&self.target)), envelope)
    }

    /// Sends a request, given as `M` or `&M`, and waits for a reply of type `R`: see
    /// [`Process::call`]. Cancel-safe like it.
    ///
    /// # Errors
    /// As [`Process::call`], and [`CallError::Reply`] if the reply is no `R`.
    pub fn call<R: DeserializeOwned>(&self, request: impl Borrow<M>) -> TypedCall<R> {
        let envelope = self.envelope(request.borrow());
        let call = Call::new(self.caller.borrow(), Ok(self.target.clone()), envelope);
        TypedCall { call, target: self.target.clone(), _reply: PhantomData }
    }

    fn envelope(&self, message: &M) -> Envelope {
        Postcard(message).into_envelope().with_options(self.options)
    }
}

// Not derived: that would demand the same of `M`.
impl<M> Clone for Addr<M> {
    fn clone(&self) -> Self {
        Addr { caller: self.caller.clone(), target: self.target.clone(), ..*self }
    }
}

impl<M> fmt::Debug for Addr<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Addr").field(&self.target).finish()
    }
}

impl<M> IntoRef<Target> for Addr<M> {
    fn into_ref(self) -> Result<Target, ParseError> {
        Ok(self.target)
    }
}

impl<M> IntoRef<Target> for &Addr<M> {
    fn into_ref(self) -> Result<Target, ParseError> {
        Ok(self.target.clone())
    }
}

impl<M> IntoRef<Dest> for &Addr<M> {
    fn into_ref(self) -> Result<Dest, ParseError> {
        Ok(Dest::from(&self.target))
    }
}

/// A request that waits for a reply of type `R`: the future that [`Addr::call`] returns.
#[must_use = "a call does nothing unless it is awaited"]
pub struct TypedCall<R> {
    call: Call,
    target: Target,
    _reply: PhantomData<fn() -> R>,
}

impl<R> TypedCall<R> {
    /// Waits for the reply for at most this time: see [`Call::timeout`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call = self.call.timeout(timeout);
        self
    }
}

impl<R: DeserializeOwned> Future for TypedCall<R> {
    type Output = Result<R, CallError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(Pin::new(&mut self.call).poll(cx))?;
        let value = reply.decode().map(|reply| reply.body);
        Poll::Ready(value.map_err(|source| CallError::Reply { target: self.target.clone(), source }))
    }
}

impl<R> fmt::Debug for TypedCall<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.call.fmt(f)
    }
}
