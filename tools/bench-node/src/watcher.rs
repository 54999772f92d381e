//! The watching node: the actions and measurements of each verb.
//!
//! | verb | does | numbers |
//! |---|---|---|
//! | `targets KIND COUNT` | a new watching process, and COUNT targets for it on the other node: `tasks` or `guards` | |
//! | `monitors N` | the process monitors the targets in turn, N monitors in all; then a round trip | time |
//! | `pairs N` | it monitors and demonitors the first target N times; then a round trip | time |
//! | `downs` | one message makes all targets exit; until the last `Down` was received | time |
//! | `each` | a separate process monitors all targets, makes one after the other exit and waits for its `Down` | one time a target |
//! | `each-loaded N` | the same while a thread sends N messages of 64 bytes a second, or with 0 as many as go, on the channel for bulk if there is one | one time a target |
//! | `each-blocked` | the same while a process of either node blocks its thread for a second | one time a target |
//! | `spawn N`, `watch` | N local processes, each of which monitors the first target; then a round trip | time of `watch` |
//! | `lost` | answers at once, and again when all monitors have fired, whatever ends the other node | from the first `Down` to the last, the longest other call meanwhile |
//! | `calls THREADS N KIND` | that many threads at once monitor and demonitor N times each: a `local` target, a `remote` one, or `both` in turn; then a round trip | time |
//! | `collect` | nothing: there is no garbage here | |
//! | `messages N BYTES` | N messages to the other node; then a round trip | time |
//!
//! The process belongs to the main thread of this program, so that its calls run in parallel to the
//! node's own thread; the main thread waits without a reactor, because the node's thread has one.
//! In `each`, `watch` and `lost` tasks of the node receive. Every `Down` is counted by the tag of
//! its monitor: a missing or a second one is an error and no measurement.

use std::{
    sync::{Arc, mpsc},
    time::Instant,
};

use monitor_runtime::{
    Bytes, Event, MonitorOptions, Name, Node, NodeName, Pid, Process, Target, refs::Serial,
};
use smol::future::block_on;

use crate::{
    Result, calls,
    tally::{SeenTags, Tally},
    watched::{self, CONTROL},
};

/// The channel for bulk messages.
pub(crate) const BULK: &str = "bulk";

/// See the [module](self).
pub(crate) struct Watcher {
    node: Node,
    /// The process that carries out the requests on the other node.
    control: Name,
    process: Process,
    targets: Vec<Pid>,
    /// The monitors of `process`, or of `locals` if there are any.
    monitors: usize,
    locals: Option<Locals>,
}

/// Local processes with one monitor each.
struct Locals {
    pids: Vec<Pid>,
    tally: Arc<Tally>,
}

impl Watcher {
    /// Waits until the other node answers.
    pub(crate) fn connect(node: Node, peer: NodeName) -> Result<Self> {
        let process = node.process()?;
        let control = Name { name: CONTROL.parse()?, node: peer };
        let mut watcher = Watcher { node, control, process, targets: Vec::new(), monitors: 0, locals: None };
        watcher.round_trip()?;
        Ok(watcher)
    }

