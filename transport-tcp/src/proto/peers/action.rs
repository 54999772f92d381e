//! Decisions of the [table of peers](super::table), for its driver to carry out.

use peer_service::{DialId, EndKind};
use refs::NodeName;

use super::pairing::{ConnId, Refusal};

/// One decision. Carried out in the order in which the table returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the dialer of that peer. It asks [`PeerTable::plan`](super::table::PeerTable::plan)
    /// what to do, until that says [`Stop`](super::peer::Plan::Stop).
    StartDialer(NodeName),
    /// Something has changed for that peer: its dialer asks for a plan again, and has a dial under
    /// way look for new addresses.
    WakeDialer(NodeName),
    /// Give up that outbound connection.
    DropDial(ConnId),
    /// Tell that inbound connection.
    Decide(ConnId, InboundDecision),
    /// Give up that inbound connection: the transport is shutting down.
    DropInbound(ConnId),
    /// Ask the peer of that session for a sign of life. Report
    /// [`probe_answered`](super::table::PeerTable::probe_answered) or
    /// [`probe_silent`](super::table::PeerTable::probe_silent).
    ProbeSession(ConnId),
    /// End that session as [`Replaced`](EndKind::Replaced). It is no session of the table any more.
    EndSession(ConnId),
    /// Answer that call of `connect`: no session will come of it.
    FailDial(NodeName, DialId, EndKind),
}

/// The decision about an inbound connection that has proved which node it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundDecision {
    /// It is the session.
    Accepted,
    /// It is asked whether its node still has the session that stands. Another decision follows its
    /// answer.
    Asked,
    /// It is told why, and closed.
    Refused(Refusal),
}
