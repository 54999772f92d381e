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
use peer_service::{NodeName, log_limit::LogLimit};
use smol::{Async, Timer};

use crate::{
    io::{
        channel_join::ChannelJoin,
        dialer::nonce,
        endpoint::Endpoint,
        handshake_io::{HandshakeIo, within},
        tasks,
    },
    log,
    net::security,
    proto::{
        accept_errors::AcceptErrors,
        admission::{Admission, AdmissionTable, Ticket},
        handshake::{Failure, acceptor::Acceptor},
        peers::{
            action::InboundDecision,
            pairing::{ConnId, Refusal},
        },
        wire::Kind,
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
    let mut conversation = HandshakeIo::new(security::accept(&endpoint.config, tcp).await?);
    let (kind, body) = first_frame(&mut conversation).await?;
    if kind == Kind::Attach {
        return match endpoint.channel_joins.place(&endpoint.identity, &body, conversation.stream()) {
            Ok(place) => place.try_send(conversation).map_err(|_| Failure::Dropped),
            Err(failure) => Err(turned_away(&mut conversation, failure).await),
        };
    }
    let acceptor = match identify(endpoint, &mut conversation, kind, &body).await {
        Ok(acceptor) => acceptor,
        Err(failure) => return Err(turned_away(&mut conversation, failure).await),
    };
    // From here on it is known, and nobody takes its place away.
    drop(place);
    decide(endpoint, conversation, acceptor).await
}

/// Tells the other end why it is refused, as far as there is a word for it.
async fn turned_away(conversation: &mut HandshakeIo, failure: Failure) -> Failure {
    if let Some(reject) = failure.reject() {
        // A courtesy: the other end may be gone.
        let _ = conversation.send(Kind::Reject, &reject.encode()).await;
    }
    failure
}

/// What the newcomer wants. Who begins with TLS, which is not spoken here, is told so in TLS.
async fn first_frame(conversation: &mut HandshakeIo) -> Result<(Kind, Vec<u8>), Failure> {
    let received = conversation.receive().await;
    if let Err(Failure::SpeaksTls) = received {
        let _ = conversation.stream().write_all(security::NO_TLS_HERE).await;
    }
    received
}

/// Lets the newcomer prove who it is, whose first frame that is.
async fn identify<'h>(
    endpoint: &'h Arc<Endpoint>,
    conversation: &mut HandshakeIo,
    kind: Kind,
    body: &[u8],
) -> Result<Acceptor<'h>, Failure> {
    let (mut acceptor, challenge) =
        Acceptor::hello(&endpoint.identity, kind, body, nonce()?, conversation.stream().binding()?)?;
    conversation.stream().vouches_for(&acceptor.peer().name)?;
    conversation.send(Kind::Challenge, &challenge).await?;
    let (kind, body) = conversation.receive().await?;
    acceptor.proof(kind, &body)?;
    Ok(acceptor)
}

/// Has the pairing decide, and tells the newcomer.
async fn decide(
    endpoint: &Arc<Endpoint>,
    mut conversation: HandshakeIo,
    mut acceptor: Acceptor<'_>,
) -> Result<(), Failure> {
    let name = acceptor.peer().name.clone();
    let newcomer = Newcomer { endpoint, name: &name, conn: endpoint.inbound() };
    let fates = endpoint.propose(acceptor.peer(), acceptor.dial(), newcomer.conn);
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
            InboundDecision::Asked => {
                conversation.send(Kind::Verdict, &acceptor.ask()).await?;
                // Whatever is decided meanwhile is said after the answer, so that both hear the same in the
                // same order.
                let (kind, body) = conversation.receive().await?;
                let still_there = acceptor.answer(kind, &body)?;
                endpoint.answered(&name, newcomer.conn, still_there);
                if still_there {
                    // It has hung up, whatever was decided meanwhile.
                    return Err(Failure::Refused(Refusal::StandsAlready));
                }
            }
            InboundDecision::Refused(refusal) => {
                conversation.send(Kind::Verdict, &acceptor.refuse(refusal)).await?;
                return Err(Failure::Refused(refusal));
            }
            InboundDecision::Accepted => {
                let verdict = acceptor.accept();
                let negotiated = acceptor.negotiated();
                let join = endpoint.channel_joins.begin(acceptor.bond(), &name, negotiated.channels.len());
                conversation.send(Kind::Verdict, &verdict).await?;
                let connections = gather(endpoint, conversation, join).await?;
                let conn = newcomer.conn;
                std::mem::forget(newcomer);
                let established = endpoint.establish(conn, negotiated, connections);
                return if established { Ok(()) } else { Err(Failure::Dropped) };
            }
        }
    }
}

/// All connections of the session, the first one first. Nothing is said on that before the others stand.
async fn gather(
    endpoint: &Arc<Endpoint>,
    mut first: HandshakeIo,
    join: ChannelJoin,
) -> Result<Vec<HandshakeIo>, Failure> {
    let mut others = {
        let others = join.complete(&endpoint.identity).fuse();
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
    endpoint: &'a Arc<Endpoint>,
    name: &'a NodeName,
    conn: ConnId,
}

impl Drop for Newcomer<'_> {
    fn drop(&mut self) {
        self.endpoint.closed(self.name, self.conn);
    }
}
