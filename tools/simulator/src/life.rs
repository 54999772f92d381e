//! The lives of nodes: started, run a little at a time, paused, ended without notice, started
//! again.

use std::{collections::BTreeMap, sync::Arc};

use monitor_runtime::{Config, Node, test_util::run_all_on};
use peer_service::{EndKind, NodeId};
use refs::Incarnation;
use transport_tcp::{
    TcpConfig,
    proto::{
        handshake::Identity,
        peers::{pairing::ConnId, table::PeerTable},
    },
};

use crate::{
    conn::{ConnIx, LifeIx, NodeIx, Packet, Stage},
    service::Desk,
    tasks::Tasks,
    time::{Clock, MS, NodeClock, SECOND, Time},
    transport::SETUP_TIMEOUT,
    upkeep::HEARTBEAT,
    world::{Event, World},
};

/// One life of one node: the real node, and what the world knows of it.
pub struct Life {
    pub id: NodeId,
    pub node_ix: NodeIx,
    pub alive: bool,
    pub paused: bool,
    /// When it last went on after a pause.
    pub resumed: Time,
    pub born: Time,
    pub died: Option<Time>,
    pub clock: Clock,
    /// None once it is dead.
    pub node: Option<Node>,
    pub tasks: Option<Arc<Tasks>>,
    /// When tasks of it were made to panic.
    pub struck: Vec<Time>,
    pub desk: Arc<Desk>,
    pub table: PeerTable,
    pub identity: Arc<Identity>,
    /// What its transport would be configured with.
    pub config: TcpConfig,
    /// The clock, as its runtime reads it.
    pub node_clock: Arc<NodeClock>,
    /// Its connections by their numbers, and which side of them it is.
    pub conns: BTreeMap<ConnId, (ConnIx, usize)>,
    pub dialling: BTreeMap<NodeIx, ConnIx>,
    pub sessions: BTreeMap<NodeIx, ConnIx>,
    /// When and how sessions have ended, and dials have failed.
    pub breaks: BTreeMap<NodeIx, Vec<(Time, EndKind)>>,
    run_planned: bool,
    /// What it has missed while it was paused.
    pub missed: Vec<Event>,
}

/// Maximum number of bytes of messages that wait for one peer.
const MAX_MESSAGES: usize = 64 << 10;

/// The task that hands on what the peer service tells.
const EVENTS: &str = "events";

impl World {
    /// A node begins a life. Others reach it under its name, unless it is only `home` to itself.
    pub fn start(&mut self, node_ix: NodeIx, home: bool) {
        let life = self.lives.len();
        let name = self.names[node_ix].clone();
        let id = NodeId::new(name.clone(), Incarnation::new(life as u64 + 1).expect("not zero"));
        let desk = Desk::new(id.clone());
        let table = PeerTable::new(name.clone(), SETUP_TIMEOUT);
        let tcp = TcpConfig::new(name.clone()).heartbeat(HEARTBEAT).max_message_queue(MAX_MESSAGES);
        let identity = Arc::new(Identity::new(&tcp, id.incarnation));
        let tasks = Tasks::new();
        let batch = [1, 2, 4, 256][self.rng.usize(..4)];
        let skew = if self.settings.faults.skew { self.rng.i64(-20_000..20_000) } else { 0 };
        let clock = Clock::new(skew, self.zero);
        let node_clock = Arc::new(NodeClock { clock, now: self.shared_now.clone() });
        let config = run_all_on(Config::new(name).max_batch(batch), tasks.spawner());
        let config = config.simulated(node_clock.clone(), self.rng.u64(..));
        let node = smol::block_on(Node::with_service(config, desk.clone()));
        self.lives.push(Life {
            id,
            node_ix,
            alive: true,
            paused: false,
            resumed: 0,
            born: self.now,
            died: None,
            clock,
            node: Some(node.expect("a service that can do everything")),
            tasks: Some(tasks),
            struck: Vec::new(),
            desk,
            table,
            identity,
            config: tcp,
            node_clock,
            conns: BTreeMap::new(),
            dialling: BTreeMap::new(),
            sessions: BTreeMap::new(),
            breaks: BTreeMap::new(),
            run_planned: false,
            missed: Vec::new(),
        });
        if home {
            self.homes[node_ix] = Some(life);
            self.hosts_down[node_ix] = false;
        }
        self.trace(|w| format!("{} starts, in steps of {batch}, clock off by {skew} ppm", w.lives[life].id));
        self.settle_in(life);
        self.touch(life);
    }

