//! Texts as targets, names and nodes: every call takes them as it takes the values, and refuses a
//! wrong one with the place of the fault.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Cluster, eventually, name, next_down, next_node_down, run};
use monitor_runtime::{
    AliasMode, ChannelName, Connect, ConnectError, Dest, IntoRef, MonitorError, MonitorRef, NodeSpec,
    ParseError, Reference, RegName, RegisterError, SendError, SendErrorKind, StartError, TrySendError,
    prelude::*, refs::ParseErrorKind,
};
use peer_service::memory::Network;

/// Byte 16 is the `o`.
const BAD_TARGET: &str = "jobs@b@10.0.0.8:70o1";
/// Byte 11 is the `o`.
const BAD_NODE: &str = "b@10.0.0.8:7o01";

fn bad_target() -> ParseError {
    let error = Target::try_from(BAD_TARGET).unwrap_err();
    assert_eq!((&error.kind, error.at), (&ParseErrorKind::BadNumber, 16));
    error
}

fn bad_node() -> ParseError {
    let error = NodeName::try_from(BAD_NODE).unwrap_err();
    assert_eq!((&error.kind, error.at), (&ParseErrorKind::BadNumber, 11));
    error
}

/// Checks that the text is taken as the value is, in all its forms.
fn is_taken<T>(value: &T, text: &str)
where
    T: Clone + PartialEq + std::fmt::Debug + IntoRef<T>,
    for<'a> &'a T: IntoRef<T>,
    for<'a> &'a str: IntoRef<T>,
    for<'a> &'a String: IntoRef<T>,
    String: IntoRef<T>,
{
    let owned = text.to_owned();
    let forms =
        [text.into_ref(), (&owned).into_ref(), owned.into_ref(), value.into_ref(), value.clone().into_ref()];
    for form in forms {
        assert_eq!(form.as_ref(), Ok(value));
    }
}

#[test]
fn a_text_is_taken_like_its_value() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let (process, other) = (a.process().unwrap(), a.process().unwrap());
        let pid = process.pid();
        let by_name: Name = "jobs@a@local".parse().unwrap();
        is_taken(pid, &pid.to_string());
        is_taken(&by_name, "jobs@a@local");
        for target in [Target::from(pid), by_name.clone().into()] {
            is_taken(&target, &target.to_string());
            is_taken(&Dest::from(&target), &target.to_string());
        }
        let options = MonitorOptions::new().alias(AliasMode::Demonitor);
        let alias = other.monitor_with(pid, options).unwrap();
        is_taken(&alias, &alias.to_string());
        is_taken(&Dest::from(&alias), &alias.to_string());
        is_taken(&Reference::from(alias.clone()), &alias.to_string());
        is_taken(a.name(), "a@local");
        is_taken(&NodeSpec::from(a.name()), "a@local");
        is_taken(&name("jobs"), "jobs");
        is_taken(&"bulk".parse::<ChannelName>().unwrap(), "bulk");
    });
}

#[test]
fn every_call_does_the_same_for_a_text() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut process = a.process().unwrap();
        let mut server = b.process().unwrap();
        server.register("jobs").unwrap();
        assert_eq!(b.whereis("jobs").as_ref(), Some(server.pid()));
        assert_eq!(process.monitor_nodes(NodesOptions::new()).unwrap(), []);
        a.connect("b@local").unwrap();
        let Some(Event::NodeUp(up)) = process.recv().await else { panic!("no up") };
        assert_eq!((&up.name, &up.node), (b.name(), b.id()));
        process.demonitor_nodes(NodesOptions::new()).unwrap();

        let pid = server.pid().to_string();
        for target in ["jobs@b@local", &*pid] {
            process.try_send(target, "1").unwrap();
            process.send(target, "2").await.unwrap();
            a.try_send(target, "3").unwrap();
            a.send(target, "4").await.unwrap();
            let (replied, ()) = futures::join!(process.call(target, "5"), async {
                for body in ["1", "2", "3", "4", "5"] {
                    let Some(Event::Message(message)) = server.recv().await else { panic!("no message") };
                    assert_eq!(message.body, body);
                    // A reply through the text of the alias.
                    if let Some(alias) = message.reply_to {
                        server.try_send(alias.to_string(), "reply").unwrap();
                    }
                }
            });
            assert_eq!(replied.unwrap().body, "reply");
            let monitor = process.monitor(target).unwrap();
            assert_eq!(process.monitors(), [(monitor, target.parse().unwrap())]);
            let of_node = a.monitor(target).unwrap();
            let mut set = a.monitor_set();
            let of_set = set.monitor(target).unwrap();
            assert_eq!(of_node.target(), &target.parse::<Target>().unwrap());
            assert_eq!(set.demonitor(&of_set), monitor_runtime::Demonitored::Active);
            let (monitor, _) = process.monitors().remove(0);
            process.demonitor(&monitor).unwrap();
        }
        let watched = process.monitor("jobs@b@local").unwrap();
        process.monitor_node("b@local").unwrap();
        process.monitor_node_with("b@local", Connect::Never).unwrap();
        process.demonitor_node("b@local").unwrap();
        process.monitor_node("b@local").unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        assert!(b.unregister("jobs").unwrap());
        a.disconnect("b@local").unwrap();
        assert_eq!(next_down(&mut process).await.monitor, watched);
        let down = next_node_down(&mut process).await;
        assert_eq!((&down.name, down.node.as_ref()), (b.name(), Some(b.id())));
    });
}

