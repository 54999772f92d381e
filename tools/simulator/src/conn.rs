//! Connections between nodes: two ends, and a wire in each direction that keeps the order and may
//! lose its tail.

use std::{collections::VecDeque, sync::Arc};

use transport_tcp::proto::{
    connection::upkeep::Upkeep,
    handshake::{Negotiated, inbound::Inbound, outbound::Outbound},
    peers::{action::InboundDecision, pairing::ConnId},
};

use crate::{session::Endpoint, time::Time};

/// The index of a connection, unique in a run.
pub type ConnIx = usize;
/// The index of a node instance, unique in a run. Each instance has an incarnation of its own.
pub type InstanceIx = usize;
/// The index of a node name.
pub type NodeIx = usize;

/// The two sides of a connection: the node that dialed, and the node that was dialed.
pub const INITIATOR: usize = 0;
pub const ACCEPTOR: usize = 1;

/// A unit of data on a wire.
#[derive(Clone, Debug)]
pub enum Packet {
    Bytes(Vec<u8>),
    /// The other end has closed; everything that it has sent arrives before this.
    Fin,
    /// The other end is gone; its last packets may be lost.
    Reset,
}

/// The progress of one end.
pub enum Stage {
    /// The initiator waits for the network to connect.
    Connecting,
    Outbound(Box<Outbound>),
    Inbound(Box<InboundHandshake>),
    /// A step of its handshake is being taken.
    Busy,
    Session(Box<Established>),
    Over,
}

/// The handshake of an inbound connection.
pub struct InboundHandshake {
    pub handshake: Inbound,
    pub negotiated: Option<Negotiated>,
}

/// One end of an established session.
pub struct Established {
    pub endpoint: Arc<Endpoint>,
    pub upkeep: Upkeep,
    /// Number of the last scheduled poll of the upkeep; earlier polls are stale.
    pub poll: u64,
}

/// One end of a connection.
pub struct End {
    pub instance: InstanceIx,
    pub id: ConnId,
    pub stage: Stage,
    /// Decisions about an inbound connection that its handshake has not received yet.
    pub decisions: VecDeque<InboundDecision>,
    /// Packets that have arrived and were not read, before there is a session.
    pub unread: VecDeque<Packet>,
    pub last_arrival: Time,
}

impl End {
    pub fn new(instance: InstanceIx, id: ConnId, stage: Stage) -> Self {
        End { instance, id, stage, decisions: VecDeque::new(), unread: VecDeque::new(), last_arrival: 0 }
    }

    pub fn up(&mut self) -> Option<&mut Established> {
        match &mut self.stage {
            Stage::Session(up) => Some(up),
            _ => None,
        }
    }

    pub fn endpoint(&self) -> Option<&Arc<Endpoint>> {
        match &self.stage {
            Stage::Session(up) => Some(&up.endpoint),
            _ => None,
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }
}

/// The packets on their way to one end, each with its time of arrival.
#[derive(Default)]
pub struct Wire {
    pub queue: VecDeque<(Time, Packet)>,
    /// Whether an arrival is scheduled.
    pub moving: bool,
}

/// A connection. The acceptor's end is `None` until the network has connected the two.
pub struct Conn {
    pub nodes: [NodeIx; 2],
    pub ends: [Option<End>; 2],
    pub wires: [Wire; 2],
}

impl Conn {
    pub fn end(&mut self, side: usize) -> Option<&mut End> {
        self.ends[side].as_mut()
    }
}