    /// The node has something to do: it will run soon.
    pub fn touch(&mut self, life: LifeIx) {
        if !self.lives[life].alive || std::mem::replace(&mut self.lives[life].run_planned, true) {
            return;
        }
        let lag = if self.rng.u8(..) < 8 { self.rng.u64(MS..60 * MS) } else { self.rng.u64(1..MS / 2) };
        self.agenda.plan(self.now + lag, Event::Run(life));
    }

    /// Some tasks of the node run, in their order, some number of steps.
    pub fn run_node(&mut self, life: LifeIx) {
        self.lives[life].run_planned = false;
        let steps = self.rng.usize(1..48);
        let Some(tasks) = self.lives[life].tasks.clone() else { return };
        let idle = tasks.run(steps);
        let struck = tasks.take_struck();
        if let Some(task) = struck {
            self.struck(life, task);
        }
        self.serve(life);
        self.receive(life);
        self.judge_tables(life);
        if struck == Some(EVENTS) {
            // Such a node gets no sessions any more. Its operator reads the log.
            self.crash(life, false);
            self.agenda.plan(self.now + SECOND, Event::Restart(self.lives[life].node_ix));
        } else if !idle {
            self.touch(life);
        }
    }

    /// It is gone at once. Its host tells its peers, or is gone as well.
    pub fn crash(&mut self, life: LifeIx, host_too: bool) {
        self.trace(|w| {
            format!("{} crashes{}", w.lives[life].id, if host_too { " with its host" } else { "" })
        });
        self.oracle.life_over(life, self.now);
        for (conn, side) in self.ends_of(life) {
            if !host_too {
                self.send(conn, side, Packet::Reset);
            }
            self.lose_tail(conn, 1 - side);
            self.stage(conn, side, Stage::Over);
        }
        let gone = &mut self.lives[life];
        gone.alive = false;
        gone.died = Some(self.now);
        gone.conns.clear();
        gone.dialling.clear();
        let (node, tasks) = (gone.node.take(), gone.tasks.take());
        let node_ix = gone.node_ix;
        if self.homes[node_ix] == Some(life) {
            self.homes[node_ix] = None;
            self.hosts_down[node_ix] = host_too;
        }
        // Nobody listens to what they still say.
        drop((tasks, node));
    }

    pub fn restart(&mut self, node: NodeIx) {
        if self.homes[node].is_none() {
            self.counts.restarts += 1;
            self.start(node, true);
        }
    }

    /// A node that has borne another's name is gone.
    pub fn leave(&mut self, life: LifeIx) {
        if self.lives[life].alive {
            self.crash(life, false);
        }
    }

    pub fn pause(&mut self, life: LifeIx, time: Time) {
        self.counts.pauses += 1;
        self.trace(|w| format!("{} is paused for {} ms", w.lives[life].id, time / MS));
        self.lives[life].paused = true;
        self.agenda.plan(self.now + time, Event::Resume(life));
    }

    /// It goes on, and everything that it has missed happens now, in any order.
    pub fn resume(&mut self, life: LifeIx) {
        if !self.lives[life].alive || !std::mem::replace(&mut self.lives[life].paused, false) {
            return;
        }
        self.trace(|w| format!("{} goes on", w.lives[life].id));
        self.lives[life].resumed = self.now;
        let mut missed = std::mem::take(&mut self.lives[life].missed);
        missed.extend(self.ends_of(life).into_iter().map(|(conn, side)| Event::Read(conn, side)));
        self.rng.shuffle(&mut missed);
        for event in missed {
            self.agenda.plan(self.now, event);
        }
    }
}