    /// Carries out a verb.
    pub(crate) fn obey(&mut self, words: &[&str]) -> Result<Vec<u64>> {
        match *words {
            ["targets", kind, count] => self.make_targets(kind, count).map(|()| Vec::new()),
            ["monitors", count] => self.monitors(count.parse()?),
            ["pairs", count] => self.pairs(count.parse()?),
            ["downs"] => self.downs(),
            ["each"] => self.each(),
            ["each-loaded", a_second] => {
                let load = calls::Load::start(&self.node, &self.control, a_second.parse()?)?;
                let times = self.each()?;
                load.end()?;
                self.round_trip()?;
                Ok(times)
            }
            ["each-blocked"] => {
                watched::block_a_thread(&self.node)?;
                self.ask("block")?;
                self.each()
            }
            ["spawn", count] => self.spawn(count.parse()?).map(|()| Vec::new()),
            ["watch"] => self.watch(),
            ["lost"] => self.lost(),
            ["calls", threads, count, kind] => {
                let (local, remote) = (self.process.pid(), self.target()?);
                let targets = match kind {
                    "local" => vec![local],
                    "remote" => vec![remote],
                    _ => vec![local, remote],
                };
                let start = Instant::now();
                calls::beside_each_other(&self.node, &targets, threads.parse()?, count.parse()?)?;
                self.round_trip()?;
                Ok(vec![nanos(start)])
            }
            ["collect"] => Ok(Vec::new()),
            ["messages", count, bytes] => self.messages(count.parse()?, bytes.parse()?),
            _ => Err(format!("no such verb: {words:?}"))?,
        }
    }

    fn make_targets(&mut self, kind: &str, count: &str) -> Result {
        for pid in self.locals.take().iter().flat_map(|locals| &locals.pids) {
            self.node.kill(pid)?;
        }
        // The exit of the old process removes its monitors.
        self.process = self.node.process()?;
        self.monitors = 0;
        let answer = self.ask(&format!("{kind} {count}"))?;
        let from = answer.from.ok_or("an answer without a sender")?;
        let serials = answer.body.chunks_exact(8).map(|bytes| bytes.try_into().map(u64::from_le_bytes));
        let pid = |serial| Pid::new(from.node().clone(), Serial::from_u64(serial));
        self.targets = serials.map(|serial| serial.map(pid)).collect::<std::result::Result<_, _>>()?;
        Ok(())
    }

    fn monitors(&mut self, count: usize) -> Result<Vec<u64>> {
        let start = Instant::now();
        for (target, tag) in self.targets.iter().cycle().zip(0..count as u64) {
            self.process.monitor_with(target, MonitorOptions::new().tag(tag))?;
        }
        self.monitors = count;
        self.round_trip()?;
        Ok(vec![nanos(start)])
    }

    fn pairs(&mut self, count: usize) -> Result<Vec<u64>> {
        let target = self.target()?.clone();
        let start = Instant::now();
        for _ in 0..count {
            let monitor = self.process.monitor(&target)?;
            self.process.demonitor_flush(&monitor)?;
        }
        self.round_trip()?;
        let time = nanos(start);
        // None of the monitors may fire any more.
        self.send("die")?;
        self.round_trip()?;
        Ok(vec![time])
    }

    fn downs(&mut self) -> Result<Vec<u64>> {
        let mut seen = SeenTags::new(self.monitors);
        let start = Instant::now();
        self.send("die")?;
        match &self.locals {
            Some(locals) => locals.tally.wait()?,
            None => {
                while !seen.is_full() {
                    seen.note(self.down()?)?;
                }
            }
        }
        let time = nanos(start);
        self.round_trip()?;
        if let Some(locals) = &self.locals {
            locals.tally.exactly_once()?;
        }
        Ok(vec![time])
    }

    fn each(&self) -> Result<Vec<u64>> {
        let (done, result) = mpsc::channel();
        let (targets, control) = (self.targets.clone(), self.control.clone());
        self.node.spawn(|mut mailbox| async move {
            let mut times = Vec::with_capacity(targets.len());
            for target in &targets {
                mailbox.monitor(target)?;
            }
            mailbox.try_send(&control, "ping")?;
            mailbox.recv().await;
            for target in &targets {
                let start = Instant::now();
                mailbox.try_send(target, "die")?;
                match mailbox.recv().await {
                    Some(Event::Down(down)) if down.target == Target::Pid(target.clone()) => {
                        times.push(nanos(start))
                    }
                    _ => break,
                }
            }
            mailbox.try_send(&control, "ping")?;
            if !matches!(mailbox.recv().await, Some(Event::Message(_))) {
                times.clear();
            }
            // This fails only if the program is ending.
            let _ = done.send(times);
            Ok(())
        })?;
        let times = result.recv()?;
        if times.len() < self.targets.len() {
            Err("received another message than the Down of the target that was told to exit")?;
        }
        Ok(times)
    }

