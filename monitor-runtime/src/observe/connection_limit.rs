//! Clients of a node that are no nodes: programs that look into it over a socket.
//!
//! | what | where |
//! |---|---|
//! | accepting clients, and the time that each may take | here |
//! | the places of clients, and who has to leave when all are taken | `clients/places.rs` |
//! | one client: its stream, and how far it has come | `clients/client.rs` |
//!
//! A client holds a *place* from its connection to the end of its answer. Once it has asked, it
//! waits for one of fewer *turns*, which bound the answers that exist at once. While all places are
//! taken, a client that has not asked for a while gives its place to a newcomer; one that has sent
//! its question is never sent away for others.

use std::{
    future::Future,
    io,
    sync::Weak,
    time::{Duration, Instant},
};

use futures::{Stream, StreamExt};
use peer_service::log_limit::LogLimit;
use smol::Timer;

use crate::{engine::state::Inner, records::log, tasks::background};

mod client;
mod slots;

pub(crate) use client::{Client, Progress};
use slots::Slots;

/// Maximum number of clients that are connected at once; others wait in the queue of the operating
/// system.
const MAX_CLIENTS: usize = 128;
/// Maximum number of answers that are made and written at once.
const MAX_RESPONSES: usize = 16;
/// How long a client may take to read its answer, and how long it waits for one.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may take until it has asked.
const SILENCE: Duration = Duration::from_secs(2);

/// Serves clients on the node's executor, until the node is gone. `kind` says in the log what they
/// connect to.
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
                inner.run_task(background::CLIENT, serving, background::nothing);
            }
            Err(error) => {
                if let Some(node) = node.upgrade() {
                    node.counters.questions_accept_errors.add_one();
                }
                if let Some(times) = warnings.another(Instant::now()) {
                    log::client_not_accepted(error, kind, times);
                }
                // Most likely descriptors have run out: there may be some again in a while.
                Timer::after(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Whether the exchange ended before the client's time was up. It is polled first, so that a
/// question that has arrived in time counts.
async fn in_time(exchange: impl Future<Output = ()>, progress: &Progress) -> bool {
    let exchange = async {
        exchange.await;
        true
    };
    let late = async {
        Timer::after(SILENCE).await;
        if progress.has_asked() {
            // Waiting for others is not the client's fault.
            progress.await_turn().await;
            Timer::after(TIMEOUT).await;
        }
        false
    };
    smol::future::or(exchange, late).await
}
