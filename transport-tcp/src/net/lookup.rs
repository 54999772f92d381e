//! Lookups of host names by the system's resolver, which blocks its caller for as long as it likes.
//!
//! Each lookup has a thread of its own, so a resolver that does not answer blocks no thread pool. There is one lookup in
//! progress for each host name, whose answer all callers share, and a limited number in all. A lookup goes on when its
//! callers have given up: the next caller joins it.

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

/// Maximum number of lookups in progress of the whole program.
const MOST: usize = 32;

/// See the [module](self).
pub(crate) struct Lookups {
    ask: Box<Ask>,
    in_progress: Mutex<HashMap<String, Lookup>>,
    threads: Arc<Semaphore>,
}

type Ask = dyn Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync;
type Lookup = Shared<BoxFuture<'static, Answer>>;
type Answer = Result<Vec<SocketAddr>, Arc<io::Error>>;

impl Lookups {
    /// Those of the whole program.
    pub(crate) fn system() -> Arc<Self> {
        static SYSTEM: LazyLock<Arc<Lookups>> =
            LazyLock::new(|| Lookups::new(MOST, |host| Ok((host, 0).to_socket_addrs()?.collect())));
        SYSTEM.clone()
    }

    /// Runs at most `most` lookups at once. Each lookup calls `ask`.
    pub(crate) fn new(
        most: usize,
        ask: impl Fn(&str) -> io::Result<Vec<SocketAddr>> + Send + Sync + 'static,
    ) -> Arc<Self> {
        let threads = Arc::new(Semaphore::new(most));
        Arc::new(Lookups { ask: Box::new(ask), in_progress: Mutex::default(), threads })
    }

    /// The addresses of a host, with that port. An IP address needs no lookup.
    ///
    /// Waits for a free thread if there is no lookup of that host in progress. Cancel-safe: dropped, it leaves the lookup to
    /// others.
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
        // Held until the lookup is listed, so that its thread does not end before.
        let mut in_progress = self.in_progress.lock();
        if let Some(lookup) = in_progress.get(host) {
            return lookup.clone();
        }
        let (answers, answer) = oneshot::channel();
        let work = Work { lookups: self.clone(), host: host.to_owned(), _thread: thread };
        let begun = thread::Builder::new().name("obit-lookup".to_owned()).spawn(move || {
            let answer = (work.lookups.ask)(&work.host).map_err(Arc::new);
            // A caller that comes after the answer gets a new one.
            drop(work);
            // All callers may have given up.
            let _ = answers.send(answer);
        });
        if let Err(error) = begun {
            return ready(Err(Arc::new(error))).boxed().shared();
        }
        let failed = |_| Err(Arc::new(io::Error::other("the lookup has panicked")));
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

/// A lookup in progress. On drop, however its thread ends, the host can be looked up anew.
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
