//! Accepts connections and shakes hands with whoever is there, within limits.

use std::{
    io::ErrorKind,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{FutureExt, pin_mut, select_biased};
use peer_service::NodeName;
use smol::{Async, Timer};

use crate::{
    dialer::nonce,
    gatherings::Gathering,
    handshake::{
        Failure,
        acceptor::Acceptor,
        conversation::{Conversation, within},
    },
    hub::Hub,
    pairing::{ConnId, Refusal},
    peer::Fate,
    stream::Stream,
    wire::Kind,
};

/// How long the listener rests after an error such as too many open files; doubles up to a second.
const FIRST_REST: Duration = Duration::from_millis(10);

/// Accepts until it is cancelled.
pub(crate) async fn run(hub: Arc<Hub>, listener: Async<TcpListener>) {
    let pending = Arc::new(AtomicUsize::new(0));
    let mut rest = FIRST_REST;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                rest = FIRST_REST;
                hub.counters.accepted.add();
                match Pending::begin(&pending, hub.config.max_pending) {
                    Some(slot) => hub.spawn(admit(hub.clone(), stream, slot)),
                    None => hub.counters.refused_busy.add(),
                }
            }
            // The newcomer has gone already.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
            Err(error) => {
                hub.counters.accept_errors.add();
                tracing::warn!(%error, "cannot accept connections");
                Timer::after(rest).await;
                rest = (rest * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// One handshake under way.
struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn begin(pending: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let before = pending.fetch_add(1, Ordering::Relaxed);
        let slot = Pending(pending.clone());
        (before < most).then_some(slot)
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn admit(hub: Arc<Hub>, tcp: Async<TcpStream>, slot: Pending) {
    let peer = tcp.get_ref().peer_addr();
    if let Err(failure) = within(hub.config.setup_timeout, shake(&hub, tcp)).await {
        failure.count(&hub.counters);
        tracing::debug!(?peer, %failure, "newcomer refused");
    }
    drop(slot);
}

async fn shake(hub: &Arc<Hub>, tcp: Async<TcpStream>) -> Result<(), Failure> {
    let mut conversation = Conversation::new(Stream::plain(tcp));
    let (kind, body) = conversation.receive().await?;
    if kind == Kind::Attach {
        return hub.gatherings.join(&hub.identity, &body, conversation);
    }
    let acceptor = match identify(hub, &mut conversation, kind, &body).await {
        Ok(acceptor) => acceptor,
        Err(failure) => {
            if let Some(reject) = failure.reject() {
                // A courtesy; whoever is there may not care.
                let _ = conversation.send(Kind::Reject, &reject.encode()).await;
            }
            return Err(failure);
        }
    };
    decide(hub, conversation, acceptor).await
}

/// Lets the newcomer prove who it is, whose first frame that is.
async fn identify<'h>(
    hub: &'h Arc<Hub>,
    conversation: &mut Conversation,
    kind: Kind,
    body: &[u8],
) -> Result<Acceptor<'h>, Failure> {
    let (mut acceptor, challenge) = Acceptor::hello(&hub.identity, kind, body, nonce()?)?;
    conversation.send(Kind::Challenge, &challenge).await?;
    let (kind, body) = conversation.receive().await?;
    acceptor.proof(kind, &body)?;
    Ok(acceptor)
}

/// Has the pairing decide, and tells the newcomer.
async fn decide(
    hub: &Arc<Hub>,
    mut conversation: Conversation,
    mut acceptor: Acceptor<'_>,
) -> Result<(), Failure> {
    let name = acceptor.peer().name.clone();
    let newcomer = Newcomer { hub, name: &name, conn: ConnId(hub.number()) };
    let fates = hub.propose(acceptor.peer(), acceptor.dial(), newcomer.conn);
    loop {
        let fate = {
            let fate = fates.recv().fuse();
            let interrupted = conversation.interrupted().fuse();
            pin_mut!(fate, interrupted);
            select_biased! {
                fate = fate => fate.map_err(|_| Failure::Dropped)?,
                failure = interrupted => return Err(failure),
            }
        };
        match fate {
            Fate::Asked => {
                conversation.send(Kind::Verdict, &acceptor.ask()).await?;
                // Whatever is decided meanwhile is said after the answer, so that both hear the same in the
                // same order.
                let (kind, body) = conversation.receive().await?;
                let still_there = acceptor.answer(kind, &body)?;
                hub.answered(&name, newcomer.conn, still_there);
                if still_there {
                    // It has hung up, whatever was decided meanwhile.
                    return Err(Failure::Refused(Refusal::StandsAlready));
                }
            }
            Fate::Refused(refusal) => {
                conversation.send(Kind::Verdict, &acceptor.refuse(refusal)).await?;
                return Err(Failure::Refused(refusal));
            }
            Fate::Accepted => {
                let verdict = acceptor.accept();
                let met = acceptor.met();
                let gathering = hub.gatherings.begin(acceptor.bond(), met.channels.len());
                conversation.send(Kind::Verdict, &verdict).await?;
                let connections = gather(hub, conversation, gathering).await?;
                let conn = newcomer.conn;
                std::mem::forget(newcomer);
                let established = hub.establish(conn, met, connections);
                return if established { Ok(()) } else { Err(Failure::Dropped) };
            }
        }
    }
}

/// All connections of the session, the first one first. Nothing is said on that before the others stand.
async fn gather(
    hub: &Arc<Hub>,
    mut first: Conversation,
    gathering: Gathering,
) -> Result<Vec<Conversation>, Failure> {
    let mut others = {
        let others = gathering.complete(&hub.identity).fuse();
        let interrupted = first.interrupted().fuse();
        pin_mut!(others, interrupted);
        select_biased! {
            others = others => others?,
            failure = interrupted => return Err(failure),
        }
    };
    others.insert(0, first);
    Ok(others)
}

/// A connection that was proposed. Reports that it is over, however its task ends.
struct Newcomer<'a> {
    hub: &'a Arc<Hub>,
    name: &'a NodeName,
    conn: ConnId,
}

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        self.hub.closed(self.name, self.conn);
    }
}
