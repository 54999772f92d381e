//! A request and its reply: a monitor, an alias, a message, and a wait.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use monitor_core::{AliasMode, LocalPid, MonitorId, MonitorOptions};
use refs::{Dest, IntoRef, ParseError, Target};

use crate::{
    caller::{Caller, CallerHandle},
    engine::{
        aliases::{CallOutcome, PendingCall},
        messaging::OutboundMessage,
        monitors::WatcherKey,
    },
    envelope::{Envelope, IntoEnvelope, SendOptions},
    error::{CallError, Refusal, SendErrorKind, TrySendError},
    event::Message,
    monitor::watcher::Watcher,
    node::Node,
    process::Process,
    threads::environment::Sleep,
};

impl Process {
    /// Sends a request to a process and waits for its reply, as long as the process lives and can
    /// be reached. [`Call::timeout`] limits the wait; there is no timeout by default.
    ///
    /// The target receives the request as a [`Message`] with a [`reply_to`](Message::reply_to),
    /// after everything that this process has sent to it before, and replies with
    /// [`Process::reply`]. Only this call receives the reply, never the mailbox: a late or second
    /// reply is dropped and counted (`messages_for_no_alias`). Meanwhile this mailbox keeps
    /// receiving, in order. A call to oneself never gets a reply.
    ///
    /// Nothing happens before the first poll. Cancel-safe: on drop, the call leaves no monitor and
    /// no late reply; whether the target has received the request is then unknown, as after a
    /// timeout. The call waits for room where [`Process::try_send`] would be refused. Source:
    /// `gen_server:call/3`.
    ///
    /// # Errors
    /// [`CallError::Down`] if the target ended without a reply, does not exist, or cannot be
    /// reached. [`CallError::Timeout`]. [`CallError::NotSent`], such as a request that is too long.
    /// [`CallError::NotAlive`] and [`CallError::Unsupported`] as for [`Node::monitor`]; `NotAlive`
    /// also if this process exits while the call waits. [`CallError::InvalidName`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// let shouter = node.spawn(|mut mailbox| async move {
    ///     while let Some(event) = mailbox.recv().await {
    ///         let Event::Message(request) = event else { continue };
    ///         mailbox.reply(&request, request.body.to_ascii_uppercase())?;
    ///     }
    ///     Ok(())
    /// })?;
    /// let me = node.process()?;
    /// let reply = me.call(&shouter, "hello").timeout(Duration::from_secs(5)).await?;
    /// assert_eq!(reply.body, "HELLO");
    ///
    /// node.kill(&shouter)?;
    /// let error = me.call(&shouter, "still there?").await.unwrap_err();
    /// assert!(matches!(error, CallError::Down(down) if down.reason.is_terminal()));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[doc(alias = "after")]
    #[doc(alias = "gen_call")]
    #[doc(alias = "gen_server")]
    pub fn call(&self, target: impl IntoRef<Target>, request: impl IntoEnvelope) -> Call {
        Call::new(self.caller(), target.into_ref(), request.into_envelope())
    }

