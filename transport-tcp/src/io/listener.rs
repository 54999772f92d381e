//! Accepts inbound connections and runs their handshakes, within limits.

use std::{
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    time::Instant,
};

use futures::{
    FutureExt,
    future::{AbortHandle, AbortRegistration, Abortable, Aborted},
    pin_mut, select_biased,
};
use parking_lot::Mutex;
use peer_service::{NodeId, NodeName, log_limit::LogLimit};
use smol::{Async, Timer};

use super::{
    endpoint::Endpoint,
    failure::Failure,
    handshake_io::{Opened, interrupted, nonce, receive, send, within},
    tasks,
};
use crate::{
    log,
    net::{security::NO_TLS_HERE, stream::Stream},
    proto::{
        accept_errors::AcceptErrors,
        admission::{Admission, AdmissionTable, Ticket},
        handshake::{
            HandshakeError,
            inbound::{Inbound, InboundStep},
            messages::Reject,
        },
        peers::pairing::ConnId,
    },
};

/// Accepts connections until it is canceled.
pub(crate) async fn run(endpoint: Arc<Endpoint>, listener: Arc<Async<TcpListener>>) {
    let admission = AdmissionTable::new(endpoint.config.max_pending, endpoint.config.max_pending_per_address);
    let shared = Arc::new(Unauthenticated { admission: Mutex::new(admission), warnings: Mutex::default() });
    let mut errors = AcceptErrors::new();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                errors.over();
                endpoint.counters.accepted.add();
                match Place::take(&shared, from.ip()) {
                    Some((place, evicted)) => {
                        let admission = admit(endpoint.clone(), stream, place, evicted);
                        endpoint.tasks.spawn(&endpoint, tasks::ADMISSION, admission, |_| {});
                        // The connection's task runs before the next connection is accepted:
                        // otherwise a burst of connections could evict some that were never read.
                        smol::future::yield_now().await;
                    }
                    None => endpoint.counters.refused_busy_address.add(),
                }
            }
            // The connection has ended already.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
            Err(error) => {
                endpoint.counters.accept_errors.add();
                let advice = errors.another(Instant::now());
                if let Some(times) = advice.warn {
                    log::accept_failed(error, times);
                }
                Timer::after(advice.pause).await;
            }
        }
    }
}

/// The state that all inbound connections share.
struct Unauthenticated {
    admission: Mutex<AdmissionTable<AbortHandle>>,
    /// Limits the warnings about refused connections.
    warnings: Mutex<LogLimit>,
}

impl Unauthenticated {
    /// Logs a refusal. A failure that needs an operator is a warning, at a limited rate:
    /// unauthenticated peers can cause any number of them.
    fn report(&self, peer: io::Result<SocketAddr>, failure: &Failure) {
        let times = failure.needs_operator().then(|| self.warnings.lock().another(Instant::now())).flatten();
        log::inbound_refused(peer, failure, times);
    }
}

/// The place of a connection that has not proved its node yet. It is released on drop.
struct Place {
    shared: Arc<Unauthenticated>,
    ticket: Ticket,
}

impl Place {
    /// Takes a place for a connection from that address; the registration is aborted when the place
    /// is given to another connection. `None` if too many connections of that address have one.
    fn take(shared: &Arc<Unauthenticated>, from: IpAddr) -> Option<(Self, AbortRegistration)> {
        let (handle, evicted) = AbortHandle::new_pair();
        let admission = shared.admission.lock().arrived(from, handle);
        let ticket = match admission {
            Admission::Admitted(ticket) => ticket,
            Admission::InPlaceOf(other, ticket) => {
                other.abort();
                ticket
            }
            Admission::AddressBusy => return None,
        };
        Some((Place { shared: shared.clone(), ticket }, evicted))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shared.admission.lock().left(self.ticket);
    }
}

async fn admit(endpoint: Arc<Endpoint>, tcp: Async<TcpStream>, place: Place, evicted: AbortRegistration) {
    let peer = tcp.get_ref().peer_addr();
    let shared = place.shared.clone();
    let result =
        Abortable::new(within(endpoint.config.get_setup_timeout(), shake(&endpoint, tcp, place)), evicted);
    match result.await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            failure.count(&endpoint.counters);
            shared.report(peer, &failure);
        }
        Err(Aborted) => {
            endpoint.counters.refused_busy.add();
            log::inbound_evicted(peer);
        }
    }
}

