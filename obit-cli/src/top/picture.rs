//! Draws a node on the screen.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use monitor_runtime::control::{PeerLine, Snapshot};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Style, Stylize},
    text::{Line, Span},
};

use super::{
    sections::{self, Gone},
    table::Section,
    words::{cut, cut_end, many, width},
};
use crate::{output::printable, times::span};

/// The last answer of a node, and the rates of its counts since the answer before.
pub(super) struct Picture {
    look: Snapshot,
    /// When the answer arrived.
    seen: Instant,
    interval: Duration,
    per_second: BTreeMap<String, f64>,
    downs_per_second: f64,
    gone: BTreeMap<String, (PeerLine, Instant)>,
    /// Why the node does not answer.
    lost: Option<String>,
    chosen: usize,
    /// The first visible row of each section.
    first: [usize; SECTIONS],
}

/// The action of a key.
#[derive(Clone, Copy)]
pub(super) enum Turn {
    Next,
    Previous,
    Down(usize),
    Up(usize),
}

/// Number of sections: nodes, `Down`s, monitors and counts. On a small screen the last ones are
/// left out first.
const SECTIONS: usize = 4;
/// Minimum height of a section: its title and two rows.
const MIN_HEIGHT: u16 = 3;
/// Minimum number of columns for two sections side by side.
const WIDE: u16 = 130;
/// A node is slow if its answer is later than the interval plus this time.
const SLOW_AFTER: Duration = Duration::from_secs(2);
/// How long a node that has gone stays on the screen, and the maximum number of such nodes.
const REMEMBERED: (Duration, usize) = (Duration::from_secs(60), 16);

const KEYS: [&str; 3] =
    ["q quit   Tab next section   ↑ ↓ PgUp PgDn Home scroll", "q quit  Tab section  ↑↓ scroll", "q quit"];

impl Picture {
    pub(super) fn new(look: Snapshot, interval: Duration, now: Instant) -> Self {
        Picture {
            look,
            seen: now,
            interval,
            per_second: BTreeMap::new(),
            downs_per_second: 0.0,
            gone: BTreeMap::new(),
            lost: None,
            chosen: 0,
            first: [0; SECTIONS],
        }
    }

    /// Replaces the answer by one that arrived at `now`.
    pub(super) fn update(&mut self, look: Snapshot, now: Instant) {
        // A restarted node counts from zero.
        let same_incarnation = self.look.node.incarnation == look.node.incarnation;
        let after = now.saturating_duration_since(self.seen).as_secs_f64().max(0.001);
        let more = |now: u64, before: Option<u64>| {
            let before = before.filter(|_| same_incarnation).unwrap_or(now);
            now.saturating_sub(before) as f64 / after
        };
        let before: BTreeMap<_, _> = self.look.counts.iter().map(|line| (&line.name, line.count)).collect();
        let rates = look
            .counts
            .iter()
            .map(|line| (line.name.clone(), more(line.count, before.get(&line.name).copied())));
        self.per_second = rates.collect();
        self.downs_per_second = more(told(&look), Some(told(&self.look)));
        self.record_gone(&look, same_incarnation, now);
        self.look = look;
        self.seen = now;
        self.lost = None;
    }

    /// Records the peers that were up at the answer before and are not any more.
    fn record_gone(&mut self, look: &Snapshot, same_incarnation: bool, now: Instant) {
        let up: BTreeSet<_> = look.node.peers.iter().map(|peer| peer.name.as_str()).collect();
        // If the list is incomplete, a peer that is not listed may be up.
        let is_known = same_incarnation && look.node.more_peers == 0;
        let left = self.look.node.peers.drain(..).filter(|peer| is_known && !up.contains(peer.name.as_str()));
        self.gone.extend(left.map(|peer| (peer.name.clone(), (peer, now))));
        let (time, max) = REMEMBERED;
        self.gone.retain(|name, (_, since)| !up.contains(name.as_str()) && now - *since < time);
        while self.gone.len() > max {
            let oldest = self.gone.iter().min_by_key(|(_, (_, since))| *since);
            let Some(oldest) = oldest.map(|(name, _)| name.clone()) else { break };
            self.gone.remove(&oldest);
        }
    }