    fn spawn(&mut self, count: usize) -> Result {
        let target = self.target()?;
        let tally = Arc::new(Tally::new(count));
        let watch = |index: usize| {
            let (target, tally) = (target.clone(), tally.clone());
            self.node.spawn(move |mut mailbox| async move {
                mailbox.recv().await;
                mailbox.monitor(&target)?;
                tally.one_more();
                while let Some(event) = mailbox.recv().await {
                    if let Event::Down(_) = event {
                        tally.note(index);
                    }
                }
                Ok(())
            })
        };
        let pids = (0..count).map(watch).collect::<std::result::Result<_, _>>()?;
        self.locals = Some(Locals { pids, tally });
        self.monitors = count;
        Ok(())
    }

    fn watch(&mut self) -> Result<Vec<u64>> {
        let locals = self.locals.as_ref().ok_or("spawn comes first")?;
        let start = Instant::now();
        for pid in &locals.pids {
            self.process.try_send(pid, "go")?;
        }
        locals.tally.wait()?;
        self.round_trip()?;
        Ok(vec![nanos(start)])
    }

    fn lost(&mut self) -> Result<Vec<u64>> {
        let mut seen = SeenTags::new(self.monitors);
        let mut process = std::mem::replace(&mut self.process, self.node.process()?);
        let probe = calls::Probe::start(&self.node)?;
        crate::say("")?;
        let (done, result) = mpsc::channel();
        self.node.spawn(|_| async move {
            let mut first = None;
            let all = async {
                while !seen.is_full() {
                    seen.note(down(process.recv().await)?)?;
                    first.get_or_insert_with(Instant::now);
                }
                Result::Ok(())
            };
            let all = all.await.map_err(|error| error.to_string());
            // This fails only if the program is ending.
            let _ = done.send(all.map(|()| first.map_or(0, nanos)));
            Ok(())
        })?;
        Ok(vec![result.recv()??, probe.longest()?])
    }

    fn messages(&mut self, count: usize, bytes: usize) -> Result<Vec<u64>> {
        let target = self.control.clone();
        let body = Bytes::from(vec![b'.'; bytes]);
        let start = Instant::now();
        for _ in 0..count {
            block_on(self.process.send(&target, body.clone()))?;
        }
        self.round_trip()?;
        Ok(vec![nanos(start)])
    }

    // ----- communication with the other node

    /// Returns when all earlier messages have arrived at the other node. Fails if another message
    /// has arrived here.
    fn round_trip(&mut self) -> Result {
        self.ask("ping").map(drop)
    }

    fn ask(&mut self, request: &str) -> Result<monitor_runtime::Message> {
        self.send(request)?;
        match block_on(self.process.recv()) {
            Some(Event::Message(message)) => Ok(message),
            other => Err(format!("expected an answer to {request}, but this came: {other:?}"))?,
        }
    }

    /// Retries while the queue is full of messages that are sent as fast as possible.
    fn send(&self, request: &str) -> Result {
        Ok(block_on(self.process.send(&self.control, request.to_owned()))?)
    }

    /// Waits for the next `Down`, and returns its tag.
    fn down(&mut self) -> Result<u64> {
        down(block_on(self.process.recv()))
    }

    fn target(&self) -> Result<&Pid> {
        Ok(self.targets.first().ok_or("there is no target")?)
    }
}

/// The tag of a `Down`.
fn down(event: Option<Event>) -> Result<u64> {
    match event {
        Some(Event::Down(down)) => Ok(down.tag),
        other => Err(format!("expected a Down, but this came: {other:?}"))?,
    }
}

/// The time since then.
pub(crate) fn nanos(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
