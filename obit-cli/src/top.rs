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
    supervisor::{Interrupts, Manners, supervise},
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

A node that does not answer any more is shown as it was, until it is back.
Keys: Tab goes to the next section, the arrows, PgUp, PgDn, Home and End move in it; q, Esc or Ctrl-C leave.
Exit code: 0; 1 if no node answers at first; 128 + N if signal N ended it.";

/// What `top` is given.
#[derive(Args)]
pub(crate) struct Options {
    #[command(flatten)]
    whom: Whom,
    /// How many seconds pass from one question to the next, from 0.1 to 3600.
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = interval)]
    interval: Duration,
}

fn interval(text: &str) -> std::result::Result<Duration, &'static str> {
    let interval = times::seconds(text)?;
    let range = Duration::from_millis(100)..=Duration::from_secs(3600);
    if range.contains(&interval) { Ok(interval) } else { Err("take 0.1 to 3600 seconds") }
}

/// Draws the node again and again, until somebody has seen enough.
pub(crate) fn run(options: Options) -> ! {
    let manners = Manners { before_leaving: terminal::leave_raw_mode, ..Manners::with_grace(GOODBYE) };
    supervise(manners, |interrupts| look_on(options, interrupts))
}

/// How long it may take to give the terminal back when it is asked to end.
const GOODBYE: Duration = Duration::from_secs(1);

fn look_on(options: Options, interrupts: Interrupts) -> Result {
    if !io::stdout().is_terminal() {
        return Err(Failure::new(
            "`obit top` draws on a terminal; for programs there is `obit nodes --json`",
        ));
    }
    let Options { whom, interval } = options;
    let socket = whom.socket()?;
    // A node that does not answer is told of before the screen is taken.
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

/// How soon what has come is shown.
const TICK: Duration = Duration::from_millis(100);
/// How often the picture is drawn if nothing happens: it says how long ago things were.
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
