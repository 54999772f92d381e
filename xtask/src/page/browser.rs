//! A headless Chromium, controlled over a pair of pipes in the DevTools protocol: JSON, with a zero
//! byte after each message.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use harness::children::{Children, Running};
use serde_json::{Value, json};

/// The program names to look for.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Maximum time for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns the program to start: the given one, or the first one found.
pub(super) fn find(given: Option<&PathBuf>) -> Option<PathBuf> {
    let starts = |program: &PathBuf| {
        let version = Command::new(program).arg("--version").stdin(Stdio::null()).output();
        version.is_ok_and(|version| version.status.success())
    };
    given.cloned().or_else(|| NAMES.iter().map(PathBuf::from).find(starts))
}

/// The browser. It is closed on drop.
pub(super) struct Browser {
    commands: ChildStdin,
    messages: Receiver<Value>,
    asked: u64,
    /// The events that have arrived since the last call of `take_events`.
    events: Vec<Value>,
    _running: Running,
}

impl Browser {
    /// Starts the browser with a fresh profile in that folder.
    pub(super) fn start(children: &Children, program: &Path, folder: &Path) -> Result<Self> {
        let profile = folder.join("profile");
        // Removes the profile of an earlier run.
        let _ = std::fs::remove_dir_all(&profile);
        // Chromium reads commands from descriptor 3 and answers on 4. Only a shell can place pipes
        // there without unsafe code.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"]).arg(program);
        command.args(["--headless", "--remote-debugging-pipe", "--no-first-run", "--disable-gpu"]);
        command.args(["--disable-dev-shm-usage", "--disable-background-networking", "--hide-scrollbars"]);
        // Chromium has no sandbox as root; the page is part of this project.
        command.args(rustix::process::geteuid().is_root().then_some("--no-sandbox"));
        command.arg(format!("--user-data-dir={}", profile.display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let (running, commands, answers) = children.start(&mut command, None)?;
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut answers = BufReader::new(answers);
            let mut message = Vec::new();
            while answers.read_until(0, &mut message).is_ok_and(|len| len > 0) {
                message.pop();
                let Ok(value) = serde_json::from_slice(&message) else { return };
                if sender.send(value).is_err() {
                    return;
                }
                message.clear();
            }
        });
        Ok(Browser { commands, messages, asked: 0, events: Vec::new(), _running: running })
    }

    /// Sends one command and returns its answer.
    pub(super) fn ask(&mut self, session: Option<&str>, method: &str, parameters: Value) -> Result<Value> {
        self.asked += 1;
        let mut command = json!({"id": self.asked, "method": method, "params": parameters});
        if let Some(session) = session {
            command["sessionId"] = session.into();
        }
        let write = self.commands.write_all(format!("{command}\0").as_bytes());
        write.context("cannot write to the browser: it has ended")?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut message = self.message(deadline, method)?;
            if message["id"] != self.asked {
                self.events.push(message);
            } else if let Some(error) = message.get("error") {
                bail!("the browser returned an error for {method}: {error}");
            } else {
                return Ok(message["result"].take());
            }
        }
    }

    fn message(&self, deadline: Instant, method: &str) -> Result<Value> {
        match self.messages.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(message) => Ok(message),
            Err(RecvTimeoutError::Timeout) => bail!("the browser does not answer {method}"),
            Err(RecvTimeoutError::Disconnected) => bail!("the browser has ended"),
        }
    }

    /// Returns the events since the last call.
    pub(super) fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.events)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // On request Chromium ends its own children; afterwards it is killed in any case.
        let _ = self.ask(None, "Browser.close", json!({}));
    }
}
