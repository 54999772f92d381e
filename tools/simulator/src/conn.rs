//! Connections between nodes: two ends, and a wire in each direction that keeps the order and may
//! lose its tail.

use std::{collections::VecDeque, sync::Arc};

use transport_tcp::proto::{
    connection::upkeep::Upkeep,
    handshake::{Negotiated, inbound::Inbound, outbound::Outbound},
    peers::{action::InboundDecision, pairing::ConnId},
};

use crate::{session::Line, time::Time};

/// The number of a connection, of all that ever were.
pub type ConnIx = usize;
/// The number of an incarnation of a node, of all that ever were.
pub type LifeIx = usize;
/// The number of a node name.
pub type NodeIx = usize;

/// The two sides of a connection: the node that has dialed, and the node that was dialed.
pub const INITIATOR: usize = 0;
pub const ACCEPTOR: usize = 1;

/// What travels.
#[derive(Clone, Debug)]
pub enum Packet {
    Bytes(Vec<u8>),
    /// The other end has closed, after all that it has sent.
    Fin,
    /// The other end is gone, and what it has sent may be lost.
    Reset,
}

/// How far one end is.
pub enum Stage {
    /// The initiator waits for the network.
    Connecting,
    Outbound(Box<Outbound>),
    Inbound(Box<Answering>),
    /// Its handshake is at work.
    Busy,
    Session(Box<Up>),
    Over,
}

/// A handshake from the side that was dialed.
pub struct Answering {
    pub handshake: Inbound,
    pub negotiated: Option<Negotiated>,
}

/// A session, from one end.
pub struct Up {
    pub line: Arc<Line>,
    pub upkeep: Upkeep,
    /// Beats that were planned before the last one are stale.
    pub beat: u64,
}

/// One end.
pub struct End {
    pub life: LifeIx,
    pub id: ConnId,
    pub stage: Stage,
    /// Decisions about an inbound connection that it was not told yet.
    pub decisions: VecDeque<InboundDecision>,
    /// What has arrived and was not read, before there is a session.
    pub unread: VecDeque<Packet>,
    pub last_arrival: Time,
}

impl End {
    pub fn new(life: LifeIx, id: ConnId, stage: Stage) -> Self {
        End { life, id, stage, decisions: VecDeque::new(), unread: VecDeque::new(), last_arrival: 0 }
    }

    pub fn up(&mut self) -> Option<&mut Up> {
        match &mut self.stage {
            Stage::Session(up) => Some(up),
            _ => None,
        }
    }

    pub fn line(&self) -> Option<&Arc<Line>> {
        match &self.stage {
            Stage::Session(up) => Some(&up.line),
            _ => None,
        }
    }

    pub const fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }
}

/// What is on its way to one end: when it is due, and what it is.
#[derive(Default)]
pub struct Wire {
    pub queue: VecDeque<(Time, Packet)>,
    /// An arrival is planned.
    pub moving: bool,
}

/// Two ends. The acceptor's is missing until the network has brought them together.
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
