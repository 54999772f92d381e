//! Helpers: programs under test, and nodes in the test process that watch them or are watched.

use std::{
    ffi::OsStr,
    fs,
    future::Future,
    path::PathBuf,
    pin::Pin,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use futures::{AsyncBufReadExt, AsyncWriteExt, StreamExt, io::BufReader};
use monitor_runtime::{Config, DownReason, MonitorSet, Node, NodeSpec, Secret, Target};
use smol::process::{Child, ChildStdin, Command, ExitStatus, Stdio};

/// Maximum time of a test and of each wait in it, long enough for a loaded machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs a test, with a limit on its time.
pub(crate) fn test<T>(test: impl Future<Output = T>) -> T {
    smol::block_on(smol::future::or(test, async {
        smol::Timer::after(PATIENCE).await;
        panic!("the test takes too long");
    }))
}

/// Polls until a condition holds that no event signals.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + PATIENCE / 2;
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "waited in vain: {what}");
        smol::Timer::after(Duration::from_millis(5)).await;
    }
}

/// `obit` with these arguments, without the environment of the tests.
pub(crate) fn obit(arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obit"));
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("OBIT_") {
            command.env_remove(variable);
        }
    }
    command.env_remove("XDG_RUNTIME_DIR").args(arguments).kill_on_drop(true);
    command
}

/// `obit run` of `job1` at a free port, which it logs to standard error.
pub(crate) fn obit_run(command: &[&str]) -> Command {
    let options = ["run", "--node", "job@127.0.0.1", "--listen", "127.0.0.1:0", "--log", "info"];
    obit(options.iter().chain(&["--name", "job1", "--"]).chain(command))
}

/// A running program, killed on drop.
pub(crate) struct Running {
    pub(crate) child: Child,
    stdin: Option<ChildStdin>,
    stdout: Lines,
    stderr: Lines,
}

type Lines = Pin<Box<dyn futures::Stream<Item = String>>>;

/// The exit code and the remaining output of a program that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<String>,
    pub(crate) stderr: String,
}

impl Running {
    pub(crate) fn start(mut command: Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take();
        let stdout = lines(child.stdout.take().unwrap());
        let stderr = lines(child.stderr.take().unwrap());
        Running { child, stdin, stdout, stderr }
    }

    /// The next line on standard output.
    pub(crate) async fn line(&mut self) -> String {
        self.line_or_end().await.expect("a line on standard output")
    }

    /// The next line on standard output; `None` once no process holds it open any more.
    pub(crate) async fn line_or_end(&mut self) -> Option<String> {
        self.stdout.next().await
    }

    /// Waits until `obit run` logs that its command runs, and returns the address of the node.
    pub(crate) async fn address(&mut self) -> String {
        let line = self.logged("the command runs").await;
        let (_, address) = line.split_once("address=\"").unwrap();
        address.trim_end_matches('"').to_owned()
    }

    /// Waits for a line on standard error that contains this text, and returns the rest of the
    /// line.
    pub(crate) async fn logged(&mut self, what: &str) -> String {
        while let Some(line) = self.stderr.next().await {
            if let Some((_, rest)) = line.split_once(what) {
                return rest.to_owned();
            }
        }
        panic!("nothing says {what:?}");
    }

    pub(crate) async fn write(&mut self, text: &str) {
        self.stdin.as_mut().unwrap().write_all(text.as_bytes()).await.unwrap();
    }

    /// Kills the program itself, but not the processes that it has started.
    pub(crate) async fn kill(&mut self) -> ExitStatus {
        self.child.kill().unwrap();
        self.child.status().await.unwrap()
    }

    /// Sends a signal to the program.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        // The child is not reaped before the test awaits its status, so the pid is still its own.
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for the end of the program, with its standard input closed.
    pub(crate) async fn end(mut self) -> Ended {
        drop(self.stdin.take());
        let stdout = self.stdout.collect().await;
        let stderr: Vec<String> = self.stderr.collect().await;
        let code = self.child.status().await.unwrap().code();
        Ended { code, stdout, stderr: stderr.join("\n") }
    }
}

fn lines(stream: impl futures::AsyncRead + 'static) -> Lines {
    Box::pin(BufReader::new(stream).lines().map(|line| line.unwrap()))
}

/// Runs a program to its end.
pub(crate) async fn end(command: Command) -> Ended {
    Running::start(command).end().await
}

/// Starts a node in the test process.
pub(crate) async fn node(label: &str) -> Node {
    node_with(label, |config| config).await
}

pub(crate) async fn node_with_secret(label: &str, secret: Secret) -> Node {
    node_with(label, |config| config.secret(secret)).await
}

async fn node_with(label: &str, set: impl FnOnce(Config) -> Config) -> Node {
    let config = Config::new(format!("{label}@127.0.0.1"));
    Node::start(set(config.listen("127.0.0.1:0".parse().unwrap()))).await.unwrap()
}

/// The argument of `obit watch` for a process on that node.
pub(crate) fn target(name: &str, node: &Node) -> String {
    format!("{name}@{}={}", node.name(), node.local_addr().unwrap())
}

/// Monitors the process `job1` of an `obit run`. Returns when the monitor has arrived there.
pub(crate) async fn monitor_job(node: &Node, address: &str) -> MonitorSet {
    let spec: NodeSpec = format!("job@127.0.0.1={address}").parse().unwrap();
    node.connect(&spec).unwrap();
    let mut set = node.monitor_set();
    for name in ["job1", "nobody"] {
        set.monitor(format!("{name}@{}", spec.name()).parse::<Target>().unwrap()).unwrap();
    }
    // Monitors of one watcher arrive in order: the answer to the second shows that the first has
    // arrived.
    let first = set.next().await.unwrap();
    assert_eq!(
        (first.target.to_string().as_str(), &first.reason),
        ("nobody@job@127.0.0.1", &DownReason::NoProc)
    );
    set
}

/// A new directory for one test, which only its owner can enter.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("obit-cli-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Directory(path)
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file into the directory.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // If this fails, a directory stays behind, which is harmless.
        let _ = fs::remove_dir_all(&self.0);
    }
}
