//! One run of one node: a child process that accepts commands and reports events.

use std::{
    fs::{self, File},
    io::{PipeReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{ChildStdin, Command as Program, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use harness::{
    children::{Children, Running},
    command::LogReader,
    conditions::{SOON, poll},
    net::namespace::Namespace,
};

use super::{
    heartbeat::Heartbeat,
    process::{Monitor, Process},
    protocol::{Command, CommandAnswer, NodeInfo, NodeKind, Output, Request, Subscription, Tables},
    transcript::{LineContent, Transcript, TranscriptLine},
};

/// How a node is started.
#[derive(Clone, Debug)]
pub(crate) struct Launch {
    pub(crate) program: PathBuf,
    pub(crate) name: String,
    pub(crate) secret: String,
    pub(crate) heartbeat: Heartbeat,
    pub(crate) hidden: bool,
    /// The host on which it runs, if it does not share 127.0.0.1 with the other nodes.
    pub(crate) home: Option<Arc<Namespace>>,
    /// The nodes to which it connects by itself: names, or `name=address`.
    pub(crate) peers: Vec<String>,
    /// The address on which it listens, if it differs from the address in its name.
    pub(crate) listen: Option<SocketAddr>,
    /// Started by this program with these arguments, if any are given, which then becomes the node.
    pub(crate) by: Vec<String>,
    /// If given, it logs all it can to a pipe that is read like this.
    pub(crate) log_reader: Option<LogReader>,
    /// Where its transcript goes and, without a log reader, its standard error.
    pub(crate) log: PathBuf,
}

/// One run of a node. Cheap to clone; the process is killed when the last clone is dropped, if not
/// before.
#[derive(Clone)]
pub(crate) struct Node(Arc<NodeProcess>);

struct NodeProcess {
    launch: Launch,
    incarnation: String,
    child: Running,
    stdin: Mutex<ChildStdin>,
    reader: Mutex<Option<JoinHandle<()>>>,
    transcript: Arc<Transcript>,
    /// The other end of its log.
    log_reader: Mutex<Option<PipeReader>>,
    next_request: AtomicU64,
    over: AtomicBool,
}

impl Node {
    /// Starts the program and waits until it is ready.
    pub(crate) fn start(children: &Children, launch: Launch) -> Result<Self> {
        let log = |ending| {
            let path = launch.log.with_extension(ending);
            File::create(&path).with_context(|| format!("cannot write {}", path.display()))
        };
        let transcript = Arc::new(Transcript::new(launch.name.clone(), log("jsonl")?));
        let mut program = match launch.by.split_first() {
            Some((by, arguments)) => {
                let mut by = Program::new(by);
                by.args(arguments).arg(&launch.program);
                by
            }
            None => Program::new(&launch.program),
        };
        program.args(["--name", &launch.name, "--heartbeat", launch.heartbeat.option]);
        program.args(launch.hidden.then_some("--hidden"));
        program.args(launch.peers.iter().flat_map(|peer| ["--peer", peer]));
        if let Some(address) = launch.listen {
            program.args(["--listen", &address.to_string()]);
        }
        // In the environment, where other users cannot read it; arguments are visible to all users.
        program.env("OBIT_SECRET", &launch.secret);
        program.args(launch.log_reader.map(|_| ["--log", "trace"]).into_iter().flatten());
        let (stderr, unread) = match launch.log_reader {
            Some(reader) => reader.pipe()?,
            None => (log("stderr")?.into(), None),
        };
        program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(stderr);
        let (child, stdin, stdout) = children.start(&mut program, launch.home.as_deref())?;
        let reader = transcript.follow(stdout);
        let ready = transcript.wait("being ready", SOON, 0, |entry| match &entry.content {
            LineContent::Output(Output::Ready { incarnation, .. }) => Some(incarnation.clone()),
            _ => None,
        });
        let incarnation = ready.map_err(|failure| {
            let errors = fs::read_to_string(launch.log.with_extension("stderr")).unwrap_or_default();
            anyhow!("{failure:#}\nits standard error: {errors}")
        })?;
        Ok(Node(Arc::new(NodeProcess {
            launch,
            incarnation,
            child,
            stdin: Mutex::new(stdin),
            reader: Mutex::new(Some(reader)),
            transcript,
            log_reader: Mutex::new(unread),
            next_request: AtomicU64::new(1),
            over: AtomicBool::new(false),
        })))
    }

    /// The full name, `label@address:port`.
    pub(crate) fn name(&self) -> &str {
        &self.0.launch.name
    }

    /// Returns the incarnation.
    pub(crate) fn incarnation(&self) -> &str {
        &self.0.incarnation
    }

    pub(crate) fn launch(&self) -> &Launch {
        &self.0.launch
    }

    pub(crate) fn transcript(&self) -> &Transcript {
        &self.0.transcript
    }

    /// Returns whether this run of the node still accepts commands: it was neither killed nor
    /// stopped.
    pub(crate) fn is_alive(&self) -> bool {
        !self.0.over.load(Ordering::SeqCst)
    }

    // Processes.

    /// Starts a process.
    pub(crate) fn spawn(&self) -> Result<Process> {
        let mut one = self.spawn_many(1)?;
        Ok(one.pop().expect("as many as were asked for"))
    }

    /// Starts that many processes.
    pub(crate) fn spawn_many(&self, count: usize) -> Result<Vec<Process>> {
        self.processes(Command::Spawn { count, thread: false }, count)
    }

    /// Starts a process that is a thread holding a guard, not a task of the node.
    pub(crate) fn spawn_thread(&self) -> Result<Process> {
        let mut one = self.processes(Command::Spawn { count: 1, thread: true }, 1)?;
        Ok(one.pop().expect("as many as were asked for"))
    }

    /// Starts a process that is subscribed to all node events, with reasons.
    pub(crate) fn watcher(&self) -> Result<Process> {
        let watcher = self.spawn()?;
        watcher.monitor_nodes(Subscription { nodes: NodeKind::All, reasons: true })?;
        Ok(watcher)
    }

    fn processes(&self, command: Command, count: usize) -> Result<Vec<Process>> {
        match self.ask(command)? {
            CommandAnswer::Pids(pids) if pids.len() == count => {
                Ok(pids.into_iter().map(|pid| Process::new(self.clone(), pid)).collect())
            }
            other => self.unexpected("processes", &other),
        }
    }

    /// Returns the process that holds a name on this node.
    pub(crate) fn whereis(&self, name: &str) -> Result<Option<String>> {
        match self.ask(Command::Whereis { name: name.to_owned() })? {
            CommandAnswer::Pids(mut pids) => Ok(pids.pop()),
            other => self.unexpected("a process or none", &other),
        }
    }

    // Monitors that belong to no process.

    /// Monitors a target through a handle: a future.
    pub(crate) fn watch(&self, target: &str) -> Result<Monitor> {
        let mut one = self.watch_many(&[target], false)?;
        Ok(one.pop().expect("as many as were asked for"))
    }

    /// Monitors many targets through handles, or all in one set.
    pub(crate) fn watch_many(&self, targets: &[impl AsRef<str>], set: bool) -> Result<Vec<Monitor>> {
        let targets: Vec<_> = targets.iter().map(|target| target.as_ref().to_owned()).collect();
        let answer = self.ask(Command::Watch { targets: targets.clone(), tag: 0, never: false, set })?;
        self.monitors(targets, answer)
    }

    /// Drops the handle of a monitor.
    pub(crate) fn drop_handle(&self, monitor: &Monitor) -> Result<()> {
        self.flags(Command::Unwatch { monitors: vec![monitor.reference().to_owned()], info: false }).map(drop)
    }

    /// Demonitors a handle; returns whether it was active.
    pub(crate) fn demonitor_handle(&self, monitor: &Monitor) -> Result<bool> {
        let command = Command::Unwatch { monitors: vec![monitor.reference().to_owned()], info: true };
        Ok(self.flags(command)?[0])
    }

    /// Makes the harness's monitors from the answer of the node.
    pub(crate) fn monitors(&self, targets: Vec<String>, answer: CommandAnswer) -> Result<Vec<Monitor>> {
        match answer {
            CommandAnswer::Monitors(references) if references.len() == targets.len() => Ok(references
                .into_iter()
                .zip(targets)
                .map(|(reference, target)| Monitor::new(self.clone(), reference, target))
                .collect()),
            other => self.unexpected("a monitor for each target", &other),
        }
    }

    // The cluster, and information of the node about itself.

    pub(crate) fn connect(&self, to: &Node) -> Result<()> {
        self.done(Command::Connect { node: to.name().to_owned() })
    }

    /// Asks for a session with a node that is reached at another address than its own.
    pub(crate) fn connect_through(&self, to: &Node, address: SocketAddr) -> Result<()> {
        self.done(Command::Connect { node: format!("{}={address}", to.name()) })
    }

    /// Waits until this node and that one, which can reach each other, agree on a session.
    pub(crate) fn meet(&self, other: &Node) -> Result<()> {
        const AGAIN: Duration = Duration::from_secs(1);
        let sees = |node: &Node, peer: &Node| -> Result<bool> {
            let up = node.nodes(NodeKind::All)?;
            Ok(up.iter().any(|info| info.incarnation == peer.incarnation()))
        };
        let mut asked: Option<Instant> = None;
        let met = poll(SOON, || {
            if sees(self, other)? && sees(other, self)? {
                return Ok(Some(()));
            }
            if asked.is_none_or(|at| at.elapsed() > AGAIN) {
                self.connect(other)?;
                asked = Some(Instant::now());
            }
            Ok(None)
        })?;
        match met {
            Some(()) => Ok(()),
            None => bail!("{} and {} have no session after {SOON:?}", self.name(), other.name()),
        }
    }

    pub(crate) fn nodes(&self, of: NodeKind) -> Result<Vec<NodeInfo>> {
        match self.ask(Command::Nodes { of })? {
            CommandAnswer::Nodes(nodes) => Ok(nodes),
            other => self.unexpected("nodes", &other),
        }
    }

    pub(crate) fn tables(&self) -> Result<Tables> {
        match self.ask(Command::Tables)? {
            CommandAnswer::Tables(tables) => Ok(tables),
            other => self.unexpected("tables", &other),
        }
    }

    /// Waits until the tables satisfy a condition, and returns them.
    pub(crate) fn await_tables(&self, what: &str, such: impl Fn(&Tables) -> bool) -> Result<Tables> {
        let mut last = None;
        let found = poll(SOON, || {
            let tables = self.tables()?;
            let found = such(&tables).then(|| tables.clone());
            last = Some(tables);
            Ok(found)
        })?;
        match found {
            Some(tables) => Ok(tables),
            None => bail!("{}: expected {what} within {SOON:?}; its tables hold {last:?}", self.name()),
        }
    }

    /// The reader of its log exits: from now on, writing to it fails.
    pub(crate) fn end_log_reader(&self) {
        drop(self.0.log_reader.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    // Requests and events.

    /// Sends a command, waits for the answer, and fails if the answer is an error.
    pub(crate) fn ask(&self, command: Command) -> Result<CommandAnswer> {
        let asked = format!("{command:.200?}");
        match self.try_ask(command)? {
            CommandAnswer::Error(error) => bail!("{} answers «{error}» to {asked:.200}", self.name()),
            answer => Ok(answer),
        }
    }

    /// Sends a command, and waits for the answer, which may be an error.
    pub(crate) fn try_ask(&self, command: Command) -> Result<CommandAnswer> {
        let request = Request { id: self.0.next_request.fetch_add(1, Ordering::SeqCst), command };
        let line = serde_json::to_string(&request).context("cannot write a request")?;
        let from = self.transcript().len();
        self.transcript().asked(&request, &line);
        self.write(&line)?;
        self.transcript().wait(&format!("an answer to {line:.200}"), SOON, from, |entry| {
            match &entry.content {
                LineContent::Output(Output::Reply { id, answer }) if *id == request.id => {
                    Some(answer.clone())
                }
                _ => None,
            }
        })
    }

    fn write(&self, line: &str) -> Result<()> {
        let mut stdin = self.0.stdin.lock().unwrap_or_else(PoisonError::into_inner);
        let written = stdin.write_all(line.as_bytes()).and_then(|()| stdin.write_all(b"\n"));
        written
            .and_then(|()| stdin.flush())
            .with_context(|| format!("{} takes no more requests", self.name()))
    }

    /// Sends a command whose answer is `done`.
    pub(crate) fn done(&self, command: Command) -> Result<()> {
        match self.ask(command)? {
            CommandAnswer::Done => Ok(()),
            other => self.unexpected("«done»", &other),
        }
    }

    /// Sends a command whose answer is a list of flags.
    pub(crate) fn flags(&self, command: Command) -> Result<Vec<bool>> {
        match self.ask(command)? {
            CommandAnswer::Flags(flags) => Ok(flags),
            other => self.unexpected("truths", &other),
        }
    }

    pub(crate) fn unexpected<T>(&self, wanted: &str, got: &CommandAnswer) -> Result<T> {
        bail!("{} answers {got:.200?} where {wanted} was expected", self.name())
    }

    /// Waits for an event. Events since the start of the transcript count.
    pub(crate) fn await_event<T>(
        &self,
        what: &str,
        look: impl FnMut(&TranscriptLine) -> Option<T>,
    ) -> Result<T> {
        self.transcript().wait(what, SOON, 0, look)
    }

    /// The process of the node.
    pub(super) fn child(&self) -> &Running {
        &self.0.child
    }

    // Ends. `Cluster` records each of them as a fault.

    /// SIGKILL. Afterwards the transcript is complete.
    pub(crate) fn kill(&self) {
        self.0.over.store(true, Ordering::SeqCst);
        self.0.child.kill();
        let reader = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(reader) = reader {
            // The reader of the output does not panic; if it did, the oracle would find the
            // transcript incomplete.
            let _ = reader.join();
        }
    }

    pub(super) fn stop(&self) -> Result<()> {
        self.done(Command::Stop)?;
        self.0.over.store(true, Ordering::SeqCst);
        Ok(())
    }

    pub(crate) fn freeze(&self) -> Result<()> {
        self.0.child.freeze()
    }

    /// Waits until a freeze has taken hold.
    pub(crate) fn await_frozen(&self, within: Duration) -> Result<()> {
        match poll(within, || Ok(self.0.child.has_stopped()?.then_some(())))? {
            Some(()) => Ok(()),
            None => bail!("{} does not stop", self.name()),
        }
    }

    pub(crate) fn thaw(&self) -> Result<()> {
        self.0.child.thaw()
    }
}

/// Kills nodes without any of them noticing the end of another: all are stopped before the first is
/// killed.
pub(crate) fn end_all(nodes: &[Node]) {
    let alive = || nodes.iter().filter(|node| node.is_alive());
    // A node that has crashed cannot be stopped; its transcript shows the crash.
    let frozen: Vec<_> = alive().filter(|node| node.freeze().is_ok()).collect();
    for node in frozen {
        // A node that a failed scenario left stopped does not stop again.
        let _ = node.await_frozen(Duration::from_secs(1));
    }
    nodes.iter().for_each(Node::kill);
}
