//! What a node looks like on the screen.

use std::{collections::BTreeMap, time::Duration};

use monitor_runtime::control::{Look, PastDownLine, PeerLine};
use ratatui::{
    Frame,
    layout::{Alignment, Constraint, Layout, Rect},
    style::{Color, Style, Stylize},
    text::{Line, Span, Text},
    widgets::{Block, BorderType, Row, Table},
};

use super::words::{ago, place, rate};

/// The last look at a node, and how its counts have changed since the one before.
pub(super) struct Picture {
    look: Look,
    per_second: BTreeMap<String, f64>,
    downs_per_second: f64,
    /// Why the node does not answer, and for how long.
    lost: Option<(String, Duration)>,
}

/// A screen of fewer columns has no room for the counts.
const NARROW: u16 = 72;
/// One of fewer has none for all that is to be said of a node.
const WIDE: u16 = 110;

impl Picture {
    pub(super) fn new(look: Look) -> Self {
        Picture { look, per_second: BTreeMap::new(), downs_per_second: 0.0, lost: None }
    }

    /// A look, so long after the last one.
    pub(super) fn update(&mut self, look: Look, after: Duration) {
        // One that was started anew counts from the beginning.
        let same_life = self.look.node.incarnation == look.node.incarnation;
        let more = |now: u64, before: Option<u64>| {
            let before = before.filter(|_| same_life).unwrap_or(now);
            now.saturating_sub(before) as f64 / after.as_secs_f64()
        };
        let before: BTreeMap<_, _> = self.look.counts.iter().map(|line| (&line.name, line.count)).collect();
        let rates = look
            .counts
            .iter()
            .map(|line| (line.name.clone(), more(line.count, before.get(&line.name).copied())));
        self.per_second = rates.collect();
        self.downs_per_second = more(told(&look), Some(told(&self.look)));
        self.look = look;
        self.lost = None;
    }