#[test]
fn a_wrong_text_is_refused_with_the_place_by_every_call_and_changes_nothing() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let process = a.process().unwrap();
        let options = MonitorOptions::new().tag(7);
        let mut set = a.monitor_set();
        for result in [
            a.monitor(BAD_TARGET).map(drop),
            a.monitor_with(BAD_TARGET.to_owned(), options).map(drop),
            process.monitor(BAD_TARGET).map(drop),
            process.monitor_with(BAD_TARGET.to_owned(), options).map(drop),
            set.monitor(BAD_TARGET).map(drop),
            set.monitor_with(BAD_TARGET, options).map(drop),
        ] {
            assert_eq!(result, Err(MonitorError::InvalidName(bad_target())));
        }
        for result in [
            process.monitor_node(BAD_NODE),
            process.monitor_node_with(BAD_NODE, Connect::Never),
            process.demonitor_node(BAD_NODE),
        ] {
            assert_eq!(result, Err(MonitorError::InvalidName(bad_node())));
        }
        for result in [a.connect(BAD_NODE), a.disconnect(BAD_NODE)] {
            assert_eq!(result, Err(ConnectError::InvalidName(bad_node())));
        }
        let at_sign = RegName::try_from("a@b").unwrap_err();
        assert_eq!((&at_sign.kind, at_sign.at), (&ParseErrorKind::BadCharacter('@'), 1));
        for result in [a.register("a@b", process.pid()), process.register("a@b")] {
            assert_eq!(result, Err(RegisterError::InvalidName(at_sign.clone())));
        }
        assert_eq!((a.whereis("a@b"), a.unregister("a@b")), (None, Ok(false)));
        for result in [process.call(BAD_TARGET, "x").await, a.call(BAD_TARGET, "x").await] {
            assert_eq!(result, Err(CallError::InvalidName(Box::new(bad_target()))));
        }
        let stats = a.stats();
        assert_eq!((set.len(), stats.monitors, stats.watchers, stats.aliases, stats.peers), (0, 0, 0, 0, 0));
    });
}

#[test]
fn a_message_to_a_wrong_text_comes_back() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let process = a.process().unwrap();
        let is_refused = |error: SendError| {
            assert_eq!(error.kind(), &SendErrorKind::InvalidName(Box::new(bad_target())));
            let text = "node name: has a number that is malformed or out of range (at byte 16 of \"jobs@b@10.0.0.8:70o1\")";
            assert_eq!(error.to_string(), text);
            assert_eq!(error.into_inner(), "body");
        };
        for sent in [a.try_send(BAD_TARGET, "body"), process.try_send(BAD_TARGET, "body")] {
            let Err(TrySendError::Failed(error)) = sent else { panic!("{sent:?}") };
            is_refused(error);
        }
        is_refused(a.send(BAD_TARGET, "body").await.unwrap_err());
        is_refused(process.send(BAD_TARGET, "body").await.unwrap_err());
    });
}

