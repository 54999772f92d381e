//! No code reads the time of day, since an administrator may set that clock at any moment, back or
//! forth. Durations come from the monotonic clock, which cannot be set.
//!
//! A node reads that clock, and random numbers, in one place, which a simulation replaces. This
//! file lists the parts of the runtime that a simulated node does not use.

use super::{Finding, sources::File};

/// The expressions that read the time of day.
const WALL_CLOCKS: [&str; 3] = ["SystemTime", "UNIX_EPOCH", "chrono::"];

/// The crates that run in other people's programs.
const CRATES: [&str; 8] = [
    "refs/",
    "supervision/",
    "monitor-core/",
    "peer-service/",
    "transport-tcp/",
    "monitor-runtime/",
    "obit/",
    "obit-cli/",
];

/// The files in which the runtime reads the clock and the random numbers of the system: the
/// environment of a node, the threads of a node that has its own, and the code for sockets and
/// recorders.
const UNSIMULATED: [&str; 11] = [
    "platform/",
    "observe/connection_limit.rs",
    "observe/connection_limit/",
    "observe/control.rs",
    "observe/control/",
    "observe/http.rs",
    "observe/http/",
    "observe/metrics.rs",
    "node/start.rs",
    "test_util/",
    "threads/",
];

const OF_THE_SYSTEM: [&str; 5] = ["Instant::now", ".elapsed()", "Timer::", "getrandom::u", "getrandom::fill"];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = time_of_day(file);
    findings.extend(outside_of_the_environment(file));
    findings
}

fn outside_of_the_environment(file: &File) -> Vec<Finding> {
    let Some(path) = file.path.strip_prefix("monitor-runtime/src/").filter(|_| file.is_rust()) else {
        return Vec::new();
    };
    if UNSIMULATED.iter().any(|part| path.starts_with(part)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        let code = text.split("//").next().unwrap_or_default();
        if let Some(source) = OF_THE_SYSTEM.iter().find(|source| code.contains(*source)) {
            let what = format!("`{source}` cannot be simulated: use the node's `Environment`");
            findings.push(Finding { file: file.path.clone(), line, what });
        }
    }
    findings
}

fn time_of_day(file: &File) -> Vec<Finding> {
    if !file.is_rust() || !CRATES.iter().any(|of| file.path.starts_with(of)) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        let code = text.split("//").next().unwrap_or_default();
        if let Some(clock) = WALL_CLOCKS.iter().find(|clock| code.contains(*clock)) {
            let what =
                format!("`{clock}` tells the time of day, which may be set at any moment: use `Instant`");
            findings.push(Finding { file: file.path.clone(), line, what });
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_a_simulation_does_not_replace_is_found() {
        let text = "/// Timer::after\nlet until = Instant::now();\nlet now = environment.now();\n";
        let lines = |path: &str| {
            let file = File { path: path.to_owned(), text: text.to_owned() };
            check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("monitor-runtime/src/session/flush_policy.rs"), [2]);
        assert_eq!(lines("monitor-runtime/src/observe/control/client.rs"), [0; 0]);
        assert_eq!(lines("transport-tcp/src/io/session/driver.rs"), [0; 0]);
    }

    #[test]
    fn code_that_reads_the_time_of_day_is_found() {
        let text = "// not SystemTime\nlet since = SystemTime::now();\nlet until = Instant::now();\n";
        let lines = |path: &str| {
            let file = File { path: path.to_owned(), text: text.to_owned() };
            check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("transport-tcp/src/io/session/driver.rs"), [2]);
        assert_eq!(lines("monitor-runtime/examples/two_nodes.rs"), [2]);
        assert_eq!(lines("xtask/src/main.rs"), [0; 0], "the tests may write a date below their figures");
    }
}
