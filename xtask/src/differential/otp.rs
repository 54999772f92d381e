//! Nodes of Erlang/OTP on loopback, with a port mapper of their own; each runs the program `differential.erl`.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
};

use super::{obit::Named, system::System};
use crate::{
    cluster::{
        children::{Children, Running},
        node::SOON,
        poll,
        ports::Ports,
    },
    failure::{Context, Result, fail},
    keygen::fresh_secret,
};

const PROGRAM: &str = include_str!("differential.erl");

/// What every node is started with: nothing but loopback, and no port mapper that stays behind.
const ARGUMENTS: [&str; 7] =
    ["-noshell", "-start_epmd", "false", "-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-pa"];

/// Which release is installed; none if there is none.
pub(super) fn release() -> Option<String> {
    let print = "io:format(\"~s\", [erlang:system_info(otp_release)]), halt().";
    let erl = Command::new("erl").args(["-noshell", "-eval", print]).stdin(Stdio::null()).output().ok()?;
    let compiler = Command::new("erlc").arg("-help").stdin(Stdio::null()).output().is_ok();
    let found = erl.status.success() && compiler && Command::new("epmd").arg("-names").output().is_ok();
    found.then(|| String::from_utf8_lossy(&erl.stdout).into_owned())
}

/// Compiles the program into that folder.
pub(super) fn compile(folder: &Path) -> Result {
    let source = folder.join("differential.erl");
    fs::write(&source, PROGRAM).context(|| format!("cannot write {}", source.display()))?;
    let compiled = Command::new("erlc").arg("-o").arg(folder).arg(&source).output();
    let compiled = compiled.context(|| "cannot run erlc".to_owned())?;
    if !compiled.status.success() {
        fail!("differential.erl does not compile: {}", String::from_utf8_lossy(&compiled.stdout));
    }
    Ok(())
}

/// See the [module](self).
pub(super) struct Otp<'a> {
    children: &'a Children,
    /// The compiled program, and the home of the nodes.
    folder: PathBuf,
    ports: Ports,
    /// Ended when it is dropped.
    _mapper: Running,
    nodes: BTreeMap<String, Node>,
    /// Their handles, and the nodes on which they live.
    processes: BTreeMap<String, (String, String)>,
}

impl<'a> Otp<'a> {
    pub(super) fn new(children: &'a Children, folder: &Path) -> Result<Self> {
        let cookie = folder.join(".erlang.cookie");
        if !cookie.exists() {
            fs::write(&cookie, fresh_secret()?).context(|| "cannot write a cookie".to_owned())?;
            let private = fs::Permissions::from_mode(0o400);
            fs::set_permissions(&cookie, private).context(|| "cannot keep the cookie private".to_owned())?;
        }
        let ports = Ports::take()?;
        let port = ports.port(0);
        let mut mapper = Command::new("epmd");
        mapper.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        mapper.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (mapper, ..) = children.start(&mut mapper, None)?;
        let listens = || Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok());
        if poll(SOON, listens)?.is_none() {
            fail!("epmd does not listen on port {port}");
        }
        Ok(Otp {
            children,
            folder: folder.to_owned(),
            ports,
            _mapper: mapper,
            nodes: BTreeMap::new(),
            processes: BTreeMap::new(),
        })
    }

    fn ask(&mut self, node: &str, words: &str) -> Result<String> {
        self.nodes.get_mut(node).context_none(node)?.ask(words)
    }

    /// Has a process do something.
    fn act(&mut self, process: &str, words: &str) -> Result<String> {
        let home = self.processes.get(process).context_none(process)?.1.clone();
        self.ask(&home, &format!("do {process} {words}"))
    }

    fn handle(&self, process: &str) -> Result<&str> {
        Ok(&self.processes.get(process).context_none(process)?.0)
    }
}

fn full_name(node: &str) -> String {
    format!("{node}@127.0.0.1")
}

