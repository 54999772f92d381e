//! A peer service without peers: it has configurable capabilities, and is never connected.

use std::sync::Arc;

use async_trait::async_trait;
use monitor_runtime::{EndKind, Incarnation, NodeId, NodeSpec};
use peer_service::{Capabilities, DialId, Events, NodeName, PeerEvent, PeerService};

pub struct Alone {
    id: NodeId,
    capabilities: Capabilities,
    events: Events,
}

impl Alone {
    pub fn new(name: &str, capabilities: Capabilities) -> Arc<Self> {
        let id = NodeId::new(name.parse().unwrap(), Incarnation::new(1).unwrap());
        Arc::new(Alone { id, capabilities, events: Events::new() })
    }
}

#[async_trait]
impl PeerService for Alone {
    fn local(&self) -> &NodeId {
        &self.id
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn max_frame(&self) -> usize {
        1 << 20
    }

    async fn next(&self) -> Option<PeerEvent> {
        self.events.next().await
    }

    fn connect(&self, node: &NodeSpec, dial: DialId) {
        assert!(self.capabilities.connect, "the service cannot connect, and must not be asked to");
        self.events.failed(node.name().clone(), dial, EndKind::Unreachable.into());
    }

    fn disconnect(&self, _node: &NodeName) {
        assert!(self.capabilities.disconnect, "the service cannot disconnect, and must not be asked to");
    }

    fn shutdown(&self) {
        self.events.close();
    }
}
