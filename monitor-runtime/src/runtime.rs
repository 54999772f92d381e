//! Runtimes for the bodies of processes.

use std::{fmt::Debug, future::Future, pin::Pin, sync::Arc};

#[cfg(feature = "tokio")]
use tokio::runtime::{Handle, TryCurrentError};

/// Runs the bodies of processes: the futures of [`Node::spawn`](crate::Node::spawn).
///
/// [`Config::runtime`](crate::Config::runtime) gives one to a node. Without it the node runs them
/// on its own thread. A runtime never runs the node itself.
///
/// ```
/// use std::{future::Future, pin::Pin, sync::Arc};
/// use monitor_runtime::{Config, Runtime};
///
/// #[derive(Debug)]
/// struct OwnExecutor(Arc<smol::Executor<'static>>);
///
/// impl Runtime for OwnExecutor {
///     fn spawn(&self, body: Pin<Box<dyn Future<Output = ()> + Send>>) {
///         self.0.spawn(body).detach();
///     }
/// }
///
/// let config = Config::new("a@localhost").runtime(OwnExecutor(Arc::default()));
/// ```
pub trait Runtime: Debug + Send + Sync + 'static {
    /// Starts a task that runs the body to its end. Must not wait for it.
    ///
    /// A process whose body the runtime drops before its end, at once or later, exits as
    /// [`Killed`](crate::ExitReason::Killed). So does one whose `spawn` panics.
    fn spawn(&self, body: Pin<Box<dyn Future<Output = ()> + Send>>);
}

impl<R: Runtime + ?Sized> Runtime for Arc<R> {
    fn spawn(&self, body: Pin<Box<dyn Future<Output = ()> + Send>>) {
        (**self).spawn(body);
    }
}

/// Runs bodies on the global executor of the crate smol, whose number of threads is the environment
/// variable `SMOL_THREADS`, or 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmolRuntime;

impl Runtime for SmolRuntime {
    fn spawn(&self, body: Pin<Box<dyn Future<Output = ()> + Send>>) {
        smol::spawn(body).detach();
    }
}

/// Runs bodies on a runtime of tokio, so that they can use its timers and sockets.
///
/// After the runtime has shut down, its processes have exited as
/// [`Killed`](crate::ExitReason::Killed), and so does every process that is spawned later. While
/// all of its workers are blocked, or nothing drives a `current_thread` runtime, its processes
/// wait; the node and its other processes do not.
#[cfg(feature = "tokio")]
#[derive(Clone, Debug)]
pub struct TokioRuntime {
    handle: Handle,
}

#[cfg(feature = "tokio")]
impl TokioRuntime {
    /// The runtime of that handle.
    pub const fn new(handle: Handle) -> Self {
        TokioRuntime { handle }
    }

    /// The runtime in whose context the caller runs.
    ///
    /// # Errors
    /// The caller does not run in the context of a runtime.
    pub fn current() -> Result<Self, TryCurrentError> {
        Handle::try_current().map(TokioRuntime::new)
    }
}

#[cfg(feature = "tokio")]
impl From<Handle> for TokioRuntime {
    fn from(handle: Handle) -> Self {
        TokioRuntime::new(handle)
    }
}

#[cfg(feature = "tokio")]
impl Runtime for TokioRuntime {
    fn spawn(&self, body: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(self.handle.spawn(body));
    }
}

/// The setting of a configuration.
#[derive(Clone, Debug, Default)]
pub(crate) enum BodyRuntime {
    /// The node's own thread.
    #[default]
    Own,
    Other(Arc<dyn Runtime>),
    /// [`Config::tokio`](crate::Config::tokio) was called outside of a runtime of tokio.
    #[cfg(feature = "tokio")]
    NoTokio,
}
