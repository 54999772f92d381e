//! Asks the node on a thread of its own, so that a node that does not answer delays neither keys
//! nor drawing.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{self, Receiver, Sender},
    thread,
    time::{Duration, Instant},
};

use monitor_runtime::control::{Request, Response, Snapshot};

use super::terminal;
use crate::{
    ask::{ask, other_answer},
    failure::Result,
    limits,
    supervisor::{Interrupt, Interrupts},
    whom::Whom,
};

/// A message to the thread that draws.
pub(super) enum News {
    /// The node has answered.
    Snapshot(Box<Snapshot>),
    /// The node has not answered, for this reason.
    Lost(String),
    /// This signal asks the program to end.
    Signal(i32),
}

/// Starts the threads that ask the node, wait for signals and watch the terminal. They end with the
/// program.
pub(super) fn start(
    whom: Whom,
    socket: PathBuf,
    interval: Duration,
    interrupts: Interrupts,
) -> Result<Receiver<News>> {
    let (news, inbox) = mpsc::channel();
    let ended = news.clone();
    limits::spawn("signals", move || {
        if let Interrupt::Signal(signal) = smol::block_on(interrupts.next()) {
            // This fails only if the program is ending already.
            let _ = ended.send(News::Signal(signal));
        }
    })?;
    limits::spawn("asker", move || ask_on(&whom, socket, interval, &news))?;
    limits::spawn("terminal", terminal::exit_when_gone)?;
    Ok(inbox)
}

/// Asks once.
pub(super) fn look(socket: &Path) -> Result<Snapshot> {
    match ask(socket, &Request::Snapshot)? {
        Response::Snapshot(look) => Ok(*look),
        _ => Err(other_answer()),
    }
}

fn ask_on(whom: &Whom, mut socket: PathBuf, interval: Duration, news: &Sender<News>) {
    let mut name = None;
    loop {
        let next = Instant::now() + interval;
        let told = match look(&socket) {
            Ok(look) => {
                name = Some(look.node.name.clone());
                News::Snapshot(Box::new(look))
            }
            Err(failure) => {
                // A restarted node has another socket. The user decides how long to wait for it.
                let elsewhere = name.as_deref().and_then(|name| whom.socket_of(name));
                socket = elsewhere.unwrap_or(socket);
                News::Lost(failure.to_string())
            }
        };
        if news.send(told).is_err() {
            return;
        }
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}
