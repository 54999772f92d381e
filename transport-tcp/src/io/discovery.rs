//! Discovery of peers: reads a file and asks the system's resolver at regular intervals.

use std::{
    fs::File,
    io::Read,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::future::{join, join_all};
use refs::{NodeName, NodeSpec};
use smol::Timer;

use crate::{error::PeersFileError, io::endpoint::Endpoint, log, proto::peers::address_book::Source};

/// Maximum size of a file of peers in bytes.
const MAX_FILE: u64 = 1 << 20;

/// Looks for peers until it is canceled. `listed` is the content of the file at start.
pub(crate) async fn run(endpoint: Arc<Endpoint>, listed: Vec<NodeSpec>) {
    let file = async {
        if let Some(path) = &endpoint.config.peers_file {
            watch(&endpoint, path, listed).await;
        }
    };
    let names = endpoint.config.peers_dns.iter().enumerate();
    join(file, join_all(names.map(|(index, name)| resolve_repeatedly(&endpoint, Source::Dns(index), name))))
        .await;
}

/// The peers in a file.
pub(crate) async fn read(path: &Path) -> Result<Vec<NodeSpec>, PeersFileError> {
    let path = path.to_owned();
    // In a thread pool: the file may be on a slow or unreachable disk.
    smol::unblock(move || parse(&text(path)?)).await
}

/// Reads the file at regular intervals. It compares the content, which is short and shows a change
/// more reliably than the modification time.
async fn watch(endpoint: &Arc<Endpoint>, path: &Path, listed: Vec<NodeSpec>) {
    let mut last = Ok(listed);
    loop {
        Timer::after(endpoint.config.peers_interval).await;
        let latest = read(path).await.map_err(|problem| problem.to_string());
        if latest.is_err() {
            endpoint.counters.peers_file_errors.add();
        }
        if latest == last {
            continue;
        }
        match &latest {
            Ok(list) => endpoint.list(Source::File, list.clone()),
            Err(problem) => log::peers_file_unusable(path, problem),
        }
        last = latest;
    }
}

fn text(path: PathBuf) -> Result<String, PeersFileError> {
    let mut text = String::new();
    let file = File::open(path).map_err(PeersFileError::Read)?;
    file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(PeersFileError::Read)?;
    if text.len() as u64 > MAX_FILE { Err(PeersFileError::TooLong { max: MAX_FILE }) } else { Ok(text) }
}

fn parse(text: &str) -> Result<Vec<NodeSpec>, PeersFileError> {
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).enumerate();
    let nodes = lines.filter(|(_, node)| !node.is_empty());
    nodes
        .map(|(index, node)| node.parse().map_err(|cause| PeersFileError::Line { line: index + 1, cause }))
        .collect()
}

/// Asks the resolver at regular intervals, one lookup at a time.
async fn resolve_repeatedly(endpoint: &Arc<Endpoint>, source: Source, name: &NodeName) {
    let port = name.port().expect("names without a port are refused at start");
    let mut warned = false;
    loop {
        match endpoint.lookups.clone().resolve(name.host().to_owned(), port).await {
            Ok(addresses) => {
                endpoint.list(source, nodes(name.label(), &addresses));
                warned = false;
            }
            Err(error) => {
                endpoint.counters.peers_dns_errors.add();
                if !std::mem::replace(&mut warned, true) {
                    log::peers_lookup_failed(name, error);
                }
            }
        }
        Timer::after(endpoint.config.peers_interval).await;
    }
}

/// The nodes with this label at these addresses. The size of a DNS answer limits their number.
fn nodes(label: &str, addresses: &[SocketAddr]) -> Vec<NodeSpec> {
    // An address with a scope is not a valid name: it has another meaning on every machine.
    addresses.iter().filter_map(|address| format!("{label}@{address}").parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[NodeSpec]) -> Vec<String> {
        list.iter().map(NodeSpec::to_string).collect()
    }

    #[test]
    fn a_file_has_a_node_in_every_line_and_comments() {
        let text = "# the cluster\n\n  a@h:1 \r\nb@h:1=10.0.0.1:7,10.0.0.2:7 # two networks\n#c@h:1";
        assert_eq!(names(&parse(text).unwrap()), ["a@h:1", "b@h:1=10.0.0.1:7,10.0.0.2:7"]);
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_malformed_node_is_reported_with_its_line() {
        let problem = parse("# ours\na@h:1\nb.h:1\n").unwrap_err().to_string();
        assert!(problem.starts_with("line 3: node name: "), "{problem}");
    }

    #[test]
    fn every_address_is_a_node_of_the_common_label() {
        let addresses = ["10.0.0.7:7001", "[fd00::7]:7001", "[fe80::1%3]:7001"].map(|a| a.parse().unwrap());
        assert_eq!(names(&nodes("app", &addresses)), ["app@10.0.0.7:7001", "app@[fd00::7]:7001"]);
    }
}
