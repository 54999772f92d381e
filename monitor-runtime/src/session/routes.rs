//! The session of each node, which a sender finds without the node's lock.
//!
//! Once the core has answered [`Route::Now`](monitor_core::Route::Now) for a session, no request
//! waits for it, and the answer stays the same until the session ends. So after the pending frames
//! were pushed, later senders find the session here and do not ask the core. Entries are written
//! only under the node's lock, in one step with the input of the core. So an entry stays valid at
//! least until the input that ends the session.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::RwLock;
use refs::NodeName;

use crate::session::handle::SessionHandle;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Routes(RwLock<BTreeMap<NodeName, Arc<SessionHandle>>>);

impl Routes {
    pub(crate) fn find(&self, node: &NodeName) -> Option<Arc<SessionHandle>> {
        self.0.read().get(node).cloned()
    }

    /// Adds a session that no pending request waits for.
    pub(crate) fn open(&self, handle: &Arc<SessionHandle>) {
        self.0.write().insert(handle.peer.node.name.clone(), handle.clone());
    }

    /// Removes a session that has ended.
    pub(crate) fn close(&self, handle: &Arc<SessionHandle>) {
        let mut routes = self.0.write();
        let name = &handle.peer.node.name;
        if routes.get(name).is_some_and(|open| Arc::ptr_eq(open, handle)) {
            routes.remove(name);
        }
    }
}
