//! Every setter of every builder sets the field of its name, and no other.
#![cfg(feature = "tcp")]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{fmt::Debug, sync::Arc, time::Duration};

use monitor_runtime::{AliasMode, ChannelId, Connect, Envelope, Heartbeat, NodeType, TcpConfig, prelude::*};

/// The difference between the debug texts of two values: the new lines of the second, trimmed.
fn changed(before: &impl Debug, after: &impl Debug) -> String {
    let (before, after) = (format!("{before:#?}"), format!("{after:#?}"));
    let mut left: Vec<&str> = before.lines().collect();
    let is_new = |line: &&str| match left.iter().position(|old| old == line) {
        Some(at) => {
            left.remove(at);
            false
        }
        None => true,
    };
    let new: Vec<&str> = after.lines().filter(is_new).map(str::trim).collect();
    new.join(" ")
}

/// A setter, and the new lines of the debug text.
type Case<B> = (fn(B) -> B, &'static str);

fn config() -> Config {
    Config::new("a@127.0.0.1:7001")
}

#[test]
fn of_a_node() {
    let inline: monitor_runtime::Spawner = Arc::new(drop);
    let set: [Case<Config>; 9] = [
        (|config| config.max_batch(1000), "max_batch: 1000,"),
        (|config| config.max_waiting(1000), "max_waiting: 1000,"),
        (|config| config.max_waiting_bytes(1000), "max_waiting_bytes: 1000,"),
        (|config| config.max_incoming(1000), "max_incoming: 1000,"),
        (|config| config.max_mailbox_bytes(1000), "max_mailbox_bytes: 1000,"),
        (|config| config.max_message(1000), "max_message: 1000,"),
        (|config| config.max_history(1000), "max_history: 1000,"),
        (|config| config.max_addresses(1000), "max_addresses: 1000,"),
        (|config| config.stop_timeout(Duration::from_secs(7)), "stop_timeout: 7s,"),
    ];
    for (set, line) in set {
        assert_eq!(changed(&config(), &set(config())), line);
    }
    assert_eq!(changed(&config(), &config().spawner(inline)), "own_thread: false,");
}

#[test]
fn of_its_network() {
    let set: [Case<Config>; 13] = [
        (|config| config.secret(Secret::generate()), "secret: Some( Secret(..), ),"),
        (|config| config.also_accept(Secret::generate()), "also_accept: [ Secret(..), ],"),
        (|config| config.cluster("shop"), "cluster: \"shop\","),
        (|config| config.listen(([127, 0, 0, 2], 7).into()), "listen: Some( 127.0.0.2:7, ),"),
        (|config| config.peers(["b@h:1"]), "peers: [ NodeSpec { name: b@h:1, addresses: [], }, ],"),
        (|config| config.channels(["bulk"]), "channels: [ \"bulk\", ],"),
        (|config| config.hidden(true), "hidden: true,"),
        (
            |config| config.heartbeat(Duration::from_secs(7), Duration::from_secs(77)),
            "interval: 7s, timeout: 77s, setup_timeout: 15s,",
        ),
        (|config| config.fast(), "interval: 100ms, timeout: 500ms, setup_timeout: 1s,"),
        (|config| config.wan(), "interval: 2.5s, timeout: 15s, setup_timeout: 15s,"),
        (
            |config| config.setup_timeout(Duration::from_secs(7)),
            "setup_timeout: 7s, setup_timeout_is_set: true,",
        ),
        (|config| config.low_latency(true), "low_latency: true,"),
        (|config| config.insecure_allow_remote(true), "insecure_allow_remote: true,"),
    ];
    for (set, lines) in set {
        assert_eq!(changed(&config(), &set(config())), lines);
    }
}

#[test]
fn of_the_network_alone() {
    let set: [Case<TcpConfig>; 10] = [
        (|tcp| tcp.peers_file("/etc/peers"), "peers_file: Some( \"/etc/peers\", ),"),
        (|tcp| tcp.peers_interval(Duration::from_secs(7)), "peers_interval: 7s,"),
        (|tcp| tcp.max_frame(1000), "max_frame: 1000,"),
        (|tcp| tcp.max_message_queue(1000), "max_message_queue: 1000,"),
        (|tcp| tcp.max_signal_queue(1000), "max_signal_queue: 1000,"),
        (|tcp| tcp.max_pending(1000), "max_pending: 1000,"),
        (|tcp| tcp.max_pending_per_address(1000), "max_pending_per_address: 1000,"),
        (|tcp| tcp.heartbeat(Heartbeat::wan()), "interval: 2.5s, timeout: 15s, setup_timeout: 15s,"),
        (|tcp| tcp.hidden(true), "hidden: true,"),
        (|tcp| tcp.insecure_allow_remote(true), "insecure_allow_remote: true,"),
    ];
    for (set, line) in set {
        assert_eq!(changed(&config(), &config().tcp(set)), line);
    }
    let named: [fn(TcpConfig) -> TcpConfig; 2] =
        [|tcp| tcp.peer("b@h:1".parse().unwrap()), |tcp| tcp.peers_dns("b@h:1".parse().unwrap())];
    for named in named {
        assert!(changed(&config(), &config().tcp(named)).contains("b@h:1"));
    }
}

#[test]
fn of_calls() {
    const BULK: ChannelId = ChannelId::new(1).expect("a node has more");
    let plain = MonitorOptions::new();
    assert_eq!(plain, MonitorOptions::default());
    assert_eq!(changed(&plain, &plain.tag(7)), "tag: 7,");
    assert_eq!(changed(&plain, &plain.connect(Connect::Never)), "connect: Never,");
    assert!(plain.channel(BULK).channel == BULK && plain.channel(BULK).channel(ChannelId::DEFAULT) == plain);
    let alias = plain.alias(AliasMode::Demonitor);
    assert_eq!((alias.alias, alias.tag), (Some(AliasMode::Demonitor), 0));

    let plain = || Envelope::new("x");
    assert_eq!(Envelope::new(plain()), plain());
    assert_eq!(changed(&plain(), &Envelope::new("y")), "b\"y\",");
    assert_eq!(changed(&plain(), &plain().channel(BULK)), "1,");
    assert_eq!(changed(&plain(), &plain().or_default_channel()), "or_default_channel: true,");
    assert_eq!(plain().channel(BULK).channel(ChannelId::DEFAULT), plain());

    let plain = NodesOptions::new();
    assert_eq!(plain, NodesOptions::default());
    assert_eq!(changed(&plain, &plain.node_type(NodeType::Hidden)), "node_type: Hidden,");
    assert_eq!(changed(&plain, &plain.nodedown_reason(true)), "nodedown_reason: true,");
}

/// The displayed texts of a node's up and down.
#[test]
fn events_of_nodes_are_lines_for_a_person() {
    smol::block_on(async {
        let network = peer_service::memory::Network::new();
        let start = |name: &str| {
            let name: NodeName = name.parse().unwrap();
            Node::with_service(Config::new(name.clone()), network.join(name))
        };
        let (a, b) = (start("a@h").unwrap(), start("b@h").unwrap());
        let mut watcher = a.process().unwrap();
        watcher.monitor_nodes(NodesOptions::new().nodedown_reason(true)).unwrap();
        a.connect(b.name()).unwrap();
        let Some(Event::NodeUp(up)) = watcher.recv().await else { panic!() };
        assert_eq!(up.to_string(), "b@h is up");
        b.stop().await;
        let Some(Event::NodeDown(down)) = watcher.recv().await else { panic!() };
        assert_eq!(down.to_string(), "b@h is down: the peer left");
        watcher.monitor_node_with("nobody@h", Connect::Never).unwrap();
        let Some(Event::NodeDown(down)) = watcher.recv().await else { panic!() };
        assert_eq!(down.to_string(), "nobody@h cannot be reached: not connected");
    });
}
