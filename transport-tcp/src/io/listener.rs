//! Accepts connections and shakes hands with whoever is there, within limits.

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

/// Accepts until it is cancelled.
pub(crate) async fn run(endpoint: Arc<Endpoint>, listener: Arc<Async<TcpListener>>) {
    let pending = AdmissionTable::new(endpoint.config.max_pending, endpoint.config.max_pending_per_address);
    let door = Arc::new(Door { pending: Mutex::new(pending), warnings: Mutex::default() });
    let mut errors = AcceptErrors::new();
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                errors.over();
                endpoint.counters.accepted.add();
                match Place::take(&door, from.ip()) {
                    Some((place, sent_away)) => {
                        let admission = admit(endpoint.clone(), stream, place, sent_away);
                        endpoint.tasks.spawn(&endpoint, tasks::ADMISSION, admission, |_| {});
                        // Whoever is in gets a turn before the next one comes: a crowd must not send those away that
                        // nobody has listened to.
                        smol::future::yield_now().await;
                    }
                    None => endpoint.counters.refused_busy_address.add(),
                }
            }
            // The newcomer has gone already.
            Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
            Err(error) => {
                endpoint.counters.accept_errors.add();
                let advice = errors.another(Instant::now());
                if let Some(times) = advice.warn {
                    log::accept_failed(error, times);
                }
                Timer::after(advice.rest).await;
            }
        }
    }
}

/// What the newcomers have in common.
struct Door {
    pending: Mutex<AdmissionTable<AbortHandle>>,
    /// Of those who were refused.
    warnings: Mutex<LogLimit>,
}

impl Door {
    /// What somebody has to mend is worth a warning, as far as strangers do not bring it about all the time.
    fn report(&self, peer: io::Result<SocketAddr>, failure: &Failure) {
        let times = failure.needs_operator().then(|| self.warnings.lock().another(Instant::now())).flatten();
        log::inbound_refused(peer, failure, times);
    }
}

/// The place of somebody who has not proved anything yet.
struct Place {
    door: Arc<Door>,
    ticket: Ticket,
}

impl Place {
    /// A place for who comes from there, and what tells that it was taken away. None if there is none.
    fn take(door: &Arc<Door>, from: IpAddr) -> Option<(Self, AbortRegistration)> {
        let (handle, sent_away) = AbortHandle::new_pair();
        let admission = door.pending.lock().arrived(from, handle);
        let ticket = match admission {
            Admission::Admitted(ticket) => ticket,
            Admission::InPlaceOf(other, ticket) => {
                other.abort();
                ticket
            }
            Admission::AddressBusy => return None,
        };
        Some((Place { door: door.clone(), ticket }, sent_away))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.door.pending.lock().left(self.ticket);
    }
}

async fn admit(endpoint: Arc<Endpoint>, tcp: Async<TcpStream>, place: Place, sent_away: AbortRegistration) {
    let peer = tcp.get_ref().peer_addr();
    let door = place.door.clone();
    let shaken =
        Abortable::new(within(endpoint.config.setup_timeout, shake(&endpoint, tcp, place)), sent_away);
    match shaken.await {
        Ok(Ok(())) => {}
        Ok(Err(failure)) => {
            failure.count(&endpoint.counters);
            door.report(peer, &failure);
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
            // From here on its node is known, and it does not lose its place to another connection.
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

/// Tells the other end why it is rejected, as far as there is a word for it. It may be gone.
async fn reject(stream: &Stream, failure: &Failure) {
    let why = match failure {
        // A peer that begins with TLS, which is not spoken here, is told in TLS.
        Failure::Handshake(HandshakeError::SpeaksTls) => {
            let _ = stream.write_all(NO_TLS_HERE).await;
            return;
        }
        Failure::Handshake(error) => error.reject(),
        Failure::Connect(error) => error.is_wrong_name().then_some(Reject::NameNotInCertificate),
    };
    if let Some(why) = why {
        let _ = send(stream, &why.to_frame()).await;
    }
}

/// What an inbound connection has proved to be.
enum Identified {
    Node(Proved),
    /// A further connection of a session, whose ATTACH has that body.
    Attachment(Vec<u8>),
}

/// An inbound connection of a node that has proved itself.
struct Proved {
    node: NodeId,
    dial: u64,
}

/// Lets the other end prove which node it is.
async fn identify(stream: &Stream, handshake: &mut Inbound) -> Result<Identified, Failure> {
    loop {
        match handshake.step()? {
            InboundStep::Send(frame) => send(stream, &frame).await?,
            InboundStep::Receive => receive(stream, handshake.frames()).await?,
            InboundStep::CheckName(name) => stream.vouches_for(&name)?,
            InboundStep::Attach(body) => return Ok(Identified::Attachment(body)),
            InboundStep::Proved(node, dial) => return Ok(Identified::Node(Proved { node, dial })),
            step => unreachable!("{step:?} before the proof"),
        }
    }
}

/// Has the table of peers decide, and tells the other end.
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
    let (negotiated, join) = accepted.expect("it was told that it is accepted");
    // Nothing is sent on the first connection before the others are there.
    let others = join.complete(&endpoint.identity);
    let others = unless_interrupted(&stream, &mut handshake, others).await??;
    let mut connections = vec![Opened { stream, carried: handshake.into_rest() }];
    connections.extend(others);
    std::mem::forget(connection);
    if endpoint.establish(conn, negotiated, connections) { Ok(()) } else { Err(Failure::DROPPED) }
}

/// The result of the work, unless the other end hangs up or sends something first.
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

/// A connection that was proposed to the table of peers. Reports that it is over, however its task ends.
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
