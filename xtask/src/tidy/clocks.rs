//! Nobody asks what time of day it is: somebody may set that clock at any moment, back or forth. How long something has
//! lasted is read from the monotonic clock, which nobody can set.

use super::{Finding, sources::File};

/// What is told the time of day by.
const WALL_CLOCKS: [&str; 3] = ["SystemTime", "UNIX_EPOCH", "chrono::"];

/// The crates that run in other people's programs.
const CRATES: [&str; 6] =
    ["refs/", "supervision/", "monitor-core/", "peer-service/", "transport-tcp/", "monitor-runtime/"];

pub(super) fn check(file: &File) -> Vec<Finding> {
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
    fn whoever_asks_for_the_time_of_day_is_found() {
        let text = "// not SystemTime\nlet since = SystemTime::now();\nlet until = Instant::now();\n";
        let lines = |path: &str| {
            let file = File { path: path.to_owned(), text: text.to_owned() };
            check(&file).iter().map(|finding| finding.line).collect::<Vec<_>>()
        };
        assert_eq!(lines("transport-tcp/src/keeper.rs"), [2]);
        assert_eq!(lines("monitor-runtime/examples/node/main.rs"), [2]);
        assert_eq!(lines("xtask/src/main.rs"), [0; 0], "the tests may write a date below their figures");
    }
}
