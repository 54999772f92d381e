//! The transport keeps the contract of a peer service, over loopback connections that a proxy can spoil.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{
    collections::HashMap,
    net::TcpListener,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use peer_service::{
    ChannelName, NodeName, NodeSpec, PeerService,
    conformance::{Harness, Service, Unsupported},
};
use support::proxy::Proxy;

/// Every node is reached through a proxy of its own.
#[derive(Default)]
struct Loopback {
    proxies: Mutex<HashMap<NodeName, Arc<Proxy>>>,
    /// Listeners that accept and never answer.
    mute: Mutex<Vec<TcpListener>>,
}

impl Loopback {
    async fn start(&self, label: &str, channels: &[ChannelName]) -> Service {
        let config = support::config(label).max_signal_queue(8 << 20).channels(channels.iter().cloned());
        let node = support::start(config).await;
        let proxy = Arc::new(Proxy::to(node.local_addr()));
        self.proxies.lock().unwrap().insert(node.local().name.clone(), proxy);
        node
    }

    fn proxy(&self, to: &NodeName) -> Arc<Proxy> {
        self.proxies.lock().unwrap()[to].clone()
    }
}

#[async_trait]
impl Harness for Loopback {
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
        let address = self.proxy(&name).address;
        NodeSpec::new(name).at(address.to_string().parse().unwrap())
    }

    fn absent(&self) -> NodeSpec {
        format!("absent@127.0.0.1={}", support::nobody()).parse().unwrap()
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
        let proxies: Vec<_> = self.proxies.lock().unwrap().values().cloned().collect();
        proxies.iter().for_each(|proxy| proxy.sever(name));
        self.proxy(&node.local().name).sever_all();
        Ok(())
    }

    async fn mute(&self, _: &NodeName) -> Result<NodeSpec, Unsupported> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let spec = format!("mute@127.0.0.1={}", listener.local_addr().unwrap());
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

peer_service::conformance_tests!(Loopback::default());
