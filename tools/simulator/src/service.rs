//! The peer service of a simulated node, as the runtime sees it: it only takes notes, and the world
//! acts on them.
//!
//! So nothing here is decided, and nothing here is random: what a note leads to is up to the rules
//! of `transport-tcp`, which `transport` drives.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;
use peer_service::{Capabilities, DialId, Events, NodeId, NodeName, NodeSpec, PeerEvent, PeerService};

use crate::conn::ConnIx;

/// What a node wants of its network.
pub enum Request {
    Connect(NodeName, DialId),
    Disconnect(NodeName),
}

/// Where a node and the world leave each other word.
pub struct Desk {
    local: NodeId,
    pub events: Events,
    pub requests: Mutex<VecDeque<Request>>,
    /// Ends of sessions that have something for the world to do.
    pub busy: Mutex<Vec<(ConnIx, usize)>>,
}

impl Desk {
    pub fn new(local: NodeId) -> Arc<Self> {
        Arc::new(Desk { local, events: Events::new(), requests: Mutex::default(), busy: Mutex::default() })
    }
}

#[async_trait]
impl PeerService for Desk {
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
