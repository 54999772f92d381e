//! One session per pair of nodes: which connection becomes the session, as a pure state machine.
//!
//! Two nodes may dial each other at the same time, may dial while only one side still has an old
//! session, may be restarted under the same name, or may both have one name by mistake. A
//! [`Pairing`] holds the connections of one node with one peer name, and decides which of them
//! becomes the session. It neither reads a clock nor does I/O: its driver reports each event and
//! carries out the [`Effect`]s, in order. The return value of a method concerns the connection that
//! was passed to it; effects concern the other connections of the pair.
//!
//! # The rules
//!
//! The *newcomer* is an inbound connection whose peer has proved its identity. No rule applies
//! before that proof.
//! 1. **Both nodes dial at the same time.** The dial of the higher name wins. The loser gets a
//!    refusal and dials again later. A local dial counts only once its HELLO is written; before
//!    that it is dropped when a newcomer is accepted.
//! 2. **There is a session with the same incarnation.** The newcomer is asked whether it still has
//!    that session. If it has, it is refused. If it has not, the session is probed, because the
//!    newcomer may be an impostor that has copied name and incarnation. If the session answers, the
//!    newcomer is refused. If the session is silent or closed, it is ended first, then the newcomer
//!    is accepted. Both steps are needed: without the question, a slow answer to a probe would end
//!    a live session whenever two nodes dial each other at the same time.
//! 3. **There is a session with another incarnation.** The session is probed. If it answers, two
//!    live nodes have one name, and the newcomer is refused. If it is silent or closed, it is ended
//!    first, then the newcomer is accepted.
//! 4. **A new HELLO never replaces a live session**: otherwise connections would flap without any
//!    fault.
//! 5. **At most one newcomer waits.** A node numbers its dials within its incarnation, and a lower
//!    number never displaces a higher one; between incarnations the later arrival wins. The loser
//!    always gets a refusal.
//! 6. **Every step that leaves the pair without a session accepts the waiting newcomer.**
//! 7. **At most one probe of a session runs.** A newcomer that needs a probe while another runs
//!    waits for the next one: the peer may have sent the answer to the earlier probe before it lost
//!    the session. The deadline of a running probe never moves, so repeated dials neither advance
//!    nor postpone the decision.
//!
//! The module is public so that `tests/races.rs` can step through the rules and
//! `tests/pairing_model.rs` can model-check this code.

use std::fmt;

use refs::Incarnation;
use serde::{Deserialize, Serialize};

/// Number of a connection. The node that holds the connection assigns it and never reuses it. A
/// dial sends its number to the peer, so that the peer knows the order of the local node's dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Reason for refusing a newcomer. The order of the variants is part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Both nodes have dialed at the same time, and the other dial wins.
    Simultaneous,
    /// Another live node has the newcomer's name.
    DuplicateName,
    /// A newer dial of the same peer has replaced it.
    Superseded,
    /// The existing session is alive at both ends.
    StandsAlready,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Simultaneous => "both have dialed at once, and its dial goes on",
            Refusal::DuplicateName => "another live node has our name",
            Refusal::Superseded => "a newer dial of ours has taken its place",
            Refusal::StandsAlready => "the two are connected already",
        })
    }
}

/// An action on a connection other than the caller's, or on the caller's if a return value could
/// not express all its outcomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Accept the newcomer: this connection is the session now.
    Accept(ConnId),
    /// Send the newcomer the refusal, and close the connection.
    Refuse(ConnId, Refusal),
    /// Ask the newcomer whether it still has the existing session; report [`Pairing::answered`].
    AskInbound(ConnId),
    /// Probe the session; report [`Pairing::probe_answered`] or [`Pairing::probe_silent`].
    ProbeSession(ConnId),
    /// End the session as replaced. The pairing has removed it; its end need not be reported.
    EndSession(ConnId),
    /// Drop the local dial. The pairing has removed it; its end need not be reported.
    DropDial(ConnId),
}

