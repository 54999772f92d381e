//! Drives the table of peers of each node: reports the events of connections, and carries out the
//! actions of the table.

use std::{sync::Arc, time::Instant};

use peer_service::{DialId, EndKind, NodeName, Outbox as _, SessionEnd};
use transport_tcp::proto::peers::{
    action::Action,
    pairing::ConnId,
    peer::Plan,
    table::{DialFailure, PeerTable},
};

use crate::{
    conn::{ACCEPTOR, Conn, ConnIx, End, INITIATOR, InstanceIx, NodeIx, Packet, Stage},
    service::Request,
    session::{Endpoint, Work},
    time::{SECOND, Time},
    world::{Event, World},
};

/// Maximum time for the connection and the handshake together.
pub const SETUP_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// After this time without faults, every delayed packet has arrived and was answered.
const CALM: Time = 4 * SECOND;

impl World {
    /// Handles the requests and the sessions of a node.
    pub fn serve(&mut self, instance: InstanceIx) {
        let service = self.instances[instance].service.clone();
        loop {
            let busy = std::mem::take(&mut *service.busy.lock());
            for (conn, side) in &busy {
                self.serve_endpoint(*conn, *side);
            }
            let request = service.requests.lock().pop_front();
            match request {
                Some(Request::Connect(name, dial)) => self.connect(instance, &name, dial),
                Some(Request::Disconnect(name)) => self.disconnect(instance, &name),
                None if busy.is_empty() => return,
                None => {}
            }
        }
    }

    /// Sends the bytes that one end of a session has written, and handles its end.
    fn serve_endpoint(&mut self, conn: ConnIx, side: usize) {
        let Some(endpoint) = self.conns[conn].ends[side].as_ref().and_then(|end| end.endpoint().cloned())
        else {
            return;
        };
        let Work { written, read, wakes_driver, ended } = endpoint.take_work();
        for bytes in written {
            self.send(conn, side, Packet::Bytes(bytes));
        }
        if read > 0
            && let Some((other, instance)) = self.conns[conn].ends[1 - side]
                .as_ref()
                .and_then(|end| Some((end.endpoint()?.clone(), end.instance)))
        {
            other.packets_read(read);
            if self.instances[instance].alive && !self.instances[instance].paused {
                self.serve_endpoint(conn, 1 - side);
            }
        }
        match ended {
            Some(end) => self.session_over(conn, side, end),
            None if wakes_driver => self.schedule_upkeep(conn, side, self.now),
            None => {}
        }
    }

    fn connect(&mut self, instance: InstanceIx, name: &NodeName, dial: DialId) {
        let session = self.instances[instance].table.session(name).and_then(|id| self.endpoint(instance, id));
        let is_open = session.is_some_and(|endpoint| endpoint.is_open());
        self.report(instance, |table, now| table.connect(&name.clone().into(), dial, is_open, now));
    }

    fn disconnect(&mut self, instance: InstanceIx, name: &NodeName) {
        let session = self.report(instance, |table, now| table.disconnect(name, now));
        let Some(endpoint) = session.and_then(|id| self.endpoint(instance, id)) else { return };
        self.trace(|w| format!("{} disconnects from {name}", w.instances[instance].id));
        endpoint.close(EndKind::Disconnected);
    }

    /// Reports an event to the table of peers of a node, and carries out its actions.
    pub fn report<R>(
        &mut self,
        instance: InstanceIx,
        report: impl FnOnce(&mut PeerTable, Instant) -> R,
    ) -> R {
        let now = self.instances[instance].clock.instant(self.now);
        let result = report(&mut self.instances[instance].table, now);
        while let Some(action) = self.instances[instance].table.poll_action() {
            self.carry_out(instance, action);
        }
        result
    }

