//! The sessions that messages take, where a sender finds them without the node's lock.
//!
//! Once the core has said of a session that nothing waits for it any more
//! ([`Route::Now`](monitor_core::Route::Now)), it says so until the session ends: whoever comes
//! after what waited has been pushed finds it here, and asks nobody. Written under the node's lock
//! alone, in one step with what the core is told, so that what is found stands at least until
//! whoever ends the session gets there.

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

    /// The session with that node stands, and nothing waits for it.
    pub(crate) fn open(&self, handle: &Arc<SessionHandle>) {
        self.0.write().insert(handle.peer.node.name.clone(), handle.clone());
    }

    /// The session has ended.
    pub(crate) fn close(&self, handle: &Arc<SessionHandle>) {
        let mut routes = self.0.write();
        let name = &handle.peer.node.name;
        if routes.get(name).is_some_and(|open| Arc::ptr_eq(open, handle)) {
            routes.remove(name);
        }
    }
}