#[test]
fn a_wrong_text_in_a_configuration_is_an_error_of_the_start() {
    let service = || Network::new().join("a@local".parse().unwrap());
    let started = Node::with_service(Config::new(BAD_NODE), service());
    assert!(matches!(started, Err(StartError::InvalidName(error)) if error == bad_node()));
    Node::with_service(Config::new("a@local"), service()).unwrap();
}

#[cfg(feature = "tcp")]
#[test]
fn a_wrong_peer_or_channel_is_an_error_of_the_start_and_the_first_one_counts() {
    run(async {
        let config =
            || Config::new("a@127.0.0.1").listen(([127, 0, 0, 1], 0).into()).secret(Secret::generate());
        let channel = ChannelName::try_from("in bulk").unwrap_err();
        assert_eq!((&channel.kind, channel.at), (&ParseErrorKind::BadCharacter(' '), 2));
        for (config, expected) in [
            (Config::new(BAD_NODE).peers(["also wrong"]), bad_node()),
            (config().peers(["b@h:1", BAD_NODE]), bad_node()),
            (config().channels(["bulk", "in bulk"]), channel.clone()),
            (config().channels(["in bulk"]).peers([BAD_NODE]), channel),
        ] {
            let error = Node::start(config).await.unwrap_err();
            assert!(matches!(&error, StartError::InvalidName(error) if *error == expected), "{error}");
        }
        let node = Node::start(config().peers(["b@127.0.0.1:1"]).channels(["bulk"])).await.unwrap();
        assert!(node.channel("bulk").is_some());
        node.stop().await;
    });
}

/// `Debug` shows that a reference is an alias, but not its token, which would let a reader of a log
/// forge replies.
#[test]
fn pids_and_references_have_one_text_form() {
    run(async {
        let cluster = Cluster::new();
        let a = cluster.node("a").await;
        let (process, target) = (a.process().unwrap(), a.process().unwrap());
        let pid = process.pid();
        let text = pid.to_string();
        assert_eq!(text, format!("partisan:pid:a@local:{:016x}:{}", a.id().incarnation.get(), pid.serial()));
        assert_eq!(format!("{pid:?}"), text);
        assert_eq!(serde_json::to_value(pid).unwrap(), *text);
        assert_eq!(serde_json::from_value::<Pid>(text.clone().into()).unwrap(), *pid);
        assert_eq!(text.parse::<Pid>().as_ref(), Ok(pid));
        assert_eq!(format!("{process:?}"), format!("Process({text})"));

        let plain = process.monitor(target.pid()).unwrap();
        let text = plain.to_string();
        assert_eq!(format!("{plain:?}"), text);
        assert_eq!(serde_json::to_value(&plain).unwrap(), *text);
        assert!(text.starts_with("partisan:ref:a@local:"), "{text}");

        let options = MonitorOptions::new().alias(AliasMode::Demonitor);
        let alias = process.monitor_with(target.pid(), options).unwrap();
        let (text, token) = (alias.to_string(), alias.alias().unwrap());
        assert!(text.ends_with(&format!(".{token}")), "{text}");
        assert!(!format!("{alias:?}").contains(&token.to_string()), "{alias:?}");
        let read: MonitorRef = text.parse().unwrap();
        assert_eq!((&read, read.alias()), (&alias, Some(token)));

        drop(target);
        let mut process = process;
        let down = next_down(&mut process).await;
        let json = serde_json::to_value(&down).unwrap();
        assert_eq!(json["monitor"], *plain.to_string());
    });
}

/// A name that takes a name of the node before it becomes one.
struct AsksTheNode(Node, Pid);

impl IntoRef<RegName> for AsksTheNode {
    fn into_ref(self) -> Result<RegName, ParseError> {
        self.0.register("taken", self.1).unwrap();
        "taken".parse()
    }
}

#[test]
fn code_of_the_caller_that_makes_a_name_runs_under_no_lock() {
    run(async {
        let node = Cluster::new().node("a").await;
        let process = node.process().unwrap();
        let (name, asks) = (AsksTheNode(node.clone(), process.pid().clone()), node.clone());
        let (found, is_found) = std::sync::mpsc::channel();
        std::thread::spawn(move || found.send(asks.whereis(name)).unwrap());
        let holder = is_found.recv_timeout(std::time::Duration::from_secs(10));
        assert_eq!(holder.expect("the call returns"), Some(process.pid().clone()));
    });
}
