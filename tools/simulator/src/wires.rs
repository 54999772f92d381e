//! The network: packets arrive in order, with a delay, not through a cut, and without their tail
//! when a connection is reset.

use crate::{
    conn::{ConnIx, InstanceIx, NodeIx, Packet, Stage},
    time::{MS, Time},
    world::{Event, World},
};

impl World {
    /// The delay of a packet in one direction.
    pub fn latency(&mut self) -> Time {
        // Mostly short, sometimes long, so that packets on different connections overtake each
        // other.
        if self.rng.u8(..) < 16 { self.rng.u64(5 * MS..120 * MS) } else { self.rng.u64(MS / 5..3 * MS) }
    }

    /// Sends a packet from that side.
    pub fn send(&mut self, conn: ConnIx, side: usize, packet: Packet) {
        let delay = self.latency();
        let due = self.now + delay;
        if self.conns[conn].ends[side].as_ref().is_none_or(|end| end.is_over()) {
            return;
        }
        let wire = &mut self.conns[conn].wires[1 - side];
        let due = wire.queue.back().map_or(due, |(before, _)| due.max(*before));
        wire.queue.push_back((due, packet));
        if !wire.moving {
            wire.moving = true;
            self.queue.schedule(due, Event::Arrive(conn, 1 - side));
        }
    }

    /// Delivers the packets that are due at that side. On a cut connection they wait, as TCP
    /// retransmits them.
    pub fn arrive(&mut self, conn: ConnIx, side: usize) {
        let nodes = self.conns[conn].nodes;
        self.conns[conn].wires[side].moving = false;
        if self.is_cut(nodes[1 - side], nodes[side]) {
            return;
        }
        let now = self.now;
        let wire = &mut self.conns[conn].wires[side];
        let mut due = Vec::new();
        while wire.queue.front().is_some_and(|(at, _)| *at <= now) {
            due.extend(wire.queue.pop_front().map(|(_, frame)| frame));
        }
        if let Some((at, _)) = wire.queue.front() {
            wire.moving = true;
            self.queue.schedule(*at, Event::Arrive(conn, side));
        }
        let Some(instance) = self.conns[conn].ends[side].as_ref().map(|end| end.instance) else { return };
        if !self.instances[instance].alive {
            return self.reset_from_host(conn, side);
        }
        let Some(end) = self.conns[conn].end(side) else { return };
        // The packets may have been lost in the meantime.
        if due.is_empty() || matches!(end.stage, Stage::Over) {
            return;
        }
        end.last_arrival = now;
        if let Some(endpoint) = end.endpoint() {
            // The driver of a session that its node has dropped reads the rest.
            if endpoint.arrive(due) {
                self.schedule_upkeep(conn, side, self.now);
            }
            return self.schedule_run(instance);
        }
        end.unread.extend(due);
        if !self.instances[instance].paused {
            self.step_handshake(conn, side);
        }
    }

    /// The host of an ended node resets the connection.
    fn reset_from_host(&mut self, conn: ConnIx, side: usize) {
        let nodes = self.conns[conn].nodes;
        if self.hosts_down[nodes[side]] || self.is_cut(nodes[side], nodes[1 - side]) {
            return;
        }
        let delay = self.latency();
        let wire = &mut self.conns[conn].wires[1 - side];
        if wire.queue.is_empty() {
            wire.queue.push_back((self.now + delay, Packet::Reset));
            wire.moving = true;
            self.queue.schedule(self.now + delay, Event::Arrive(conn, 1 - side));
        }
    }

    /// Drops a random tail of the packets on their way to that side, but not the last `Fin` or
    /// `Reset`.
    pub fn lose_tail(&mut self, conn: ConnIx, side: usize) {
        let kept = self.rng.usize(..=self.conns[conn].wires[side].queue.len());
        let queue = &mut self.conns[conn].wires[side].queue;
        let tells = matches!(queue.back(), Some((_, Packet::Fin | Packet::Reset)));
        let news = if tells { queue.pop_back() } else { None };
        self.counts.frames_lost += queue.len().saturating_sub(kept) as u64;
        queue.truncate(kept);
        queue.extend(news);
    }

    /// Schedules the arrival of packets that a cut has delayed.
    pub fn resume_delivery(&mut self) {
        for conn in 0..self.conns.len() {
            for side in 0..2 {
                let wire = &self.conns[conn].wires[side];
                if !wire.moving && !wire.queue.is_empty() {
                    // The sender's system retransmits some time later.
                    let at = self.now + self.rng.u64(MS..1_000 * MS);
                    self.conns[conn].wires[side].moving = true;
                    self.queue.schedule(at, Event::Arrive(conn, side));
                }
            }
        }
    }

    /// Whether no packet passes from one node to the other.
    pub fn is_cut(&self, from: NodeIx, to: NodeIx) -> bool {
        self.cuts.iter().flatten().any(|cut| cut.cuts(from, to))
    }

    /// All open ends of connections of that instance.
    pub fn ends_of(&self, instance: InstanceIx) -> Vec<(ConnIx, usize)> {
        let ends = self.conns.iter().enumerate().flat_map(|(conn, both)| {
            let of_instance = move |side: &usize| {
                both.ends[*side].as_ref().is_some_and(|end| end.instance == instance && !end.is_over())
            };
            (0..2).filter(of_instance).map(move |side| (conn, side))
        });
        ends.collect()
    }
}
