//! One session per pair of nodes: which connection becomes the session, as a pure state machine.
//!
//! Two nodes may dial each other at once, may dial while an old session is half dead, may be restarted under
//! the same name, or may both bear one name by mistake. A [`Pairing`] is what one node knows of its
//! connections with one peer name, and it decides. It neither reads a clock nor does I/O: its driver
//! reports what happened and carries out the [`Effect`]s, in order. A method's return value answers its
//! caller; effects address the other connections of the pair.
//!
//! # The rules
//!
//! Nothing is decided before an inbound connection has proved which node it comes from. «The newcomer» is that connection.
//! 1. **Both dial at once.** The dial of the higher name wins; the loser is told and dials again later. An
//!    own dial counts only once its HELLO is written; before that it is dropped when another's is accepted.
//! 2. **A session with the same incarnation stands.** The newcomer is asked whether it still has that session.
//!    If it has, it is refused. If it says no, the session is probed: the newcomer may be an impostor that has
//!    copied name and incarnation. If the session answers, the newcomer is refused; if it is silent or closed,
//!    it is ended first, then the newcomer is accepted. Both are needed: without the question, a slow answer to
//!    a probe would end a live session whenever two nodes dial each other at once.
//! 3. **A session with another incarnation stands.** The session is probed. If it answers, two live nodes
//!    have one name and the newcomer is refused; if it is silent or closed, it is ended first, then the
//!    newcomer is accepted.
//! 4. **A live session is never replaced because of a new HELLO**: that would flap without any fault.
//! 5. **At most one dial waits.** Dials are numbered within one incarnation and a lower number never
//!    displaces a higher one; from another incarnation the later arrival wins. The loser is told, never left
//!    in silence.
//! 6. **Every step that leaves the pair without a session serves the waiting dial.**
//! 7. **At most one probe of a session runs.** A newcomer that needs one while another runs is judged by the
//!    next: an answer to an earlier probe may have been sent before the peer lost the session. The deadline of
//!    a running probe never moves, so repeated dials neither shorten nor postpone the judgment.
//!
//! The module is public so that the rules can be played out by hand, in `tests/races.rs`, and model-checked against
//! this code, in `tests/pairing_model.rs`.

use std::fmt;

use refs::Incarnation;
use serde::{Deserialize, Serialize};

/// A connection, numbered by the node that holds it, never twice the same number. An own dial carries its
/// number to the peer, so that the peer knows the order of our dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Why an inbound connection that has proved its node is not accepted. Its order is part of the wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Refusal {
    /// Both have dialed at once, and the other dial wins.
    Simultaneous,
    /// Another live node has the name of the newcomer's node.
    DuplicateName,
    /// A newer dial of the same peer has taken its place.
    Superseded,
    /// The session that stands is alive at both ends.
    StandsAlready,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Simultaneous => "both have dialled at once, and its dial goes on",
            Refusal::DuplicateName => "another live node bears our name",
            Refusal::Superseded => "a newer dial of ours has taken its place",
            Refusal::StandsAlready => "the two are connected already",
        })
    }
}

/// What is to be done with a connection other than the caller's, or with the caller's when several fates are
/// possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Tell the newcomer that it is accepted: this connection is the session now.
    Accept(ConnId),
    /// Tell the newcomer that it is refused, and close.
    Refuse(ConnId, Refusal),
    /// Ask the newcomer whether it still has the session that stands; report [`Pairing::answered`].
    AskInbound(ConnId),
    /// Probe the session; report [`Pairing::probe_answered`] or [`Pairing::probe_silent`].
    ProbeSession(ConnId),
    /// End the session as replaced. It is gone for this machine; its end need not be reported.
    EndSession(ConnId),
    /// Give the own dial up. It is gone for this machine; its end need not be reported.
    DropDial(ConnId),
}

/// One node's connections with one peer name. See the [module](self) for the rules.
///
/// At any time there is a session, or an own dial, or neither; a dial waits only while a session stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pairing {
    /// Whether the own name is higher than the peer's: whose dial wins.
    higher: bool,
    session: Option<Standing>,
    dial: Option<Dial>,
    waiting: Option<Waiting>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Standing {
    conn: ConnId,
    incarnation: Incarnation,
    /// A probe runs.
    probed: bool,
}

