//! Limits for clients that inspect a node over a socket.
//!
//! | what | where |
//! |---|---|
//! | accepting clients, and the time that each may take | here |
//! | the slots of clients, and the choice of the client to disconnect when all are in use | `connection_limit/slots.rs` |
//! | one client: its stream and its progress | `connection_limit/client.rs` |
//!
//! A client holds a *slot* from its connection to the end of its response. Once it has sent its
//! request, it waits for one of fewer *turns*, which limit the number of concurrent responses.
//! While all slots are in use, a client that has sent no request for a while loses its slot to a
//! new client. A client that has sent its request is never disconnected for others.

use std::{
    future::Future,
    io,
    sync::Weak,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use peer_service::log_limit::LogLimit;
use smol::Timer;

use crate::{engine::state::Inner, records::log, tasks::kinds};

mod client;
mod slots;

pub(crate) use client::{Client, Progress};
use slots::Slots;

/// Maximum number of clients that are connected at once. Others wait in the queue of the operating
/// system.
const MAX_CLIENTS: usize = 128;
/// Maximum number of responses that are made and written at once.
const MAX_RESPONSES: usize = 16;
/// Maximum time in which a client reads its response, and for which it waits for one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// Maximum time until a client has sent its request.
const SILENCE: Duration = Duration::from_secs(2);

/// Serves clients on the node's executor, until the node is dropped. `kind` names the socket in the
/// log.
pub(crate) async fn serve<S, F>(
    node: Weak<Inner>,
    kind: &'static str,
    mut clients: impl Stream<Item = io::Result<S>> + Unpin,
    handle: impl Fn(Client<S>, Weak<Inner>) -> F,
) where
    S: Send + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let mut slots = Slots::new(MAX_CLIENTS, MAX_RESPONSES);
    let mut warnings = LogLimit::default();
    while let Some(stream) = clients.next().await {
        match stream {
            Ok(stream) => {
                let (slot, progress) = slots.acquire().await;
                let Some(inner) = node.upgrade() else { return };
                let exchange = handle(Client::new(stream, progress.clone()), node.clone());
                let node = node.clone();
                let serving = async move {
                    let answered = in_time(exchange, &progress).await && !progress.is_dismissed();
                    if let (false, Some(node)) = (answered, node.upgrade()) {
                        node.counters.questions_slow.add_one();
                    }
                    drop(slot);
                };
                inner.run_task(kinds::CLIENT, serving, kinds::settled_on_drop);
            }
            Err(error) => {
                if let Some(node) = node.upgrade() {
                    node.counters.questions_accept_errors.add_one();
                }
                if let Some(times) = warnings.another(Instant::now()) {
                    log::client_not_accepted(error, kind, times);
                }
                // Most likely no file descriptor is free; retry after a while.
                Timer::after(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether the exchange ended before the client's timeout. The exchange is polled first, so that a
/// request that has arrived in time counts.
async fn in_time(exchange: impl Future<Output = ()>, progress: &Progress) -> bool {
    let exchange = async {
        exchange.await;
        true
    };
    let late = async {
        Timer::after(SILENCE).await;
        if progress.has_asked() {
            // The time until its turn does not count against the client.
            progress.await_turn().await;
            Timer::after(TIMEOUT).await;
        }
        false
    };
    smol::future::or(exchange, late).await
}
