//! The parts that run a node.

use peer_service::Spawner;
use smol::channel::Sender;

use crate::threads::environment::Environment;

/// What runs the tasks of a node: threads of its own, and for the bodies of processes the executor
/// that the configuration names.
pub(crate) struct Runner {
    pub(crate) engine: Spawner,
    pub(crate) bodies: Spawner,
    pub(crate) environment: Environment,
    pub(crate) running: Option<Sender<()>>,
}

impl Runner {
    /// Runs nothing: for a state that is driven by hand.
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
