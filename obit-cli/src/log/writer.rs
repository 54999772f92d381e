//! The thread that writes the log to standard error. No other part of a running node may block on
//! standard error.

use std::{
    io,
    os::fd::AsFd,
    sync::OnceLock,
    thread,
    time::{Duration, Instant},
};

use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, write},
};

use super::queue::{LogEntry, Queue};
use crate::{cut::beginning, signals};

/// Maximum size of the queue, in bytes.
const MAX_QUEUE: usize = 1 << 20;

/// Maximum length of a line, in bytes. With its line break it has `PIPE_BUF` bytes, which a pipe
/// takes atomically, so lines of several programs on one pipe do not mix.
const MAX_LINE: usize = 4095;

static QUEUE: Queue = Queue::new(MAX_QUEUE);

/// Whether the thread could be started; empty before [`start`].
static HAS_THREAD: OnceLock<bool> = OnceLock::new();

/// Starts the writer. [`push`] accepts lines from now on.
pub(super) fn start() {
    HAS_THREAD.get_or_init(|| {
        let thread = thread::Builder::new().name("log".to_owned());
        // Without a thread, lines wait for the flush.
        let write = || {
            signals::write_from_background();
            run(&QUEUE, io::stderr());
        };
        thread.spawn(write).is_ok()
    });
}

/// Adds a line to the queue. Returns false if the writer is not started. Never blocks.
pub(super) fn push(line: &str) -> bool {
    let started = HAS_THREAD.get().is_some();
    if started {
        QUEUE.push(beginning(line, MAX_LINE));
    }
    started
}

/// Blocks until everything is written or the time is up.
pub(super) fn flush(at_most: Duration) {
    match HAS_THREAD.get() {
        Some(true) => QUEUE.flush(at_most),
        Some(false) => {
            signals::write_from_background();
            write_until(&QUEUE, io::stderr(), Instant::now() + at_most);
        }
        None => {}
    }
}

/// Writes entry after entry, and never returns.
fn run(queue: &Queue, to: impl AsFd) {
    loop {
        let entry = queue.take();
        let written = write_line(&entry, &to, None);
        queue.written(&entry, written.is_ok());
    }
}

/// Writes the queued entries, until that time at the latest.
fn write_until(queue: &Queue, to: impl AsFd, until: Instant) {
    queue.report_again();
    while let Some(entry) = queue.try_take() {
        let written = write_line(&entry, &to, Some(until));
        queue.written(&entry, written.is_ok());
        if written == Err(Errno::TIMEDOUT) {
            return;
        }
    }
}

/// Writes a whole line, without the lock of `io::stderr`: holding it during a slow write would
/// block every other thread that writes to standard error.
fn write_line(entry: &LogEntry, to: &impl AsFd, until: Option<Instant>) -> Result<(), Errno> {
    let text = entry.text();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // Another program that shares standard error may have made it non-blocking, so this waits
        // before each write.
        wait(to, until)?;
        match write(to, rest) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => rest = &rest[written..],
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Blocks until a write would not block.
fn wait(to: &impl AsFd, until: Option<Instant>) -> Result<(), Errno> {
    let mut fds = [PollFd::new(to, PollFlags::OUT)];
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map(|left| Timespec::try_from(left).unwrap_or_default());
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return Err(Errno::TIMEDOUT),
            // Ready or failed: the write returns the error.
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{PipeReader, PipeWriter, Read, Write, pipe},
        sync::Arc,
    };

    use rustix::io::ioctl_fionbio;

    use super::*;

    /// A full pipe, and the number of bytes in it.
    fn full_pipe() -> (PipeReader, PipeWriter, usize) {
        let (read, mut write) = pipe().unwrap();
        ioctl_fionbio(&write, true).unwrap();
        let mut held = 0;
        while let Ok(more) = write.write(&[b'x'; 4096]) {
            held += more;
        }
        (read, write, held)
    }

    #[test]
    fn a_blocked_pipe_loses_no_queued_line_and_gets_the_count_of_dropped_ones() {
        // In the second round the pipe is non-blocking, as other programs may leave it.
        for nonblocking in [false, true] {
            let (mut read, write, held) = full_pipe();
            ioctl_fionbio(&write, nonblocking).unwrap();
            let queue = Arc::new(Queue::new(10_000));
            let writing = queue.clone();
            thread::spawn(move || run(&writing, write));
            for number in 0..1000 {
                queue.push(format!("line {number}"));
            }
            queue.flush(Duration::ZERO);
            read.read_exact(&mut vec![0; held]).unwrap();
            queue.push("after".to_owned());
            let (mut text, mut buffer) = (String::new(), [0; 4096]);
            while !text.ends_with("after\n") {
                let len = read.read(&mut buffer).unwrap();
                text += std::str::from_utf8(&buffer[..len]).unwrap();
                // The queue may have been full when the line was pushed.
                queue.push("after".to_owned());
            }
            let lines: Vec<_> = text.lines().filter(|line| *line != "after").collect();
            let (dropped, kept) = lines.split_last().unwrap();
            assert!(kept.iter().enumerate().all(|(number, line)| *line == format!("line {number}")));
            assert!(
                dropped.ends_with(" log lines were dropped: standard error is not being read"),
                "{dropped}"
            );
        }
    }

    #[test]
    fn without_a_thread_the_flush_writes_and_a_full_pipe_ends_it() {
        let queue = Queue::new(10_000);
        queue.push("a line".to_owned());
        let (mut read, write) = pipe().unwrap();
        write_until(&queue, write, Instant::now() + Duration::from_secs(60));
        let mut text = String::new();
        read.read_to_string(&mut text).unwrap();
        assert_eq!(text, "a line\n");

        queue.push("another".to_owned());
        let (_read, write, _) = full_pipe();
        write_until(&queue, write, Instant::now());
        assert_eq!(queue.try_take(), None, "it was tried, and is counted as dropped");
    }

    #[test]
    fn a_reader_that_has_gone_ends_the_flush_at_once() {
        let (read, write) = pipe().unwrap();
        drop(read);
        let queue = Arc::new(Queue::new(10_000));
        let writing = queue.clone();
        thread::spawn(move || run(&writing, write));
        for number in 0..1000 {
            queue.push(format!("line {number}"));
        }
        queue.flush(Duration::from_secs(3600));
    }
}
