//! A request and its reply: a monitor, an alias, a message, and a wait.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use monitor_core::{AliasMode, LocalPid, MonitorId, MonitorOptions};
use refs::Target;
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    dest::Dest,
    engine::{
        aliases::{Answer, First},
        messaging::OutboundMessage,
    },
    error::{CallError, NotAlive, Refusal, SendError},
    event::Message,
    mailbox::Mailbox,
    monitor::watcher::Watcher,
    node::Node,
    send_options::SendOptions,
    typed,
};

impl Mailbox {
    /// Sends a request to a process and waits for its reply: at most `timeout`, and no longer than
    /// the process lives and can be reached.
    ///
    /// The target receives the request as a [`Message`] with a [`reply_to`](Message::reply_to),
    /// after all earlier messages of this process, and answers with [`Mailbox::reply`]. Only this
    /// call returns the reply; it never enters the mailbox. A late or second reply is dropped and
    /// counted (`messages_for_no_alias`). Other events wait in this mailbox in their order
    /// meanwhile. A process that calls itself gets a timeout.
    ///
    /// Cancel-safe: dropping the future ends the monitor and discards a late reply; the target may
    /// or may not have received the request, as after a timeout. If the queue to the target's node
    /// is full, the call waits for room, where [`Mailbox::send`] returns `Full`. The timeout is of
    /// real time (in a simulated node, of its clock); [`Duration::MAX`] means no timeout. Source:
    /// `gen_server:call/3`.
    ///
    /// # Errors
    /// [`CallError::Down`] with the `Down` of the monitor: the target ended without a reply, does
    /// not exist, or cannot be reached. [`CallError::Timeout`]. [`CallError::NotSent`], for example
    /// if the request is too long. [`CallError::NotAlive`] and [`CallError::NotImplemented`] as for
    /// [`Node::monitor`]; `NotAlive` also if this process exits while the call waits.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// let shouter = node.spawn(|mut mailbox| async move {
    ///     while let Some(event) = mailbox.recv().await {
    ///         let Event::Message(request) = event else { continue };
    ///         mailbox.reply(&request, request.body.to_ascii_uppercase())?;
    ///     }
    ///     Ok(())
    /// })?;
    /// let me = node.process()?;
    /// let reply = me.call(&shouter, "hello", Duration::from_secs(5)).await?;
    /// assert_eq!(reply.body, b"HELLO");
    ///
    /// node.kill(&shouter)?;
    /// let error = me.call(&shouter, "still there?", Duration::from_secs(5)).await.unwrap_err();
    /// assert!(matches!(error, CallError::Down(down) if down.reason.is_terminal()));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[doc(alias = "after")]
    #[doc(alias = "gen_call")]
    #[doc(alias = "gen_server")]
    pub async fn call(
        &self,
        target: impl Into<Target>,
        request: impl Into<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Message, CallError> {
        let target = target.into();
        let call = Call::of_process(self, &target)?;
        let to = Dest::from(target);
        let message = OutboundMessage { reply_to: Some(call.id), ..self.outbound(&to, SendOptions::new()) };
        call.run(message, request.into(), timeout).await
    }

    /// [`Mailbox::call`] with values: [serde](Mailbox::send_as) encodes the request and decodes the
    /// reply. Cancel-safe like [`Mailbox::call`].
    ///
    /// # Errors
    /// As [`Mailbox::call`], and [`CallError::Reply`] if the reply is of another type.
    pub async fn call_as<R: DeserializeOwned>(
        &self,
        target: impl Into<Target>,
        request: &(impl Serialize + ?Sized),
        timeout: Duration,
    ) -> Result<R, CallError> {
        let request = typed::encode(request).map_err(CallError::NotSent)?;
        Ok(self.call(target, request, timeout).await?.decode()?.body)
    }

    /// Replies to the request of a call. Returns `Ok(false)` if the message was no request. It does
    /// not report whether the caller still waits.
    ///
    /// The reply arrives before the `Down` of this process. Another process may reply instead: pass
    /// the message to it, or let it send to [`reply_to`](Message::reply_to).
    ///
    /// # Errors
    /// As [`Mailbox::send`].
    pub fn reply<B>(&self, request: &Message<B>, body: impl Into<Vec<u8>>) -> Result<bool, SendError> {
        match &request.reply_to {
            Some(alias) => self.send(alias, body).map(|()| true),
            None => Ok(false),
        }
    }

    /// [`Mailbox::reply`] with a value, encoded by [serde](Mailbox::send_as).
    ///
    /// # Errors
    /// As [`Mailbox::send_as`].
    pub fn reply_as<B>(
        &self,
        request: &Message<B>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<bool, SendError> {
        self.reply(request, typed::encode(value)?)
    }
}

impl Node {
    /// [`Mailbox::call`] from outside any process: the request has no sender, and is not ordered
    /// with other messages. Cancel-safe like [`Mailbox::call`].
    ///
    /// # Errors
    /// As [`Mailbox::call`].
    pub async fn call(
        &self,
        target: impl Into<Target>,
        request: impl Into<Vec<u8>>,
        timeout: Duration,
    ) -> Result<Message, CallError> {
        let target = target.into();
        let call = Call::of_nobody(self, &target)?;
        let to = Dest::from(target);
        // The request takes the order of the call's own watcher, so that the monitor goes first.
        let message = OutboundMessage {
            speaker: call.owner,
            reply_to: Some(call.id),
            ..OutboundMessage::of_nobody(&to, SendOptions::new())
        };
        call.run(message, request.into(), timeout).await
    }

    /// [`Node::call`] with values: see [`Mailbox::call_as`]. Cancel-safe like [`Mailbox::call`].
    ///
    /// # Errors
    /// As [`Mailbox::call_as`].
    pub async fn call_as<R: DeserializeOwned>(
        &self,
        target: impl Into<Target>,
        request: &(impl Serialize + ?Sized),
        timeout: Duration,
    ) -> Result<R, CallError> {
        let request = typed::encode(request).map_err(CallError::NotSent)?;
        Ok(self.call(target, request, timeout).await?.decode()?.body)
    }
}

/// A call under way: a monitor whose reference is an alias, and the slot for the reply or the
/// `Down`. Dropping it ends both.
struct Call {
    node: Node,
    /// The watcher of the monitor. The request is sent in its order, so that the monitor goes
    /// first.
    owner: LocalPid,
    id: MonitorId,
    answer: Arc<Answer>,
    /// The owner, if it is not a process. Dropped last.
    _watcher: Option<Watcher>,
}

impl Call {
    fn of_process(process: &Mailbox, target: &Target) -> Result<Self, Refusal> {
        Self::begin(process.node(), process.local(), None, target)
    }

    fn of_nobody(node: &Node, target: &Target) -> Result<Self, Refusal> {
        let watcher = Watcher::new(node)?;
        Self::begin(node, watcher.pid, Some(watcher), target)
    }

    fn begin(
        node: &Node,
        owner: LocalPid,
        watcher: Option<Watcher>,
        target: &Target,
    ) -> Result<Self, Refusal> {
        let answer = Arc::<Answer>::default();
        let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
        let id = node.inner.monitor(owner, target, options, Some(answer.clone()))?;
        Ok(Call { node: node.clone(), owner, id, answer, _watcher: watcher })
    }

    /// Sends the request, and waits.
    async fn run(
        &self,
        message: OutboundMessage<'_>,
        mut request: Vec<u8>,
        timeout: Duration,
    ) -> Result<Message, CallError> {
        let mut send = pin!(self.node.inner.send_async(message, &mut request));
        let mut is_sent = false;
        let environment = &self.node.inner.environment;
        let mut late = environment.sleep_until(environment.after(timeout));
        poll_fn(|cx| {
            // A reply that has arrived counts, however late this is polled.
            if let Poll::Ready(answer) = self.poll_answer(cx) {
                return Poll::Ready(answer);
            }
            if !is_sent && let Poll::Ready(sent) = send.as_mut().poll(cx) {
                is_sent = true;
                match sent {
                    // The monitor reports this as well, or a better cause.
                    Ok(()) | Err(SendError::NotConnected(_)) => {}
                    Err(error) => return Poll::Ready(Err(CallError::NotSent(error))),
                }
            }
            Pin::new(&mut late).poll(cx).map(|_| Err(CallError::Timeout(timeout)))
        })
        .await
    }

    fn poll_answer(&self, cx: &Context<'_>) -> Poll<Result<Message, CallError>> {
        self.answer.poll(cx).map(|first| match (first, self.node.inner.take(self.id)) {
            (First::Reply(message), _) => Ok(message),
            (_, Some(down)) => Err(CallError::Down(Box::new(down))),
            // The calling process has exited, and its monitors with it.
            (_, None) => Err(NotAlive.into()),
        })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let _ = self.node.inner.enter(|state, out| {
            state.aliases.unalias(self.owner, self.id);
            state.core.demonitor(self.owner, self.id, true, out);
        });
    }
}
