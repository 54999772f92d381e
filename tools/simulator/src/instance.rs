//! Instances of nodes: started, run some steps at a time, paused, crashed and restarted.

use std::{collections::BTreeMap, sync::Arc};

use monitor_runtime::{Config, Node, test_util::run_all_on};
use peer_service::{EndKind, NodeId};
use refs::Incarnation;
use transport_tcp::{
    TcpConfig,
    proto::{
        handshake::Identity,
        peers::{
            pairing::ConnId,
            table::{DialTimes, PeerTable},
        },
    },
};

use crate::{
    conn::{ConnIx, InstanceIx, NodeIx, Packet, Stage},
    service::SimService,
    tasks::Tasks,
    time::{Clock, MS, NodeClock, SECOND, Time},
    transport::SETUP_TIMEOUT,
    upkeep::HEARTBEAT,
    world::{Event, World},
};

/// One instance of a node: the real `Node`, and its state in the simulation.
pub struct Instance {
    pub id: NodeId,
    pub node_ix: NodeIx,
    pub alive: bool,
    pub paused: bool,
    /// When it last resumed after a pause.
    pub resumed: Time,
    pub born: Time,
    pub died: Option<Time>,
    pub clock: Clock,
    /// `None` once the instance has ended.
    pub node: Option<Node>,
    pub tasks: Option<Arc<Tasks>>,
    /// The times at which a task of it panicked as planned.
    pub panicked: Vec<Time>,
    pub service: Arc<SimService>,
    pub table: PeerTable,
    pub identity: Arc<Identity>,
    /// The configuration of its transport.
    pub config: TcpConfig,
    /// Its clock, as its runtime reads it.
    pub node_clock: Arc<NodeClock>,
    /// Its connections by id, and its side of each.
    pub conns: BTreeMap<ConnId, (ConnIx, usize)>,
    pub dialing: BTreeMap<NodeIx, ConnIx>,
    pub sessions: BTreeMap<NodeIx, ConnIx>,
    /// The times and kinds of ended sessions and failed dials.
    pub breaks: BTreeMap<NodeIx, Vec<(Time, EndKind)>>,
    run_planned: bool,
    /// The events that it has missed while it was paused.
    pub missed: Vec<Event>,
}

/// Maximum number of bytes of queued messages for one peer.
const MAX_MESSAGES: usize = 64 << 10;

/// The name of the task that handles the events of the peer service.
const EVENTS: &str = "events";

impl World {
    /// Starts an instance of a node. Unless `reachable`, other nodes cannot dial it under its name.
    pub fn start(&mut self, node_ix: NodeIx, home: bool) {
        let instance = self.instances.len();
        let name = self.names[node_ix].clone();
        let id = NodeId::new(name.clone(), Incarnation::new(instance as u64 + 1).expect("not zero"));
        let service = SimService::new(id.clone());
        let tcp = TcpConfig::new().heartbeat(HEARTBEAT).setup_timeout(SETUP_TIMEOUT);
        let tcp = tcp.max_message_queue(MAX_MESSAGES);
        let table = PeerTable::new(name.clone(), DialTimes::of(&tcp));
        let identity = Arc::new(Identity::new(id.clone(), &tcp));
        let tasks = Tasks::new();
        let batch = [1, 2, 4, 256][self.rng.usize(..4)];
        let skew = if self.settings.faults.skew { self.rng.i64(-20_000..20_000) } else { 0 };
        let clock = Clock::new(skew, self.zero);
        let node_clock = Arc::new(NodeClock { clock, now: self.shared_now.clone() });
        let config = run_all_on(Config::new(name).max_batch(batch), tasks.spawner());
        let config = config.simulated(node_clock.clone(), self.rng.u64(..));
        let node = Node::with_service(config, service.clone());
        self.instances.push(Instance {
            id,
            node_ix,
            alive: true,
            paused: false,
            resumed: 0,
            born: self.now,
            died: None,
            clock,
            node: Some(node.expect("the service has all capabilities")),
            tasks: Some(tasks),
            panicked: Vec::new(),
            service,
            table,
            identity,
            config: tcp,
            node_clock,
            conns: BTreeMap::new(),
            dialing: BTreeMap::new(),
            sessions: BTreeMap::new(),
            breaks: BTreeMap::new(),
            run_planned: false,
            missed: Vec::new(),
        });
        if home {
            self.reachable[node_ix] = Some(instance);
            self.hosts_down[node_ix] = false;
        }
        self.trace(|w| {
            format!("{} starts, in steps of {batch}, clock off by {skew} ppm", w.instances[instance].id)
        });
        self.spawn_first_processes(instance);
        self.schedule_run(instance);
    }

