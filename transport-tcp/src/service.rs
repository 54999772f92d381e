//! The transport as a peer service.

use std::{
    fmt,
    future::Future,
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
};

use async_trait::async_trait;
use futures::future::AbortHandle;
use peer_service::{
    Capabilities, ChannelName, DialId, EndKind, NodeId, NodeName, NodeSpec, PeerEvent, PeerService, Spawner,
};
use smol::Async;
use supervision::TaskKind;

use crate::{
    config::TcpConfig,
    error::StartError,
    io::{dialer, discovery, endpoint::Endpoint, listener, tasks},
    log,
    net::{lookup::Lookups, socket},
    proto::{handshake::Identity, peers::address_book::Source},
};

/// A [`PeerService`] over plain TCP. See the [crate documentation](crate).
pub struct TcpTransport {
    endpoint: Arc<Endpoint>,
    local_addr: SocketAddr,
    /// Abort the listener and the discovery of peers.
    background: [AbortHandle; 2],
}

impl fmt::Debug for TcpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut transport = f.debug_struct("TcpTransport");
        transport.field("node", &self.endpoint.identity.node).field("local_addr", &self.local_addr);
        transport.finish_non_exhaustive()
    }
}

impl TcpTransport {
    /// Starts the transport of the node with that name and incarnation.
    ///
    /// It listens, and dials the peers of the configuration, of its file and of its names in DNS.
    /// All tasks run on `spawner`; sockets and timers use smol's reactor, which has its own thread
    /// if no other executor drives it.
    ///
    /// # Errors
    /// [`StartError`]: the field of the configuration that does not fit, and how to correct it.
    pub async fn start(
        node: NodeId,
        config: TcpConfig,
        spawner: Spawner,
    ) -> Result<Arc<TcpTransport>, StartError> {
        config.check(&node.name)?;
        let in_file = peers_in_file(&config).await?;
        let (listener, local_addr) = listen(&node.name, &config).await?;
        let identity = Identity::new(node, &config);
        let configured = config.peers.clone();
        let endpoint = Arc::new(Endpoint::new(config, identity, spawner, dialer::start));
        let listening = until_shut_down(&endpoint, tasks::LISTENER, {
            let (endpoint, listener) = (endpoint.clone(), Arc::new(listener));
            move || listener::run(endpoint.clone(), listener.clone())
        });
        let discovering = until_shut_down(&endpoint, tasks::DISCOVERY, {
            let (endpoint, in_file) = (endpoint.clone(), in_file.clone());
            move || discovery::run(endpoint.clone(), in_file.clone())
        });
        endpoint.list(Source::Config, configured);
        endpoint.list(Source::File, in_file);
        log::listening(&endpoint.identity.node, local_addr);
        Ok(Arc::new(TcpTransport { endpoint, local_addr, background: [listening, discovering] }))
    }

    /// The address the transport listens on.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

/// Starts a task that runs until the transport is shut down. Returns the handle that aborts it.
fn until_shut_down<F: Future<Output = ()> + Send + 'static>(
    endpoint: &Arc<Endpoint>,
    kind: TaskKind,
    work: impl Fn() -> F + Send + 'static,
) -> AbortHandle {
    let (abort, registration) = AbortHandle::new_pair();
    endpoint.tasks.spawn_restarting(endpoint, kind, registration, work);
    abort
}

/// Called before anything is started: a node that does not know its peers must not appear to run.
async fn peers_in_file(config: &TcpConfig) -> Result<Vec<NodeSpec>, StartError> {
    let Some(path) = &config.peers_file else { return Ok(Vec::new()) };
    let read = discovery::read(path).await;
    read.map_err(|cause| StartError::PeersFile { path: path.clone(), cause })
}

async fn listen(name: &NodeName, config: &TcpConfig) -> Result<(Async<TcpListener>, SocketAddr), StartError> {
    let candidates = match config.listen {
        Some(address) => vec![address],
        None => {
            let port = name.port().ok_or_else(|| StartError::NoPort { name: name.clone() })?;
            let resolved = Lookups::system().resolve(name.host().to_owned(), port).await;
            resolved.map_err(|cause| StartError::Resolve { name: name.clone(), cause })?
        }
    };
    let not_found = std::io::ErrorKind::NotFound;
    let mut error = StartError::Resolve { name: name.clone(), cause: not_found.into() };
    for address in candidates {
        if !config.may_serve(address) {
            return Err(StartError::NoSecret { address });
        }
        match bind(address) {
            Ok(listening) => return Ok(listening),
            Err(cause) => error = StartError::Listen { address, cause },
        }
    }
    Err(error)
}

fn bind(address: SocketAddr) -> io::Result<(Async<TcpListener>, SocketAddr)> {
    let listener = Async::<TcpListener>::bind(address)?;
    socket::extend_backlog(listener.get_ref())?;
    let local_addr = listener.get_ref().local_addr()?;
    Ok((listener, local_addr))
}

#[async_trait]
impl PeerService for TcpTransport {
    fn local(&self) -> &NodeId {
        &self.endpoint.identity.node
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }

    fn max_frame(&self) -> usize {
        self.endpoint.config.max_frame
    }

    fn channels(&self) -> &[ChannelName] {
        &self.endpoint.config.channels
    }

    async fn next(&self) -> Option<PeerEvent> {
        self.endpoint.events.next().await
    }

    fn connect(&self, node: &NodeSpec, dial: DialId) {
        self.endpoint.connect(node, dial);
    }

    fn disconnect(&self, node: &NodeName) {
        self.endpoint.disconnect(node);
    }

    fn shutdown(&self) {
        if self.endpoint.shut_down(EndKind::LocalShutdown) {
            self.background.iter().for_each(AbortHandle::abort);
        }
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        self.endpoint.counters.list()
    }
}

/// Starts no further session; sessions that were handed out continue.
impl Drop for TcpTransport {
    fn drop(&mut self) {
        self.shutdown();
    }
}
