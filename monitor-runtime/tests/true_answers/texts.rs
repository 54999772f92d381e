//! Names and references that are passed as text, and the texts of pids and references.

use std::fmt::{Debug, Display};

use monitor_runtime::{
    AliasMode, ConnectError, Demonitored, MonitorError, MonitorRef, NodeType, ParseError, RegisterError,
    StartError, TryRecvError, prelude::*,
};
use peer_service::memory::Network;
use serde::{Serialize, de::DeserializeOwned};

use crate::common::{Cluster, eventually, next_body, next_down, next_node_down, next_node_up, run};

#[test]
fn what_has_a_text_can_be_passed_as_one() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (mut me, mut target) = (a.process().unwrap(), b.process().unwrap());
        target.register("jobs").unwrap();
        let pid = target.pid().to_string();
        assert_eq!((b.whereis("jobs").as_ref(), b.whereis("other")), (Some(target.pid()), None));

        me.monitor_nodes(NodesOptions::new()).unwrap();
        a.connect("b@local").unwrap();
        next_node_up(&mut me).await;
        for to in ["jobs@b@local", &pid] {
            let owned = to.to_owned();
            me.try_send(to, "as text").unwrap();
            a.try_send(&owned, "as text").unwrap();
            me.send(owned, "as text").await.unwrap();
            a.send(to, "as text").await.unwrap();
            for _ in 0..4 {
                assert_eq!(next_body(&mut target).await, "as text");
            }
            // The target is the one that the text names, in its form.
            let monitor = a.monitor(to).unwrap();
            assert_eq!(monitor.target().to_string(), to);
            assert_eq!(monitor.demonitor(), Demonitored::Active);
            let mut set = a.monitor_set();
            let reference = set.monitor(to).unwrap();
            assert_eq!(set.demonitor(&reference), Demonitored::Active);
        }
        // Through an alias, which a process may have written down.
        let alias = MonitorOptions::new().alias(AliasMode::ExplicitUnalias);
        let alias = me.monitor_with("jobs@b@local", alias).unwrap();
        target.try_send(alias.to_string(), "through an alias").unwrap();
        assert_eq!(next_body(&mut me).await, "through an alias");

        me.monitor_node("b@local").unwrap();
        me.demonitor_node("b@local").unwrap();
        me.monitor_node("b@local").unwrap();
        eventually("the monitor has arrived", || b.stats().incoming_monitors == 1).await;
        b.unregister("jobs").unwrap();
        drop(target);
        assert_eq!(next_down(&mut me).await.target.to_string(), "jobs@b@local");
        a.disconnect("b@local").unwrap();
        for _ in 0..2 {
            assert_eq!(next_node_down(&mut me).await.name, *b.name());
        }
    });
}

/// Checks that the error shows the text, and where in it the fault is.
#[track_caller]
fn shows(error: &ParseError, text: &str, at: usize) {
    let message = error.to_string();
    assert!(message.ends_with(&format!("(at byte {at} of {text:?})")), "{message}");
}

#[test]
fn a_text_that_is_wrong_is_refused_with_its_place_and_has_no_effect() {
    run(async {
        let a = Cluster::new().node("a").await;
        let mut me = a.process().unwrap();
        let mut set = a.monitor_set();
        for (text, at) in [("jobs@b@local:x", 13), ("jobs", 4), ("", 0), ("partisan:pid:b@local:zz:0.0", 21)]
        {
            let refused = [
                me.monitor(text).unwrap_err(),
                me.monitor_with(text, MonitorOptions::new()).unwrap_err(),
                a.monitor(text).unwrap_err(),
                a.monitor_with(text, MonitorOptions::new()).unwrap_err(),
                set.monitor(text).unwrap_err(),
            ];
            for error in refused {
                let MonitorError::InvalidName(error) = error else { panic!("{error:?}") };
                shows(&error, text, at);
            }
        }
        for (text, at) in [("b", 1), ("b@local:x", 8), ("", 0)] {
            for error in [me.monitor_node(text).unwrap_err(), me.demonitor_node(text).unwrap_err()] {
                let MonitorError::InvalidName(error) = error else { panic!("{error:?}") };
                shows(&error, text, at);
            }
            for error in [a.connect(text).unwrap_err(), a.disconnect(text).unwrap_err()] {
                let ConnectError::InvalidName(error) = error else { panic!("{error:?}") };
                shows(&error, text, at);
            }
        }
        for (text, at) in [("", 0), ("a\nb", 1), ("jobs@b@local", 4)] {
            for error in [me.register(text).unwrap_err(), a.register(text, me.pid()).unwrap_err()] {
                let RegisterError::InvalidName(error) = error else { panic!("{error:?}") };
                shows(&error, text, at);
            }
            // No process holds what is no name.
            assert_eq!((a.whereis(text), a.unregister(text)), (None, Ok(false)));
        }
        assert_eq!(me.try_recv(), Err(TryRecvError::Empty));
        let stats = a.stats();
        assert_eq!((stats.monitors, stats.node_monitors, stats.peers, stats.waiting), (0, 0, 0, 0));
        assert!(set.is_empty());
    });
}

