//! Nodes of Erlang/OTP on loopback, with their own port mapper; each runs `differential.erl`.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{ChildStdin, ChildStdout},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
};

use anyhow::{Context, Result, bail};
use harness::{
    children::{Children, Running},
    conditions::SOON,
    otp::{Mapper, full_name},
};

use super::{obit::Named, system::System};

/// The program's module, and its source.
pub(super) const MODULE: &str = "differential";
pub(super) const PROGRAM: &str = include_str!("differential.erl");

/// See the [module](self).
pub(super) struct Otp<'a> {
    children: &'a Children,
    mapper: Mapper,
    nodes: BTreeMap<String, Node>,
    /// The handles of the processes, and the nodes on which they run.
    processes: BTreeMap<String, (String, String)>,
}

impl<'a> Otp<'a> {
    pub(super) fn new(children: &'a Children, folder: &Path) -> Result<Self> {
        let mapper = Mapper::start(children, folder)?;
        Ok(Otp { children, mapper, nodes: BTreeMap::new(), processes: BTreeMap::new() })
    }

    fn ask(&mut self, node: &str, words: &str) -> Result<String> {
        self.nodes.get_mut(node).context_none(node)?.ask(words)
    }

    /// Sends a command to a process.
    fn act(&mut self, process: &str, words: &str) -> Result<String> {
        let home = self.processes.get(process).context_none(process)?.1.clone();
        self.ask(&home, &format!("do {process} {words}"))
    }

    fn handle(&self, process: &str) -> Result<&str> {
        Ok(&self.processes.get(process).context_none(process)?.0)
    }
}

impl System for Otp<'_> {
    fn start(&mut self, node: &str) -> Result<()> {
        let mut erl = self.mapper.node(node, &[], MODULE);
        let (child, stdin, stdout) = self.children.start(&mut erl, None)?;
        self.nodes.insert(node.to_owned(), Node::new(child, stdin, stdout)?);
        Ok(())
    }

    fn crash(&mut self, node: &str) -> Result<()> {
        self.nodes.get(node).context_none(node)?.child.kill();
        Ok(())
    }

    fn connect(&mut self, node: &str, to: &str) -> Result<()> {
        self.ask(node, &format!("connect {}", full_name(to))).map(drop)
    }

    fn unregister(&mut self, node: &str, name: &str) -> Result<()> {
        self.ask(node, &format!("unregister {name}")).map(drop)
    }

    fn spawn(&mut self, process: &str, node: &str) -> Result<()> {
        let handle = self.ask(node, &format!("spawn {process}"))?;
        self.processes.insert(process.to_owned(), (handle, node.to_owned()));
        Ok(())
    }

    fn kill(&mut self, process: &str) -> Result<()> {
        let home = self.processes.get(process).context_none(process)?.1.clone();
        self.ask(&home, &format!("kill {process}")).map(drop)
    }

    fn exit(&mut self, process: &str, how: &str) -> Result<()> {
        self.act(process, &format!("exit {how}")).map(drop)
    }

    fn pause(&mut self, process: &str, pause: bool) -> Result<()> {
        self.act(process, if pause { "pause" } else { "resume" }).map(drop)
    }

    fn register(&mut self, process: &str, name: &str) -> Result<()> {
        self.act(process, &format!("register {name}")).map(drop)
    }

    fn monitor(&mut self, process: &str, monitor: &str, target: &str) -> Result<()> {
        let target = match target.split_once('@') {
            Some((name, node)) => format!("name {name} {}", full_name(node)),
            None => format!("pid {}", self.handle(target)?),
        };
        self.act(process, &format!("monitor {monitor} {target}")).map(drop)
    }

    fn demonitor(&mut self, process: &str, monitor: &str, options: &[&str]) -> Result<bool> {
        Ok(self.act(process, &format!("demonitor {monitor} {}", options.join(" ")))? == "true")
    }

    fn monitor_node(&mut self, process: &str, node: &str, flag: bool) -> Result<()> {
        self.act(process, &format!("monitor_node {} {flag}", full_name(node))).map(drop)
    }

    fn monitor_nodes(&mut self, process: &str, flag: bool) -> Result<()> {
        self.act(process, &format!("monitor_nodes {flag}")).map(drop)
    }

    fn send(&mut self, process: &str, to: &str) -> Result<()> {
        let handle = self.handle(to)?.to_owned();
        self.act(process, &format!("send {handle}")).map(drop)
    }

    fn waiting(&mut self, process: &str) -> Result<usize> {
        let count = self.act(process, "waiting")?;
        count.parse().with_context(|| format!("{count} is no number"))
    }

    fn told(&self, process: &str) -> Result<Vec<String>> {
        let home = &self.processes.get(process).context_none(process)?.1;
        Ok(self.nodes.get(home).context_none(home)?.told(process))
    }
}

/// One run of a node.
struct Node {
    child: Running,
    stdin: ChildStdin,
    replies: Receiver<String>,
    /// The notices of the processes: the process, and the notice.
    events: Arc<Mutex<Vec<(String, String)>>>,
}

impl Node {
    fn new(child: Running, stdin: ChildStdin, stdout: ChildStdout) -> Result<Self> {
        let (said, replies) = channel();
        let events = Arc::new(Mutex::new(Vec::new()));
        let received = events.clone();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(std::result::Result::ok) {
                match line.split_once(' ') {
                    Some(("event", event)) => {
                        let (process, told) = event.split_once(' ').unwrap_or((event, ""));
                        let event = (process.to_owned(), told.to_owned());
                        received.lock().unwrap_or_else(PoisonError::into_inner).push(event);
                    }
                    Some(("reply", reply)) => drop(said.send(reply.to_owned())),
                    _ => drop(said.send(line)),
                }
            }
        });
        let node = Node { child, stdin, replies, events };
        match node.reply()?.as_str() {
            "ready" => Ok(node),
            other => bail!("a node of Erlang/OTP does not start: {other}"),
        }
    }

    fn ask(&mut self, words: &str) -> Result<String> {
        let written = writeln!(self.stdin, "{words}").and_then(|()| self.stdin.flush());
        written.context("a node of Erlang/OTP accepts no more requests")?;
        self.reply()
    }

    fn reply(&self) -> Result<String> {
        self.replies.recv_timeout(SOON).context("a node of Erlang/OTP does not answer")
    }

    fn told(&self, process: &str) -> Vec<String> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|(to, _)| to == process).map(|(_, told)| told.clone()).collect()
    }
}
