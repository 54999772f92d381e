//! Invalid configurations: the error names each field that is out of its limits, and the allowed
//! values.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{error::Error, time::Duration};

use common::{alone::Alone, run};
use monitor_runtime::prelude::*;
use monitor_runtime::{StartError, TcpConfig};
use peer_service::Capabilities;

fn config() -> Config {
    Config::new("a@local")
}

fn start(config: Config) -> Result<Node, StartError> {
    Node::with_service(config, Alone::new("a@local", Capabilities::FULL))
}

#[test]
fn a_limit_that_nothing_can_keep_is_refused_by_its_name() {
    type Set = fn(Config, usize) -> Config;
    let fields: [(&str, Set); 6] = [
        ("max_batch", Config::max_batch),
        ("max_waiting", Config::max_waiting),
        ("max_waiting_bytes", Config::max_waiting_bytes),
        ("max_incoming", Config::max_incoming),
        ("max_message", Config::max_message),
        ("max_addresses", Config::max_addresses),
    ];
    run(async {
        for (name, set) in fields {
            let error = start(set(config(), 0)).unwrap_err();
            assert_eq!(error.to_string(), format!("{name}: is 0; at least 1 is needed"));
            let StartError::Field { field, .. } = error else { panic!("{error:?}") };
            assert_eq!(field, name);
            assert!(start(set(config(), 1)).is_ok(), "{name}");
            assert!(start(set(config(), usize::MAX)).is_ok(), "{name}");
        }
    });
}

#[test]
fn what_may_be_zero_or_endless_may() {
    run(async {
        for config in [
            config().max_mailbox_bytes(0),
            config().max_history(0),
            config().stop_timeout(Duration::ZERO),
            config().stop_timeout(Duration::MAX),
        ] {
            let node = start(config).unwrap();
            node.stop().await;
        }
    });
}

#[test]
fn a_mailbox_of_no_bytes_takes_no_message() {
    run(async {
        let node = start(config().max_mailbox_bytes(0)).unwrap();
        let mut process = node.process().unwrap();
        process.try_send(process.pid(), "").unwrap();
        assert_eq!(process.recv().await, Some(Event::Missed(1)));
    });
}

#[test]
fn a_service_of_another_node_is_refused() {
    run(async {
        let service = Alone::new("b@local", Capabilities::FULL);
        let error = Node::with_service(config(), service).unwrap_err();
        let text = "the configuration is of a@local, the peer service of b@local; give both the same name";
        assert_eq!(error.to_string(), text);
        assert!(error.source().is_none());
    });
}

#[cfg(feature = "tcp")]
#[test]
fn settings_of_another_node_are_refused_before_anything_listens() {
    run(async {
        let mut config = Config::new("a@127.0.0.1:1");
        config = config.tcp(|_| TcpConfig::new("b@127.0.0.1:1".parse().unwrap()));
        let error = Node::start(config.clone()).await.unwrap_err();
        assert!(matches!(error, StartError::Field { field: "tcp", .. }), "{error:?}");
        assert!(error.to_string().starts_with("tcp: is of another node; change the settings"), "{error}");
        let error = Node::start(config.max_batch(0)).await.unwrap_err();
        assert!(matches!(error, StartError::Field { field: "max_batch", .. }), "{error:?}");
    });
}
