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
        aliases::{CallOutcome, PendingCall},
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
    /// Asks a process something and waits for its reply: at most `timeout`, and no longer than it
    /// lives and can be reached.
    ///
    /// The target receives the request as a [`Message`] with a [`reply_to`](Message::reply_to),
    /// after everything that this process has sent it before, and answers with [`Mailbox::reply`].
    /// The reply comes out of this call alone, never out of the mailbox: one that comes too late,
    /// or a second one, is dropped and counted (`messages_for_no_alias`). Meanwhile this mailbox
    /// fills, and keeps its order. To call oneself ends in a timeout.
    ///
    /// Cancel-safe: dropped, it leaves no monitor and no late reply; whether the target has got the
    /// request is then as open as after a timeout. It waits for room where [`Mailbox::send`] would
    /// be refused. The timeout is of real time (in a simulated node, of its clock), and
    /// [`Duration::MAX`] is none at all. Source: `gen_server:call/3`.
    ///
    /// # Errors
    /// [`CallError::Down`] with what the monitor says, and on what evidence: the target ended
    /// without a reply, or there is none, or no connection. [`CallError::Timeout`].
    /// [`CallError::NotSent`], such as too long. [`CallError::NotAlive`],
    /// [`CallError::NotImplemented`] as of [`Node::monitor`]; `NotAlive` also if this process exits
    /// while the call waits.
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
        let outbound = OutboundMessage { reply_to: Some(call.id), ..self.outbound(&to, SendOptions::new()) };
        call.run(outbound, request.into(), timeout).await
    }

    /// [`Mailbox::call`] with values: the request is written by [serde](Mailbox::send_as), and the
    /// reply read. Cancel-safe like it.
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

    /// Replies to the request of a call. `Ok(false)`: the message was no request. Whether the
    /// caller still waits is not told, and makes no difference.
    ///
    /// It arrives before the `Down` of this process. Another process may reply as well: hand it the
    /// message, or send to its [`reply_to`](Message::reply_to).
    ///
    /// # Errors
    /// As [`Mailbox::send`].
    pub fn reply<B>(&self, request: &Message<B>, body: impl Into<Vec<u8>>) -> Result<bool, SendError> {
        match &request.reply_to {
            Some(alias) => self.send(alias, body).map(|()| true),
            None => Ok(false),
        }
    }

    /// [`Mailbox::reply`] with a value, written by [serde](Mailbox::send_as).
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
    /// [`Mailbox::call`] from outside any process: the request comes from nobody, and is in no
    /// order with other messages. Cancel-safe like it.
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
        // In the order of its own watcher, so that the monitor goes first.
        let outbound = OutboundMessage {
            sender: call.owner,
            reply_to: Some(call.id),
            ..OutboundMessage::without_sender(&to, SendOptions::new())
        };
        call.run(outbound, request.into(), timeout).await
    }

    /// [`Node::call`] with values: see [`Mailbox::call_as`]. Cancel-safe like it.
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

/// A call under way: a monitor whose reference is an alias, and what comes of either. Its drop ends
/// both.
struct Call {
    node: Node,
    /// Who monitors: so the monitor, the request and everything before them are in one order.
    owner: LocalPid,
    id: MonitorId,
    answer: Arc<PendingCall>,
    /// The owner, if it is no process. Dropped last.
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
        let answer = Arc::<PendingCall>::default();
        let options = MonitorOptions::new().alias(AliasMode::ReplyDemonitor);
        let id = node.inner.monitor(owner, target, options, Some(answer.clone()))?;
        Ok(Call { node: node.clone(), owner, id, answer, _watcher: watcher })
    }

    /// Sends the request, and waits.
    async fn run(
        &self,
        outbound: OutboundMessage<'_>,
        mut request: Vec<u8>,
        timeout: Duration,
    ) -> Result<Message, CallError> {
        let mut send = pin!(self.node.inner.send_async(outbound, &mut request));
        let mut is_sent = false;
        let environment = &self.node.inner.environment;
        let mut late = environment.sleep_until(environment.after(timeout));
        poll_fn(|cx| {
            // A reply that is there counts, however late this is polled.
            if let Poll::Ready(answer) = self.poll_answer(cx) {
                return Poll::Ready(answer);
            }
            if !is_sent && let Poll::Ready(sent) = send.as_mut().poll(cx) {
                is_sent = true;
                match sent {
                    // The monitor will say so, too, or has more to say.
                    Ok(()) | Err(SendError::NotConnected(_)) => {}
                    Err(error) => return Poll::Ready(Err(CallError::NotSent(error))),
                }
            }
            Pin::new(&mut late).poll(cx).map(|_| Err(CallError::Timeout(timeout)))
        })
        .await
    }

    fn poll_answer(&self, cx: &Context<'_>) -> Poll<Result<Message, CallError>> {
        self.answer.poll(cx).map(|outcome| match (outcome, self.node.inner.take(self.id)) {
            (CallOutcome::Reply(message), _) => Ok(message),
            (_, Some(down)) => Err(CallError::Down(Box::new(down))),
            // Its notice went with the process that calls.
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
