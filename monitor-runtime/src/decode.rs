//! Messages that are values: read by serde, in the form of postcard.

use std::any::type_name;

use serde::de::DeserializeOwned;

use crate::{
    error::{DecodeCause, DecodeError},
    event::{Event, Message},
};

impl Message {
    /// Reads the body as a value that was sent as [`Postcard`](crate::Postcard). The whole body
    /// must be one.
    ///
    /// The bytes do not contain their type: sender and receiver agree on it, best on one enum for
    /// everything that a process receives. Any node of the cluster may have made the bytes, so a
    /// type whose values must fulfil conditions checks them in its `Deserialize`.
    ///
    /// # Errors
    /// [`DecodeError`], which contains the message.
    ///
    /// ```
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// let mut me = node.process()?;
    /// me.try_send(me.pid(), Postcard(("resize", 640_u32, 480_u32)))?;
    /// let Some(Event::Message(message)) = me.recv().await else { panic!("a message was sent") };
    /// let error = message.decode::<String>().unwrap_err();
    /// assert!(error.to_string().starts_with("a message of 11 bytes cannot be read as alloc::string::String"));
    /// let (action, width, _): (String, u32, u32) = error.into_message().decode()?.body;
    /// assert_eq!((&*action, width), ("resize", 640));
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
    /// Reads the body of a message as by [`Message::decode`]. A message that is no `T` becomes
    /// [`Event::Malformed`]; other events stay the same.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use monitor_runtime::prelude::*;
    /// # use peer_service::memory::Network;
    /// # use serde::{Deserialize, Serialize};
    /// # smol::block_on(async {
    /// # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
    /// #[derive(Serialize, Deserialize)]
    /// enum Account {
    ///     Deposit(u64),
    ///     Balance,
    /// }
    ///
    /// let account = node.spawn(|mut mailbox| async move {
    ///     let mut balance = 0_u64;
    ///     while let Some(event) = mailbox.recv().await {
    ///         let Event::Message(message) = event.decode() else { continue };
    ///         match message.body {
    ///             Account::Deposit(amount) => balance += amount,
    ///             Account::Balance => drop(mailbox.reply(&message, Postcard(balance))),
    ///         }
    ///     }
    ///     Ok(())
    /// })?;
    /// let account: Addr<Account> = node.addr(account)?;
    /// account.send(Account::Deposit(70)).await?;
    /// account.send(Account::Deposit(30)).await?;
    /// let balance: u64 = account.call(Account::Balance).timeout(Duration::from_secs(5)).await?;
    /// assert_eq!(balance, 100);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn decode<T: DeserializeOwned>(self) -> Event<T> {
        match self {
            Event::Message(message) => message.decode().map_or_else(Event::Malformed, Event::Message),
            Event::Malformed(error) => Event::Malformed(error),
            Event::Down(down) => Event::Down(down),
            Event::NodeUp(up) => Event::NodeUp(up),
            Event::NodeDown(down) => Event::NodeDown(down),
            Event::Missed(count) => Event::Missed(count),
            Event::NodeFailed => Event::NodeFailed,
            Event::NodesMissed(missed) => Event::NodesMissed(missed),
        }
    }
}