    /// Records that the node did not answer.
    pub(super) fn lose(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// Handles a key.
    pub(super) fn turn(&mut self, turn: Turn) {
        let first = &mut self.first[self.chosen];
        match turn {
            Turn::Next => self.chosen = (self.chosen + 1) % SECTIONS,
            Turn::Previous => self.chosen = (self.chosen + SECTIONS - 1) % SECTIONS,
            Turn::Down(rows) => *first = first.saturating_add(rows),
            Turn::Up(rows) => *first = first.saturating_sub(rows),
        }
    }

    pub(super) fn draw(&mut self, frame: &mut Frame<'_>, now: Instant) {
        let rows = [Constraint::Length(1), Constraint::Length(1), Constraint::Fill(1), Constraint::Length(1)];
        let [name, figures, body, keys] = Layout::vertical(rows).areas(frame.area());
        let room = usize::from(frame.area().width);
        frame.render_widget(self.head(room, now), name);
        frame.render_widget(self.figures(room, now), figures);
        let help = KEYS.into_iter().find(|keys| width(keys) <= room).unwrap_or_default();
        frame.render_widget(Line::from(help.dark_gray()), keys);
        self.draw_sections(frame, body, now);
    }

    fn draw_sections(&mut self, frame: &mut Frame<'_>, area: Rect, now: Instant) {
        let since = now.saturating_duration_since(self.seen);
        let gone = |(peer, since): &(PeerLine, Instant)| Gone {
            peer: peer.clone(),
            ago: now.saturating_duration_since(*since),
        };
        let gone: Vec<_> = self.gone.values().map(gone).collect();
        let all = [
            sections::nodes(&self.look, &gone),
            sections::downs(&self.look, since),
            sections::monitors(&self.look),
            sections::counts(&self.look, &self.per_second),
        ];
        for (at, place) in places(&all, area, self.chosen) {
            // The last row stays visible.
            self.first[at] = self.first[at].min(all[at].rows.len().saturating_sub(1));
            all[at].draw(frame, place, self.first[at], at == self.chosen);
        }
    }

    fn head(&self, room: usize, now: Instant) -> Line<'static> {
        let node = &self.look.node;
        let since = now.saturating_duration_since(self.seen);
        let state = match &self.lost {
            Some(_) => Span::from(" lost ").white().on_red(),
            None if since > self.interval + SLOW_AFTER => Span::from(" slow ").black().on_yellow(),
            None => Span::from(" live ").black().on_green(),
        };
        let left = room.saturating_sub(state.width() + 1);
        let name = cut(&printable(&node.name), left);
        let up = Duration::from_millis(node.uptime_ms) + since;
        let parts = [
            (node.uptime_ms > 0).then(|| format!("up for {}", span(up))),
            node.hidden.then(|| "hidden".to_owned()),
            node.address.as_ref().map(|address| format!("listens on {address}")),
            Some(format!("incarnation {}", node.incarnation)),
        ];
        // A part that does not fit is left out, not cut.
        let about = parts.into_iter().flatten().fold(String::new(), |about, part| {
            let longer = format!("{about}  {}", printable(&part));
            if width(&name) + width(&longer) <= left { longer } else { about }
        });
        Line::from(vec![state, " ".into(), name.bold(), about.dark_gray()])
    }

