//! Clients of a node that are no nodes: who looks into it over a socket.

use std::{
    future::Future,
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use futures::{Stream, StreamExt};
use smol::{Timer, lock::Semaphore};

use crate::state::Inner;

/// How many are served at once; others wait for their turn.
const MAX_CLIENTS: usize = 16;
/// How long a client may take.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Serves clients on the node's executor, until the node is gone.
pub(crate) async fn serve<S, F>(
    node: Weak<Inner>,
    mut clients: impl Stream<Item = io::Result<S>> + Unpin,
    converse: impl Fn(S, Weak<Inner>) -> F,
) where
    S: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_CLIENTS));
    loop {
        let place = places.acquire_arc().await;
        let Some(client) = clients.next().await else { return };
        match client {
            Ok(client) => {
                let Some(inner) = node.upgrade() else { return };
                let (conversation, node) = (converse(client, node.clone()), node.clone());
                (inner.spawner)(Box::pin(async move {
                    let conversation = async {
                        conversation.await;
                        true
                    };
                    let late = async {
                        Timer::after(TIMEOUT).await;
                        false
                    };
                    let in_time = smol::future::or(conversation, late).await;
                    if let (false, Some(node)) = (in_time, node.upgrade()) {
                        node.counters.questions_slow.add_one();
                    }
                    drop(place);
                }));
            }
            Err(error) => {
                if let Some(node) = node.upgrade() {
                    node.counters.questions_accept_errors.add_one();
                }
                // Most likely descriptors have run out: there may be some again in a while.
                tracing::warn!(%error, "who would look into this node cannot be let in");
                Timer::after(Duration::from_secs(1)).await;
            }
        }
    }
}
