//! `obit top`: a running node, live in the terminal.

use std::{
    io::{self, IsTerminal},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};

use clap::Args;
use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use crate::{
    failure::{ExitCode, Failure, Result},
    signals,
    supervisor::{Interrupts, StopPolicy, supervise},
    times,
    whom::Whom,
};

mod asker;
mod picture;
mod sections;
mod table;
mod terminal;
mod words;

use asker::News;
use picture::{Picture, Turn};

pub(crate) const EXAMPLES: &str = "\
Examples:
  obit top
  obit top --at a@127.0.0.1:7001
  obit top --socket /run/obit/a.sock --interval 5

If the node stops answering, the screen shows its last known state until it answers again.
Keys: Tab selects the next section; the arrows, PgUp, PgDn, Home and End scroll in it; q, Esc or Ctrl-C quit.
Exit code: 0; 1 if no node answers at first; 128 + N if signal N ended it.";

/// The options of `obit top`.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// Seconds between two questions to the node, from 0.1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

fn interval(text: &str) -> std::result::Result<Duration, &'static str> {
    let interval = times::seconds(text)?;
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    if range.contains(&interval) { Ok(interval) } else { Err("take 0.1 to 3600 seconds") }
}

/// Draws the node repeatedly until the user quits.
pub(crate) fn run(options: Options) -> ! {
    let policy =
        StopPolicy { before_leaving: terminal::leave_raw_mode, ..StopPolicy::with_grace(STOP_TIMEOUT) };
    supervise(policy, |interrupts| run_screen(options, interrupts))
}

/// Maximum time to restore the terminal when a signal asks this program to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);

fn run_screen(options: Options, interrupts: Interrupts) -> Result {
    if !io::stdout().is_terminal() {
        return Err(Failure::new(
            "`obit top` draws on a terminal; for programs there is `obit nodes --json`",
        ));
    }
    let Options { whom, interval } = options;
    let socket = whom.socket()?;
    // If the node does not answer, the error is printed before the screen changes.
    let first = asker::look(&socket)?;
    let picture = Picture::new(first, interval, Instant::now());
    let news = asker::start(whom, socket, interval, interrupts)?;
    let mut screen = ratatui::try_init()?;
    let ended = show(&mut screen, picture, &news);
    if terminal::is_gone() {
        return Ok(terminal::exit_code());
    }
    ratatui::try_restore()?;
    ended
}

/// Maximum delay before a new answer is drawn.
const TICK: Duration = Duration::from_millis(100);
/// How often the screen is drawn without a new answer, because it shows ages.
const REDRAW: Duration = Duration::from_millis(500);

fn show(terminal: &mut DefaultTerminal, mut picture: Picture, news: &Receiver<News>) -> Result {
    let mut drawn: Option<Instant> = None;
    loop {
        for news in news.try_iter() {
            match news {
                News::Snapshot(look) => picture.update(*look, Instant::now()),
                News::Lost(why) => picture.lose(why),
                News::Signal(signal) => return Ok(signals::exit_code(signal)),
            }
            drawn = None;
        }
        if drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW) {
            terminal.draw(|frame| picture.draw(frame, Instant::now()))?;
            drawn = Some(Instant::now());
        }
        if !event::poll(TICK)? {
            continue;
        }
        match event::read()? {
            Event::Key(key) if leaves(key) => return Ok(ExitCode::SUCCESS),
            Event::Key(key) if key.kind != KeyEventKind::Release => turn(key).map(|turn| picture.turn(turn)),
            Event::Resize(..) => Some(()),
            _ => None,
        }
        .inspect(|()| drawn = None);
    }
}

fn leaves(key: KeyEvent) -> bool {
    let by_control = key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
    by_control || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc)
}

const fn turn(key: KeyEvent) -> Option<Turn> {
    Some(match key.code {
        KeyCode::Tab => Turn::Next,
        KeyCode::BackTab => Turn::Previous,
        KeyCode::Down | KeyCode::Char('j') => Turn::Down(1),
        KeyCode::Up | KeyCode::Char('k') => Turn::Up(1),
        KeyCode::PageDown | KeyCode::Char(' ') => Turn::Down(10),
        KeyCode::PageUp => Turn::Up(10),
        KeyCode::Home | KeyCode::Char('g') => Turn::Up(usize::MAX),
        KeyCode::End | KeyCode::Char('G') => Turn::Down(usize::MAX),
        _ => return None,
    })
}
