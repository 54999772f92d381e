//! The TLS configuration of a node, and the errors for a wrong one.

#![allow(clippy::unwrap_used, reason = "part of tests")]

mod support;

use std::{fs, path::PathBuf, sync::LazyLock};

use rcgen::ExtendedKeyUsagePurpose::ClientAuth;
use support::{
    Setup,
    authority::{Authority, Card},
};
use transport_tcp::{StartError, Tls, TlsError};

static CLUSTER: LazyLock<Authority> = LazyLock::new(|| Authority::new("cluster"));

const A: &[&str] = &["a.cluster.test"];

fn config(name: &str, card: &Card) -> Setup {
    Setup::new(name).listen(([127, 0, 0, 1], 0).into()).tls(card.tls())
}

fn start(config: Setup) -> Result<(), StartError> {
    let started = config.start(1, support::spawner());
    smol::block_on(started).map(drop)
}

fn refusal(config: Setup) -> String {
    start(config).expect_err("it must not start").to_string()
}

#[test]
fn a_certificate_that_every_peer_would_refuse_is_refused_at_start() {
    let refused = |card: &Card| refusal(config("a@cluster.test", card));
    let strange = CLUSTER.issue(A).trusting(&Authority::new("elsewhere"));
    for (card, reason) in [
        (strange, "of none of the configured CAs"),
        (CLUSTER.issue_expired(A), "has expired"),
        (CLUSTER.issue_for_later(A), "not valid yet"),
        (CLUSTER.issue_for(ClientAuth, A), "allow both clientAuth and serverAuth"),
        (CLUSTER.issue(&["b.cluster.test"]), "is not for a.cluster.test but for"),
        (CLUSTER.issue(&[]), "is not for a.cluster.test but for no name"),
    ] {
        let said = refused(&card);
        assert!(said.starts_with("tls: every peer would refuse this node: "), "{said}");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn the_name_may_be_one_of_several_and_neither_case_nor_port_counts() {
    let card = CLUSTER.issue(&["b.cluster.test", "A.Cluster.Test"]);
    assert!(start(config("a@cluster.test:7001", &card)).is_ok());
    assert!(start(config("b@CLUSTER.test", &card)).is_ok());
    assert!(start(config("c@cluster.test", &card)).is_err());
    assert!(start(config("under_score@cluster.test", &CLUSTER.issue(&["under_score.cluster.test"]))).is_ok());
}

#[test]
fn names_that_no_certificate_can_bear_are_refused_at_start() {
    let card = CLUSTER.issue(A);
    let own = |name| refusal(config(name, &card));
    assert!(own("a@127.0.0.1").contains("its host is an IP address; name the node by a host name"));
    assert!(own("a@[::1]").contains("its host is an IP address"));
    assert!(own("a-@cluster.test").contains("`label.host` is no DNS name"));
    let with = |peer: &str| refusal(config("a@cluster.test", &card).peer(peer.parse().unwrap()));
    assert!(with("b@127.0.0.1:7001").starts_with("tls: b@127.0.0.1:7001 cannot stand in a certificate"));
    assert!(with("-b@cluster.test:7001").contains("is no DNS name"));
    let dns = config("a@cluster.test", &card).peers_dns("a@cluster.test:7001".parse().unwrap());
    assert!(refusal(dns).starts_with("peers_dns: names nodes by IP addresses"));
}

#[test]
fn with_tls_other_addresses_than_loopback_need_no_secret() {
    // An address reserved for documentation, which no machine has.
    let elsewhere = |config: Setup| start(config.listen(([192, 0, 2, 1], 0).into()));
    let card = CLUSTER.issue(A);
    assert!(matches!(elsewhere(config("a@cluster.test", &card)), Err(StartError::Listen { .. })));
    let open = Setup::new("a@cluster.test");
    assert!(matches!(elsewhere(open), Err(StartError::NoSecret { .. })));
}

#[test]
fn what_is_no_pem_or_something_else_is_told_by_which_it_is() {
    let card = CLUSTER.issue(A);
    let with = |set: fn(&mut Card)| {
        let mut card = card.clone();
        set(&mut card);
        card.try_tls().err().unwrap().to_string()
    };
    for (said, which) in [
        (with(|card| card.ca = "no PEM".to_owned()), "the CA "),
        (with(|card| card.ca = card.key.clone()), "the CA "),
        (with(|card| card.certificate = String::new()), "the certificate "),
        (with(|card| card.certificate = card.key.clone()), "the certificate "),
        (with(|card| card.key = card.certificate.clone()), "the key "),
        (with(|card| card.key.truncate(60)), "the key "),
    ] {
        assert!(said.starts_with(which) && said.contains("must be PEM"), "{said}");
    }
    let other = Card { key: CLUSTER.issue(A).key, ..card };
    assert!(matches!(other.try_tls(), Err(TlsError::KeyMismatch)));
}

/// The three files of a card, in their own directory.
struct Files(PathBuf);

impl Files {
    fn of(card: &Card, test: &str) -> Self {
        let folder =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("tls-{test}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = Files(folder);
        for (name, text) in [("ca.pem", &card.ca), ("node.pem", &card.certificate), ("node.key", &card.key)] {
            fs::write(files.path(name), text).unwrap();
        }
        files.set_mode("node.key", 0o600);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn set_mode(&self, name: &str, mode: u32) {
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
        }
        #[cfg(not(unix))]
        let _ = (name, mode);
    }

    fn read(&self) -> Result<Tls, TlsError> {
        Tls::from_pem_files(self.path("ca.pem"), self.path("node.pem"), self.path("node.key"))
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn three_files_make_a_node() {
    let files = Files::of(&CLUSTER.issue(A), "good");
    let config = Setup::new("a@cluster.test").listen(([127, 0, 0, 1], 0).into());
    assert!(start(config.tls(files.read().unwrap())).is_ok());
}

#[test]
fn a_file_that_is_not_there_or_much_too_long_is_told_by_its_path() {
    for name in ["ca.pem", "node.pem", "node.key"] {
        let files = Files::of(&CLUSTER.issue(A), &format!("bad-{name}"));
        fs::write(files.path(name), vec![b'x'; Tls::MAX_LEN + 1]).unwrap();
        let said = files.read().err().unwrap().to_string();
        assert!(said.contains(name) && said.contains("more than 1 MiB"), "{said}");
        fs::remove_file(files.path(name)).unwrap();
        let said = files.read().err().unwrap().to_string();
        assert!(said.starts_with("cannot read ") && said.contains(name), "{said}");
    }
}

#[test]
#[cfg(unix)]
fn a_key_that_others_can_open_is_refused_with_its_mode_and_what_to_do() {
    let files = Files::of(&CLUSTER.issue(A), "exposed");
    files.set_mode("node.key", 0o640);
    let said = files.read().err().unwrap().to_string();
    assert!(said.contains("its mode is 0640") && said.contains("chmod 600"), "{said}");
    files.set_mode("node.key", 0o400);
    assert!(files.read().is_ok());
}

#[test]
fn a_key_is_never_printed() {
    let card = CLUSTER.issue(A);
    assert_eq!(format!("{:?}", card.tls()), "Tls(..)");
    let config = format!("{:?}", config("a@cluster.test", &card));
    assert!(config.contains("Tls(..)") && !config.contains("PRIVATE"));
    let mut broken = card.clone();
    broken.key = card.key.replace("-----END", "-----ENDE");
    let said = format!("{0} {0:?}", broken.try_tls().err().unwrap());
    let secret = card.key.lines().nth(1).unwrap();
    assert!(!said.contains(&secret[..16]), "{said}");
}
