//! The sections of the screen.

use std::{collections::BTreeMap, time::Duration};

use monitor_runtime::control::{PastDownLine, PeerLine, Snapshot};
use ratatui::style::{Color, Style};

use super::{
    table::{Cell, Section, cell, left, prose, right},
    words::{bytes, place, rate},
};
use crate::{cut::shown_reason, output::printable, times::span};

/// A node that has gone recently.
pub(super) struct Gone {
    pub(super) peer: PeerLine,
    pub(super) ago: Duration,
}

/// All nodes that are up, and those that have gone recently, sorted by name.
pub(super) fn nodes(look: &Snapshot, gone: &[Gone]) -> Section {
    let peers = &look.node.peers;
    let up = peers.iter().map(|peer| (peer, None));
    let mut all: Vec<_> = up.chain(gone.iter().map(|gone| (&gone.peer, Some(gone.ago)))).collect();
    all.sort_by(|(one, _), (other, _)| one.name.cmp(&other.name));
    let row = |(peer, gone): &(&PeerLine, Option<Duration>)| {
        let state = match gone {
            Some(ago) if ago.as_secs() == 0 => cell("just gone").style(Style::new().red()),
            Some(ago) => cell(format!("gone {}", span(*ago))).style(Style::new().red()),
            // A session is hidden if either end is. If this end is, the flag says nothing about the
            // peer.
            None if peer.hidden && !look.node.hidden => cell("hidden").style(faint()),
            None => cell(""),
        };
        let name = if gone.is_some() { Style::new().red() } else { Style::new().bold() };
        let figures = |figure: usize| cell(if gone.is_some() { String::new() } else { figure.to_string() });
        vec![
            text(&peer.name).style(name),
            figures(peer.monitors),
            figures(peer.monitored_by),
            state,
            cell(if gone.is_some() || peer.queued_bytes == 0 {
                String::new()
            } else {
                bytes(peer.queued_bytes)
            }),
            cell(peer.session.to_string()).style(faint()),
            text(&peer.incarnation).style(faint()),
        ]
    };
    let columns = vec![
        left("node"),
        right("on it"),
        right("by it"),
        left(""),
        right("to send"),
        right("session"),
        left("incarnation"),
    ];
    Section {
        title: format!("Nodes that are up: {}", peers.len() + look.node.more_peers),
        columns,
        needed: 4,
        rows: all.iter().map(row).collect(),
        none: "none: this node is alone",
    }
}

/// The last `Down`s, the newest first.
pub(super) fn downs(look: &Snapshot, since: Duration) -> Section {
    let row = |down: &PastDownLine| {
        let (what, node) = place(&down.target);
        let ago = Duration::from_millis(down.ago_ms) + since;
        vec![
            cell(span(ago)).style(faint()),
            text(&what).style(Style::new().bold()),
            text(&node),
            text(&shown_reason(&down.text, down.reason_was_cut)).style(colour(down)),
        ]
    };
    Section {
        title: "Last Downs".to_owned(),
        columns: vec![right("ago"), left("target"), left("on"), prose("reason")],
        needed: 4,
        rows: look.downs.iter().map(row).collect(),
        none: "nothing so far",
    }
}

/// The monitors, sorted by target.
pub(super) fn monitors(look: &Snapshot) -> Section {
    let monitors = &look.monitors;
    let held = monitors.held.iter().map(|held| {
        let watcher = held.watcher.as_deref().map_or("this node".to_owned(), |pid| place(pid).0);
        let (what, node) = place(&held.target);
        (node, what, watcher, held.fired)
    });
    let on = monitors.on.iter().flat_map(|on| {
        let target = on.names.first().cloned().unwrap_or_else(|| place(&on.process).0);
        on.by.iter().map(move |by| ("this node".to_owned(), target.clone(), place(by).1, false))
    });
    let mut all: Vec<_> = held.chain(on).collect();
    all.sort();
    let row = |(node, what, watcher, fired): &(String, String, String, bool)| {
        let fired = cell(if *fired { "fired" } else { "" }).style(Style::new().red());
        vec![text(watcher), text(what).style(Style::new().bold()), text(node), fired]
    };
    let shown = all.len();
    let title = match look.node.monitors + look.node.monitored_by {
        count if monitors.more => format!("Monitors: {shown} of {count}"),
        _ => format!("Monitors: {shown}"),
    };
    Section {
        title,
        columns: vec![left("watcher"), left("target"), left("on"), left("")],
        needed: 4,
        rows: all.iter().map(row).collect(),
        none: "none",
    }
}

/// The counts that are not zero, those with the highest rates first.
pub(super) fn counts(look: &Snapshot, per_second: &BTreeMap<String, f64>) -> Section {
    let per_second = |name: &String| per_second.get(name).copied().unwrap_or_default();
    let mut counts: Vec<_> = look.counts.iter().filter(|line| line.count > 0).collect();
    counts.sort_by(|a, b| {
        per_second(&b.name)
            .total_cmp(&per_second(&a.name))
            .then(b.count.cmp(&a.count))
            .then(a.name.cmp(&b.name))
    });
    let rows = counts.iter().map(|line| {
        let rate = rate(per_second(&line.name));
        let style = if rate.is_empty() { Style::new() } else { Style::new().bold() };
        let cells = [text(&line.name.replace('_', " ")), cell(line.count.to_string()), cell(rate)];
        cells.map(|cell| cell.style(style)).into()
    });
    Section {
        title: "Counts".to_owned(),
        columns: vec![left("count"), right("total"), right("per second")],
        needed: 2,
        rows: rows.collect(),
        none: "all counts are zero",
    }
}

/// A cell with a text from another node, with control characters escaped.
fn text(text: &str) -> Cell {
    cell(printable(text))
}

const fn faint() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// Green for a normal end, yellow for another end, red if the state of the process is unknown.
fn colour(down: &PastDownLine) -> Style {
    let good = ["exit: normal", "exit: shutdown"].contains(&down.text.as_str());
    Style::new().fg(match down.reason.as_str() {
        "exit" if good => Color::Green,
        "exit" => Color::Yellow,
        "noproc" => Color::Reset,
        _ => Color::Red,
    })
}
