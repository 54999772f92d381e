//! Channels as a process uses them: messages on one are not delayed by another, and a `Down` comes
//! after all.
#![cfg(feature = "tcp")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{eventually, name, next_down, next_node_down, next_node_up, run};
use monitor_runtime::{
    ChannelId, ChannelName, Demonitored, EndKind, Envelope, NodeSpec, SendErrorKind, TrySendError, prelude::*,
};
use peer_service::memory::{Join, Network};

fn channels(names: &[&str]) -> Vec<ChannelName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

async fn node(label: &str, secret: &Secret, names: &[&str]) -> Node {
    let config = Config::new(format!("{label}@127.0.0.1"));
    let config = config.listen("127.0.0.1:0".parse().unwrap()).secret(secret.clone());
    Node::start(config.channels(channels(names))).await.unwrap()
}

fn spec(node: &Node) -> NodeSpec {
    NodeSpec::new(node.name().clone()).at(node.local_addr().unwrap().to_string().parse().unwrap()).unwrap()
}

/// Two nodes that have the same channels in another order.
async fn pair() -> (Node, Node) {
    let secret = Secret::generate();
    let a = node("a", &secret, &["bulk", "control"]).await;
    let b = node("b", &secret, &["control", "bulk"]).await;
    a.connect(spec(&b)).unwrap();
    (a, b)
}

#[test]
fn s18_a_down_comes_after_what_its_process_has_sent_on_any_channel() {
    run(async {
        let (a, b) = pair().await;
        let ways = [None, Some("bulk"), Some("control")];
        for way in ways {
            let mut watcher = a.process().unwrap();
            let to = watcher.pid().clone();
            let lanes: Vec<_> = ["bulk", "control"].iter().map(|name| b.channel(name).unwrap()).collect();
            let sender = b
                .spawn(move |mut mailbox| async move {
                    mailbox.recv().await;
                    for lane in [ChannelId::DEFAULT, lanes[0], lanes[1]] {
                        // Long messages, which take turns with other frames.
                        for at in 0..4 {
                            let body = vec![at; 300_000];
                            mailbox.send(to.clone(), Envelope::new(body).channel(lane)).await?;
                        }
                    }
                    Ok(())
                })
                .unwrap();
            let channel = way.map_or(ChannelId::DEFAULT, |way| a.channel(way).unwrap());
            watcher.monitor_with(&sender, MonitorOptions::new().channel(channel)).unwrap();
            // On the channel of the monitor, so that the monitor arrives first.
            watcher.try_send(sender, Envelope::new("go").channel(channel)).unwrap();
            for _ in 0..12 {
                assert!(matches!(watcher.recv().await, Some(Event::Message(_))), "monitored on {way:?}");
            }
            assert_eq!(next_down(&mut watcher).await.reason, DownReason::Exit(ExitReason::Normal));
        }
    });
}

#[test]
fn a_node_is_up_before_and_down_after_the_traffic_of_all_channels() {
    run(async {
        let (a, b) = pair().await;
        let mut watcher = a.process().unwrap();
        watcher.register(name("sink")).unwrap();
        let up = watcher.monitor_nodes(NodesOptions::new()).unwrap();
        if up.is_empty() {
            next_node_up(&mut watcher).await;
        }
        let to = name("sink").at(a.name().clone());
        let process = b.process().unwrap();
        let monitor = watcher.monitor(process.pid()).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        for channel in [None, Some("bulk"), Some("control")] {
            let channel = channel.map_or(ChannelId::DEFAULT, |channel| b.channel(channel).unwrap());
            for _ in 0..10 {
                process.try_send(to.clone(), Envelope::new(vec![0; 100_000]).channel(channel)).unwrap();
            }
        }
        b.stop().await;
        for _ in 0..30 {
            assert!(matches!(watcher.recv().await, Some(Event::Message(_))));
        }
        let down = next_down(&mut watcher).await;
        assert_eq!(down.monitor, monitor);
        assert!(
            matches!(down.reason, DownReason::NoConnection(end) if end.kind == EndKind::Left),
            "{down:?}"
        );
        next_node_down(&mut watcher).await;
    });
}