    /// Replies to the request of a call. Returns `false` if the message is no request. The result
    /// does not tell whether the caller still waits.
    ///
    /// Never waits. The reply arrives before the `Down` of this process. Another process may reply
    /// as well: pass the message to it, or send to its [`reply_to`](Message::reply_to).
    ///
    /// # Errors
    /// As [`Process::try_send`].
    pub fn reply<B>(&self, request: &Message<B>, body: impl IntoEnvelope) -> Result<bool, TrySendError> {
        match &request.reply_to {
            Some(alias) => self.try_send(alias, body).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Node {
    /// [`Process::call`] from outside any process: the request has no sender, and is in no order
    /// with other messages. Cancel-safe like it.
    ///
    /// # Errors
    /// As [`Process::call`].
    pub fn call(&self, target: impl IntoRef<Target>, request: impl IntoEnvelope) -> Call {
        Call::new(Caller::Node(self), target.into_ref(), request.into_envelope())
    }
}

/// A request that waits for its reply: the future that [`Process::call`] and [`Node::call`] return.
///
/// Its output is the reply. It may be polled on any thread, and outlive the mailbox that made it.
#[must_use = "a call does nothing unless it is awaited"]
#[derive(Debug)]
pub struct Call {
    timeout: Option<Duration>,
    state: CallState,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "a call waits for nearly all of its life")]
enum CallState {
    Created(Request),
    Waiting(Waiting),
    Done,
}

impl Call {
    pub(crate) fn new(caller: Caller<'_>, target: Result<Target, ParseError>, request: Envelope) -> Self {
        let request = Request { caller: caller.to_handle(), target, request };
        Call { timeout: None, state: CallState::Created(request) }
    }

    /// Waits for the reply for at most this time, counted from the first poll. The time is real (in
    /// a simulated node, that of its clock). [`Duration::MAX`] means no limit.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Future for Call {
    type Output = Result<Message, CallError>;

    /// # Panics
    /// If it is polled again after it was ready.
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let call = self.get_mut();
        if matches!(call.state, CallState::Created(_))
            && let CallState::Created(request) = std::mem::replace(&mut call.state, CallState::Done)
        {
            match request.begin(call.timeout) {
                Ok(waiting) => call.state = CallState::Waiting(waiting),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let CallState::Waiting(waiting) = &mut call.state else {
            panic!("a call is polled after it was ready")
        };
        let result = ready!(waiting.poll(cx));
        call.state = CallState::Done;
        Poll::Ready(result)
    }
}

/// A call before its first poll.
#[derive(Debug)]
struct Request {
    caller: CallerHandle,
    target: Result<Target, ParseError>,
    request: Envelope,
}

impl Request {
    /// Monitors the target.
    fn begin(self, timeout: Option<Duration>) -> Result<Waiting, CallError> {
        let target = self.target.map_err(|error| CallError::InvalidName(Box::new(error)))?;
        let (body, options) = match self.request.open() {
            Ok(opened) => opened,
            Err(source) => return Err(CallError::NotSent { target, source }),
        };
        let exchange = match Exchange::begin(self.caller, &target) {
            Ok(exchange) => exchange,
            Err(Refusal::NotAlive(_)) => return Err(CallError::NotAlive(target)),
            Err(Refusal::Unsupported(source)) => return Err(CallError::Unsupported { target, source }),
        };
        let limit = timeout.map(|timeout| {
            let environment = &exchange.node().inner.environment;
            (environment.sleep_until(environment.after(timeout)), timeout)
        });
        Ok(Waiting { to: Dest::from(&target), target, body: Some(body), options, limit, exchange })
    }
}

/// A call that has a monitor.
#[derive(Debug)]
struct Waiting {
    target: Target,
    to: Dest,
    /// `None` once the request was sent.
    body: Option<Bytes>,
    options: SendOptions,
    limit: Option<(Sleep, Duration)>,
    exchange: Exchange,
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, CallError>> {
        // First: a reply that has arrived counts, however late the call is polled.
        if let Poll::Ready(result) = self.exchange.poll_outcome(cx, &self.target) {
            return Poll::Ready(result);
        }
        if let Poll::Ready(Err(source)) = self.poll_request(cx) {
            let target = self.target.clone();
            return Poll::Ready(Err(CallError::NotSent { target, source }));
        }
        let Some((sleep, after)) = &mut self.limit else { return Poll::Pending };
        ready!(Pin::new(sleep).poll(cx));
        Poll::Ready(Err(CallError::Timeout { target: self.target.clone(), after: *after }))
    }

    /// Sends the request, unless that is done.
    fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), SendErrorKind>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        let outbound = self.exchange.outbound(&self.to, self.options);
        let sent = ready!(self.exchange.node().inner.poll_send(outbound, body, cx));
        self.body = None;
        Poll::Ready(match sent {
            // The monitor reports the same, or more.
            Err(SendErrorKind::NotConnected(_)) => Ok(()),
            sent => sent,
        })
    }
}

/// A monitor whose reference is an alias, and the reply or `Down` that comes first. Its drop ends
/// both.
#[derive(Debug)]
struct Exchange {
    caller: CallerHandle,
    /// The watcher of the monitor, in whose order the request goes after the monitor.
    owner: LocalPid,
    id: MonitorId,
    pending: Arc<PendingCall>,
    /// The owner, if it is no process. Dropped last.
    _watcher: Option<Watcher>,
}

impl Exchange {
    fn begin(caller: CallerHandle, target: &Target) -> Result<Self, Refusal> {
        let pending = Arc::<PendingCall>::default();
        let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
        let call = Some(pending.clone());
        let (owner, id, watcher) = match caller.borrow() {
            Caller::Process(process) => {
                let key = WatcherKey::Registered(process.local());
                let (owner, id) = process.node.inner.monitor(key, target, options, call)?;
                (owner, id, None)
            }
            Caller::Node(node) => {
                let mut watcher = Watcher::new(node);
                let (owner, id) = watcher.monitor_for(target, options, call)?;
                (owner, id, Some(watcher))
            }
        };
        Ok(Exchange { caller, owner, id, pending, _watcher: watcher })
    }

    fn node(&self) -> &Node {
        self.caller.borrow().node()
    }

    fn outbound<'a>(&'a self, to: &'a Dest, options: SendOptions) -> OutboundMessage<'a> {
        let outbound = self.caller.borrow().outbound(to, options);
        OutboundMessage { sender: self.owner, reply_to: Some(self.id), ..outbound }
    }

    fn poll_outcome(&self, cx: &Context<'_>, target: &Target) -> Poll<Result<Message, CallError>> {
        let inner = &self.node().inner;
        self.pending.poll(cx).map(|outcome| match (outcome, inner.take(self.id)) {
            (CallOutcome::Reply(message), _) => Ok(message),
            (CallOutcome::Down(at), Some(mut down)) => {
                down.set_elapsed(inner.environment.coarse_now().since(at));
                Err(CallError::Down(Box::new(down)))
            }
            // The calling process has exited, and its monitors with it.
            _ => Err(CallError::NotAlive(target.clone())),
        })
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let _ = self.node().inner.enter(|state, out| {
            state.aliases.unalias(self.owner, self.id);
            state.core.demonitor(self.owner, self.id, true, out);
        });
    }
}