/// One node's connections with one peer name. See the [module](self) for the rules.
///
/// At any time there is a session, or a local dial, or neither. A newcomer waits only while there
/// is a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// Whether the local name is higher than the peer's. Then the local dial wins.
    higher: bool,
    session: Option<Session>,
    dial: Option<Dial>,
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Session {
    conn: ConnId,
    incarnation: Incarnation,
    /// Whether a probe runs.
    probed: bool,
}

impl Session {
    const fn new(conn: ConnId, incarnation: Incarnation) -> Self {
        Session { conn, incarnation, probed: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Dial {
    conn: ConnId,
    /// Whether its HELLO is written, so that the peer may know of it.
    counts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Waiting {
    conn: ConnId,
    incarnation: Incarnation,
    number: u64,
    awaits: Awaits,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Awaits {
    /// The newcomer's answer to the question whether it still has the session.
    Answer,
    /// The result of the running probe.
    Probe,
    /// The end of a probe that began before the newcomer needed one, and then the result of the
    /// next probe.
    NextProbe,
}

impl Pairing {
    /// A pair without connections. `higher` says whether the local name is higher than the peer's.
    pub const fn new(higher: bool) -> Self {
        Pairing { higher, session: None, dial: None, waiting: None }
    }

    /// The connection that is the session.
    pub fn session(&self) -> Option<ConnId> {
        self.session.map(|session| session.conn)
    }

    /// The local dial in progress.
    pub fn dial(&self) -> Option<ConnId> {
        self.dial.map(|dial| dial.conn)
    }

    /// The newcomer that waits.
    pub fn waiting(&self) -> Option<ConnId> {
        self.waiting.map(|waiting| waiting.conn)
    }

    /// Whether there is no connection, so that this value can be dropped.
    pub fn is_idle(&self) -> bool {
        self.session.is_none() && self.dial.is_none() && self.waiting.is_none()
    }

    // The initiator's side.

    /// Begins a local dial. Returns false, and changes nothing, if there is a session or a dial in
    /// progress.
    pub fn begin_dial(&mut self, conn: ConnId) -> bool {
        let free = self.session.is_none() && self.dial.is_none();
        if free {
            self.dial = Some(Dial { conn, counts: false });
        }
        free
    }

    /// The local dial is about to write its HELLO, and counts from here on. Returns false if the
    /// dial was dropped; then the caller writes nothing.
    pub fn hello_written(&mut self, conn: ConnId) -> bool {
        match &mut self.dial {
            Some(dial) if dial.conn == conn => {
                dial.counts = true;
                true
            }
            _ => false,
        }
    }

    /// Answers the peer's question whether the local node still has the session that the peer
    /// holds. True if it has one or has dropped this dial; then the caller closes the dial. False
    /// if it has none, so that this dial should become the session.
    pub fn still_there(&self, conn: ConnId) -> bool {
        self.dial() != Some(conn)
    }

    /// The peer has accepted the local dial. Returns true if it is the session now, false if it was
    /// dropped; then the caller closes it.
    pub fn accepted(&mut self, conn: ConnId, incarnation: Incarnation) -> bool {
        let wanted = self.dial() == Some(conn);
        if wanted {
            self.dial = None;
            self.session = Some(Session::new(conn, incarnation));
        }
        wanted
    }

    // The acceptor's side.

    /// A newcomer has proved that it is the peer. `incarnation` is the peer's, `number` the peer's
    /// number of the dial.
    pub fn proved(&mut self, conn: ConnId, incarnation: Incarnation, number: u64, out: &mut Vec<Effect>) {
        if let Some(earlier) = self.waiting {
            if incarnation == earlier.incarnation && number < earlier.number {
                return out.push(Effect::Refuse(conn, Refusal::Superseded));
            }
            self.waiting = None;
            out.push(Effect::Refuse(earlier.conn, Refusal::Superseded));
        }
        match (self.session, self.dial) {
            (Some(session), _) => {
                let awaits = if session.incarnation == incarnation {
                    out.push(Effect::AskInbound(conn));
                    Awaits::Answer
                } else {
                    self.probe_session(out)
                };
                self.waiting = Some(Waiting { conn, incarnation, number, awaits });
            }
            (None, Some(Dial { counts: true, .. })) if self.higher => {
                out.push(Effect::Refuse(conn, Refusal::Simultaneous));
            }
            (None, _) => self.accept(conn, incarnation, out),
        }
    }

    /// The newcomer has answered whether it still has the session. Ignored if the newcomer was
    /// accepted or refused meanwhile.
    pub fn answered(&mut self, conn: ConnId, still_there: bool, out: &mut Vec<Effect>) {
        let Some(waiting) = self.waiting else { return };
        if waiting.conn != conn || waiting.awaits != Awaits::Answer {
            return;
        }
        if still_there {
            self.waiting = None;
            out.push(Effect::Refuse(conn, Refusal::StandsAlready));
        } else {
            let awaits = self.probe_session(out);
            self.waiting = Some(Waiting { awaits, ..waiting });
        }
    }

    // The session.

    /// The session has answered the probe: the peer is alive and has the session.
    pub fn probe_answered(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(session) = self.probe_over(conn) else { return };
        match self.waiting {
            Some(waiting) if waiting.awaits == Awaits::Probe => {
                self.waiting = None;
                let same = waiting.incarnation == session.incarnation;
                let refusal = if same { Refusal::StandsAlready } else { Refusal::DuplicateName };
                out.push(Effect::Refuse(waiting.conn, refusal));
            }
            Some(waiting) if waiting.awaits == Awaits::NextProbe => {
                let awaits = self.probe_session(out);
                self.waiting = Some(Waiting { awaits, ..waiting });
            }
            _ => {}
        }
    }

    /// The session has not answered the probe in time.
    pub fn probe_silent(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        if self.probe_over(conn).is_none() {
            return;
        }
        if self.waiting.is_some_and(|waiting| waiting.awaits != Awaits::Answer) {
            self.end_session(out);
        }
    }

    /// A connection has ended: the session, the local dial or a newcomer. Ignored if the pairing no
    /// longer holds it.
    pub fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.session = self.session.filter(|session| session.conn != conn);
        self.dial = self.dial.filter(|dial| dial.conn != conn);
        self.waiting = self.waiting.filter(|waiting| waiting.conn != conn);
        self.serve(out);
    }

    /// Begins a probe of the session, unless one runs. Returns the event for which the newcomer
    /// waits.
    fn probe_session(&mut self, out: &mut Vec<Effect>) -> Awaits {
        match &mut self.session {
            Some(session) if !session.probed => {
                session.probed = true;
                out.push(Effect::ProbeSession(session.conn));
                Awaits::Probe
            }
            _ => Awaits::NextProbe,
        }
    }

    /// Ends the running probe and returns the session, if `conn` is the session and is being
    /// probed.
    fn probe_over(&mut self, conn: ConnId) -> Option<Session> {
        let session = self.session.as_mut().filter(|session| session.conn == conn && session.probed)?;
        session.probed = false;
        Some(*session)
    }

    fn end_session(&mut self, out: &mut Vec<Effect>) {
        if let Some(session) = self.session.take() {
            out.push(Effect::EndSession(session.conn));
        }
        self.serve(out);
    }

    /// Rule 6: accepts the waiting newcomer if the pair has no session.
    fn serve(&mut self, out: &mut Vec<Effect>) {
        if self.session.is_none()
            && let Some(waiting) = self.waiting.take()
        {
            self.accept(waiting.conn, waiting.incarnation, out);
        }
    }

    fn accept(&mut self, conn: ConnId, incarnation: Incarnation, out: &mut Vec<Effect>) {
        if let Some(dial) = self.dial.take() {
            out.push(Effect::DropDial(dial.conn));
        }
        self.session = Some(Session::new(conn, incarnation));
        out.push(Effect::Accept(conn));
    }
}