impl Standing {
    const fn new(conn: ConnId, incarnation: Incarnation) -> Self {
        Standing { conn, incarnation, probed: false }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Dial {
    conn: ConnId,
    /// Its HELLO is written: the peer may know of it.
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
    /// The newcomer's word on whether it still has the session.
    Answer,
    /// The result of the probe that runs.
    Probe,
    /// The end of a probe that began before the newcomer needed one, and then the result of its own.
    NextProbe,
}

impl Pairing {
    /// No connection yet. `higher`: the own name is higher than the peer's.
    pub const fn new(higher: bool) -> Self {
        Pairing { higher, session: None, dial: None, waiting: None }
    }

    /// The connection that is the session.
    pub fn session(&self) -> Option<ConnId> {
        self.session.map(|standing| standing.conn)
    }

    /// The own dial under way.
    pub fn dial(&self) -> Option<ConnId> {
        self.dial.map(|dial| dial.conn)
    }

    /// The newcomer that waits.
    pub fn waiting(&self) -> Option<ConnId> {
        self.waiting.map(|waiting| waiting.conn)
    }

    /// Whether there is nothing to remember.
    pub fn is_idle(&self) -> bool {
        self.session.is_none() && self.dial.is_none() && self.waiting.is_none()
    }

    // The initiator's side.

    /// Begins an own dial. False, and nothing has changed, if a session stands or a dial is under way.
    pub fn begin_dial(&mut self, conn: ConnId) -> bool {
        let free = self.session.is_none() && self.dial.is_none();
        if free {
            self.dial = Some(Dial { conn, counts: false });
        }
        free
    }

    /// The own dial is about to write its HELLO: from here on it counts. False: it was dropped, write
    /// nothing.
    pub fn hello_written(&mut self, conn: ConnId) -> bool {
        match &mut self.dial {
            Some(dial) if dial.conn == conn => {
                dial.counts = true;
                true
            }
            _ => false,
        }
    }

    /// The peer asks whether we still have the session it holds. The answer: true, we have one or no longer
    /// want this dial, which is to be closed; false, we have none and want this dial to become the session.
    pub fn still_there(&self, conn: ConnId) -> bool {
        self.dial() != Some(conn)
    }

    /// The peer has accepted the own dial. True: it is the session now. False: it was dropped, close it.
    pub fn accepted(&mut self, conn: ConnId, incarnation: Incarnation) -> bool {
        let wanted = self.dial() == Some(conn);
        if wanted {
            self.dial = None;
            self.session = Some(Standing::new(conn, incarnation));
        }
        wanted
    }

    // The acceptor's side.

    /// A newcomer has proved that it is the peer, in that incarnation, with its dial of that number.
    pub fn proved(&mut self, conn: ConnId, incarnation: Incarnation, number: u64, out: &mut Vec<Effect>) {
        if let Some(earlier) = self.waiting {
            if incarnation == earlier.incarnation && number < earlier.number {
                return out.push(Effect::Refuse(conn, Refusal::Superseded));
            }
            self.waiting = None;
            out.push(Effect::Refuse(earlier.conn, Refusal::Superseded));
        }
        match (self.session, self.dial) {
            (Some(standing), _) => {
                let awaits = if standing.incarnation == incarnation {
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

    /// The newcomer that was asked says whether it still has the session. Ignored if its fate was decided
    /// meanwhile.
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

    /// The session has answered the probe: the peer has it and lives.
    pub fn probe_answered(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        let Some(standing) = self.probe_over(conn) else { return };
        match self.waiting {
            Some(waiting) if waiting.awaits == Awaits::Probe => {
                self.waiting = None;
                let same = waiting.incarnation == standing.incarnation;
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

    /// A connection is over, be it session, own dial or newcomer. Ignored if it was known to be
    /// over.
    pub fn closed(&mut self, conn: ConnId, out: &mut Vec<Effect>) {
        self.session = self.session.filter(|standing| standing.conn != conn);
        self.dial = self.dial.filter(|dial| dial.conn != conn);
        self.waiting = self.waiting.filter(|waiting| waiting.conn != conn);
        self.serve(out);
    }

    /// Begins a probe of the session, unless one runs. Returns the event that the newcomer awaits.
    fn probe_session(&mut self, out: &mut Vec<Effect>) -> Awaits {
        match &mut self.session {
            Some(standing) if !standing.probed => {
                standing.probed = true;
                out.push(Effect::ProbeSession(standing.conn));
                Awaits::Probe
            }
            _ => Awaits::NextProbe,
        }
    }

    /// The session whose probe is over, if it is that connection.
    fn probe_over(&mut self, conn: ConnId) -> Option<Standing> {
        let standing = self.session.as_mut().filter(|standing| standing.conn == conn && standing.probed)?;
        standing.probed = false;
        Some(*standing)
    }

    fn end_session(&mut self, out: &mut Vec<Effect>) {
        if let Some(standing) = self.session.take() {
            out.push(Effect::EndSession(standing.conn));
        }
        self.serve(out);
    }

    /// Rule 6: once the pair has no session, the waiting dial gets its turn.
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
        self.session = Some(Standing::new(conn, incarnation));
        out.push(Effect::Accept(conn));
    }
}