    /// Schedules a run of the node, because it has something to do.
    pub fn schedule_run(&mut self, instance: InstanceIx) {
        if !self.instances[instance].alive
            || std::mem::replace(&mut self.instances[instance].run_planned, true)
        {
            return;
        }
        let lag = if self.rng.u8(..) < 8 { self.rng.u64(MS..60 * MS) } else { self.rng.u64(1..MS / 2) };
        self.queue.schedule(self.now + lag, Event::Run(instance));
    }

    /// Runs some steps of the tasks of the node, in their order.
    pub fn run_node(&mut self, instance: InstanceIx) {
        self.instances[instance].run_planned = false;
        let steps = self.rng.usize(1..48);
        let Some(tasks) = self.instances[instance].tasks.clone() else { return };
        let idle = tasks.run(steps);
        let panicked = tasks.take_panicked();
        if let Some(task) = panicked {
            self.panicked(instance, task);
        }
        self.serve(instance);
        self.receive(instance);
        self.check_rows(instance);
        if panicked == Some(EVENTS) {
            // Such a node gets no new sessions, so it is restarted, as its operator would do.
            self.crash(instance, false);
            self.queue.schedule(self.now + SECOND, Event::Restart(self.instances[instance].node_ix));
        } else if !idle {
            self.schedule_run(instance);
        }
    }

    /// Ends an instance without notice. Its host resets its connections, unless the host is gone as
    /// well.
    pub fn crash(&mut self, instance: InstanceIx, host_too: bool) {
        self.trace(|w| {
            format!("{} crashes{}", w.instances[instance].id, if host_too { " with its host" } else { "" })
        });
        self.oracle.instance_ended(instance, self.now);
        for (conn, side) in self.ends_of(instance) {
            if !host_too {
                self.send(conn, side, Packet::Reset);
            }
            self.lose_tail(conn, 1 - side);
            self.stage(conn, side, Stage::Over);
        }
        let gone = &mut self.instances[instance];
        gone.alive = false;
        gone.died = Some(self.now);
        gone.conns.clear();
        gone.dialing.clear();
        let (node, tasks) = (gone.node.take(), gone.tasks.take());
        let node_ix = gone.node_ix;
        if self.reachable[node_ix] == Some(instance) {
            self.reachable[node_ix] = None;
            self.hosts_down[node_ix] = host_too;
        }
        // The end of the tasks and of the node has no effect on other nodes any more.
        drop((tasks, node));
    }

    pub fn restart(&mut self, node: NodeIx) {
        if self.reachable[node].is_none() {
            self.counts.restarts += 1;
            self.start(node, true);
        }
    }

    /// Ends a node with a duplicate name.
    pub fn leave(&mut self, instance: InstanceIx) {
        if self.instances[instance].alive {
            self.crash(instance, false);
        }
    }

    pub fn pause(&mut self, instance: InstanceIx, time: Time) {
        self.counts.pauses += 1;
        self.trace(|w| format!("{} is paused for {} ms", w.instances[instance].id, time / MS));
        self.instances[instance].paused = true;
        self.queue.schedule(self.now + time, Event::Resume(instance));
    }

    /// Resumes a paused node. All events that it has missed happen now, in any order.
    pub fn resume(&mut self, instance: InstanceIx) {
        if !self.instances[instance].alive || !std::mem::replace(&mut self.instances[instance].paused, false)
        {
            return;
        }
        self.trace(|w| format!("{} resumes", w.instances[instance].id));
        self.instances[instance].resumed = self.now;
        let mut missed = std::mem::take(&mut self.instances[instance].missed);
        missed.extend(self.ends_of(instance).into_iter().map(|(conn, side)| Event::Read(conn, side)));
        self.rng.shuffle(&mut missed);
        for event in missed {
            self.queue.schedule(self.now, event);
        }
    }
}
