//! Clients of a node that are no nodes: who looks into it over a socket.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{
    Stream, StreamExt,
    future::{AbortHandle, AbortRegistration, Abortable},
};
use smol::{
    Timer,
    lock::{Semaphore, SemaphoreGuardArc},
};

use crate::{background, log, state::Inner};

/// How many are served at once; others wait for their turn.
const MAX_CLIENTS: usize = 16;
/// How long a client may take in all.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take until it has asked.
const SILENCE: Duration = Duration::from_secs(2);

/// Whether a client has asked its question.
#[derive(Clone, Default)]
pub(crate) struct Asked(Arc<AtomicBool>);

impl Asked {
    /// It has.
    pub(crate) fn set(&self) {
        // Nothing is inferred from it about anything else.
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Serves clients on the node's executor, until the node is gone.
pub(crate) async fn serve<S, F>(
    node: Weak<Inner>,
    mut clients: impl Stream<Item = io::Result<S>> + Unpin,
    converse: impl Fn(S, Weak<Inner>, Asked) -> F,
) where
    S: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut places = Places::new();
    while let Some(client) = clients.next().await {
        match client {
            Ok(client) => {
                let (place, asked, dismissed) = places.take().await;
                let Some(inner) = node.upgrade() else { return };
                let conversation = converse(client, node.clone(), asked.clone());
                let node = node.clone();
                let serving = async move {
                    let served = Abortable::new(in_time(conversation, asked), dismissed).await;
                    if let (false, Some(node)) = (served == Ok(true), node.upgrade()) {
                        node.counters.questions_slow.add_one();
                    }
                    drop(place);
                };
                inner.run_task(background::CLIENT, serving, background::nothing);
            }
            Err(error) => {
                if let Some(node) = node.upgrade() {
                    node.counters.questions_accept_errors.add_one();
                }
                // Most likely descriptors have run out: there may be some again in a while.
                log::client_not_accepted(error);
                Timer::after(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether the client has asked, and was answered, before its time was up.
async fn in_time(conversation: impl Future<Output = ()>, asked: Asked) -> bool {
    let conversation = async {
        conversation.await;
        true
    };
    let late = async {
        Timer::after(SILENCE).await;
        if asked.get() {
            Timer::after(TIMEOUT.saturating_sub(SILENCE)).await;
        }
        false
    };
    smol::future::or(conversation, late).await
}

/// Places for clients, and who has one and has said nothing so far, in the order in which they came.
struct Places {
    free: Arc<Semaphore>,
    silent: Vec<(Weak<AtomicBool>, AbortHandle)>,
}

impl Places {
    fn new() -> Self {
        Places { free: Arc::new(Semaphore::new(MAX_CLIENTS)), silent: Vec::new() }
    }

    /// A place for one more; if there is none, that of the one who has been silent for the longest.
    async fn take(&mut self) -> (SemaphoreGuardArc, Asked, AbortRegistration) {
        self.silent.retain(|(asked, _)| asked.upgrade().is_some_and(|asked| !Asked(asked).get()));
        let place = match self.free.try_acquire_arc() {
            Some(place) => place,
            None => {
                if !self.silent.is_empty() {
                    self.silent.remove(0).1.abort();
                }
                self.free.acquire_arc().await
            }
        };
        let (dismiss, dismissed) = AbortHandle::new_pair();
        let asked = Asked::default();
        self.silent.push((Arc::downgrade(&asked.0), dismiss));
        (place, asked, dismissed)
    }
}
