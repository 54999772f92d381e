//! The executors, clock and threads of one node.

use peer_service::Spawner;
use smol::channel::Sender;

use crate::threads::environment::Environment;

/// Runs the tasks of a node. The node has threads of its own; bodies of processes run on the
/// executor that the configuration names.
pub(crate) struct Runner {
    pub(crate) engine: Spawner,
    pub(crate) bodies: Spawner,
    pub(crate) environment: Environment,
    pub(crate) running: Option<Sender<()>>,
}

impl Runner {
    /// A runner that runs nothing, for tests that drive the state step by step.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn none() -> Self {
        Runner {
            engine: std::sync::Arc::new(drop),
            bodies: std::sync::Arc::new(drop),
            environment: Environment::default(),
            running: None,
        }
    }
}
