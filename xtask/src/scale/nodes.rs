//! More and more nodes, connected to all others or to a few: measures the costs of a node and of a
//! session, the time until all nodes are connected, and the time until the others notice the loss
//! of a node.

use std::{
    fmt::Write,
    fs,
    path::PathBuf,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::Result;
use harness::{
    files,
    peer::{Peer, Usage},
    ports::Ports,
};

use super::{
    Testbed,
    costs::{Cost, Costs, Subject, cost},
    descriptors,
};

pub(super) const MESH: Subject = Subject { id: "mesh", title: "Nodes, each connected to all others" };
pub(super) const ON_DEMAND: Subject = Subject {
    id: "on-demand",
    title: "Nodes, each monitoring a process on four others, without further connections",
};

/// Number of other nodes that each node monitors if connections are made on demand.
const WATCHED: usize = 4;
/// Number of nodes that are killed, one after the other; the median counts.
const DEATHS: usize = 3;

/// Maximum time of a handshake when hundreds of nodes start at once on few processors.
const SETUP: Duration = Duration::from_secs(60);

/// The connections between the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// All nodes have the list of all nodes.
    Mesh,
    /// Each node monitors the next [`WATCHED`] in a ring.
    OnDemand,
}

/// The costs that are measured for either shape; the numbers are the expected exponents, for
/// [`Shape::Mesh`] and for [`Shape::OnDemand`].
struct Figures {
    form: Cost,
    form_cpu: Cost,
    memory: Cost,
    session: Cost,
    idle: Cost,
    noticed: Cost,
}

impl Shape {
    const fn subject(self) -> Subject {
        match self {
            Shape::Mesh => MESH,
            Shape::OnDemand => ON_DEMAND,
        }
    }

    const fn figures(self) -> Figures {
        // The work of all nodes on one machine, the work of one node, and the work that the loss of
        // a node causes.
        let (all, one, death) = match self {
            Shape::Mesh => (2.0, 1.0, 1.0),
            Shape::OnDemand => (1.0, 0.0, 0.0),
        };
        Figures {
            form: cost("until all are connected", "s", all),
            form_cpu: cost("processor time of a node for that", "ms", one),
            memory: cost("memory of a node", "MiB", one),
            session: cost("memory of a session, each side", "KiB", 0.0),
            idle: cost("processor time of an idle node", "ms/s", one),
            noticed: cost("from SIGKILL until the last knows", "ms", death),
        }
    }

    /// Returns the nodes with which a node has sessions.
    fn neighbours(self, node: usize, of: usize) -> Vec<usize> {
        let mut all: Vec<_> = match self {
            Shape::Mesh => (0..of).collect(),
            Shape::OnDemand => {
                (1..=WATCHED).flat_map(|by| [(node + by) % of, (node + of - by % of) % of]).collect()
            }
        };
        all.sort_unstable();
        all.dedup();
        all.retain(|other| *other != node);
        all
    }
}

pub(super) fn measure(testbed: &Testbed, shape: Shape, nodes: usize, costs: &mut Costs) -> Result<()> {
    let figures = shape.figures();
    let mut add = |cost, value| costs.add(shape.subject(), cost, nodes, value);
    descriptors::allow(nodes)?;
    let alone = alone(testbed, nodes)?;

    let mut cluster = Cluster::begin(testbed, shape, nodes)?;
    add(figures.form, cluster.form()?.as_secs_f64());
    let formed = cluster.usage()?;
    add(figures.form_cpu, 1e3 * (formed.cpu - alone.cpu) / nodes as f64);

    thread::sleep(testbed.quiescence());
    let (lasting, before) = (Duration::from_secs(if testbed.quick { 2 } else { 10 }), cluster.usage()?);
    thread::sleep(lasting);
    let after = cluster.usage()?;
    add(figures.memory, after.rss / nodes as f64 / f64::from(1 << 20));
    let ends = nodes * shape.neighbours(0, nodes).len();
    add(figures.session, (after.rss - alone.rss) / ends as f64 / 1024.0);
    add(figures.idle, 1e3 * (after.cpu - before.cpu) / lasting.as_secs_f64() / nodes as f64);

    let mut times =
        (0..DEATHS).map(|_| cluster.lose_one(testbed.quiescence())).collect::<Result<Vec<_>>>()?;
    times.sort_unstable();
    add(figures.noticed, 1e3 * times[DEATHS / 2].as_secs_f64());
    Ok(())
}

/// Returns the total usage of that many nodes without any connections.
fn alone(testbed: &Testbed, nodes: usize) -> Result<Usage> {
    let cluster = Cluster::begin(testbed, Shape::OnDemand, nodes)?;
    cluster.await_ready()?;
    thread::sleep(testbed.quiescence());
    cluster.usage()
}

/// Nodes, each in its own process with its own loopback address.
struct Cluster {
    shape: Shape,
    /// `None` once the node was killed.
    nodes: Vec<Option<Peer>>,
    names: Vec<String>,
    /// The list of all nodes, for nodes of a mesh to read as they start.
    peers: PathBuf,
    begun: Instant,
    /// Reserves the port that the nodes share, for as long as they run.
    _ports: Ports,
}

