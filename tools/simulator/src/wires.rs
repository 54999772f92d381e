//! How frames travel: in order, with a delay, not through a cut, and without their tail when a
//! connection dies.

use crate::{
    conn::{ConnIx, LifeIx, NodeIx, Packet, Stage},
    time::{MS, Time},
    world::{Event, World},
};

impl World {
    /// How long something takes one way.
    pub fn latency(&mut self) -> Time {
        // Mostly near, sometimes far, so that what is sent on different connections overtakes each
        // other.
        if self.rng.u8(..) < 16 { self.rng.u64(5 * MS..120 * MS) } else { self.rng.u64(MS / 5..3 * MS) }
    }

    /// That side says something.
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
            self.agenda.plan(due, Event::Arrive(conn, 1 - side));
        }
    }

    /// What is due at that side arrives there, unless the way is cut: then it waits, as TCP sends
    /// it again.
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
            self.agenda.plan(*at, Event::Arrive(conn, side));
        }
        let Some(life) = self.conns[conn].ends[side].as_ref().map(|end| end.life) else { return };
        if !self.lives[life].alive {
            return self.answer_for_the_dead(conn, side);
        }
        let Some(end) = self.conns[conn].end(side) else { return };
        // What was due may have been lost meanwhile.
        if due.is_empty() || matches!(end.stage, Stage::Over) {
            return;
        }
        end.last_arrival = now;
        if let Some(line) = end.line() {
            // The driver of a session that its node has dropped reads the rest.
            if line.arrive(due) {
                self.plan_beat(conn, side, self.now);
            }
            return self.touch(life);
        }
        end.unread.extend(due);
        if !self.lives[life].paused {
            self.shake(conn, side);
        }
    }

    /// The host of a node that is dead answers for it.
    fn answer_for_the_dead(&mut self, conn: ConnIx, side: usize) {
        let nodes = self.conns[conn].nodes;
        if self.hosts_down[nodes[side]] || self.is_cut(nodes[side], nodes[1 - side]) {
            return;
        }
        let delay = self.latency();
        let wire = &mut self.conns[conn].wires[1 - side];
        if wire.queue.is_empty() {
            wire.queue.push_back((self.now + delay, Packet::Reset));
            wire.moving = true;
            self.agenda.plan(self.now + delay, Event::Arrive(conn, 1 - side));
        }
    }

    /// Any tail of what is on its way to that side is lost, but not the news of the end.
    pub fn lose_tail(&mut self, conn: ConnIx, side: usize) {
        let kept = self.rng.usize(..=self.conns[conn].wires[side].queue.len());
        let queue = &mut self.conns[conn].wires[side].queue;
        let tells = matches!(queue.back(), Some((_, Packet::Fin | Packet::Reset)));
        let news = if tells { queue.pop_back() } else { None };
        self.counts.frames_lost += queue.len().saturating_sub(kept) as u64;
        queue.truncate(kept);
        queue.extend(news);
    }

    /// Frames move again that a cut has held up.
    pub fn move_again(&mut self) {
        for conn in 0..self.conns.len() {
            for side in 0..2 {
                let wire = &self.conns[conn].wires[side];
                if !wire.moving && !wire.queue.is_empty() {
                    // The sender's system tries again some time later.
                    let at = self.now + self.rng.u64(MS..1_000 * MS);
                    self.conns[conn].wires[side].moving = true;
                    self.agenda.plan(at, Event::Arrive(conn, side));
                }
            }
        }
    }

    /// Whether nothing gets from one node to the other.
    pub fn is_cut(&self, from: NodeIx, to: NodeIx) -> bool {
        self.cuts.iter().flatten().any(|cut| cut.holds_up(from, to))
    }

    /// All ends of connections of that life.
    pub fn ends_of(&self, life: LifeIx) -> Vec<(ConnIx, usize)> {
        let ends = self.conns.iter().enumerate().flat_map(|(conn, both)| {
            let of_life = move |side: &usize| {
                both.ends[*side].as_ref().is_some_and(|end| end.life == life && !end.is_over())
            };
            (0..2).filter(of_life).map(move |side| (conn, side))
        });
        ends.collect()
    }
}
