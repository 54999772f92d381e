//! Messages that are to be sent: a body, and how to send it.

use bytes::Bytes;
use refs::ChannelId;
use serde::Serialize;

use crate::error::SendErrorKind;

/// A message that is to be sent: its body, and on which channel it goes.
///
/// Every function that sends takes `impl IntoEnvelope`, so a body alone is enough where the
/// defaults are right.
///
/// ```
/// # use monitor_runtime::{Config, Envelope, Node, Postcard};
/// # use peer_service::memory::{Join, Network};
/// # smol::block_on(async {
/// # let bulk = "bulk".parse()?;
/// # let service = Network::new().join_with(Join::new("a@local".parse()?).channels([bulk]));
/// # let node = Node::with_service(Config::new("a@local"), service)?;
/// # let (me, worker) = (node.process()?, node.process()?);
/// let bulk = node.channel("bulk").ok_or("no such channel is configured")?;
/// me.try_send(worker.pid(), "a body alone")?;
/// me.try_send(worker.pid(), Envelope::new("a long report").channel(bulk).or_default_channel())?;
/// me.try_send(worker.pid(), Envelope::new(Postcard(("resize", 640, 480))).channel(bulk))?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "an envelope does nothing before it is sent"]
pub struct Envelope {
    /// `None` if the value could not be encoded.
    body: Option<Bytes>,
    options: SendOptions,
}

impl Envelope {
    /// A message with this body, on the default channel.
    pub fn new(body: impl IntoEnvelope) -> Self {
        body.into_envelope()
    }

    /// Sends the message on this channel: see [`Node::channel`](crate::Node::channel).
    pub const fn channel(mut self, channel: ChannelId) -> Self {
        self.options.channel = channel;
        self
    }

    /// Sends the message on the default channel if the session has no such channel. Without this
    /// option that is [`SendErrorKind::NoChannel`].
    pub const fn or_default_channel(mut self) -> Self {
        self.options.or_default_channel = true;
        self
    }

    const fn of_body(body: Bytes) -> Self {
        Envelope { body: Some(body), options: SendOptions::new() }
    }

    pub(crate) fn with_options(mut self, options: SendOptions) -> Self {
        self.options = options;
        self
    }

    /// The body and the options.
    ///
    /// # Errors
    /// The value could not be encoded.
    pub(crate) fn open(self) -> Result<(Bytes, SendOptions), SendErrorKind> {
        let body = self.body.ok_or(SendErrorKind::NotEncoded)?;
        Ok((body, self.options))
    }

    /// The body, or none if the value could not be encoded.
    pub(crate) fn into_body(self) -> Bytes {
        self.body.unwrap_or_default()
    }
}

/// A message body, or an [`Envelope`] with options.
///
/// Bodies are [`Bytes`], which is neither copied to be sent nor for each receiver on this node;
/// `Vec<u8>`, `String`, `Box<[u8]>`, static bytes and static texts, which become `Bytes` without a
/// copy; and [`Postcard`], which encodes a value of a serde type.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no message body",
    label = "expected `Bytes`, `Vec<u8>`, `String`, `&'static str`, `Postcard(value)` or an `Envelope`",
    note = "a value that implements `serde::Serialize` is sent as `Postcard(&value)`"
)]
pub trait IntoEnvelope {
    /// The message.
    fn into_envelope(self) -> Envelope;
}

impl IntoEnvelope for Envelope {
    fn into_envelope(self) -> Envelope {
        self
    }
}

macro_rules! bodies {
    ($($body:ty),+) => {$(
        impl IntoEnvelope for $body {
            fn into_envelope(self) -> Envelope {
                Envelope::of_body(self.into())
            }
        }
    )+};
}
bodies!(Bytes, String, Box<[u8]>, &'static [u8], &'static str);

impl IntoEnvelope for Vec<u8> {
    fn into_envelope(mut self) -> Envelope {
        // A mailbox counts the length of a body, so a body must not occupy much more than that.
        if self.capacity() / 2 > self.len() {
            self.shrink_to_fit();
        }
        Envelope::of_body(self.into())
    }
}

impl<const LEN: usize> IntoEnvelope for &'static [u8; LEN] {
    fn into_envelope(self) -> Envelope {
        self.as_slice().into_envelope()
    }
}

impl<const LEN: usize> IntoEnvelope for [u8; LEN] {
    fn into_envelope(self) -> Envelope {
        Envelope::of_body(Bytes::copy_from_slice(&self))
    }
}

/// A message body that is a value, in the form of
/// [postcard](https://postcard.jamesmunns.com/wire-format). [`Message::decode`] reads it.
///
/// Wraps the value or a reference to it. A type that postcard cannot write, such as a sequence
/// whose length is not known beforehand, is [`SendErrorKind::NotEncoded`] where the message is
/// sent.
///
/// [`Message::decode`]: crate::Message::decode
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Postcard<T>(pub T);

impl<T: Serialize> IntoEnvelope for Postcard<T> {
    fn into_envelope(self) -> Envelope {
        let body = postcard::to_allocvec(&self.0).ok().map(Bytes::from);
        Envelope { body, options: SendOptions::new() }
    }
}

/// On which channel a message goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct SendOptions {
    pub(crate) channel: ChannelId,
    /// Whether the default channel is taken if the session has no such channel.
    pub(crate) or_default_channel: bool,
}

impl SendOptions {
    pub(crate) const fn new() -> Self {
        SendOptions { channel: ChannelId::DEFAULT, or_default_channel: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unused_capacity_of_a_body_is_freed() {
        let mut oversized = Vec::with_capacity(1 << 20);
        oversized.extend_from_slice(b"0123456789");
        let body = Envelope::new(oversized).into_body();
        assert_eq!(body, "0123456789");
        // The bytes own their allocation alone, so the vector has the capacity of that.
        assert!(Vec::from(body).capacity() <= 32);
    }
}
