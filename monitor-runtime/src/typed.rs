//! Messages that are values: serde encodes and decodes them in the postcard format.

use std::any::type_name;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    dest::Dest,
    error::{DecodeCause, DecodeError, SendError, TryRecvError},
    event::{Event, Message},
    mailbox::Mailbox,
    node::Node,
};

impl Message {
    /// Decodes the body as a value that was sent by [`Mailbox::send_as`]. Bytes after the value are
    /// an error.
    ///
    /// The bytes do not say their type: sender and receiver must agree on it, best on one enum for
    /// all messages of a process. Any node of the cluster can send any bytes, so a type with
    /// invariants must check them in its `Deserialize`.
    ///
    /// # Errors
    /// [`DecodeError`], which returns the message.
    ///
    /// ```
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// # let mut me = node.process()?;
    /// me.send_as(me.pid(), &("resize", 640_u32, 480_u32))?;
    /// let Some(Event::Message(message)) = me.recv().await else { panic!("a message was sent") };
    /// let error = message.decode::<String>().unwrap_err();
    /// assert!(error.to_string().starts_with("a message of 11 bytes cannot be read as alloc::string::String"));
    /// let (what, width, _): (String, u32, u32) = error.into_message().decode()?.body;
    /// assert_eq!((&*what, width), ("resize", 640));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn decode<T: DeserializeOwned>(self) -> Result<Message<T>, DecodeError> {
        let cause = match postcard::take_from_bytes(&self.body) {
            Ok((body, [])) => return Ok(Message { from: self.from, reply_to: self.reply_to, body }),
            Ok((_, rest)) => DecodeCause::TooLong(rest.len()),
            Err(error) => DecodeCause::Malformed(error),
        };
        Err(DecodeError { message: Box::new(self), wanted: type_name::<T>(), cause })
    }
}

impl Event {
    /// Decodes the body of a message by [`Message::decode`]. Other events are unchanged.
    ///
    /// # Errors
    /// As [`Message::decode`].
    pub fn decode<T: DeserializeOwned>(self) -> Result<Event<T>, DecodeError> {
        Ok(match self {
            Event::Message(message) => Event::Message(message.decode()?),
            Event::Down(down) => Event::Down(down),
            Event::NodeUp(up) => Event::NodeUp(up),
            Event::NodeDown(down) => Event::NodeDown(down),
            Event::Missed(count) => Event::Missed(count),
            Event::NodeFailed => Event::NodeFailed,
            Event::NodesMissed(missed) => Event::NodesMissed(missed),
        })
    }
}

impl Mailbox {
    /// Waits for the next event and decodes a message: [`Mailbox::recv`] and [`Message::decode`].
    /// Cancel-safe like [`Mailbox::recv`].
    ///
    /// # Errors
    /// [`DecodeError`], which returns the message; the next call returns the next event.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # use serde::{Deserialize, Serialize};
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
    /// #[derive(Serialize, Deserialize)]
    /// enum Account {
    ///     Deposit(u64),
    ///     Balance,
    /// }
    ///
    /// let account = node.spawn(|mut mailbox| async move {
    ///     let mut balance = 0;
    ///     while let Some(event) = mailbox.recv_as::<Account>().await {
    ///         let Ok(Event::Message(message)) = event else { continue };
    ///         match message.body {
    ///             Account::Deposit(amount) => balance += amount,
    ///             Account::Balance => drop(mailbox.reply_as(&message, &balance)),
    ///         }
    ///     }
    ///     Ok(())
    /// })?;
    /// let me = node.process()?;
    /// me.send_as(&account, &Account::Deposit(70))?;
    /// me.send_as(&account, &Account::Deposit(30))?;
    /// let balance: u64 = me.call_as(&account, &Account::Balance, Duration::from_secs(5)).await?;
    /// assert_eq!(balance, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    #[doc(alias = "receive")]
    pub async fn recv_as<T: DeserializeOwned>(&mut self) -> Option<Result<Event<T>, DecodeError>> {
        Some(self.recv().await?.decode())
    }

    /// Returns the next event without waiting, and decodes a message.
    ///
    /// # Errors
    /// The outer error is that of [`Mailbox::try_recv`], the inner one that of
    /// [`Mailbox::recv_as`].
    pub fn try_recv_as<T: DeserializeOwned>(
        &mut self,
    ) -> Result<Result<Event<T>, DecodeError>, TryRecvError> {
        Ok(self.try_recv()?.decode())
    }

    /// [`Mailbox::send`] with a value, in the
    /// [postcard](https://postcard.jamesmunns.com/wire-format) format.
    ///
    /// # Errors
    /// As [`Mailbox::send`], and [`SendError::NotEncoded`].
    pub fn send_as(&self, to: impl Into<Dest>, value: &(impl Serialize + ?Sized)) -> Result<(), SendError> {
        self.send(to, encode(value)?)
    }

    /// [`Mailbox::send_async`] with a value. Cancel-safe like [`Mailbox::send_async`].
    ///
    /// # Errors
    /// As [`Mailbox::send_async`], and [`SendError::NotEncoded`].
    pub async fn send_async_as(
        &self,
        to: impl Into<Dest>,
        value: &(impl Serialize + ?Sized),
    ) -> Result<(), SendError> {
        self.send_async(to, encode(value)?).await
    }
}

impl Node {
    /// [`Node::send`] with a value: see [`Mailbox::send_as`].
    ///
    /// # Errors
    /// As [`Mailbox::send_as`].
    pub fn send_as(&self, to: impl Into<Dest>, value: &(impl Serialize + ?Sized)) -> Result<(), SendError> {
        self.send(to, encode(value)?)
    }
}

/// Encodes a value as the body of a message.
pub(crate) fn encode(value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, SendError> {
    postcard::to_allocvec(value).map_err(|_| SendError::NotEncoded)
}
