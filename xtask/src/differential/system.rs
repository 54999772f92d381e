//! The commands that both systems accept, and the run of a script on one of them.

use std::{collections::BTreeMap, thread, time::Duration};

use anyhow::{Context, Result, anyhow, bail};
use harness::conditions::{SOON, poll};

/// Two nodes of one of the systems. Nodes, processes and monitors are named as the script names
/// them.
pub(super) trait System {
    fn start(&mut self, node: &str) -> Result<()>;
    /// SIGKILL.
    fn crash(&mut self, node: &str) -> Result<()>;
    fn connect(&mut self, node: &str, to: &str) -> Result<()>;
    fn unregister(&mut self, node: &str, name: &str) -> Result<()>;
    fn spawn(&mut self, process: &str, node: &str) -> Result<()>;
    fn kill(&mut self, process: &str) -> Result<()>;
    fn exit(&mut self, process: &str, how: &str) -> Result<()>;
    fn pause(&mut self, process: &str, pause: bool) -> Result<()>;
    fn register(&mut self, process: &str, name: &str) -> Result<()>;
    /// The target is a process, or `name@node`.
    fn monitor(&mut self, process: &str, monitor: &str, target: &str) -> Result<()>;
    /// The options are `flush` and `info`.
    fn demonitor(&mut self, process: &str, monitor: &str, options: &[&str]) -> Result<bool>;
    fn monitor_node(&mut self, process: &str, node: &str, flag: bool) -> Result<()>;
    fn monitor_nodes(&mut self, process: &str, flag: bool) -> Result<()>;
    fn send(&mut self, process: &str, to: &str) -> Result<()>;
    /// Returns the number of monitor notices in the mailbox of a paused process.
    fn waiting(&mut self, process: &str) -> Result<usize>;
    /// Returns the notices that the process has received so far, in order.
    fn told(&self, process: &str) -> Result<Vec<String>>;
}

/// The time without any notice after which a script is over. The absence of a notice cannot be
/// awaited: this time makes it likely that a surplus notice is seen.
const QUIET: Duration = Duration::from_millis(300);

/// The results of calls, then the notices of each process, one per line.
pub(super) fn run(system: &mut dyn System, steps: &str) -> Result<Vec<String>> {
    let mut run = Run { system, processes: BTreeMap::new(), returned: Vec::new() };
    run.system.start("a")?;
    run.system.start("b")?;
    for step in steps.split(';').map(str::trim) {
        run.step(step).with_context(|| step.to_string())?;
    }
    run.quiet()?;
    let told = run.told()?;
    Ok(run.returned.into_iter().chain(told).collect())
}

struct Run<'a> {
    system: &'a mut dyn System,
    /// The node of each process.
    processes: BTreeMap<String, String>,
    returned: Vec<String>,
}

impl Run<'_> {
    fn step(&mut self, step: &str) -> Result<()> {
        let words: Vec<&str> = step.split_whitespace().collect();
        let system = &mut *self.system;
        match words.as_slice() {
            ["start", node] => system.start(node),
            ["crash", node] => {
                // The notices that its processes have received until now are not compared, because
                // they depend on timing.
                self.processes.retain(|_, home| home != node);
                system.crash(node)
            }
            ["connect", node, to] => system.connect(node, to),
            ["unregister", node, name] => system.unregister(node, name),
            ["spawn", process, node] => {
                self.processes.insert((*process).to_owned(), (*node).to_owned());
                system.spawn(process, node)
            }
            ["kill", process] => system.kill(process),
            ["exit", process, how] => system.exit(process, how),
            ["pause", process] => system.pause(process, true),
            ["resume", process] => system.pause(process, false),
            ["register", process, name] => system.register(process, name),
            ["monitor", process, monitor, target] => system.monitor(process, monitor, target),
            ["demonitor", process, monitor, options @ ..] => {
                let returned = system.demonitor(process, monitor, options)?;
                self.returned.push(format!("{step} -> {returned}"));
                Ok(())
            }
            ["monitor_node", process, node, flag] => system.monitor_node(process, node, *flag == "true"),
            ["monitor_nodes", process, flag] => system.monitor_nodes(process, *flag == "true"),
            ["send", process, to] => system.send(process, to),
            ["reach", process, to] => {
                let before = system.told(to)?.len();
                system.send(process, to)?;
                self.await_told(to, before + 1)
            }
            ["await", process, count] => self.await_told(process, number(count)?),
            ["waiting", process, count] => self.await_waiting(process, number(count)?),
            _ => bail!("unknown step"),
        }
    }

    fn await_told(&self, process: &str, count: usize) -> Result<()> {
        let enough = poll(SOON, || Ok((self.system.told(process)?.len() >= count).then_some(())))?;
        match enough {
            Some(()) => Ok(()),
            None => bail!("{process} received only {:?}", self.system.told(process)?),
        }
    }

    fn await_waiting(&mut self, process: &str, count: usize) -> Result<()> {
        match poll(SOON, || Ok((self.system.waiting(process)? == count).then_some(())))? {
            Some(()) => Ok(()),
            None => bail!("{} wait for {process}", self.system.waiting(process)?),
        }
    }

    /// Waits until no process receives further notices.
    fn quiet(&self) -> Result<()> {
        let mut last = self.told()?;
        let quiet = poll(SOON, || {
            thread::sleep(QUIET);
            let now = self.told()?;
            let quiet = now == last;
            last = now;
            Ok(quiet.then_some(()))
        })?;
        match quiet {
            Some(()) => Ok(()),
            None => bail!("the notices do not end: {last:?}"),
        }
    }

    fn told(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for process in self.processes.keys() {
            lines.extend(self.system.told(process)?.into_iter().map(|told| format!("{process} {told}")));
        }
        Ok(lines)
    }
}

fn number(word: &str) -> Result<usize> {
    word.parse().map_err(|error| anyhow!("{word}: {error}"))
}
