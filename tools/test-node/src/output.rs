//! Standard output, and the replies to requests.

use std::io::{self, Write};

use node_protocol::{CommandAnswer, Output};

use crate::text;

/// Prints one whole line, and flushes it.
pub(crate) fn say(output: &Output) {
    let mut line = serde_json::to_vec(output).expect("what is said has text keys only");
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    // This fails only if the reader is gone. Then the input ends too.
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

/// A request that must be answered once. On drop without an answer it answers with an error: its
/// process is gone.
pub(crate) struct Ticket(Option<u64>);

impl Ticket {
    pub(crate) fn new(id: u64) -> Self {
        Ticket(Some(id))
    }

    pub(crate) fn answer(mut self, answer: CommandAnswer) {
        self.give(answer);
    }

    /// Answers with the result, or with its error.
    pub(crate) fn answer_with<E: ToString>(self, result: Result<CommandAnswer, E>) {
        self.answer(result.unwrap_or_else(|error| CommandAnswer::Error(error.to_string())));
    }

    fn give(&mut self, answer: CommandAnswer) {
        if let Some(id) = self.0.take() {
            say(&Output::Reply { id, answer });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give(CommandAnswer::Error("no such process, or it has ended".to_owned()));
    }
}

/// Prints that a monitor has fired.
pub(crate) fn down(to: String, down: &monitor_runtime::Down) -> Output {
    Output::Down {
        to,
        monitor: down.monitor.to_string(),
        target: text::target_text(&down.target),
        reason: text::down_reason(&down.reason),
        tag: down.tag,
    }
}
