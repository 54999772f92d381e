//! Starting a node over TCP.

use refs::Incarnation;

use super::{Node, check_frames};
use crate::{config::Config, error::StartError, tcp};

impl Node {
    /// Starts a node over TCP, as a new incarnation.
    ///
    /// Cancel-safe: if the future is dropped before it is ready, neither a node nor a listener
    /// remains.
    ///
    /// ```
    /// # use monitor_runtime::{Config, Node, Secret};
    /// # smol::block_on(async {
    /// let config = Config::new("a@127.0.0.1").listen("127.0.0.1:0".parse()?).secret(Secret::generate());
    /// let node = Node::start(config).await?;
    /// # node.stop().await;
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`StartError::Field`] if a field of [`Config`] is out of its limits; [`StartError::Tcp`] if
    /// a field of [`TcpConfig`](crate::TcpConfig) is, or if the transport cannot listen on its
    /// address; [`StartError::FramesTooSmall`] if
    /// [`TcpConfig::max_frame`](crate::TcpConfig::max_frame) is too small for signals;
    /// [`StartError::Random`], [`StartError::Thread`]. Never [`StartError::WrongName`].
    #[doc(alias = "epmd")]
    #[doc(alias = "net_kernel")]
    pub async fn start(config: Config) -> Result<Node, StartError> {
        // All checks come before the first thread or socket is made.
        config.check()?;
        config.tcp.check()?;
        check_frames(config.tcp.max_frame)?;
        let runner = config.runner()?;
        let incarnation = incarnation()?;
        let (transport, address) = tcp::start(config.tcp.clone(), incarnation, runner.engine.clone()).await?;
        Node::assemble(config, transport, runner, Some(address))
    }
}

fn incarnation() -> Result<Incarnation, StartError> {
    loop {
        // Zero is not an incarnation. It comes once in 2^64 tries.
        if let Some(incarnation) = Incarnation::new(getrandom::u64().map_err(StartError::random)?) {
            return Ok(incarnation);
        }
    }
}