    fn carry_out(&mut self, instance: InstanceIx, action: Action) {
        match action {
            Action::StartDialer(name) | Action::WakeDialer(name) => {
                self.queue.schedule(self.now, Event::PlanDial(instance, self.node_of(&name)));
            }
            Action::DropDial(id) => {
                if let Some((conn, _)) = self.find(instance, id) {
                    self.dial_over(conn, DialFailure::Lost);
                }
            }
            Action::Decide(id, decision) => {
                let Some((conn, side)) = self.find(instance, id) else { return };
                self.conns[conn].end(side).into_iter().for_each(|end| end.decisions.push_back(decision));
                self.step_handshake(conn, side);
            }
            Action::DropInbound(_) => unreachable!("no simulated node is stopped"),
            Action::ProbeSession(id) => {
                if let Some(endpoint) = self.endpoint(instance, id) {
                    endpoint.request_probe();
                    self.schedule_run(instance);
                }
            }
            Action::EndSession(id) => {
                if let Some(endpoint) = self.endpoint(instance, id) {
                    self.counts.replaced += 1;
                    endpoint.end_now(EndKind::Replaced.into());
                    self.serve_endpoint(endpoint.conn, endpoint.side);
                }
            }
            Action::FailDial(name, dial, kind) => self.fail(instance, self.node_of(&name), dial, kind),
        }
    }

    /// The connection with this id, and the node's side of it.
    fn find(&self, instance: InstanceIx, id: ConnId) -> Option<(ConnIx, usize)> {
        self.instances[instance].conns.get(&id).copied()
    }

    /// The session of the connection with this id.
    fn endpoint(&self, instance: InstanceIx, id: ConnId) -> Option<Arc<Endpoint>> {
        let (conn, side) = self.find(instance, id)?;
        self.conns[conn].ends[side].as_ref()?.endpoint().cloned()
    }

    /// Carries out the next plan of the dialer of a peer.
    pub fn plan_dial(&mut self, instance: InstanceIx, to: NodeIx) {
        if self.instances[instance].dialing.contains_key(&to) {
            return;
        }
        let (name, clock) = (self.names[to].clone(), self.instances[instance].clock);
        match self.report(instance, |table, now| table.plan(&name, now).0) {
            Plan::Stop => {}
            Plan::Sleep(until) => {
                let at = clock.when_instant(until, self.now);
                self.queue.schedule(at, Event::PlanDial(instance, to));
            }
            Plan::Dial(deadline) => {
                let at = clock.when_instant(deadline, self.now);
                self.dial(instance, to, at);
            }
        }
    }

    fn dial(&mut self, instance: InstanceIx, to: NodeIx, deadline: u64) {
        let name = self.names[to].clone();
        let Some(id) = self.report(instance, |table, now| table.begin_dial(&name, now)) else {
            let random = self.rng.u64(..);
            return self
                .report(instance, |table, now| table.dial_failed(&name, DialFailure::Lost, now, random));
        };
        let conn = self.conns.len();
        let nodes = [self.instances[instance].node_ix, to];
        self.conns.push(Conn { nodes, ends: [None, None], wires: Default::default() });
        self.begin(conn, INITIATOR, End::new(instance, id, Stage::Connecting));
        self.counts.dials += 1;
        self.instances[instance].dialing.insert(to, conn);
        let round_trip = 2 * self.latency();
        self.queue.schedule(self.now + round_trip, Event::Connect(conn));
        self.queue.schedule(deadline, Event::Expire(conn, INITIATOR));
    }

    /// Connects the two ends, or fails the dial if no node is reachable.
    pub fn connected(&mut self, conn: ConnIx) {
        let [from, to] = self.conns[conn].nodes;
        let Some(end) = self.conns[conn].ends[INITIATOR].as_ref().filter(|end| !end.is_over()) else {
            return;
        };
        let (instance, id) = (end.instance, end.id);
        if self.hosts_down[to] || self.is_cut(from, to) || self.is_cut(to, from) {
            // The operating system retries until the dial times out.
            return self.queue.schedule(self.now + SECOND / 2, Event::Connect(conn));
        }
        let Some(home) = self.reachable[to] else {
            return self.dial_over(conn, DialFailure::Failed(EndKind::Refused));
        };
        let inbound = ConnId(self.instances[home].table.number());
        let stage = self.inbound(home);
        self.begin(conn, ACCEPTOR, End::new(home, inbound, stage));
        let stage = self.outbound(instance, to, id);
        self.stage(conn, INITIATOR, stage);
        self.step_handshake(conn, INITIATOR);
        let at = self.now + SETUP_TIMEOUT.as_micros() as u64;
        self.queue.schedule(at, Event::Expire(conn, ACCEPTOR));
    }

