//! Short texts for the screen.

use monitor_runtime::{MonitorRef, Name, NodeName, Pid, Target};
use ratatui::text::Span;

/// The short name of a target, a pid or a reference, and its node.
pub(super) fn place(text: &str) -> (String, String) {
    let on = |what: String, node: &NodeName| (what, node.to_string());
    if let Ok(monitor) = text.parse::<MonitorRef>() {
        return on(format!("monitor {}", monitor.serial()), &monitor.node().name);
    }
    match text.parse() {
        Ok(Target::Pid(pid)) => on(process(&pid), &pid.node().name),
        Ok(Target::Name(Name { name, node })) => on(name.to_string(), &node),
        // A newer node may send a form that this program cannot parse.
        Err(_) => (text.to_owned(), String::new()),
    }
}

fn process(pid: &Pid) -> String {
    format!("process {}", pid.serial())
}

/// A rate; empty if it is zero.
pub(super) fn rate(per_second: f64) -> String {
    if per_second == 0.0 { String::new() } else { format!("{per_second:.1}") }
}

/// A number of bytes, with a unit.
pub(super) fn bytes(count: usize) -> String {
    let mut count = count as f64;
    let mut units = ["B", "KiB", "MiB"].into_iter();
    while count >= 1024.0
        && let Some(_) = units.next()
    {
        count /= 1024.0;
    }
    match units.next() {
        Some("B") => format!("{count} B"),
        Some(unit) => format!("{count:.1} {unit}"),
        None => format!("{count:.1} GiB"),
    }
}

/// A count with the singular or plural of its noun.
pub(super) fn many(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Number of terminal columns of a text.
pub(super) fn width(text: &str) -> usize {
    Span::raw(text).width()
}

/// The text, or its beginning and its end if it is wider than `room`: names differ at both ends.
pub(super) fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let Some(room) = room.checked_sub(1) else { return String::new() };
    let head = prefix(text.chars(), room - room / 2);
    let tail: String = prefix(text.chars().rev(), room / 2).chars().rev().collect();
    format!("{head}…{tail}")
}

/// The text, or its beginning if it is wider than `room`.
pub(super) fn cut_end(text: &str, room: usize) -> String {
    match room.checked_sub(1) {
        Some(room_for_text) if width(text) > room => format!("{}…", prefix(text.chars(), room_for_text)),
        _ if width(text) <= room => text.to_owned(),
        _ => String::new(),
    }
}

fn prefix(letters: impl Iterator<Item = char>, room: usize) -> String {
    let mut prefix = String::new();
    let mut used = 0;
    for letter in letters {
        used += width(letter.encode_utf8(&mut [0; 4]));
        if used > room {
            break;
        }
        prefix.push(letter);
    }
    prefix
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pids_and_references_are_split_from_their_nodes() {
        let pair = |what: &str, node: &str| (what.to_owned(), node.to_owned());
        assert_eq!(place("job1@b@host:7001"), pair("job1", "b@host:7001"));
        assert_eq!(
            place("partisan:pid:b@host%3A7001:0000000000008c21:3.0"),
            pair("process 3.0", "b@host:7001")
        );
        assert_eq!(place("partisan:ref:b@host:0000000000008c21:0.1"), pair("monitor 0.1", "b@host"));
        assert_eq!(place("from the future"), pair("from the future", ""));
    }

    #[test]
    fn a_wide_name_keeps_its_ends() {
        assert_eq!(cut("customers-1@10.0.0.7:7001", 25), "customers-1@10.0.0.7:7001");
        assert_eq!(cut("customers-1@10.0.0.7:7001", 12), "custom…:7001");
        assert_eq!(["日本語日本語", "ab"].map(|text| cut(text, 5)), ["日…語", "ab"]);
        assert_eq!((cut("abc", 1), cut("abc", 0)), ("…".to_owned(), String::new()));
        assert_eq!(["no such process", "none"].map(|text| cut_end(text, 8)), ["no such…", "none"]);
        assert_eq!((cut_end("abc", 1), cut_end("abc", 0)), ("…".to_owned(), String::new()));
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(
            [0, 1023, 4096, 5 << 20, 3 << 40].map(bytes),
            ["0 B", "1023 B", "4.0 KiB", "5.0 MiB", "3072.0 GiB"]
        );
    }
}
