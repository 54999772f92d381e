//! Dials one peer for as long as the local node needs a session with it.

use std::{
    future::pending,
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
use smol::{Async, Timer, channel::Receiver, future::or};

use super::{
    endpoint::Endpoint,
    failure::Failure,
    handshake_io::{Opened, nonce, receive, send, within},
    tasks,
};
use crate::{
    log,
    net::{
        addresses::Addresses,
        error::ConnectError,
        race::{Race, Step},
        stream::Stream,
    },
    proto::{
        handshake::{
            HandshakeError, Negotiated,
            attach::Bond,
            frames::{self, HandshakeFrames},
            outbound::{Outbound, OutboundStep},
            proof::Binding,
        },
        peers::{pairing::ConnId, peer::Plan},
        wire::Kind,
    },
};

/// Starts the task that dials `name`. If the task is lost, its dials fail.
pub(crate) fn start(endpoint: &Arc<Endpoint>, name: NodeName, wakeups: Receiver<()>) {
    let work = run(endpoint.clone(), name.clone(), wakeups);
    endpoint.tasks.spawn(endpoint, tasks::DIALER, work, move |endpoint| endpoint.dialer_lost(&name));
}

/// The task that dials `name`. It is wakeups through `wakeups` when the plan or the addresses of
/// that peer have changed.
async fn run(endpoint: Arc<Endpoint>, name: NodeName, wakeups: Receiver<()>) {
    loop {
        match endpoint.plan(&name) {
            (Plan::Dial(deadline), known) => {
                let outcome = dial(&endpoint, &name, &known, deadline, &wakeups).await;
                endpoint.dialed(&name, &outcome);
            }
            (Plan::Sleep(until), _) => {
                let timer = Timer::at(until).fuse();
                let wakeups = wakeups.recv().fuse();
                pin_mut!(timer, wakeups);
                select_biased! {
                    _ = wakeups => {}
                    _ = timer => {}
                }
            }
            (Plan::Stop, _) => return,
        }
    }
}

/// Tries the peer's addresses until a session is established on one of them.
async fn dial(
    endpoint: &Arc<Endpoint>,
    name: &NodeName,
    known: &[refs::Address],
    deadline: Instant,
    wakeups: &Receiver<()>,
) -> Result<(), Failure> {
    let addresses = Addresses::of(endpoint.lookups.clone(), name, known);
    let mut dial =
        Dial { endpoint, name, deadline, wakeups, addresses, has_begun: false, most_specific: None };
    loop {
        let Some((conn, registration)) = endpoint.begin_dial(name) else { return Err(Failure::DROPPED) };
        dial.has_begun = false;
        let tried = Abortable::new(dial.attempt(conn), registration).await;
        if !matches!(tried, Ok(Tried::Session)) {
            endpoint.closed(name, conn);
        }
        match tried {
            Ok(Tried::Session) => return Ok(()),
            Ok(Tried::Failed(address, failure)) if is_final(&failure) => {
                dial.count(Some(address), &failure);
                return Err(failure);
            }
            Ok(Tried::Failed(address, failure)) => dial.note(address, failure),
            Ok(Tried::Exhausted) => return Err(dial.final_failure()),
            Err(Aborted) => {
                if dial.has_begun {
                    dial.count(None, &Failure::DROPPED);
                }
                return Err(Failure::DROPPED);
            }
        }
    }
}

/// A dial in progress.
///
/// A dial runs at most one handshake at a time: connections race before any byte is exchanged on
/// them, and the next race starts when the handshake with the winner of the last one has failed.
struct Dial<'a> {
    endpoint: &'a Arc<Endpoint>,
    name: &'a NodeName,
    deadline: Instant,
    /// A message means that the plan or the addresses of that peer may have changed.
    wakeups: &'a Receiver<()>,
    addresses: Addresses,
    /// Whether an attempt to connect has started since the last [`Endpoint::begin_dial`].
    has_begun: bool,
    /// The most specific failure so far, see [`specificity`].
    most_specific: Option<Failure>,
}

/// The result of one attempt.
enum Tried {
    Session,
    /// A connection was made, but the handshake on it failed.
    Failed(SocketAddr, Failure),
    /// No address accepted a connection, or the deadline has passed.
    Exhausted,
}

