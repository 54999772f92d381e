//! The figures of a node in the recorder of its program.
#![cfg(feature = "metrics")]
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

use common::{Cluster, name, run};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit, with_local_recorder,
};
use monitor_runtime::metrics::record;

/// Stores the recorded values by name and labels.
#[derive(Default)]
struct Memory {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    described: Mutex<Vec<String>>,
}

fn series(key: &Key) -> String {
    let labels = key.labels().map(|label| format!("{}={}", label.key(), label.value()));
    format!("{}{{{}}}", key.name(), labels.collect::<Vec<_>>().join(","))
}

impl Recorder for Memory {
    fn describe_counter(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(name.as_str().to_owned());
    }

    fn describe_gauge(&self, name: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(name.as_str().to_owned());
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.counters.lock().unwrap().entry(series(key)).or_default().clone())
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.gauges.lock().unwrap().entry(series(key)).or_default().clone())
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Memory {
    fn counter(&self, series: &str) -> Option<u64> {
        self.counters
            .lock()
            .unwrap()
            .get(series)
            .map(|value| value.load(std::sync::atomic::Ordering::Relaxed))
    }

    fn gauge(&self, series: &str) -> Option<f64> {
        let gauges = self.gauges.lock().unwrap();
        gauges.get(series).map(|value| f64::from_bits(value.load(std::sync::atomic::Ordering::Relaxed)))
    }
}

#[test]
fn counters_and_sizes_are_told_under_the_names_of_the_list() {
    run(async {
        let node = Cluster::new().node("a").await;
        let _process = node.process().unwrap();
        node.monitor(name("nobody").at(node.name().clone())).unwrap().await;
        let memory = Memory::default();
        let recording = with_local_recorder(&memory, || record(&node, Duration::from_secs(3600)));
        assert_eq!(memory.counter("obit_downs_total{reason=noproc,node=a@local}"), Some(1));
        assert_eq!(memory.counter("obit_drops_total{what=messages_missed,node=a@local}"), Some(0));
        assert_eq!(memory.gauge("obit_processes{node=a@local}"), Some(1.0));
        let described = memory.described.lock().unwrap().clone();
        for told in memory.counters.lock().unwrap().keys().chain(memory.gauges.lock().unwrap().keys()) {
            let name = told.split('{').next().unwrap();
            assert!(described.iter().any(|described| described == name), "{name} was not described");
        }
        drop(recording);
    });
}