async fn shake(endpoint: &Arc<Endpoint>, tcp: Async<TcpStream>, place: Place) -> Result<(), Failure> {
    let stream = endpoint.config.security().accept(tcp).await?;
    let binding = stream.binding()?;
    let mut handshake = Inbound::new(&endpoint.identity, nonce()?, binding);
    match identify(&stream, &mut handshake).await {
        Ok(Identified::Node(proved)) => {
            // The connection's node is proved: from here on no other connection can evict it.
            drop(place);
            decide(endpoint, stream, handshake, proved).await
        }
        Ok(Identified::Attachment(body)) => {
            let opened = Opened { stream, carried: handshake.into_rest() };
            match endpoint.channel_joins.attach(&endpoint.identity, &body, &opened) {
                Ok(place) => place.try_send(opened).map_err(|_| Failure::DROPPED),
                Err(failure) => {
                    reject(&opened.stream, &failure).await;
                    Err(failure)
                }
            }
        }
        Err(failure) => {
            reject(&stream, &failure).await;
            Err(failure)
        }
    }
}

/// Sends the reason of the rejection, if the protocol has a code for it. The peer may be gone.
async fn reject(stream: &Stream, failure: &Failure) {
    let reject = match failure {
        // To a peer that begins with TLS, which this node does not support, the answer is a TLS
        // alert.
        Failure::Handshake(HandshakeError::SpeaksTls) => {
            let _ = stream.write_all(NO_TLS_HERE).await;
            return;
        }
        Failure::Handshake(error) => error.reject(),
        Failure::Connect(error) => error.is_wrong_name().then_some(Reject::NameNotInCertificate),
    };
    if let Some(reject) = reject {
        let _ = send(stream, &reject.to_frame()).await;
    }
}

/// The kind of an inbound connection.
enum Identified {
    Node(Proved),
    /// A further connection of a session, with the body of its ATTACH.
    Attachment(Vec<u8>),
}

/// The proved node of an inbound connection.
struct Proved {
    node: NodeId,
    dial: u64,
}

/// Runs the handshake until the peer has proved its node.
async fn identify(stream: &Stream, handshake: &mut Inbound) -> Result<Identified, Failure> {
    loop {
        match handshake.step()? {
            InboundStep::Send(frame) => send(stream, &frame).await?,
            InboundStep::Receive => receive(stream, handshake.frames()).await?,
            InboundStep::CheckName(name) => stream.check_peer_name(&name)?,
            InboundStep::Attach(body) => return Ok(Identified::Attachment(body)),
            InboundStep::Proved(node, dial) => return Ok(Identified::Node(Proved { node, dial })),
            step => unreachable!("{step:?} before the proof"),
        }
    }
}

/// Asks the table of peers for a decision, and sends it to the peer.
async fn decide(
    endpoint: &Arc<Endpoint>,
    stream: Stream,
    mut handshake: Inbound,
    Proved { node, dial }: Proved,
) -> Result<(), Failure> {
    let connection = Proposed { endpoint, name: &node.name, conn: endpoint.inbound() };
    let conn = connection.conn;
    let decisions = endpoint.propose(&node, dial, conn);
    let mut accepted = None;
    loop {
        match handshake.step()? {
            InboundStep::Send(frame) => send(&stream, &frame).await?,
            InboundStep::Receive => receive(&stream, handshake.frames()).await?,
            InboundStep::AwaitDecision => {
                let decision = unless_interrupted(&stream, &mut handshake, decisions.recv()).await?;
                handshake.decide(decision.map_err(|_| HandshakeError::Dropped)?);
            }
            InboundStep::Answered(still_there) => endpoint.answered(&node.name, conn, still_there),
            InboundStep::Accepted(negotiated) => {
                let bond = handshake.bond().expect("the peer has proved itself");
                let join = endpoint.channel_joins.begin(bond, &node.name, negotiated.channels.len());
                accepted = Some((negotiated, join));
            }
            InboundStep::Established => break,
            step => unreachable!("{step:?} after the proof"),
        }
    }
    let (negotiated, join) = accepted.expect("`Accepted` comes before `Established`");
    // Nothing is sent on the first connection before the others have arrived.
    let others = join.complete(&endpoint.identity);
    let others = unless_interrupted(&stream, &mut handshake, others).await??;
    let mut connections = vec![Opened { stream, carried: handshake.into_rest() }];
    connections.extend(others);
    std::mem::forget(connection);
    if endpoint.establish(conn, negotiated, connections) { Ok(()) } else { Err(Failure::DROPPED) }
}

/// The result of `work`, unless the peer closes the connection or sends something first.
async fn unless_interrupted<T>(
    stream: &Stream,
    handshake: &mut Inbound,
    work: impl Future<Output = T>,
) -> Result<T, Failure> {
    let work = work.fuse();
    let interrupted = interrupted(stream, handshake.frames()).fuse();
    pin_mut!(work, interrupted);
    select_biased! {
        result = work => Ok(result),
        failure = interrupted => Err(failure),
    }
}

/// A connection that was proposed to the table of peers. On drop it reports that it has closed.
struct Proposed<'a> {
    endpoint: &'a Arc<Endpoint>,
    name: &'a NodeName,
    conn: ConnId,
}

impl Drop for Proposed<'_> {
    fn drop(&mut self) {
        self.endpoint.closed(self.name, self.conn);
    }
}