    /// The node did not answer; the last look was so long ago.
    pub(super) fn lose(&mut self, why: String, since: Duration) {
        self.lost = Some((why, since));
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Length(2), Constraint::Fill(2), Constraint::Fill(3), Constraint::Fill(3)];
        let [head, nodes_and_counts, monitors, downs] = Layout::vertical(rows).areas(frame.area());
        let nodes_share = if frame.area().width < WIDE { 1 } else { 2 };
        let counts_share = if frame.area().width < NARROW { 0 } else { 1 };
        let columns = [Constraint::Fill(nodes_share), Constraint::Fill(counts_share)];
        let [nodes, counts] = Layout::horizontal(columns).areas(nodes_and_counts);
        self.draw_head(frame, head);
        self.draw_nodes(frame, nodes);
        self.draw_counts(frame, counts);
        self.draw_monitors(frame, monitors);
        self.draw_downs(frame, downs);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let node = &self.look.node;
        let [name, figures] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
        let state = match &self.lost {
            None => Span::from(" live ").black().on_green(),
            Some(_) => Span::from(" lost ").white().on_red(),
        };
        let address = node.address.as_deref().unwrap_or("nowhere");
        let life = format!(" life {}, listens on {address}", node.incarnation);
        let title = vec![state, " ".into(), node.name.as_str().bold(), life.dark_gray()];
        let [name, keys] = Layout::horizontal([Constraint::Fill(1), Constraint::Length(9)]).areas(name);
        frame.render_widget(Line::from(title), name);
        frame.render_widget(Line::from("q leaves".dark_gray()).right_aligned(), keys);
        frame.render_widget(self.figures(), figures);
    }

    fn figures(&self) -> Line<'static> {
        if let Some((why, since)) = &self.lost {
            return Line::from(format!("this was {} ago; trying again: {why}", ago(*since))).red();
        }
        let node = &self.look.node;
        let parts = [
            (node.processes as u64, "processes"),
            (node.monitored_by as u64, "monitors on them by others"),
            (node.monitors as u64, "monitors held"),
            (told(&self.look), "Downs told"),
        ];
        let mut spans: Vec<Span<'_>> = Vec::new();
        for (figure, what) in parts {
            spans.extend([figure.to_string().bold(), format!(" {what}   ").into()]);
        }
        if self.downs_per_second > 0.0 {
            spans.push(format!("{:.1} a second", self.downs_per_second).red());
        }
        Line::from(spans)
    }

    fn draw_nodes(&self, frame: &mut Frame<'_>, area: Rect) {
        let peers = &self.look.node.peers;
        let title = format!("Nodes that are up: {}", peers.len());
        let hidden = |hidden: bool| Text::from(if hidden { "hidden" } else { "" }).dark_gray();
        if frame.area().width < WIDE {
            let row = |peer: &PeerLine| {
                Row::new([Text::from(peer.name.clone()), right(peer.session), hidden(peer.hidden)])
            };
            let widths = [Constraint::Min(16), Constraint::Length(7), Constraint::Length(6)];
            let columns = ["node", ">session", ""];
            return table(frame, area, title, columns, (peers.len(), peers.iter().map(row)), widths);
        }
        let row = |peer: &PeerLine| {
            Row::new([
                Text::from(peer.name.clone()),
                Text::from(peer.incarnation.clone()).dark_gray(),
                right(peer.session),
                right(peer.queued_bytes),
                hidden(peer.hidden),
            ])
        };
        let [life, session, to_send, flag] = [16, 7, 7, 6].map(Constraint::Length);
        let widths = [Constraint::Min(20), life, session, to_send, flag];
        let columns = ["node", "life", ">session", ">to send", ""];
        table(frame, area, title, columns, (peers.len(), peers.iter().map(row)), widths);
    }

    /// Those that have ever counted anything, the busiest first.
    fn draw_counts(&self, frame: &mut Frame<'_>, area: Rect) {
        let per_second = |name: &String| self.per_second.get(name).copied().unwrap_or_default();
        let mut counts: Vec<_> = self.look.counts.iter().filter(|line| line.count > 0).collect();
        counts
            .sort_by(|a, b| per_second(&b.name).total_cmp(&per_second(&a.name)).then(b.count.cmp(&a.count)));
        let rows = counts.iter().map(|line| {
            let rate = rate(per_second(&line.name));
            let style = if rate.is_empty() { Style::new() } else { Style::new().bold() };
            let name = Text::from(line.name.replace('_', " "));
            Row::new([name, right(line.count), right(rate)]).style(style)
        });
        let widths = [Constraint::Min(12), Constraint::Length(9), Constraint::Length(8)];
        let columns = ["what", ">in all", ">a second"];
        table(frame, area, "Counts".to_owned(), columns, (counts.len(), rows), widths);
    }

    fn draw_monitors(&self, frame: &mut Frame<'_>, area: Rect) {
        let monitors = &self.look.monitors;
        let held = monitors.held.iter().map(|held| {
            let watcher = held.watcher.as_deref().map_or("this node".to_owned(), |pid| place(pid).0);
            let (what, node) = place(&held.target);
            Row::new([watcher.into(), Text::from(what).bold(), node.into(), fired(held.fired)])
        });
        let on = monitors.on.iter().flat_map(|on| {
            let target = on.names.first().cloned().unwrap_or_else(|| place(&on.process).0);
            on.by.iter().map(move |by| {
                let watcher = Text::from(place(by).1);
                Row::new([watcher, Text::from(target.clone()).bold(), "this node".into(), fired(false)])
            })
        });
        let widths = [Constraint::Fill(2), Constraint::Fill(2), Constraint::Fill(2), Constraint::Length(5)];
        let count = monitors.held.len() + monitors.on.iter().map(|on| on.by.len()).sum::<usize>();
        let title = if monitors.more { "Who watches whom, in part" } else { "Who watches whom" };
        let columns = ["watcher", "target", "on", ""];
        table(frame, area, title.to_owned(), columns, (count, held.chain(on)), widths);
    }

    fn draw_downs(&self, frame: &mut Frame<'_>, area: Rect) {
        let downs = &self.look.downs;
        let rows = downs.iter().map(|down| {
            let when = Text::from(ago(Duration::from_millis(down.ago_ms))).alignment(Alignment::Right);
            let (what, node) = place(&down.target);
            Row::new([
                when,
                Text::from(what).bold(),
                node.into(),
                Text::styled(down.text.clone(), colour(down)),
            ])
        });
        let widths = [Constraint::Length(7), Constraint::Fill(2), Constraint::Fill(2), Constraint::Fill(3)];
        let columns = [">ago", "target", "on", "of what"];
        table(frame, area, "Told last".to_owned(), columns, (downs.len(), rows), widths);
    }
}

/// How many `Down`s the node has told since its start.
fn told(look: &Look) -> u64 {
    look.told.iter().map(|line| line.count).sum()
}

fn right(figure: impl ToString) -> Text<'static> {
    Text::from(figure.to_string()).alignment(Alignment::Right)
}

fn fired(fired: bool) -> Text<'static> {
    Text::from(if fired { "fired" } else { "" }).red()
}

/// Green for a good end, yellow for another, red for what nobody knows to be one.
fn colour(down: &PastDownLine) -> Style {
    let good = ["exit: normal", "exit: shutdown"].contains(&down.text.as_str());
    Style::new().fg(match down.reason.as_str() {
        "exit" if good => Color::Green,
        "exit" => Color::Yellow,
        "noproc" => Color::Reset,
        _ => Color::Red,
    })
}

