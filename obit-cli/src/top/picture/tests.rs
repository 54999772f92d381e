use ratatui::{Terminal, backend::TestBackend};
use serde_json::json;

use super::*;

fn look(dials: u64) -> Snapshot {
    let down = json!({
        "monitor": "partisan:ref:a", "target": "job2@c@host", "reason": "noproc", "text": "no such process",
        "cause": null, "silent_ms": null, "source": "target-node", "node": "c@host", "incarnation": "7",
        "watcher": null, "ago_ms": 61_500,
    });
    let peer = json!({
        "name": "b@host", "incarnation": "5f0c", "session": 4, "hidden": true, "queued_bytes": 4096,
        "monitors": 21, "monitored_by": 1,
    });
    let look = json!({
        "node": {
            "name": "a@host", "incarnation": "8c21", "address": "127.0.0.1:7001", "processes": 3, "monitors": 1,
            "monitored_by": 1, "uptime_ms": 3_661_000, "peers": [peer],
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

/// A picture, and the time at which its look was taken.
fn picture() -> (Picture, Instant) {
    let now = Instant::now();
    (Picture::new(look(10), Duration::from_secs(1), now), now)
}

fn drawn(picture: &mut Picture, at: Instant, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(|frame| picture.draw(frame, at)).unwrap();
    terminal.backend().to_string()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn everything_is_on_the_screen() {
    let (mut picture, start) = picture();
    picture.update(look(25), start + seconds(2));
    let screen = drawn(&mut picture, start + seconds(2), 120, 40);
    for text in [
        " live  a@host  up for 1h 01m  listens on 127.0.0.1:7001  incarnation 8c21",
        "3 processes   1 monitor held   1 monitor on it by others   4 Downs reported",
        "b@host     21      1  hidden  4.0 KiB        4  5f0c",
        "job1",
        "fired",
        "this node",
        "web",
        "1m 01s  job2",
        "no such process",
        "25         7.5",
        "q quit",
    ] {
        assert!(screen.contains(text), "{text} is not in\n{screen}");
    }
    assert!(!screen.contains("refused"), "a count of zero is not shown\n{screen}");
    assert!(!screen.contains("more"), "everything fits\n{screen}");
}

#[test]
fn a_reason_that_was_cut_is_marked() {
    let (mut picture, start) = picture();
    assert!(!drawn(&mut picture, start, 120, 40).contains("(cut)"), "older nodes do not report it");
    picture.look.downs[0].reason_was_cut = true;
    let screen = drawn(&mut picture, start, 120, 40);
    assert!(screen.contains("no such process… (cut)"), "{screen}");
}

#[test]
fn a_hidden_node_does_not_show_its_peers_as_hidden() {
    let (mut picture, start) = picture();
    picture.look.node.hidden = true;
    let screen = drawn(&mut picture, start, 120, 40);
    assert_eq!(screen.matches("hidden").count(), 1, "{screen}");
    assert!(screen.lines().next().unwrap().contains("hidden"), "{screen}");
}

#[test]
fn rows_that_do_not_fit_are_counted_and_can_be_scrolled_to() {
    let (mut picture, start) = picture();
    let down = |number| {
        let mut down = picture.look.downs[0].clone();
        down.target = format!("task{number}@c@host");
        down
    };
    picture.look.downs = (0..30).map(down).collect();
    let screen = drawn(&mut picture, start, 100, 24);
    assert!(screen.contains("more ↓") && screen.contains("task0 ") && !screen.contains("task29"), "{screen}");
    picture.turn(Turn::Next);
    picture.turn(Turn::Down(usize::MAX));
    let screen = drawn(&mut picture, start, 100, 24);
    assert!(screen.contains("more ↑") && screen.contains("task29") && !screen.contains("task0 "), "{screen}");
    picture.turn(Turn::Up(usize::MAX));
    assert!(drawn(&mut picture, start, 100, 24).contains("task0 "));
}

#[test]
fn a_low_screen_has_fewer_sections_and_rows_in_each() {
    let (mut picture, start) = picture();
    let screen = drawn(&mut picture, start, 40, 10);
    assert!(screen.contains("b@host") && !screen.contains("Counts"), "{screen}");
    picture.turn(Turn::Previous);
    let screen = drawn(&mut picture, start, 40, 10);
    assert!(screen.contains("Counts") && screen.contains("dials"), "{screen}");
}

#[test]
fn a_long_name_is_cut_in_its_middle() {
    let (mut picture, start) = picture();
    picture.look.node.peers[0].name = format!("customers-and-orders@{}.example:7001", "host".repeat(20));
    let screen = drawn(&mut picture, start, 60, 24);
    assert!(
        screen.contains("customers") && screen.contains("…") && screen.contains("example:7001"),
        "{screen}"
    );
}

#[test]
fn a_node_that_does_not_answer_is_slow_and_then_lost_until_it_answers() {
    let (mut picture, start) = picture();
    assert!(drawn(&mut picture, start + seconds(2), 100, 30).contains(" live "));
    let slow = drawn(&mut picture, start + seconds(4), 100, 30);
    assert!(slow.contains(" slow  a@host") && slow.contains("no answer for 4s"), "{slow}");
    picture.lose("no node answers".to_owned());
    let lost = drawn(&mut picture, start + seconds(75), 100, 30);
    assert!(lost.contains(" lost  a@host"), "{lost}");
    assert!(lost.contains("as it was 1m 15s ago; trying again: no node answers"), "{lost}");
    assert!(lost.contains("2m 16s  job2"), "the age of a Down grows\n{lost}");
    picture.update(look(1), start + seconds(80));
    assert!(drawn(&mut picture, start + seconds(80), 100, 30).contains(" live  a@host"));
}

#[test]
fn a_node_that_has_gone_stays_for_a_while() {
    let (mut picture, start) = picture();
    let mut alone = look(1);
    alone.node.peers.clear();
    picture.update(alone.clone(), start + seconds(1));
    let screen = drawn(&mut picture, start + seconds(13), 100, 30);
    assert!(screen.contains("Nodes that are up: 0") && screen.contains("gone 12s"), "{screen}");
    picture.update(alone, start + seconds(62));
    assert!(!drawn(&mut picture, start + seconds(62), 100, 30).contains("gone"));
}

#[test]
fn names_of_peers_move_no_cursor() {
    let (mut picture, start) = picture();
    picture.look.monitors.on[0].names = vec!["\x1b[2Jweb\r\n".to_owned()];
    let screen = drawn(&mut picture, start, 100, 30);
    assert!(screen.contains("\\u{1b}[2Jweb\\u{d}\\u{a}") && !screen.contains(['\x1b', '\r']), "{screen}");
}

#[test]
fn a_small_screen_does_not_panic() {
    let (mut picture, start) = picture();
    for (width, height) in [(1, 1), (3, 3), (20, 5), (200, 3), (130, 4), (300, 100)] {
        drawn(&mut picture, start, width, height);
    }
}