    fn figures(&self, room: usize, now: Instant) -> Line<'static> {
        let since = now.saturating_duration_since(self.seen);
        if let Some(why) = &self.lost {
            let text = format!("as it was {} ago; trying again: {}", span(since), printable(why));
            return Line::from(cut_end(&text, room)).red();
        }
        if since > self.interval + SLOW_AFTER {
            return Line::from(cut_end(&format!("no answer for {}", span(since)), room)).yellow();
        }
        let node = &self.look.node;
        let (processes, held, on) = (node.processes as u64, node.monitors as u64, node.monitored_by as u64);
        let downs = told(&self.look);
        let long = [
            many(processes, "process", "processes"),
            many(held, "monitor held", "monitors held"),
            many(on, "monitor on it by others", "monitors on it by others"),
            many(downs, "Down reported", "Downs reported"),
        ];
        let short = [
            format!("{processes} proc"),
            format!("{held} held"),
            format!("{on} on it"),
            format!("{downs} Downs"),
        ];
        let rate = if self.downs_per_second > 0.0 {
            format!("{:.1} a second", self.downs_per_second)
        } else {
            String::new()
        };
        let (parts, gap) = [(long, "   "), (short, "  ")]
            .into_iter()
            .find(|(parts, gap)| width(&parts.join(gap)) + width(gap) + width(&rate) <= room)
            .unwrap_or_else(|| (["", "", "", ""].map(str::to_owned), ""));
        let mut spans = Vec::new();
        for part in parts {
            let (figure, what) = part.split_once(' ').unwrap_or((&part, ""));
            spans.extend([figure.to_owned().bold(), Span::from(format!(" {what}{gap}"))]);
        }
        spans.push(Span::styled(rate, Style::new().red()));
        Line::from(spans)
    }
}

/// The visible sections and their areas: as many as fit, and always the chosen one.
fn places(all: &[Section; SECTIONS], area: Rect, chosen: usize) -> Vec<(usize, Rect)> {
    if area.width >= WIDE {
        let halves = [Constraint::Fill(1), Constraint::Length(3), Constraint::Fill(1)];
        let [left, _, right] = Layout::horizontal(halves).areas(area);
        let one_below_the_other = |half, which: [usize; 2]| stack(all, half, which.to_vec(), chosen);
        let mut places = one_below_the_other(left, [0, 2]);
        places.extend(one_below_the_other(right, [1, 3]));
        return places;
    }
    stack(all, area, (0..SECTIONS).collect(), chosen)
}

fn stack(all: &[Section; SECTIONS], area: Rect, mut which: Vec<usize>, chosen: usize) -> Vec<(usize, Rect)> {
    while which.len() > 1 && usize::from(area.height) < which.len() * usize::from(MIN_HEIGHT) {
        let last = which.iter().rposition(|at| *at != chosen).unwrap_or_default();
        which.remove(last);
    }
    let wanted: Vec<_> = which.iter().map(|at| all[*at].height()).collect();
    let gaps = u16::try_from(wanted.len()).unwrap_or_default().saturating_sub(1);
    let in_all = wanted.iter().fold(gaps, |sum, height| sum.saturating_add(*height));
    let gap = u16::from(in_all <= area.height);
    let heights = shares(area.height, &wanted);
    let mut y = area.y;
    let place = |(at, height): (usize, u16)| {
        let place = Rect { y, height, ..area };
        y = y.saturating_add(height).saturating_add(gap);
        (at, place)
    };
    which.into_iter().zip(heights).map(place).collect()
}

/// Divides the lines among sections with these wanted heights: one line to each in turn, until each
/// has its height or no line is left.
fn shares(lines: u16, wanted: &[u16]) -> Vec<u16> {
    let mut given = vec![0; wanted.len()];
    let mut left = lines;
    loop {
        let before = left;
        for (given, wanted) in given.iter_mut().zip(wanted) {
            if left > 0 && *given < *wanted {
                *given += 1;
                left -= 1;
            }
        }
        if left == before {
            return given;
        }
    }
}

/// Number of `Down`s that the node has reported since its start.
fn told(look: &Snapshot) -> u64 {
    look.told.iter().map(|line| line.count).sum()
}

#[cfg(test)]
mod tests;
