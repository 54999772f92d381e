//! `silent-resolver`

use anyhow::{Result, bail};
use harness::conditions::{SOON, ensure, poll};

use crate::cluster::{
    Cluster,
    node::Node,
    process::Wanted,
    protocol::{Command, NodeKind},
};

/// The host that is the nameserver, and lets nothing in.
const NAMESERVER: &str = "z";
/// A name that only a nameserver could know. The domain is set aside for examples (RFC 2606).
const UNKNOWN: &str = "old-host.example:7000";

/// Starts the rest of its arguments where the nameserver is the first of them, and nothing but that
/// is asked for hosts.
const WITH_NAMESERVER: &str = r#"
    set -e
    for file in resolv.conf nsswitch.conf; do
        ours=$(mktemp)
        if [ $file = resolv.conf ]; then echo "nameserver $0"; else echo "hosts: files dns"; fi > "$ours"
        if [ -e "/etc/$file" ]; then mount --bind "$ours" "/etc/$file"; fi
        rm "$ours"
    done
    exec "$@"
"#;

/// The nameserver of one node answers nothing. The node reaches another one by its literal address
/// all the same, wherever that stands in the list; and a dial that has no address but one to look
/// up is answered in time.
pub(super) fn silent_resolver(cluster: &Cluster<'_>) -> Result<()> {
    let nameserver = cluster.address(NAMESERVER).ip().to_string();
    let asking = cluster.node_with("a", |launch| {
        let by = ["unshare", "--mount", "--", "sh", "-c", WITH_NAMESERVER, &nameserver];
        launch.by = by.map(str::to_owned).to_vec();
    })?;
    cluster.deafen_stranger(NAMESERVER, &asking)?;
    let other = cluster.node("b")?;
    let address = cluster.address("b").to_string();
    for addresses in [format!("{address},{UNKNOWN}"), format!("{UNKNOWN},{address}")] {
        // Once: if this dial fails there is no other.
        asking.done(Command::Connect { node: format!("{}={addresses}", other.name()) })?;
        expect_session(&asking, &other, true)?;
        cluster.disconnect(&asking, &other)?;
        expect_session(&asking, &other, false)?;
    }
    asking.watch(&format!("job@c@{UNKNOWN}"))?.expect_down(Wanted::NoConnection(&["SetupTimeout"]))?;
    let queries = cluster.stopped_packets(NAMESERVER)?;
    ensure(queries > 0, || "the nameserver was never asked".to_owned())?;
    cluster.figure("unanswered_queries", queries);
    Ok(())
}

/// Waits until the node has a session with the other one, or has none.
fn expect_session(node: &Node, other: &Node, wanted: bool) -> Result<()> {
    let stands = || -> Result<Option<()>> {
        let up = node.nodes(NodeKind::All)?;
        let stands = up.iter().any(|info| info.incarnation == other.incarnation());
        Ok((stands == wanted).then_some(()))
    };
    match poll(SOON, stands)? {
        Some(()) => Ok(()),
        None => bail!(
            "{} has {} session with {} after {SOON:?}",
            node.name(),
            if wanted { "no" } else { "a" },
            other.name()
        ),
    }
}
