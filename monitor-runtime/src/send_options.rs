//! Options for sending a message.

use refs::ChannelId;

/// Options for sending a message: the channel, and what to do if the session has no such channel.
///
/// ```
/// # use monitor_runtime::{Config, Node, SendOptions};
/// # use peer_service::memory::{Join, Network};
/// # smol::block_on(async {
/// # let bulk = "bulk".parse()?;
/// # let service = Network::new().join_with(Join::new("a@local".parse()?).channels([bulk]));
/// # let node = Node::with_service(Config::new("a@local".parse()?), service).await?;
/// # let (me, to, report) = (node.process()?, node.process()?.pid().clone(), "a long report");
/// let bulk = node.channel("bulk").ok_or("no such channel is configured")?;
/// me.send_with(to, report, SendOptions::new().channel(bulk).or_default_channel())?;
/// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct SendOptions {
    /// The channel. The default channel if not set.
    pub channel: ChannelId,
    /// Whether the message uses the default channel if the session has no such channel. False by
    /// default: the send then fails with [`SendError::NoChannel`](crate::SendError::NoChannel).
    pub or_default_channel: bool,
}

impl SendOptions {
    /// Options that send on the default channel.
    pub const fn new() -> Self {
        SendOptions { channel: ChannelId::DEFAULT, or_default_channel: false }
    }

    /// Sets the channel: see [`Node::channel`](crate::Node::channel).
    #[must_use]
    pub const fn channel(mut self, channel: ChannelId) -> Self {
        self.channel = channel;
        self
    }

    /// Uses the default channel if the session has no such channel.
    #[must_use]
    pub const fn or_default_channel(mut self) -> Self {
        self.or_default_channel = true;
        self
    }
}
