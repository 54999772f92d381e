//! Counts of the events of a run. A run in which an event never happened shows nothing about it, so
//! zero counts fail the run.

use std::collections::BTreeMap;

use peer_service::EndKind;
use serde_json::{Value, json};

macro_rules! counts {
    ($($name:ident: $words:literal,)*) => {
        /// See the [module](self).
        #[derive(Clone, Debug, Default)]
        pub struct Counts {
            $(pub $name: u64,)*
            /// Number of sessions that have ended, by kind, counted at each end.
            pub ends: BTreeMap<EndKind, u64>,
        }

        impl Counts {
            /// The description and the number of each event.
            pub fn list(&self) -> Vec<(&'static str, u64)> {
                vec![$(($words, self.$name)),*]
            }

            pub fn add(&mut self, other: &Counts) {
                $(self.$name += other.$name;)*
                for (kind, number) in &other.ends {
                    *self.ends.entry(*kind).or_default() += number;
                }
            }
        }
    };
}

counts! {
    node_seconds: "simulated node-seconds",
    events: "events",
    processes: "processes",
    exits: "exits",
    monitors: "monitors",
    demonitors: "demonitors",
    demonitors_late: "demonitors of what had fired",
    down_exit: "Downs of an exit",
    down_noproc: "Downs of no such process",
    down_noconnection: "Downs of no connection",
    node_ups: "node-up notices",
    node_downs: "node-down notices",
    messages: "messages received",
    sessions: "sessions begun, counted at each end",
    replaced: "sessions replaced",
    dials: "dials",
    failed_dials: "failed dials",
    asked: "inbound connections asked whether their nodes still have the session",
    probes: "probes of old sessions answered or given up",
    refused_connections: "inbound connections refused for other reasons",
    refused_duplicates: "inbound connections refused because the name is taken",
    frames_lost: "frames lost",
    resets: "connections reset",
    one_way: "one-way cuts",
    partitions: "partitions",
    crashes: "crashes",
    restarts: "restarts",
    duplicates: "duplicate names",
    pauses: "pauses",
    flaps: "flapping links",
    panics: "tasks that panicked",
    lost_tasks: "tasks of the transport that were lost",
    slow: "slow consumers",
}

impl Counts {
    pub fn ended(&mut self, kind: EndKind) {
        *self.ends.entry(kind).or_default() += 1;
    }

    pub fn refused(&mut self, duplicate: bool) {
        *(if duplicate { &mut self.refused_duplicates } else { &mut self.refused_connections }) += 1;
    }

    /// Events that have never happened.
    pub fn missing(&self) -> Vec<&'static str> {
        self.list().into_iter().filter(|(_, number)| *number == 0).map(|(what, _)| what).collect()
    }

    pub fn to_json(&self) -> Value {
        let mut all: serde_json::Map<String, Value> =
            self.list().into_iter().map(|(what, number)| (what.to_owned(), json!(number))).collect();
        let ends = self.ends.iter().map(|(kind, number)| (format!("{kind:?}"), json!(number)));
        all.insert("ends of sessions".to_owned(), Value::Object(ends.collect()));
        Value::Object(all)
    }
}