impl System for Otp<'_> {
    fn start(&mut self, node: &str) -> Result {
        let mut erl = Command::new("erl");
        erl.args(ARGUMENTS).arg(&self.folder).args([
            "-name",
            &full_name(node),
            "-run",
            "differential",
            "main",
        ]);
        erl.env("HOME", &self.folder);
        erl.env("ERL_EPMD_PORT", self.ports.port(0).to_string()).env("ERL_EPMD_ADDRESS", "127.0.0.1");
        erl.env("ERL_CRASH_DUMP_SECONDS", "0");
        erl.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let (child, stdin, stdout) = self.children.start(&mut erl, None)?;
        self.nodes.insert(node.to_owned(), Node::new(child, stdin, stdout)?);
        Ok(())
    }

    fn crash(&mut self, node: &str) -> Result {
        self.nodes.get(node).context_none(node)?.child.kill();
        Ok(())
    }

    fn connect(&mut self, node: &str, to: &str) -> Result {
        self.ask(node, &format!("connect {}", full_name(to))).map(drop)
    }

    fn unregister(&mut self, node: &str, name: &str) -> Result {
        self.ask(node, &format!("unregister {name}")).map(drop)
    }

    fn spawn(&mut self, process: &str, node: &str) -> Result {
        let handle = self.ask(node, &format!("spawn {process}"))?;
        self.processes.insert(process.to_owned(), (handle, node.to_owned()));
        Ok(())
    }

    fn kill(&mut self, process: &str) -> Result {
        let home = self.processes.get(process).context_none(process)?.1.clone();
        self.ask(&home, &format!("kill {process}")).map(drop)
    }

    fn exit(&mut self, process: &str, how: &str) -> Result {
        self.act(process, &format!("exit {how}")).map(drop)
    }

    fn pause(&mut self, process: &str, pause: bool) -> Result {
        self.act(process, if pause { "pause" } else { "resume" }).map(drop)
    }

    fn register(&mut self, process: &str, name: &str) -> Result {
        self.act(process, &format!("register {name}")).map(drop)
    }

    fn monitor(&mut self, process: &str, monitor: &str, target: &str) -> Result {
        let target = match target.split_once('@') {
            Some((name, node)) => format!("name {name} {}", full_name(node)),
            None => format!("pid {}", self.handle(target)?),
        };
        self.act(process, &format!("monitor {monitor} {target}")).map(drop)
    }

    fn demonitor(&mut self, process: &str, monitor: &str, options: &[&str]) -> Result<bool> {
        Ok(self.act(process, &format!("demonitor {monitor} {}", options.join(" ")))? == "true")
    }

    fn monitor_node(&mut self, process: &str, node: &str, flag: bool) -> Result {
        self.act(process, &format!("monitor_node {} {flag}", full_name(node))).map(drop)
    }

    fn monitor_nodes(&mut self, process: &str, flag: bool) -> Result {
        self.act(process, &format!("monitor_nodes {flag}")).map(drop)
    }

    fn send(&mut self, process: &str, to: &str) -> Result {
        let handle = self.handle(to)?.to_owned();
        self.act(process, &format!("send {handle}")).map(drop)
    }

    fn waiting(&mut self, process: &str) -> Result<usize> {
        let count = self.act(process, "waiting")?;
        count.parse().context(|| format!("{count} is no number"))
    }

    fn told(&self, process: &str) -> Result<Vec<String>> {
        let home = &self.processes.get(process).context_none(process)?.1;
        Ok(self.nodes.get(home).context_none(home)?.told(process))
    }
}

/// One life of a node.
struct Node {
    child: Running,
    stdin: ChildStdin,
    replies: Receiver<String>,
    /// What processes were told: who, and what.
    events: Arc<Mutex<Vec<(String, String)>>>,
}

impl Node {
    fn new(child: Running, stdin: ChildStdin, stdout: ChildStdout) -> Result<Self> {
        let (said, replies) = channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let heard = events.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                match line.split_once(' ') {
                    Some(("event", event)) => {
                        let (process, told) = event.split_once(' ').unwrap_or((event, ""));
                        let event = (process.to_owned(), told.to_owned());
                        heard.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                    }
                    Some(("reply", reply)) => drop(said.send(reply.to_owned())),
                    _ => drop(said.send(line)),
                }
            }
        });
        let node = Node { child, stdin, replies, events };
        match node.reply()?.as_str() {
            "ready" => Ok(node),
            other => fail!("a node of Erlang/OTP does not start: {other}"),
        }
    }

    fn ask(&mut self, words: &str) -> Result<String> {
        let written = writeln!(self.stdin, "{words}").and_then(|()| self.stdin.flush());
        written.context(|| "a node of Erlang/OTP takes no more requests".to_owned())?;
        self.reply()
    }

    fn reply(&self) -> Result<String> {
        self.replies.recv_timeout(SOON).context(|| "a node of Erlang/OTP does not answer".to_owned())
    }

    fn told(&self, process: &str) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|(to, _)| to == process).map(|(_, told)| told.clone()).collect()
    }
}