impl Dial<'_> {
    /// Connects to the first address that accepts, and runs the handshake there within a share of
    /// the time that is left.
    async fn attempt(&mut self, conn: ConnId) -> Tried {
        let Some((address, tcp)) = self.first_connected().await else { return Tried::Exhausted };
        let share = left(self.deadline) / (self.addresses.left() as u32 + 1);
        match within(share, call(self.endpoint, self.name, conn, address, tcp)).await {
            Ok(()) => Tried::Session,
            Err(failure) => Tried::Failed(address, failure),
        }
    }

    async fn first_connected(&mut self) -> Option<(SocketAddr, Async<TcpStream>)> {
        let mut race = Race::new(self.deadline, self.endpoint.config.head_start());
        loop {
            match or(self.wakeups(), race.step(&mut self.addresses).map(Some)).await {
                None => self.addresses.add(&self.endpoint.addresses(self.name)),
                Some(Step::Begin(address)) => {
                    self.endpoint.counters.dials.add();
                    self.has_begun = true;
                    race.begin(address, &self.addresses, connect(self.endpoint, address));
                }
                Some(Step::Connected(address, tcp)) => {
                    self.addresses.put_back(race.give_up().into_iter());
                    return Some((address, tcp));
                }
                Some(Step::Failed(address, error)) => self.note(address, error.into()),
                Some(Step::Exhausted) => return None,
                Some(Step::Late) => {
                    race.give_up().into_iter().for_each(|address| self.note(address, Failure::TIMEOUT));
                    return None;
                }
            }
        }
    }

    /// Returns `None` once a message arrives: the plan or the addresses of the peer have changed.
    fn wakeups<T>(&self) -> impl Future<Output = Option<T>> + use<T> {
        let wakeups = self.wakeups.clone();
        async move {
            match wakeups.recv().await {
                Ok(()) => None,
                Err(_) => pending().await,
            }
        }
    }

    /// Records that the attempt at `address` has failed.
    fn note(&mut self, address: SocketAddr, failure: Failure) {
        self.count(Some(address), &failure);
        if self
            .most_specific
            .as_ref()
            .is_none_or(|most_specific| specificity(&failure) > specificity(most_specific))
        {
            self.most_specific = Some(failure);
        }
    }

    fn count(&self, address: Option<SocketAddr>, failure: &Failure) {
        failure.count_dial(&self.endpoint.counters);
        log::dial_failed(self.name, address, failure, failure.needs_operator());
    }

    /// The failure to report when no address led to a session.
    fn final_failure(mut self) -> Failure {
        if let Some(error) = self.addresses.unreachable_reason() {
            let failure = Failure::from(error);
            self.endpoint.counters.dials_nowhere.add();
            log::dial_failed(self.name, None, &failure, failure.needs_operator());
            return failure;
        }
        self.most_specific.unwrap_or(Failure::TIMEOUT)
    }
}

/// Whether the dial ends with this failure and tries no other address: the peer has answered, or
/// the dial is no longer needed.
fn is_final(failure: &Failure) -> bool {
    matches!(failure, Failure::Handshake(HandshakeError::Dropped | HandshakeError::Refused(_)))
}

/// Runs the handshake on a connection to `address`, and establishes the session.
async fn call(
    endpoint: &Arc<Endpoint>,
    name: &NodeName,
    conn: ConnId,
    address: SocketAddr,
    tcp: Async<TcpStream>,
) -> Result<(), Failure> {
    let stream = endpoint.config.security().dial(name, tcp).await?;
    let binding = stream.binding()?;
    let mut handshake = Outbound::new(&endpoint.identity, name, conn, nonce()?, binding);
    let negotiated = shake(endpoint, name, conn, &stream, &mut handshake).await?;
    if !endpoint.dial_accepted(conn, &negotiated) {
        return Err(Failure::DROPPED);
    }
    let (bond, carried) = handshake.into_session();
    let mut connections = vec![Opened { stream, carried }];
    connections.extend(attach(endpoint, name, address, &bond, negotiated.channels.len()).await?);
    if endpoint.establish(conn, negotiated, connections) { Ok(()) } else { Err(Failure::DROPPED) }
}

/// Runs the handshake on a connection until the peer has accepted.
async fn shake(
    endpoint: &Arc<Endpoint>,
    name: &NodeName,
    conn: ConnId,
    stream: &Stream,
    handshake: &mut Outbound,
) -> Result<Negotiated, Failure> {
    loop {
        match handshake.step()? {
            OutboundStep::Send(frame) => send(stream, &frame).await?,
            OutboundStep::Receive => receive(stream, handshake.frames()).await?,
            OutboundStep::AskForHello => handshake.may_say_hello(endpoint.hello_written(name, conn)),
            OutboundStep::AskForSession => handshake.still_there(endpoint.still_there(name, conn)),
            OutboundStep::Accepted(negotiated) => return Ok(negotiated),
        }
    }
}

/// Opens the further connections of a session, one for each channel, and returns them in the order
/// of the channels.
async fn attach(
    endpoint: &Endpoint,
    name: &NodeName,
    address: SocketAddr,
    bond: &Bond,
    connections: usize,
) -> Result<Vec<Opened>, Failure> {
    let local = &endpoint.identity;
    let attach_one = |channel: u8| async move {
        let tcp = connect(endpoint, address).await?;
        let stream = endpoint.config.security().dial(name, tcp).await?;
        let binding = Binding(stream.binding()?);
        send(&stream, &frames::encode(Kind::Attach, &bond.attach(local, channel, binding))).await?;
        let mut frames = HandshakeFrames::new();
        let (kind, body) = loop {
            match frames.next()? {
                Some(frame) => break frame,
                None => receive(&stream, &mut frames).await?,
            }
        };
        bond.confirmed(local, channel, binding, kind, &body)?;
        Ok(Opened { stream, carried: frames.into_rest() })
    };
    // Concurrently, because the peer confirms none of them before all have arrived.
    try_join_all((1..=connections).map(|channel| attach_one(channel as u8))).await
}

/// Connects to `address`. Sends nothing.
async fn connect(endpoint: &Endpoint, address: SocketAddr) -> Result<Async<TcpStream>, ConnectError> {
    if !endpoint.config.may_serve(address) {
        return Err(ConnectError::Unsecured);
    }
    let tcp = Async::<TcpStream>::connect(address).await?;
    if tcp.get_ref().local_addr()? == tcp.get_ref().peer_addr()? {
        // No program listens there, and the system chose that same port for the local end: the
        // socket is connected to itself.
        return Err(io::Error::from(io::ErrorKind::ConnectionRefused).into());
    }
    Ok(tcp)
}

fn left(deadline: Instant) -> std::time::Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// Ranks failures of attempts at several addresses: the attempt that got furthest says most about
/// the peer.
fn specificity(failure: &Failure) -> u8 {
    match failure.end_kind() {
        EndKind::Unreachable => 0,
        EndKind::Refused => 1,
        EndKind::SetupTimeout => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests;
