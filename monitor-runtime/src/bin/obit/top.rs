//! `obit top`: a running node, live in the terminal.

use std::{
    io::{self, IsTerminal},
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

use clap::Args;
use monitor_runtime::control::{Answer, Look, Question};
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyModifiers},
};

use crate::{
    ask::{Whom, ask, other_answer},
    failure::{Failure, Result},
};

mod picture;
mod words;

use picture::Picture;

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit top
  obit top --socket /run/obit/a.sock --interval 5

A node that does not answer any more is shown as it was, until it is back.
Keys: q, Esc or Ctrl-C to leave.";

/// What `top` is given.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// How many seconds pass from one picture to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=3600))]
    interval: u64,
}

/// Draws the node again and again, until somebody has seen enough.
pub(crate) fn run(options: &Options) -> Result {
    if !io::stdout().is_terminal() {
        return Err(Failure::new(
            "`obit top` draws on a terminal; for programs there is `obit nodes --json`",
        ));
    }
    let socket = options.whom.socket()?;
    // A node that does not answer is told of before the screen is taken.
    let first = look(&socket)?;
    let mut terminal = ratatui::try_init()?;
    let ended = show(&mut terminal, &socket, first, Duration::from_secs(options.interval));
    ratatui::try_restore()?;
    ended.map(|()| ExitCode::SUCCESS)
}

fn show(terminal: &mut DefaultTerminal, socket: &Path, first: Look, interval: Duration) -> Result<()> {
    let mut picture = Picture::new(first);
    let mut seen = Instant::now();
    loop {
        let next = Instant::now() + interval;
        terminal.draw(|frame| picture.draw(frame))?;
        loop {
            let left = next.saturating_duration_since(Instant::now());
            if left.is_zero() || !event::poll(left)? {
                break;
            }
            match event::read()? {
                Event::Key(key) if leaves(key) => return Ok(()),
                Event::Resize(..) => {
                    terminal.draw(|frame| picture.draw(frame))?;
                }
                _ => {}
            }
        }
        match look(socket) {
            Ok(look) => {
                picture.update(look, seen.elapsed());
                seen = Instant::now();
            }
            // It may be back soon; whoever looks knows better whether to wait for it.
            Err(failure) => picture.lose(failure.to_string(), seen.elapsed()),
        }
    }
}

fn leaves(key: KeyEvent) -> bool {
    let by_control = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    by_control || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

fn look(socket: &Path) -> Result<Look> {
    match ask(socket, &Question::Look)? {
        Answer::Look(look) => Ok(*look),
        _ => Err(other_answer()),
    }
}
