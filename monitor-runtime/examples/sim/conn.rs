//! Connections between nodes: two ends, and a wire in each direction that keeps the order and may lose its tail.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use peer_service::{EndKind, NodeId};
use transport_tcp::proto::{
    connection::heartbeat::HeartbeatTimer,
    peers::{
        action::InboundDecision,
        pairing::{ConnId, Refusal},
    },
};

use crate::{service::Line, time::Time};

/// Which connection, of all that ever were.
pub type ConnIx = usize;
/// Which life of a node, of all that ever were.
pub type LifeIx = usize;
/// Which node name.
pub type NodeIx = usize;

/// Who has dialled, and who was dialled: the two sides of a connection.
pub const INITIATOR: usize = 0;
pub const ACCEPTOR: usize = 1;

/// What travels. The four steps of the handshake carry what the transport's rules need of them; their bytes and
/// proofs are not simulated.
#[derive(Clone, Debug)]
pub enum Frame {
    Hello {
        from: NodeId,
        number: u64,
    },
    Challenge {
        from: NodeId,
    },
    Proof,
    Accepted,
    Refused(Refusal),
    StillThere,
    Answer(bool),
    Data(Vec<u8>),
    Ping(u64),
    Pong(u64),
    Goodbye(EndKind),
    /// The other end has closed, after all it had to say.
    Fin,
    /// The other end is gone, and what it had to say may be lost.
    Reset,
}

/// How far one end is.
pub enum Stage {
    /// The initiator waits for the network.
    Connecting,
    AwaitChallenge,
    AwaitVerdict,
    AwaitHello,
    AwaitProof {
        number: u64,
    },
    /// The acceptor waits for what the pairing decides.
    Undecided,
    /// It was asked. What was decided meanwhile is said after its answer.
    AwaitAnswer(Option<InboundDecision>),
    Session(Box<Up>),
    Over,
}

/// A session, from one end.
pub struct Up {
    pub line: Arc<Line>,
    pub heartbeat: HeartbeatTimer,
    /// When it began, by the node's clock: the heartbeat counts from there.
    pub began: Duration,
    pub pings: u64,
    pub last_pong: u64,
    pub probe_wanted: bool,
    /// The ping that is a question whether the peer lives, and until when the answer is waited for.
    pub probe: Option<(u64, Duration)>,
    /// Beats that were planned before the last one are stale.
    pub beat: u64,
    /// When the peer last took something, by the node's clock since it began.
    pub taken: Duration,
}

/// One end.
pub struct End {
    pub life: LifeIx,
    pub id: ConnId,
    pub stage: Stage,
    pub peer: Option<NodeId>,
    /// What has arrived while the node did not run.
    pub unread: VecDeque<Frame>,
    pub last_arrival: Time,
}

impl End {
    pub fn new(life: LifeIx, id: ConnId, stage: Stage) -> Self {
        End { life, id, stage, peer: None, unread: VecDeque::new(), last_arrival: 0 }
    }

    pub fn up(&mut self) -> Option<&mut Up> {
        match &mut self.stage {
            Stage::Session(up) => Some(up),
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
    pub queue: VecDeque<(Time, Frame)>,
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

    /// How many frames the other end has not taken yet.
    pub fn untaken(&self, side: usize) -> usize {
        let to = 1 - side;
        self.wires[to].queue.len() + self.ends[to].as_ref().map_or(0, |end| end.unread.len())
    }
}
