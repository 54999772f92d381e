//! Nodes for the conformance suite, over loopback connections through a proxy that injects faults.

use std::{
    collections::HashMap,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use peer_service::{
    ChannelName, NodeName, NodeSpec, PeerService,
    conformance::{Harness, Service, Unsupported},
};

use super::Setup;
use super::proxy::Proxy;

/// Every node is reached through its own proxy.
pub struct Loopback<W> {
    way: W,
    entrances: Mutex<HashMap<NodeName, Entrance>>,
    /// Listeners that accept and never answer.
    mute: Mutex<Vec<TcpListener>>,
}

/// The protection of the nodes' connections; the proxy always sees plain frames.
pub trait Way: Send + Sync + 'static {
    /// The host of all nodes.
    const HOST: &'static str;
    fn config(&self, label: &str) -> Setup;
    /// The proxy to the node of that name at that address, with its gates.
    fn entrance(&self, to: &NodeName, at: SocketAddr) -> Entrance;
}

/// The address by which a node is reached.
pub struct Entrance {
    pub address: SocketAddr,
    pub proxy: Arc<Proxy>,
    /// Values that must live as long as the entrance.
    pub keep: Box<dyn Send + Sync>,
}

/// No protection.
pub struct Plain;

impl Way for Plain {
    const HOST: &'static str = "127.0.0.1";

    fn config(&self, label: &str) -> Setup {
        super::config(label)
    }

    fn entrance(&self, _: &NodeName, at: SocketAddr) -> Entrance {
        let proxy = Arc::new(Proxy::to(at));
        Entrance { address: proxy.address, proxy, keep: Box::new(()) }
    }
}

impl<W> Loopback<W> {
    pub fn new(way: W) -> Self {
        Loopback { way, entrances: Mutex::default(), mute: Mutex::default() }
    }

    fn proxy(&self, to: &NodeName) -> Arc<Proxy> {
        self.entrances.lock().unwrap()[to].proxy.clone()
    }
}

impl<W: Way> Loopback<W> {
    async fn start(&self, label: &str, channels: &[ChannelName]) -> Service {
        let config = self.way.config(label).max_signal_queue(8 << 20).channels(channels.iter().cloned());
        let node = super::start(config).await;
        let name = node.local().name.clone();
        let entrance = self.way.entrance(&name, node.local_addr());
        self.entrances.lock().unwrap().insert(name, entrance);
        node
    }
}

#[async_trait]
impl<W: Way> Harness for Loopback<W> {
    async fn join(&self, label: &str) -> Service {
        self.start(label, &[]).await
    }

    async fn join_with_channels(
        &self,
        label: &str,
        channels: &[ChannelName],
    ) -> Result<Service, Unsupported> {
        Ok(self.start(label, channels).await)
    }

    fn spec(&self, to: &Service) -> NodeSpec {
        let name = to.local().name.clone();
        let address = self.entrances.lock().unwrap()[&name].address;
        NodeSpec::new(name).at(address.to_string().parse().unwrap()).unwrap()
    }

    fn absent(&self) -> NodeSpec {
        format!("absent@{}={}", W::HOST, super::unused_address()).parse().unwrap()
    }

    async fn sever(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        self.proxy(a).sever(b.as_str());
        self.proxy(b).sever(a.as_str());
        Ok(())
    }

    async fn silence(&self, a: &NodeName, b: &NodeName) -> Result<(), Unsupported> {
        self.proxy(a).silence(b.as_str());
        self.proxy(b).silence(a.as_str());
        Ok(())
    }

    async fn kill(&self, node: Service) -> Result<(), Unsupported> {
        node.shutdown();
        let name = node.local().name.as_str();
        let proxies: Vec<_> =
            self.entrances.lock().unwrap().values().map(|entrance| entrance.proxy.clone()).collect();
        proxies.iter().for_each(|proxy| proxy.sever(name));
        self.proxy(&node.local().name).sever_all();
        Ok(())
    }

    async fn mute(&self, _: &NodeName) -> Result<NodeSpec, Unsupported> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let spec = format!("mute@{}={}", W::HOST, listener.local_addr().unwrap());
        self.mute.lock().unwrap().push(listener);
        Ok(spec.parse().unwrap())
    }

    async fn break_protocol(&self, from: &NodeName, to: &NodeName) -> Result<(), Unsupported> {
        const EMPTY_FRAME: &[u8] = &[0];
        self.proxy(to).inject(from.as_str(), EMPTY_FRAME).await;
        self.proxy(from).inject_back(to.as_str(), EMPTY_FRAME).await;
        Ok(())
    }
}