    /// Adds one end of a connection.
    fn begin(&mut self, conn: ConnIx, side: usize, end: End) {
        self.instances[end.instance].conns.insert(end.id, (conn, side));
        self.conns[conn].ends[side] = Some(end);
    }

    /// Handles a failed dial.
    pub fn dial_over(&mut self, conn: ConnIx, failure: DialFailure) {
        let to = self.conns[conn].nodes[ACCEPTOR];
        let Some(end) = self.conns[conn].end(INITIATOR).filter(|end| !end.is_over()) else { return };
        let (instance, id) = (end.instance, end.id);
        self.hang_up(conn, INITIATOR, Packet::Fin);
        self.instances[instance].dialing.remove(&to);
        let (name, random) = (self.names[to].clone(), self.rng.u64(..));
        self.report(instance, |table, now| table.closed(&name, id, now));
        self.report(instance, |table, now| table.dial_failed(&name, failure, now, random));
    }

    fn fail(&mut self, instance: InstanceIx, to: NodeIx, dial: DialId, kind: EndKind) {
        self.trace(|w| format!("{} cannot reach {}: {kind:?}", w.instances[instance].id, w.names[to]));
        self.counts.failed_dials += 1;
        self.record_break(instance, to, kind);
        self.instances[instance].service.events.failed(self.names[to].clone(), dial, kind.into());
        self.schedule_run(instance);
    }

    /// Handles the end of a session at one end.
    fn session_over(&mut self, conn: ConnIx, side: usize, end: SessionEnd) {
        let to = self.conns[conn].nodes[1 - side];
        let Some((instance, id)) = self.conns[conn].end(side).map(|end| (end.instance, end.id)) else {
            return;
        };
        self.trace(|w| {
            format!("{} ends its session with {} ({conn}): {end:?}", w.instances[instance].id, w.names[to])
        });
        self.counts.ended(end.kind);
        if end.kind == EndKind::Replaced && self.could_answer(conn, 1 - side) {
            self.violated("P9", || {
                format!("a session with {to} ({conn}) was replaced although its peer still has it")
            });
        }
        self.record_break(instance, to, end.kind);
        if self.instances[instance].sessions.get(&to) == Some(&conn) {
            self.instances[instance].sessions.remove(&to);
        }
        // A reset ends the connection to a peer that does not answer, and loses packets on their
        // way.
        let resets = matches!(end.kind, EndKind::Timeout | EndKind::Overloaded);
        self.hang_up(conn, side, if resets { Packet::Reset } else { Packet::Fin });
        let (name, random) = (self.names[to].clone(), self.rng.u64(..));
        self.report(instance, |table, now| table.session_over(&name, id, end, now, random));
        self.schedule_run(instance);
    }

    /// Whether that end has a session, and no recent fault could keep it from answering a probe.
    fn could_answer(&self, conn: ConnIx, side: usize) -> bool {
        let Some(end) = &self.conns[conn].ends[side] else { return false };
        let is_open = end.endpoint().is_some_and(|endpoint| endpoint.is_open());
        let instance = &self.instances[end.instance];
        let calm = self.cuts.iter().all(Option::is_none) && self.now > self.repaired + CALM;
        is_open && calm && instance.alive && !instance.paused && self.now > instance.resumed + CALM
    }

    /// Closes this end of the connection. The other end receives `last`, unless it is lost.
    pub fn hang_up(&mut self, conn: ConnIx, side: usize, last: Packet) {
        let losing = matches!(last, Packet::Reset);
        self.send(conn, side, last);
        self.stage(conn, side, Stage::Over);
        self.conns[conn].wires[side].queue.clear();
        if losing {
            self.lose_tail(conn, 1 - side);
        }
    }

    pub fn stage(&mut self, conn: ConnIx, side: usize, stage: Stage) {
        let Some(end) = self.conns[conn].end(side) else { return };
        end.stage = stage;
        if end.is_over() {
            let (instance, id) = (end.instance, end.id);
            self.instances[instance].conns.remove(&id);
        }
    }
}