#[test]
fn a_demonitor_follows_its_monitor_on_its_channel() {
    run(async {
        let (a, b) = pair().await;
        let target = b.process().unwrap();
        let watcher = a.process().unwrap();
        let control = a.channel("control").unwrap();
        for _ in 0..100 {
            let monitor = watcher.monitor_with(target.pid(), MonitorOptions::new().channel(control)).unwrap();
            assert_eq!(watcher.demonitor(&monitor), Ok(Demonitored::Active));
        }
        // On the same channel, so that it arrives after all of them.
        let last = watcher.monitor_with(target.pid(), MonitorOptions::new().channel(control).tag(1)).unwrap();
        eventually("all but the last are gone", || b.stats().incoming_monitors == 1).await;
        assert_eq!(watcher.monitors().len(), 1);
        assert_eq!(watcher.demonitor(&last), Ok(Demonitored::Active));
        eventually("all are gone", || b.stats().incoming_monitors == 0).await;
    });
}

#[test]
fn a_channel_that_the_peer_has_not_is_an_error_or_the_default_one() {
    run(async {
        let secret = Secret::generate();
        let (a, b) = (node("a", &secret, &["bulk"]).await, node("b", &secret, &[]).await);
        a.connect(spec(&b)).unwrap();
        assert_eq!(a.channel("other"), None);
        let bulk = a.channel("bulk").unwrap();
        let mut receiver = b.process().unwrap();
        let sender = a.process().unwrap();
        // A monitor falls back to the default channel.
        let monitor = sender.monitor_with(receiver.pid(), MonitorOptions::new().channel(bulk)).unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        assert_eq!(sender.demonitor(&monitor), Ok(Demonitored::Active));

        let to = receiver.pid().clone();
        let Err(TrySendError::Failed(error)) = sender.try_send(&to, Envelope::new("strict").channel(bulk))
        else {
            panic!("the peer has no such channel")
        };
        assert_eq!((error.kind(), error.clone().into_inner()), (&SendErrorKind::NoChannel, "strict".into()));
        // There is nothing to wait for.
        let error = sender.send(&to, Envelope::new("strict").channel(bulk)).await.unwrap_err();
        assert_eq!(error.kind(), &SendErrorKind::NoChannel);
        sender.try_send(&to, Envelope::new("any way").channel(bulk).or_default_channel()).unwrap();
        let Some(Event::Message(message)) = receiver.recv().await else { panic!("a message") };
        assert_eq!(message.body, "any way");
    });
}

#[test]
fn what_has_waited_in_vain_for_its_channel_is_counted() {
    run(async {
        let network = Network::new();
        let start = async |label: &str, names: &[&str]| {
            let join = Join::new(format!("{label}@memory").parse().unwrap()).channels(channels(names));
            let config = Config::new(join.name.clone());
            Node::with_service(config, network.join_with(join)).unwrap()
        };
        let (a, b) = (start("a", &["bulk"]).await, start("b", &[]).await);
        let (sender, mut receiver) = (a.process().unwrap(), b.process().unwrap());
        let bulk = a.channel("bulk").unwrap();
        // There is no session yet, so the channels of the peer are not known.
        network.cut(a.name(), b.name());
        let to = receiver.pid().clone();
        sender.try_send(&to, Envelope::new("strict").channel(bulk)).unwrap();
        sender.try_send(&to, Envelope::new("any way").channel(bulk).or_default_channel()).unwrap();
        network.heal(a.name(), b.name());
        let Some(Event::Message(message)) = receiver.recv().await else { panic!("a message") };
        assert_eq!(message.body, "any way");
        let stats = a.stats();
        let dropped = stats.drops.iter().find(|count| count.name == "messages_undeliverable").unwrap();
        assert_eq!(dropped.count, 1);
    });
}