#[test]
fn a_node_whose_name_is_none_does_not_start() {
    let service = Network::new().join("a@local".parse().unwrap());
    let error = Node::with_service(Config::new("a@local:x"), service).unwrap_err();
    let StartError::InvalidName(error) = error else { panic!("{error:?}") };
    shows(&error, "a@local:x", 8);
}

/// Checks that the text is that of `Display`, `Debug` and JSON, and that it is read back from each.
fn one_text<T>(value: &T, text: &str)
where
    T: Debug + Display + Serialize + DeserializeOwned + PartialEq + std::str::FromStr<Err = ParseError>,
{
    assert_eq!((value.to_string(), format!("{value:?}")), (text.to_owned(), text.to_owned()));
    assert_eq!(serde_json::to_value(value).unwrap(), text);
    assert_eq!(text.parse::<T>().as_ref(), Ok(value));
    assert_eq!(&serde_json::from_value::<T>(text.into()).unwrap(), value);
}

#[test]
fn a_pid_and_a_reference_have_one_text_each() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let (watcher, target) = (a.process().unwrap(), b.process().unwrap());
        for process in [&watcher, &target] {
            let (node, serial) = (process.node().id(), process.pid().serial());
            let incarnation = format!("{:016x}", node.incarnation.get());
            let place = format!("{}:{incarnation}:{}.{}", node.name, serial.slot(), serial.generation());
            one_text(process.pid(), &format!("partisan:pid:{place}"));
            assert_eq!(Target::from(process.pid()).to_string(), process.pid().to_string());
        }
        let monitor = watcher.monitor(target.pid()).unwrap();
        let (node, serial) = (a.id(), monitor.serial());
        let incarnation = format!("{:016x}", node.incarnation.get());
        let place = format!("{}:{incarnation}:{}.{}", node.name, serial.slot(), serial.generation());
        one_text(&monitor, &format!("partisan:ref:{place}"));
        // Another program reads an alias from its text: the token is part of it.
        let alias = MonitorOptions::new().alias(AliasMode::ExplicitUnalias);
        let alias = watcher.monitor_with(target.pid(), alias).unwrap();
        let (whole, without) = (alias.to_string(), alias.clone().with_alias(None).to_string());
        assert!(whole.starts_with(&format!("{without}.")), "{whole}");
        assert_eq!(whole.parse::<MonitorRef>().unwrap().alias(), alias.alias());
        assert_eq!(serde_json::to_value(&alias).unwrap(), whole);
        assert_eq!(format!("{alias:?}"), without, "the log does not show the token");

        // The same text is printed elsewhere.
        let json = serde_json::to_value(a.inspect()).unwrap();
        assert_eq!(json["processes"][0]["pid"], watcher.pid().to_string());
        watcher.register("taken").unwrap();
        let other = a.process().unwrap();
        let error = other.register("taken").unwrap_err();
        assert_eq!(error.to_string(), format!("the name is taken by {}", watcher.pid()));
        assert_eq!(format!("{watcher:?}"), format!("Process({})", watcher.pid()));
    });
}

#[test]
fn a_node_that_is_up_has_its_name() {
    run(async {
        let cluster = Cluster::new();
        let (a, b) = (cluster.node("a").await, cluster.node("b").await);
        let mut watcher = a.process().unwrap();
        assert_eq!(watcher.monitor_nodes(NodesOptions::new()).unwrap(), []);
        a.connect("b@local").unwrap();
        let up = next_node_up(&mut watcher).await;
        assert_eq!((&up.name, &up.node), (b.name(), b.id()));
        assert_eq!(up.to_string(), "b@local is up");
        let late = a.process().unwrap();
        for listed in [late.monitor_nodes(NodesOptions::new()).unwrap(), a.nodes(NodeType::All)] {
            let [info] = &listed[..] else { panic!("{listed:?}") };
            assert_eq!((&info.name, &info.node, info.session), (b.name(), b.id(), up.session));
        }
        b.stop().await;
        let down = next_node_down(&mut watcher).await;
        assert_eq!((&down.name, down.node.as_ref()), (b.name(), Some(b.id())));
        assert_eq!(down.to_string(), "b@local is down");
    });
}
