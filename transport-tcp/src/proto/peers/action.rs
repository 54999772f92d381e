//! Decisions of the [table of peers](super::table), which its driver carries out.

use peer_service::{DialId, EndKind};
use refs::NodeName;

use super::pairing::{ConnId, Refusal};

/// One decision. The driver carries decisions out in the order in which the table returns them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start the dialer of that peer. The dialer calls
    /// [`PeerTable::plan`](super::table::PeerTable::plan) for its next step, until that returns
    /// [`Stop`](super::peer::Plan::Stop).
    StartDialer(NodeName),
    /// Wake the dialer of that peer, because something has changed: it asks for a plan again, and a
    /// dial in progress looks for new addresses.
    WakeDialer(NodeName),
    /// Close that outbound connection.
    DropDial(ConnId),
    /// Send the decision to that inbound connection.
    Decide(ConnId, InboundDecision),
    /// Close that inbound connection: the transport is shutting down.
    DropInbound(ConnId),
    /// Probe the peer of that session. Report
    /// [`probe_answered`](super::table::PeerTable::probe_answered) or
    /// [`probe_silent`](super::table::PeerTable::probe_silent).
    ProbeSession(ConnId),
    /// End that session as [`Replaced`](EndKind::Replaced). The table has removed it.
    EndSession(ConnId),
    /// Report that this call of `connect` has failed.
    FailDial(NodeName, DialId, EndKind),
}

/// The decision about an inbound connection that has proved its node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InboundDecision {
    /// The connection is the session.
    Accepted,
    /// Ask the peer whether it still has the existing session. Another decision follows its answer.
    Asked,
    /// Send the refusal, and close the connection.
    Refused(Refusal),
}
