//! `Config::tls`: nodes that authenticate by their certificates alone.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{alias_attack, bare::BarePeer, eventually, run};
use monitor_runtime::{AliasMode, Incarnation, NodeSpec, TcpConfig, Tls, prelude::*};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use transport_tcp::TcpTransport;

/// The CA of a cluster.
struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// The key and certificate of the node `label@obit.test`.
    fn issue(&self, label: &str) -> Tls {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![format!("{label}.obit.test")]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Tls::from_pem(self.pem.as_bytes(), certificate.as_bytes(), key.serialize_pem().as_bytes()).unwrap()
    }
}

fn config(label: &str, tls: Tls) -> Config {
    Config::new(format!("{label}@obit.test")).listen("127.0.0.1:0".parse().unwrap()).tls(tls)
}

/// The node, and the address on which it listens.
fn at(node: &Node) -> NodeSpec {
    let address = node.local_addr().unwrap().to_string().parse().unwrap();
    NodeSpec::new(node.name().clone()).at(address).unwrap()
}

#[test]
fn nodes_meet_by_their_certificates_alone() {
    run(async {
        let cluster = Authority::new();
        let a = Node::start(config("a", cluster.issue("a"))).await.unwrap();
        let b = Node::start(config("b", cluster.issue("b"))).await.unwrap();
        a.connect(at(&b)).unwrap();
        let target = b.process().unwrap();
        let monitor = a.monitor(target.pid()).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        drop(target);
        assert_eq!(monitor.await.reason, DownReason::Exit(ExitReason::Normal));
    });
}

#[test]
fn an_alias_cannot_be_guessed_by_a_peer_with_a_certificate_and_the_secret() {
    run(async {
        let (cluster, secret) = (Authority::new(), Secret::generate());
        let config = |label| config(label, cluster.issue(label)).secret(secret.clone());
        let a = Node::start(config("a")).await.unwrap();
        let b = Node::start(config("b")).await.unwrap();
        let mut server = b.process().unwrap();
        a.connect(at(&b)).unwrap();
        let attacker = TcpConfig::new("mallory@obit.test".parse().unwrap())
            .listen("127.0.0.1:0".parse().unwrap())
            .tls(cluster.issue("mallory"))
            .secret(secret.clone());
        let spawner = Arc::new(|task| smol::spawn(task).detach());
        let attacker = TcpTransport::start(attacker, Incarnation::new(1).unwrap(), spawner).await.unwrap();
        let mut attacker = BarePeer::new(attacker);
        attacker.connect_to(&at(&a)).await;
        let given = {
            let watcher = a.process().unwrap();
            watcher
                .monitor_with(server.pid(), MonitorOptions::new().alias(AliasMode::ReplyDemonitor))
                .unwrap()
        };
        let seen = given.alias().unwrap();
        alias_attack::nobody_answers_a_call_by_guessing(&a, &mut server, &attacker, seen).await;
    });
}

#[test]
fn a_certificate_of_another_node_is_refused_at_start() {
    run(async {
        let refused = Node::start(config("a", Authority::new().issue("b"))).await.unwrap_err();
        let said = refused.to_string();
        assert!(said.contains("every peer would refuse this node") && said.contains("a.obit.test"), "{said}");
    });
}
