//! Dials one peer for as long as somebody wants a session with it.

use std::{
    io,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Instant,
};

use futures::{
    FutureExt,
    future::{Abortable, Aborted, try_join_all},
    pin_mut, select_biased,
};
use peer_service::{EndKind, NodeName};
use smol::{Async, Timer, channel::Receiver};

use crate::{
    addresses,
    handshake::{
        Failure,
        attach::Bond,
        conversation::{Conversation, within},
        initiator::{Decision, Initiator},
        messages::Nonce,
    },
    hub::Hub,
    log,
    pairing::ConnId,
    peer::Plan,
    protection,
    stream::Stream,
    wire::Kind,
};

/// The task that dials `name`. It is woken when something has changed for that peer.
pub(crate) async fn run(hub: Arc<Hub>, name: NodeName, woken: Receiver<()>) {
    loop {
        match hub.plan(&name) {
            (Plan::Dial(deadline), known) => {
                let outcome = dial(&hub, &name, &known, deadline).await;
                hub.dialled(&name, &outcome);
            }
            (Plan::Sleep(until), _) => {
                let timer = Timer::at(until).fuse();
                let woken = woken.recv().fuse();
                pin_mut!(timer, woken);
                select_biased! {
                    _ = woken => {}
                    _ = timer => {}
                }
            }
            (Plan::Stop, _) => return,
        }
    }
}

/// Tries the peer's addresses in turn, each with its share of the time that is left.
async fn dial(
    hub: &Arc<Hub>,
    name: &NodeName,
    known: &[refs::Address],
    deadline: Instant,
) -> Result<(), Failure> {
    let candidates = within(left(deadline), addresses::of(name, known)).await;
    let candidates = candidates.inspect_err(|failure| {
        hub.counters.dials_nowhere.add();
        log::dial_failed(name, None, failure);
    })?;
    let mut worst = Failure::Io(io::ErrorKind::AddrNotAvailable.into());
    for (at, address) in candidates.iter().enumerate() {
        let Some((conn, registration)) = hub.begin_dial(name) else { return Err(Failure::Dropped) };
        let share = left(deadline) / (candidates.len() - at) as u32;
        hub.counters.dials.add();
        let attempt = Abortable::new(within(share, call(hub, name, conn, *address)), registration);
        let failure = match attempt.await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(failure)) => failure,
            Err(Aborted) => Failure::Dropped,
        };
        hub.closed(name, conn);
        failure.count_dial(&hub.counters);
        log::dial_failed(name, Some(*address), &failure);
        if matches!(failure, Failure::Dropped | Failure::Refused(_)) {
            return Err(failure);
        }
        if at == 0 || telling(&failure) > telling(&worst) {
            worst = failure;
        }
    }
    Err(worst)
}

/// One connection: shakes hands and hands the session out.
async fn call(hub: &Arc<Hub>, name: &NodeName, conn: ConnId, address: SocketAddr) -> Result<(), Failure> {
    let mut conversation = Conversation::new(open(hub, name, address).await?);
    let binding = conversation.stream().binding()?;
    let (mut initiator, hello) = Initiator::hello(&hub.identity, name, conn.0, nonce()?, binding);
    if !hub.hello_written(name, conn) {
        return Err(Failure::Dropped);
    }
    conversation.send(Kind::Hello, &hello).await?;
    let (kind, body) = conversation.receive().await?;
    let proof = initiator.challenge(kind, &body)?;
    conversation.send(Kind::Proof, &proof).await?;

    let (kind, body) = conversation.receive().await?;
    let mut decision = initiator.verdict(kind, &body)?;
    if decision == Decision::StillThere {
        let still_there = hub.still_there(name, conn);
        conversation.send(Kind::Answer, &initiator.answer(still_there)).await?;
        if still_there {
            return Err(Failure::Dropped);
        }
        let (kind, body) = conversation.receive().await?;
        decision = initiator.verdict(kind, &body)?;
    }
    match decision {
        Decision::Accepted(met) if hub.dial_accepted(conn, &met) => {
            let mut connections = vec![conversation];
            connections.extend(attach(hub, name, address, &initiator.bond(), met.channels.len()).await?);
            if hub.establish(conn, met, connections) { Ok(()) } else { Err(Failure::Dropped) }
        }
        Decision::Accepted(_) => Err(Failure::Dropped),
        Decision::StillThere => Err(Failure::Malformed("asked twice")),
    }
}

/// The further connections of a session, in the order of their channels.
async fn attach(
    hub: &Hub,
    name: &NodeName,
    address: SocketAddr,
    bond: &Bond,
    connections: usize,
) -> Result<Vec<Conversation>, Failure> {
    let one = |channel: u8| async move {
        let mut conversation = Conversation::new(open(hub, name, address).await?);
        let binding = conversation.stream().binding()?;
        conversation.send(Kind::Attach, &bond.attach(&hub.identity, channel, binding)).await?;
        let (kind, body) = conversation.receive().await?;
        bond.confirmed(&hub.identity, channel, binding, kind, &body)?;
        Ok(conversation)
    };
    // At once: the peer answers none before all have come.
    try_join_all((1..=connections).map(|at| one(at as u8))).await
}

/// A connection to that address, on which nothing of ours was said yet. With TLS it leads to the node of that name.
async fn open(hub: &Hub, name: &NodeName, address: SocketAddr) -> Result<Stream, Failure> {
    if !hub.config.may_serve(address) {
        return Err(Failure::Unsecured);
    }
    let tcp = Async::<TcpStream>::connect(address).await?;
    if tcp.get_ref().local_addr()? == tcp.get_ref().peer_addr()? {
        // Nobody listens there, and the system chose that very port for our end: we have called ourselves.
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    }
    protection::dial(&hub.config, name, tcp).await
}

/// A number used once.
pub(crate) fn nonce() -> Result<Nonce, Failure> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)
        .map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
    Ok(nonce)
}

fn left(deadline: Instant) -> std::time::Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// How much a failure tells: of several addresses, the one that came furthest speaks for the peer.
fn telling(failure: &Failure) -> u8 {
    match failure.end_kind() {
        EndKind::Unreachable => 0,
        EndKind::Refused => 1,
        EndKind::SetupTimeout => 2,
        _ => 3,
    }
}
