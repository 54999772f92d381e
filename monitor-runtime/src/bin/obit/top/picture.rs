//! What a node looks like on the screen.

use std::{collections::BTreeMap, time::Duration};

use monitor_runtime::control::Look;
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::Stylize,
    text::Line,
    widgets::{Block, Row, Table},
};

/// The last look at a node, and how its counts have changed since the one before.
pub(super) struct Picture {
    look: Look,
    per_second: BTreeMap<String, f64>,
}

impl Picture {
    pub(super) fn new(look: Look) -> Self {
        Picture { look, per_second: BTreeMap::new() }
    }

    /// A look, so long after the last one.
    pub(super) fn update(&mut self, look: Look, after: Duration) {
        let before: BTreeMap<_, _> = self.look.counts.iter().map(|line| (&line.name, line.count)).collect();
        let rate = |name: &String, count: u64| {
            let more = count.saturating_sub(before.get(name).copied().unwrap_or(count));
            more as f64 / after.as_secs_f64()
        };
        let rates = look.counts.iter().map(|line| (line.name.clone(), rate(&line.name, line.count)));
        self.per_second = rates.collect();
        self.look = look;
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let rows = [Constraint::Length(2), Constraint::Fill(2), Constraint::Fill(3), Constraint::Fill(3)];
        let [head, nodes_and_counts, monitors, downs] = Layout::vertical(rows).areas(frame.area());
        let [nodes, counts] =
            Layout::horizontal([Constraint::Fill(2), Constraint::Fill(1)]).areas(nodes_and_counts);
        self.draw_head(frame, head);
        self.draw_nodes(frame, nodes);
        self.draw_counts(frame, counts);
        self.draw_monitors(frame, monitors);
        self.draw_downs(frame, downs);
    }

    fn draw_head(&self, frame: &mut Frame<'_>, area: Rect) {
        let node = &self.look.node;
        let [name, figures] = Layout::vertical([Constraint::Length(1); 2]).areas(area);
        let address = node.address.as_deref().unwrap_or("nowhere");
        let life = format!(" life {}, listens on {address}; q leaves", node.incarnation);
        frame.render_widget(Line::from(vec![node.name.as_str().bold(), life.into()]), name);
        let text = format!(
            "processes: {}; monitors that other nodes hold on them: {}; monitors held here: {}",
            node.processes, node.monitored_by, node.monitors
        );
        frame.render_widget(Line::from(text), figures);
    }

    fn draw_nodes(&self, frame: &mut Frame<'_>, area: Rect) {
        let peers = &self.look.node.peers;
        let rows = peers.iter().map(|peer| {
            let hidden = if peer.hidden { "hidden" } else { "" };
            Row::new([
                peer.name.clone(),
                peer.incarnation.clone(),
                peer.session.to_string(),
                hidden.to_owned(),
            ])
        });
        let widths =
            [Constraint::Fill(2), Constraint::Length(16), Constraint::Length(8), Constraint::Length(6)];
        let title = format!("Nodes that are up: {}", peers.len());
        table(frame, area, title, ["node", "life", "session", ""], rows, widths);
    }

    /// Those that have ever counted anything, the busiest first.
    fn draw_counts(&self, frame: &mut Frame<'_>, area: Rect) {
        let rate = |name: &String| self.per_second.get(name).copied().unwrap_or_default();
        let mut counts: Vec<_> = self.look.counts.iter().filter(|line| line.count > 0).collect();
        counts.sort_by(|a, b| rate(&b.name).total_cmp(&rate(&a.name)).then(b.count.cmp(&a.count)));
        let rows = counts.iter().map(|line| {
            Row::new([line.name.clone(), line.count.to_string(), format!("{:.1}", rate(&line.name))])
        });
        let widths = [Constraint::Fill(1), Constraint::Length(9), Constraint::Length(8)];
        table(frame, area, "Counts".to_owned(), ["what", "in all", "a second"], rows, widths);
    }

    fn draw_monitors(&self, frame: &mut Frame<'_>, area: Rect) {
        let monitors = &self.look.monitors;
        let held = monitors.held.iter().map(|held| {
            let watcher = held.watcher.clone().unwrap_or_else(|| "this node".to_owned());
            Row::new([watcher, held.target.clone(), if held.fired { "fired" } else { "" }.to_owned()])
        });
        let on = monitors.on.iter().flat_map(|on| {
            let target = on.names.first().unwrap_or(&on.process);
            on.by.iter().map(|by| Row::new([by.clone(), target.clone(), String::new()]))
        });
        let widths = [Constraint::Fill(1), Constraint::Fill(1), Constraint::Length(5)];
        let title = if monitors.more { "Who watches whom, in part" } else { "Who watches whom" };
        table(frame, area, title.to_owned(), ["watcher", "target", ""], held.chain(on), widths);
    }

    fn draw_downs(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = self.look.downs.iter().map(|down| {
            let ago = Duration::from_secs(down.ago_ms / 1000);
            Row::new([format!("{ago:?}"), down.target.clone(), down.text.clone()])
        });
        let widths = [Constraint::Length(8), Constraint::Fill(1), Constraint::Fill(2)];
        table(frame, area, "Told last".to_owned(), ["ago", "target", "of what"], rows, widths);
    }
}

fn table<'a, const N: usize>(
    frame: &mut Frame<'_>,
    area: Rect,
    title: String,
    columns: [&'a str; N],
    rows: impl Iterator<Item = Row<'a>>,
    widths: [Constraint; N],
) {
    // What has no room is not laid out.
    let rows = rows.take(area.height.into());
    let table =
        Table::new(rows, widths).header(Row::new(columns).bold()).block(Block::bordered().title(title));
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
                "peers": [{"name": "b@host", "incarnation": "5f0c", "session": 4, "hidden": true}],
            },
            "monitors": {
                "held": [{"monitor": "partisan:ref:x", "watcher": null, "target": "job1@b@host", "fired": true}],
                "on": [{"process": "partisan:pid:y", "names": ["web"], "by": ["partisan:ref:b"]}],
                "more": false,
            },
            "downs": [down],
            "counts": [{"name": "refused_busy", "count": 0}, {"name": "dials", "count": dials}],
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
            "a@host life 8c21, listens on 127.0.0.1:7001",
            "processes: 3; monitors that other nodes hold on them: 1; monitors held here: 1",
            "b@host",
            "hidden",
            "job1@b@host",
            "fired",
            "partisan:ref:b",
            "web",
            "61s",
            "no such process",
            "7.5",
        ] {
            assert!(screen.contains(text), "{text} is not in\n{screen}");
        }
        assert!(!screen.contains("refused_busy"), "what never happened takes no room\n{screen}");
    }

    #[test]
    fn a_screen_that_is_too_small_is_no_failure() {
        let picture = Picture::new(look(1));
        for (width, height) in [(1, 1), (20, 5), (200, 3)] {
            drawn(&picture, width, height);
        }
    }
}
