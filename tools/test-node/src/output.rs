//! Standard output, and the promise to answer.

use std::io::{self, Write};

use node_protocol::{Answer, Output};

use crate::text;

/// Prints one line, whole, at once.
pub(crate) fn say(output: &Output) {
    let mut line = serde_json::to_vec(output).expect("what is said has text keys only");
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    // When nobody reads any more, nobody will drive the node either: the input has ended, too.
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
}

/// A request that must be answered, once. Dropped without an answer it says so: its process was
/// gone.
pub(crate) struct Ticket(Option<u64>);

impl Ticket {
    pub(crate) fn new(id: u64) -> Self {
        Ticket(Some(id))
    }

    pub(crate) fn answer(mut self, answer: Answer) {
        self.give(answer);
    }

    /// Answers with what `result` holds, or with its error.
    pub(crate) fn answer_with<E: ToString>(self, result: Result<Answer, E>) {
        self.answer(result.unwrap_or_else(|error| Answer::Error(error.to_string())));
    }

    fn give(&mut self, answer: Answer) {
        if let Some(id) = self.0.take() {
            say(&Output::Reply { id, answer });
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give(Answer::Error("no such process, or it has ended".to_owned()));
    }
}

/// A monitor has fired.
pub(crate) fn down(to: String, down: &monitor_runtime::Down) -> Output {
    Output::Down {
        to,
        monitor: down.monitor.to_string(),
        target: text::target_text(&down.target),
        reason: text::down_reason(&down.reason),
        tag: down.tag,
    }
}
