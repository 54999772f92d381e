//! The lines between the harness and one node, in order, with a way to wait for further lines.

use std::{
    fs::File,
    io::{BufRead, BufReader, Read, Write},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

use super::protocol::{Output, Request};

/// A line of the transcript.
#[derive(Clone, Debug)]
pub(crate) struct TranscriptLine {
    /// When the harness sent or read it.
    pub(crate) at: Instant,
    pub(crate) content: LineContent,
}

#[derive(Clone, Debug)]
pub(crate) enum LineContent {
    /// By the harness.
    Request(Request),
    /// By the node.
    Output(Output),
    /// From the node, but not a valid line: the text, and the error.
    Invalid(String),
}

/// The transcript of one run of one node. It is written to a file while it grows.
pub(crate) struct Transcript {
    node: String,
    state: Mutex<State>,
    grown: Condvar,
}

struct State {
    entries: Vec<Arc<TranscriptLine>>,
    log: File,
    /// The node closes its output when it ends.
    over: bool,
}

impl Transcript {
    pub(crate) fn new(node: String, log: File) -> Self {
        let state = State { entries: Vec::new(), log, over: false };
        Transcript { node, state: Mutex::new(state), grown: Condvar::new() }
    }

    /// Reads the node's output to its end, on a thread of its own.
    pub(crate) fn follow(self: &Arc<Self>, stdout: impl Read + Send + 'static) -> JoinHandle<()> {
        let transcript = self.clone();
        std::thread::spawn(move || {
            let mut stdout = BufReader::new(stdout);
            let mut line = String::new();
            // A last line without its end was being written when the node was killed: it was not
            // said.
            while stdout.read_line(&mut line).is_ok() && line.ends_with('\n') {
                let content = match serde_json::from_str(&line) {
                    Ok(output) => LineContent::Output(output),
                    Err(error) => LineContent::Invalid(format!("{}: {error}", line.trim_end())),
                };
                transcript.push(content, &format!("< {}", line.trim_end()));
                line.clear();
            }
            transcript.lock().over = true;
            transcript.grown.notify_all();
        })
    }

    /// Records what the harness is about to say.
    pub(crate) fn asked(&self, request: &Request, line: &str) {
        self.push(LineContent::Request(request.clone()), &format!("> {line}"));
    }

    fn push(&self, content: LineContent, line: &str) {
        let mut state = self.lock();
        state.entries.push(Arc::new(TranscriptLine { at: Instant::now(), content }));
        // The log is for people; a full disk does not change a verdict.
        let _ = writeln!(state.log, "{line}");
        drop(state);
        self.grown.notify_all();
    }

    /// How many entries there are now: a place to [`Transcript::wait`] from.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Everything so far.
    pub(crate) fn entries(&self) -> Vec<Arc<TranscriptLine>> {
        self.lock().entries.clone()
    }

    /// Shows every entry from number `from` on to `look`, once and in order, until it gives
    /// something.
    ///
    /// Fails when that has not happened after `within`, or when the node has ended; the error says
    /// that `what` was awaited, and the last lines of the node.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        within: Duration,
        from: usize,
        mut look: impl FnMut(&TranscriptLine) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + within;
        let mut next = from;
        loop {
            let mut state = self.lock();
            while next == state.entries.len() {
                let left = deadline.saturating_duration_since(Instant::now());
                let last_lines = || last_lines(&state.entries);
                if state.over {
                    bail!("{} ended before {what}\n{}", self.node, last_lines());
                }
                if left.is_zero() {
                    bail!("{}: no sign of {what} within {within:?}\n{}", self.node, last_lines());
                }
                state = self.grown.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            }
            // Looked at without the lock: the reader need not wait for us.
            let fresh = state.entries[next..].to_vec();
            drop(state);
            next += fresh.len();
            if let Some(found) = fresh.iter().find_map(|entry| look(entry)) {
                return Ok(found);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The last lines of a transcript, for an error.
fn last_lines(entries: &[Arc<TranscriptLine>]) -> String {
    const LINES: usize = 8;
    const WIDTH: usize = 300;
    let mut text = format!("the last {LINES} lines of its transcript:");
    for entry in &entries[entries.len().saturating_sub(LINES)..] {
        let line = match &entry.content {
            LineContent::Request(request) => {
                format!("> {}", serde_json::to_string(request).unwrap_or_default())
            }
            LineContent::Output(output) => format!("< {}", serde_json::to_string(output).unwrap_or_default()),
            LineContent::Invalid(line) => format!("< {line}"),
        };
        text.push_str("\n    ");
        text.extend(line.chars().take(WIDTH));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The transcript of a node that has printed this text and ended.
    fn of(output: &'static str) -> Arc<Transcript> {
        let log = File::options().write(true).open("/dev/null").unwrap();
        let transcript = Arc::new(Transcript::new("a".to_owned(), log));
        transcript.follow(output.as_bytes()).join().unwrap();
        transcript
    }

    const CLOSED: &str = "{\"event\":\"closed\",\"process\":\"w\"}\n";

    fn closed(entry: &TranscriptLine) -> Option<()> {
        matches!(entry.content, LineContent::Output(Output::Closed { .. })).then_some(())
    }

    #[test]
    fn an_event_is_found_and_a_missing_one_is_an_error_with_the_last_lines() {
        let transcript = of(CLOSED);
        assert!(transcript.wait("its close", Duration::ZERO, 0, closed).is_ok());
        let failure = transcript.wait("its close", Duration::ZERO, 1, closed).unwrap_err().to_string();
        assert!(failure.contains("a ended before its close") && failure.contains("closed"), "{failure}");
    }

    #[test]
    fn a_deadline_that_passes_is_an_error() {
        let log = File::options().write(true).open("/dev/null").unwrap();
        let alive = Transcript::new("a".to_owned(), log);
        let failure = alive.wait("its close", Duration::ZERO, 0, closed).unwrap_err().to_string();
        assert!(failure.contains("no sign of its close"), "{failure}");
    }

    #[test]
    fn a_line_cut_short_by_a_kill_was_not_said_but_a_wrong_line_was() {
        let transcript = of("boo\n{\"event\":\"clo");
        let contents: Vec<_> = transcript.entries().iter().map(|entry| entry.content.clone()).collect();
        assert!(matches!(contents.as_slice(), [LineContent::Invalid(_)]), "{contents:?}");
    }
}