impl Cluster {
    /// Starts all processes without waiting for them.
    fn begin(testbed: &Testbed, shape: Shape, nodes: usize) -> Result<Self> {
        let ports = Ports::take()?;
        let names: Vec<_> = (0..nodes).map(|node| name(node, ports.port(0))).collect();
        let peers = testbed.pairs.folder.join(format!("peers-{}", std::process::id()));
        if shape == Shape::Mesh {
            files::write(&peers, &(names.join("\n") + "\n"))?;
        }
        let begun = Instant::now();
        let start = |name: &String| {
            let mut command = Command::new(&testbed.node);
            // All nodes dial at once and from one address; they share the processors, so that each
            // handshake waits for the handshakes of all other nodes.
            let (most, patience) = ((2 * nodes).max(64).to_string(), SETUP.as_secs().to_string());
            command.args(["--name", name, "--max-pending", &most, "--setup-timeout", &patience]);
            command.arg("--heartbeat").arg(&testbed.heartbeat);
            if shape == Shape::Mesh {
                command.arg("--peers").arg(&peers);
            }
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            Peer::begin(&testbed.pairs.children, &mut command).map(Some)
        };
        let nodes = names.iter().map(start).collect::<Result<_>>()?;
        Ok(Cluster { shape, nodes, names, peers, begun, _ports: ports })
    }

    /// Waits until all nodes are connected according to the shape. Returns the duration: in a mesh
    /// from the start of the first process; on demand, from the moment when all processes were
    /// running and the first one received its targets.
    fn form(&mut self) -> Result<Duration> {
        self.await_ready()?;
        // All nodes have read the list.
        let _ = fs::remove_file(&self.peers);
        let mut begun = self.begun;
        if self.shape == Shape::OnDemand {
            begun = Instant::now();
            for at in 0..self.nodes.len() {
                let verb = self.watch(at);
                self.node(at).ask(&verb)?;
            }
        }
        let all: Vec<_> = (0..self.nodes.len()).collect();
        self.await_neighbours(&all)?;
        let last = self.answers(&all)?;
        Ok(last.map_or(Duration::ZERO, |last| last.duration_since(begun)))
    }

    fn await_ready(&self) -> Result<()> {
        self.nodes.iter().flatten().try_for_each(Peer::await_ready)
    }

    /// Kills the first node that is running. Returns the time until all nodes with a session to it
    /// have reported the loss.
    fn lose_one(&mut self, quiescence: Duration) -> Result<Duration> {
        let (at, victim) = self
            .nodes
            .iter_mut()
            .enumerate()
            .find_map(|(at, node)| Some((at, node.take()?)))
            .expect("fewer are killed than there are");
        let others = self.alive_neighbours(at);
        self.await_neighbours(&others)?;
        thread::sleep(quiescence);
        let killed = Instant::now();
        victim.kill();
        let last = self.answers(&others)?.unwrap_or(killed);
        Ok(last.duration_since(killed))
    }

    /// Asks each node to report when it is connected to exactly those of its neighbors that are
    /// running.
    fn await_neighbours(&mut self, nodes: &[usize]) -> Result<()> {
        for &at in nodes {
            let verb = format!("nodes {}", self.alive_neighbours(at).len());
            self.node(at).tell(&verb)?;
        }
        Ok(())
    }

    /// Returns the time of the last answer.
    fn answers(&mut self, nodes: &[usize]) -> Result<Option<Instant>> {
        let mut last = None;
        for &at in nodes {
            let (answered, _) = self.node(at).timed_answer("nodes")?;
            last = last.max(Some(answered));
        }
        Ok(last)
    }

    fn alive_neighbours(&self, node: usize) -> Vec<usize> {
        let mut all = self.shape.neighbours(node, self.nodes.len());
        all.retain(|other| self.nodes[*other].is_some());
        all
    }

    /// The command with which a node monitors others.
    fn watch(&self, node: usize) -> String {
        let of = self.names.len();
        let mut verb = "watch".to_owned();
        for other in (1..=WATCHED.min(of - 1)).map(|by| (node + by) % of) {
            write!(verb, " {}", self.names[other]).expect("a string takes everything");
        }
        verb
    }

    fn node(&mut self, at: usize) -> &mut Peer {
        self.nodes[at].as_mut().expect("only nodes that live are asked")
    }

    /// Returns the total usage of the running nodes.
    fn usage(&self) -> Result<Usage> {
        let mut all = Usage::default();
        for node in self.nodes.iter().flatten() {
            let one = node.usage()?;
            all = Usage { cpu: all.cpu + one.cpu, coarse: all.coarse + one.coarse, rss: all.rss + one.rss };
        }
        Ok(all)
    }
}

/// Loopback has sixteen million addresses; each node gets one of its own.
fn name(node: usize, port: u16) -> String {
    format!("n{node}@127.1.{}.{}:{port}", node / 250, node % 250 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_mutual() {
        for shape in [Shape::Mesh, Shape::OnDemand] {
            for of in [1, 2, 3, 8, 9, 25] {
                let all: Vec<_> = (0..of).map(|node| shape.neighbours(node, of)).collect();
                for (node, neighbours) in all.iter().enumerate() {
                    assert!(!neighbours.contains(&node), "{shape:?} of {of}");
                    assert!(neighbours.iter().all(|other| all[*other].contains(&node)), "{shape:?} of {of}");
                }
            }
        }
    }

    #[test]
    fn on_demand_a_node_has_as_many_sessions_however_many_nodes_there_are() {
        let sessions = [10, 50, 200].map(|of| Shape::OnDemand.neighbours(3, of).len());
        assert_eq!(sessions, [2 * WATCHED; 3]);
        assert_eq!(Shape::Mesh.neighbours(3, 200).len(), 199);
    }

    #[test]
    fn no_two_nodes_share_an_address() {
        let mut names: Vec<_> =
            (0..1_000).map(|node| name(node, 7).split_once('@').expect("a host").1.to_owned()).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 1_000);
    }
}
