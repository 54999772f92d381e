//! Peers that are found while the node runs: in a file, and through the system's resolver.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{fs, path::PathBuf, time::Duration};

use peer_service::{DialId, EndKind, PeerService};
use support::Setup;
use support::{
    config, connect, count, end_of, exchange_frames, next_session, proxy::Proxy, soon, spawner, spec,
    spec_at, start, until, unused_address,
};
use transport_tcp::{PeersFileError, StartError};

/// A file of peers; deleted on drop.
struct PeersFile(PathBuf);

impl PeersFile {
    fn new(test: &str, content: &str) -> Self {
        let name = format!("peers-{test}-{}", std::process::id());
        let file = PeersFile(PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name));
        file.set(content);
        file
    }

    /// Replaces the file as a whole.
    fn set(&self, content: &str) {
        let next = self.0.with_extension("next");
        fs::write(&next, content).unwrap();
        fs::rename(next, &self.0).unwrap();
    }

    /// A node with this file, which it reads often.
    fn config(&self, label: &str) -> Setup {
        config(label).peers_file(&self.0).peers_interval(Duration::from_millis(10))
    }
}

impl Drop for PeersFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn refused(config: Setup) -> StartError {
    let started = config.start(1, spawner()).await;
    started.expect_err("it must not start")
}

#[test]
fn a_node_that_is_added_to_the_file_is_dialed_and_the_own_name_is_skipped() {
    smol::block_on(async {
        let (b, c) = (start(config("b")).await, start(config("c")).await);
        let file = PeersFile::new("added", &format!("# ours\n{}\na@127.0.0.1=127.0.0.1:1\n", spec(&b)));
        let a = start(file.config("a")).await;
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;

        file.set(&format!("{}\n{} # new\n", spec(&b), spec(&c)));
        let (mut to_c, mut at_c) = (next_session(&a).await, next_session(&c).await);
        exchange_frames(&mut to_c, &mut at_c).await;
        exchange_frames(&mut at_a, &mut at_b).await;
        assert_eq!((count(&a, "dials"), count(&a, "peers_file_errors")), (2, 0));
    });
}

#[test]
fn a_node_that_is_removed_keeps_its_session_and_is_not_redialed() {
    smol::block_on(async {
        let (b, c) = (start(config("b")).await, start(config("c")).await);
        let wire = Proxy::to(b.local_addr());
        let file = PeersFile::new("removed", &spec_at(&b, wire.address).to_string());
        let a = start(file.config("a")).await;
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);

        // When `c` is connected, the new list is in use.
        file.set(&spec(&c).to_string());
        let (_to_c, _at_c) = (next_session(&a).await, next_session(&c).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        let dials = count(&a, "dials");
        wire.sever_all();
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Closed);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);

        // A listed peer would be dialed within 50 ms; the list has been read more often than that.
        file.set("?");
        until("twenty reads of the file", || count(&a, "peers_file_errors") >= 20).await;
        assert_eq!(count(&a, "dials"), dials);
        // On demand it is still dialed.
        connect(&a, &b).await;
    });
}

#[test]
fn a_malformed_file_keeps_the_last_good_list_until_it_is_mended() {
    smol::block_on(async {
        let address = unused_address();
        let (b, c) = (start(config("b")).await, start(config("c")).await);
        let wire = Proxy::to(b.local_addr());
        let good = spec_at(&b, wire.address);
        let file = PeersFile::new("malformed", &good.to_string());
        let a = start(file.config("a")).await;
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);

        file.set(&format!("{}\nthis is no node\nd@127.0.0.1={address}\n", spec(&c)));
        until("the file to be refused", || count(&a, "peers_file_errors") >= 2).await;
        // The old list stays in use: a lost peer is dialed again, and no peer of the new list is.
        wire.sever_all();
        assert_eq!(end_of(&mut at_a).await.1.kind, EndKind::Closed);
        assert_eq!(end_of(&mut at_b).await.1.kind, EndKind::Closed);
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        assert_eq!(at_a.peer().node, *b.local());

        fs::remove_file(&file.0).unwrap();
        let before = count(&a, "peers_file_errors");
        until("the missing file to be noticed", || count(&a, "peers_file_errors") >= before + 2).await;
        file.set(&format!("{good}\n{}", spec(&c)));
        assert_eq!(next_session(&a).await.peer().node, *c.local());
        exchange_frames(&mut at_a, &mut at_b).await;
    });
}

