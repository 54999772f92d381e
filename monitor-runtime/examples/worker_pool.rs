//! A pool that loses no job: it gives the job of a dead node to another one.
//!
//! Three programs run on this machine: the pool, and two workers. The pool starts both, and kills
//! one in the middle of a job. It monitors a worker *before* it gives it work, so it is notified of
//! the worker's end exactly once, and after every result that the worker had sent.
//!
//! A job may run twice, because a broken connection does not show whether it was completed: jobs
//! must be idempotent.
//!
//! ```text
//! cargo run -p monitor-runtime --example worker_pool
//! ```
#![allow(clippy::print_stdout, reason = "an example shows what happens")]

use std::{
    collections::{BTreeMap, VecDeque},
    env,
    error::Error,
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
    time::Duration,
};

use monitor_runtime::{MonitorRef, NodeSpec, RegName, prelude::*};

const JOBS: u64 = 8;
/// The job that kills its first worker.
const FATAL: u64 = 3;

fn main() -> Result<(), Box<dyn Error>> {
    smol::block_on(async {
        match env::args().nth(1) {
            Some(label) => work(&label).await,
            None => pool().await,
        }
    })
}

// The pool.

/// A worker: the name of its process, and the job it has.
type Worker = (Name, Option<u64>);

async fn pool() -> Result<(), Box<dyn Error>> {
    let node = Node::start(Config::new("pool@127.0.0.1").listen("127.0.0.1:0".parse()?)).await?;
    let mut me = node.process()?;
    let mut programs = vec![Program::start("one")?, Program::start("two")?];

    let mut workers = BTreeMap::<MonitorRef, Worker>::new();
    for program in &mut programs {
        let address = program.address()?;
        let node_name: NodeName = format!("{}@127.0.0.1", program.label).parse()?;
        node.connect(format!("{node_name}={address}").parse::<NodeSpec>()?)?;
        let name = "worker".parse::<RegName>()?.at(node_name);
        workers.insert(me.monitor(&name)?, (name, None));
    }

    let mut jobs: VecDeque<u64> = (1..=JOBS).collect();
    let mut results = BTreeMap::new();
    let mut given_again = Vec::new();
    while results.len() < JOBS as usize {
        for (worker, its_job) in workers.values_mut().filter(|(_, job)| job.is_none()) {
            let Some(job) = jobs.pop_front() else { break };
            me.try_send(&*worker, job.to_string())?;
            *its_job = Some(job);
            if job == FATAL && given_again.is_empty() {
                programs.retain(|program| program.label != worker.node.label());
            }
        }
        match me.recv().await.ok_or("the node was stopped")? {
            Event::Message(message) => {
                let text = str::from_utf8(&message.body)?;
                let (job, result) = text.split_once(' ').ok_or("a result without a job")?;
                let job: u64 = job.parse()?;
                results.insert(job, result.parse::<u64>()?);
                workers
                    .values_mut()
                    .filter(|worker| worker.1 == Some(job))
                    .for_each(|worker| worker.1 = None);
            }
            Event::Down(down) => {
                let (_, its_job) = workers.remove(&down.monitor).ok_or("a Down of no worker")?;
                println!("{down}");
                if let Some(job) = its_job {
                    println!("  its job {job} is given to another one");
                }
                given_again.extend(its_job);
                jobs.extend(its_job);
            }
            _ => {}
        }
        if workers.is_empty() {
            return Err("no worker is left".into());
        }
    }

    let squares: BTreeMap<u64, u64> = (1..=JOBS).map(|job| (job, job * job)).collect();
    assert_eq!(results, squares, "every job was done");
    assert_eq!(given_again, [FATAL], "the job of the dead node, and no other, was given twice");
    node.stop().await;
    Ok(())
}

/// The program of a worker, which is killed on drop.
struct Program {
    label: &'static str,
    child: Child,
}

impl Program {
    fn start(label: &'static str) -> Result<Self, Box<dyn Error>> {
        let mut command = Command::new(env::current_exe()?);
        let child = command.arg(label).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        Ok(Program { label, child })
    }

    /// The address on which its node listens, which is its first line of output.
    fn address(&mut self) -> Result<String, Box<dyn Error>> {
        let mut line = String::new();
        BufReader::new(self.child.stdout.take().ok_or("the address was read twice")?).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Like `kill -9`. Both fail only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// The program of a worker.

/// Squares numbers, until the pool closes its standard input.
async fn work(label: &str) -> Result<(), Box<dyn Error>> {
    let name = format!("{label}@127.0.0.1");
    let node = Node::start(Config::new(name).listen("127.0.0.1:0".parse()?)).await?;
    let mut me = node.process()?;
    me.register("worker")?;
    println!("{}", node.local_addr().ok_or("a node over TCP listens")?);
    let jobs = async move {
        while let Some(event) = me.recv().await {
            let Event::Message(Message { from: Some(pool), body, .. }) = event else { continue };
            let job: u64 = str::from_utf8(&body)?.parse()?;
            smol::Timer::after(Duration::from_millis(100)).await; // time to be killed in
            me.try_send(pool, format!("{job} {}", job * job))?;
        }
        Ok(())
    };
    let end = smol::unblock(|| std::io::stdin().read_to_end(&mut Vec::new()));
    smol::future::or(jobs, async { end.await.map(drop).map_err(Box::from) }).await
}
