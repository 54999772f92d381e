//! Lookups of host names by the system's resolver, which may block its caller without a limit.
//!
//! Each lookup has a thread of its own, so a resolver that does not answer blocks no thread pool.
//! At most one lookup of each host name runs at a time, and all its callers share the answer. The
//! number of lookups is limited. A lookup continues when its callers have given up, and the next
//! caller joins it.

use std::{
    collections::HashMap,
    fmt, io,
    net::{SocketAddr, ToSocketAddrs},
    sync::{Arc, LazyLock},
    thread,
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, Shared, ready},
};
use parking_lot::Mutex;
use smol::lock::{Semaphore, SemaphoreGuardArc};

/// Maximum number of lookups that the program runs at the same time.
const MAX_LOOKUPS: usize = 32;

/// The running lookups. See the [module](self).
pub(crate) struct Lookups {
    ask: Box<Ask>,
    in_progress: Mutex<HashMap<String, Lookup>>,
    threads: Arc<Semaphore>,
}

type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type Lookup = Shared<BoxFuture<'static, Answer>>;
type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;

impl Lookups {
    /// The lookups of the whole program, through the system's resolver.
    pub(crate) fn system() -> Arc<Self> {
        static SYSTEM: LazyLock<Arc<Lookups>> =
            LazyLock::new(|| Lookups::new(MAX_LOOKUPS, |host| Ok((host, 0).to_socket_addrs()?.collect())));
        SYSTEM.clone()
    }

    /// Lookups that call `ask`, at most `max` at the same time.
    pub(crate) fn new(
        max: usize,
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let threads = Arc::new(Semaphore::new(max));
        Arc::new(Lookups { ask: Box::new(ask), in_progress: Mutex::default(), threads })
    }

    /// Returns the addresses of `host`, with `port`. An IP address needs no lookup.
    ///
    /// Joins the running lookup of that host, or waits for a free thread and starts one.
    /// Cancel-safe: a lookup that was started continues for other callers.
    pub(crate) async fn resolve(self: Arc<Self>, host: String, port: u16) -> io::Result<Vec<SocketAddr>> {
        if let Ok(ip) = host.parse() {
            return Ok(vec![SocketAddr::new(ip, port)]);
        }
        let joined = self.in_progress.lock().get(&host).cloned();
        let lookup = match joined {
            Some(lookup) => lookup,
            None => {
                let thread = self.threads.acquire_arc().await;
                self.join_or_begin(&host, thread)
            }
        };
        let mut addresses = lookup.await.map_err(|error| io::Error::new(error.kind(), error))?;
        addresses.iter_mut().for_each(|address| address.set_port(port));
        Ok(addresses)
    }

    fn join_or_begin(self: &Arc<Self>, host: &str, thread: SemaphoreGuardArc) -> Lookup {
        // Held until the lookup is inserted, so that its thread cannot remove it before.
        let mut in_progress = self.in_progress.lock();
        if let Some(lookup) = in_progress.get(host) {
            return lookup.clone();
        }
        let (answers, answer) = oneshot::channel();
        let work = Work { lookups: self.clone(), host: host.to_owned(), _thread: thread };
        let begun = thread::Builder::new().name("obit-lookup".to_owned()).spawn(move || {
            let answer = (work.lookups.ask)(&work.host).map_err(Arc::new);
            // A later caller starts a new lookup.
            drop(work);
            // The send fails if all callers have given up.
            let _ = answers.send(answer);
        });
        if let Err(error) = begun {
            return ready(Err(Arc::new(error))).boxed().shared();
        }
        let failed = |_| Err(Arc::new(io::Error::other("the lookup panicked")));
        let lookup = answer.map(move |answer| answer.unwrap_or_else(failed)).boxed().shared();
        in_progress.insert(host.to_owned(), lookup.clone());
        lookup
    }
}

impl fmt::Debug for Lookups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lookups").finish_non_exhaustive()
    }
}

/// A running lookup. On drop, which follows even a panic of its thread, the host can be looked up
/// again.
struct Work {
    lookups: Arc<Lookups>,
    host: String,
    _thread: SemaphoreGuardArc,
}

impl Drop for Work {
    fn drop(&mut self) {
        self.lookups.in_progress.lock().remove(&self.host);
    }
}

#[cfg(test)]
pub(crate) mod tests;