/// A table with so many rows. A column whose name begins with `>` has its name at the right.
fn table<'a, const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: String,
    columns: [&'static str; N],
    (count, rows): (usize, impl Iterator<Item = Row<'a>>),
    widths: [Constraint; N],
) {
    let head = columns.map(|name| match name.strip_prefix('>') {
        Some(name) => right(name),
        None => Text::from(name),
    });
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(Style::new().dark_gray())
        .title(title.bold());
    // Two lines of the frame, and the head.
    let room = usize::from(area.height).saturating_sub(3);
    let block = match count.saturating_sub(room) {
        0 => block,
        more => block.title_bottom(Line::from(format!(" {more} more ")).right_aligned()),
    };
    // What has no room is not laid out.
    let table = Table::new(rows.take(room), widths)
        .header(Row::new(head).style(Style::new().dark_gray()))
        .column_spacing(2)
        .block(block);
    frame.render_widget(table, area);
}

#[cfg(test)]
mod tests {
    use ratatui::{Terminal, backend::TestBackend};
    use serde_json::json;

    use super::*;

    fn look(dials: u64) -> Look {
        let down = json!({
            "monitor": "partisan:ref:a", "target": "job2@c@host", "reason": "noproc", "text": "no such process",
            "cause": null, "silent_ms": null, "source": "target-node", "node": "c@host", "incarnation": "7",
            "watcher": null, "ago_ms": 61_500,
        });
        let look = json!({
            "node": {
                "name": "a@host", "incarnation": "8c21", "address": "127.0.0.1:7001", "processes": 3, "monitors": 1,
                "monitored_by": 1,
                "peers": [{"name": "b@host", "incarnation": "5f0c", "session": 4, "hidden": true, "queued_bytes": 4096}],
            },
            "monitors": {
                "held": [{"monitor": "partisan:ref:x", "watcher": null, "target": "job1@b@host", "fired": true}],
                "on": [{"process": "partisan:pid:y", "names": ["web"], "by": ["partisan:ref:b"]}],
                "more": false,
            },
            "downs": [down],
            "counts": [{"name": "refused_busy", "count": 0}, {"name": "dials", "count": dials}],
            "told": [{"name": "exit", "count": 3}, {"name": "noproc", "count": 1}],
        });
        serde_json::from_value(look).unwrap()
    }

    fn drawn(picture: &Picture, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| picture.draw(frame)).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn everything_is_on_the_screen() {
        let mut picture = Picture::new(look(10));
        picture.update(look(25), Duration::from_secs(2));
        let screen = drawn(&picture, 120, 40);
        for text in [
            " live  a@host life 8c21, listens on 127.0.0.1:7001",
            "3 processes   1 monitors on them by others   1 monitors held   4 Downs told",
            "b@host",
            "4096  hidden",
            "job1",
            "fired",
            "this node",
            "web",
            "1m 01s  job2",
            "no such process",
            "25       7.5",
        ] {
            assert!(screen.contains(text), "{text} is not in\n{screen}");
        }
        assert!(!screen.contains("refused"), "what never happened takes no room\n{screen}");
        assert!(!screen.contains("more"), "everything has room\n{screen}");
    }

    #[test]
    fn what_has_no_room_is_counted() {
        let mut picture = Picture::new(look(1));
        picture.look.downs = vec![picture.look.downs[0].clone(); 30];
        let screen = drawn(&picture, 100, 30);
        assert!(screen.contains(" 23 more "), "{screen}");
    }

    #[test]
    fn a_node_that_is_lost_is_said_to_be_until_it_is_back() {
        let mut picture = Picture::new(look(1));
        picture.lose("no node answers".to_owned(), Duration::from_secs(75));
        let screen = drawn(&picture, 100, 30);
        assert!(screen.contains(" lost  a@host"), "{screen}");
        assert!(screen.contains("this was 1m 15s ago; trying again: no node answers"), "{screen}");
        picture.update(look(1), Duration::from_secs(80));
        assert!(drawn(&picture, 100, 30).contains(" live  a@host"));
    }

    #[test]
    fn names_of_peers_move_no_cursor() {
        let mut picture = Picture::new(look(1));
        picture.look.monitors.on[0].names = vec!["\x1b[2Jweb\r\n".to_owned()];
        let screen = drawn(&picture, 100, 30);
        assert!(screen.contains("web") && !screen.contains(['\x1b', '\r']), "{screen}");
    }

    #[test]
    fn a_screen_that_is_too_small_is_no_failure() {
        let picture = Picture::new(look(1));
        for (width, height) in [(1, 1), (20, 5), (200, 3)] {
            drawn(&picture, width, height);
        }
    }
}
