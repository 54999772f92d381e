//! Code of the user never runs where its panic or its block could hurt a promise.
//!
//! Panics are caught in one file, which says what each caller discards. Events and metrics leave
//! through a queue: each library has one file whose functions put them there.

use super::{Finding, sources::File};

/// The only file that may assert unwind safety.
const UNWIND: &str = "supervision/src/unwind.rs";

/// The libraries whose tasks run in programs of others.
const LIBRARIES: [&str; 4] =
    ["peer-service/src/", "transport-tcp/src/", "monitor-runtime/src/", "supervision/src/"];

/// Files that make events and figures, for the queue.
const TELLERS: [&str; 5] = [
    "monitor-runtime/src/records/down_log.rs",
    "monitor-runtime/src/records/log.rs",
    "monitor-runtime/src/observe/metrics.rs",
    "supervision/src/telemetry.rs",
    "transport-tcp/src/log.rs",
];

const EVENTS: [&str; 12] = [
    "tracing::error!",
    "tracing::warn!",
    "tracing::info!",
    "tracing::debug!",
    "tracing::trace!",
    "tracing::event!",
    "tracing::enabled!",
    "_span!",
    "#[instrument",
    "counter!(",
    "gauge!(",
    "histogram!(",
];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let is_library = LIBRARIES.iter().any(|of| file.path.starts_with(of));
    if !file.is_rust() || !is_library || file.path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    // Tests at the end of a file run in no program of others.
    for (line, text) in file.lines().take_while(|(_, text)| *text != "#[cfg(test)]") {
        let code = text.split("//").next().unwrap_or_default();
        let mut find = |what: String| findings.push(Finding { file: file.path.clone(), line, what });
        if file.path != UNWIND && (code.contains("AssertUnwindSafe") || code.contains("catch_unwind")) {
            find(format!("panics are caught by `supervision::catch`, in {UNWIND} alone"));
        }
        if !TELLERS.contains(&file.path.as_str())
            && let Some(event) = EVENTS.iter().find(|event| code.contains(*event))
        {
            find(format!(
                "`{event}` calls code of the user, which may block: put it into the queue, as `log.rs` does"
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn events_outside_of_the_queue_and_caught_panics_are_found() {
        let text = "// tracing::warn!\ntracing::warn!(x);\nlet y = AssertUnwindSafe(z);\n";
        assert_eq!(lines("transport-tcp/src/io/listener.rs", text), [2, 3]);
        assert_eq!(lines("transport-tcp/src/log.rs", text), [3]);
        assert_eq!(lines("supervision/src/unwind.rs", text), [2]);
        assert_eq!(lines("obit-cli/src/main.rs", text), [0; 0], "a program may log where it likes");
        assert_eq!(lines("monitor-runtime/tests/processes.rs", text), [0; 0]);
    }
}