#[test]
fn a_peer_that_has_moved_is_dialed_at_its_new_address() {
    smol::block_on(async {
        let b = start(config("b")).await;
        let file = PeersFile::new("moved", &spec_at(&b, unused_address()).to_string());
        let a = start(file.config("a")).await;
        until("a failed dial", || count(&a, "dials_failed") >= 1).await;
        file.set(&spec(&b).to_string());
        assert_eq!(next_session(&a).await.peer().node, *b.local());
    });
}

#[test]
fn at_start_the_file_must_be_there_and_well_formed() {
    smol::block_on(async {
        let file = PeersFile::new("start", "b@127.0.0.1:7001\n\nb\n");
        let error = refused(file.config("a")).await;
        let said = error.to_string();
        assert!(
            matches!(error, StartError::PeersFile { cause: PeersFileError::Line { line: 3, .. }, .. }),
            "{said}"
        );
        assert!(said.starts_with("peers_file: ") && said.contains("line 3: "), "{said}");
        file.set(&"#".repeat((1 << 20) + 1));
        let error = refused(file.config("a")).await;
        assert!(matches!(error, StartError::PeersFile { cause: PeersFileError::TooLong { .. }, .. }));
        let error = refused(config("a").peers_file("no/such/file")).await;
        assert!(matches!(error, StartError::PeersFile { cause: PeersFileError::Read(_), .. }), "{error}");
    });
}

#[test]
fn a_name_in_dns_leads_to_a_node_at_each_of_its_addresses() {
    smol::block_on(async {
        let address = unused_address();
        let template = format!("app@localhost:{}", address.port()).parse().unwrap();
        let a = config("a").peers_dns(template).peers_interval(Duration::from_millis(10));
        let a = start(a).await;
        // The node is dialed whether or not it exists yet.
        until("a failed dial", || count(&a, "dials_failed") >= 1).await;

        let mut b = config("app").listen(address);
        b.name = format!("app@{address}").parse().unwrap();
        let b = start(b).await;
        let (mut at_a, mut at_b) = (next_session(&a).await, next_session(&b).await);
        exchange_frames(&mut at_a, &mut at_b).await;
        assert_eq!(count(&a, "peers_dns_errors"), 0);
    });
}

#[test]
fn a_name_in_dns_that_leads_nowhere_is_asked_again_and_disturbs_nobody() {
    smol::block_on(async {
        let b = start(config("b")).await;
        // An empty label: refused by the resolver itself.
        let a = config("a").peers_dns("app@no..where:7001".parse().unwrap());
        let a = start(a.peers_interval(Duration::from_millis(10)).peer(spec(&b))).await;
        until("a few failed lookups", || count(&a, "peers_dns_errors") >= 3).await;
        assert_eq!(next_session(&a).await.peer().node, *b.local());
    });
}

#[test]
fn after_the_shutdown_nobody_looks_for_peers() {
    smol::block_on(async {
        let b = start(config("b")).await;
        let file = PeersFile::new("shutdown", "");
        let a = start(file.config("a")).await;
        a.shutdown();
        file.set(&spec(&b).to_string());
        assert!(soon("the end of all events", a.next()).await.is_none());
        // A later event than any dial that might have begun: a dial to the same node.
        let c = start(config("c")).await;
        c.connect(&spec(&b), DialId(1));
        assert_eq!(next_session(&b).await.peer().node, *c.local());
        assert_eq!(count(&a, "dials"), 0);
    });
}

#[test]
fn settings_that_do_not_fit_are_refused_with_their_field() {
    smol::block_on(async {
        let error = refused(config("a").peers_dns("app@localhost".parse().unwrap())).await;
        assert!(error.to_string().starts_with("peers_dns: "), "{error}");
        let error = refused(config("a").peers_interval(Duration::from_millis(1))).await;
        assert!(error.to_string().starts_with("peers_interval: "), "{error}");
    });
}
