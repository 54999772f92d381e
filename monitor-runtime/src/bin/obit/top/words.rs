//! What the node says, short enough for a screen.

use std::time::Duration;

use monitor_runtime::{MonitorRef, Name, NodeName, Pid, Target};

/// What a target, a pid or a reference names, and on which node.
pub(super) fn place(text: &str) -> (String, String) {
    let on = |what: String, node: &NodeName| (what, node.to_string());
    if let Ok(monitor) = text.parse::<MonitorRef>() {
        return on(format!("monitor {}", monitor.serial()), &monitor.node().name);
    }
    match text.parse() {
        Ok(Target::Pid(pid)) => on(process(&pid), &pid.node().name),
        Ok(Target::Name(Name { name, node })) => on(name.to_string(), &node),
        // A newer node may say what this program does not know.
        Err(_) => (text.to_owned(), String::new()),
    }
}

fn process(pid: &Pid) -> String {
    format!("process {}", pid.serial())
}

/// How long ago something was, in its two largest units.
pub(super) fn ago(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        3600..172_800 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// A rate, or nothing where there is none.
pub(super) fn rate(per_second: f64) -> String {
    if per_second == 0.0 { String::new() } else { format!("{per_second:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_has_a_node_is_named_with_it() {
        let pair = |what: &str, node: &str| (what.to_owned(), node.to_owned());
        assert_eq!(place("job1@b@host:7001"), pair("job1", "b@host:7001"));
        assert_eq!(place("partisan:pid:b@host%3A7001:8c21:3.0"), pair("process 3.0", "b@host:7001"));
        assert_eq!(place("partisan:ref:b@host:8c21:0.1"), pair("monitor 0.1", "b@host"));
        assert_eq!(place("from the future"), pair("from the future", ""));
    }

    #[test]
    fn times_have_two_units_at_most() {
        let said = [0, 59, 61, 3599, 3660, 90_000, 200_000].map(|seconds| ago(Duration::from_secs(seconds)));
        assert_eq!(said, ["0s", "59s", "1m 01s", "59m 59s", "1h 01m", "25h 00m", "2d"]);
    }
}
