//! The peer service of a simulated node: it records the requests of the runtime, and the world
//! handles them. It decides nothing: the rules of `transport-tcp` do, which `transport` drives.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use peer_service::{Capabilities, DialId, Events, NodeId, NodeName, NodeSpec, PeerEvent, PeerService};

use crate::conn::ConnIx;

/// A request of a node to its network.
pub enum Request {
    Connect(NodeName, DialId),
    Disconnect(NodeName),
}

/// The peer service, and the queues between a node and the world.
pub struct SimService {
    local: NodeId,
    pub events: Events,
    pub requests: Mutex<VecDeque<Request>>,
    /// Ends of sessions with work for the world.
    pub busy: Mutex<Vec<(ConnIx, usize)>>,
}

impl SimService {
    pub fn new(local: NodeId) -> Arc<Self> {
        Arc::new(SimService {
            local,
            events: Events::new(),
            requests: Mutex::default(),
            busy: Mutex::default(),
        })
    }
}

#[async_trait]
impl PeerService for SimService {
    fn local(&self) -> &NodeId {
        &self.local
    }
    fn capabilities(&self) -> Capabilities {
        Capabilities::FULL
    }
    fn max_frame(&self) -> usize {
        1 << 20
    }
    async fn next(&self) -> Option<PeerEvent> {
        self.events.next().await
    }
    fn connect(&self, node: &NodeSpec, dial: DialId) {
        self.requests.lock().push_back(Request::Connect(node.name().clone(), dial));
    }
    fn disconnect(&self, node: &NodeName) {
        self.requests.lock().push_back(Request::Disconnect(node.clone()));
    }
    fn shutdown(&self) {
        self.events.close();
    }
}
