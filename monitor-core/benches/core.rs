//! Measures the inputs of a core, without a runtime or a network: `cargo bench -p monitor-core`.
#![allow(missing_docs, reason = "the macros of the harness make public items without any")]

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use monitor_core::{DownReason, ExitReason, MonitorId, RemoteTarget, Signal, Signals, encode};

use self::bare::{Bare, WATCHER, number};

mod bare;

/// Number of monitors that exist while one more is made or ended.
const STANDING: u32 = 100_000;
const MILLION: u32 = 1_000_000;

criterion_group!(benches, calls, fan_outs, wire);
criterion_main!(benches);

fn calls(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("calls");
    let mut bare = Bare::watching(STANDING);
    let target = bare.target(STANDING);
    group.bench_function("monitor and demonitor", |bencher| {
        bencher.iter(|| {
            let id = bare.monitor(black_box(&target));
            bare.demonitor(id);
        });
    });
    let mut idle = Bare::watching(0);
    group.bench_function("the only monitor and demonitor", |bencher| {
        bencher.iter(|| {
            let id = idle.monitor(black_box(&target));
            idle.demonitor(id);
        });
    });
    group.bench_function("monitor", |bencher| {
        bencher.iter_batched_ref(
            || Bare::watching(0),
            |bare| {
                for _ in 0..1000 {
                    black_box(bare.monitor(&target));
                }
            },
            BatchSize::LargeInput,
        );
    });
    group.bench_function("demonitor", |bencher| {
        let setup = || {
            let mut bare = Bare::new();
            let ids: Vec<_> = (0..1000).map(|slot| bare.monitor(&bare.target(slot))).collect();
            (bare, ids)
        };
        bencher.iter_batched_ref(
            setup,
            |(bare, ids)| ids.drain(..).for_each(|id| bare.demonitor(id)),
            BatchSize::LargeInput,
        );
    });
    group.finish();
}

fn fan_outs(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a million monitors");
    group.sample_size(10).throughput(Throughput::Elements(u64::from(MILLION)));
    let watching = Bare::watching(MILLION);
    group.bench_function("the session ends", |bencher| {
        bencher.iter_batched_ref(|| watching.clone(), Bare::lose_peer, BatchSize::PerIteration);
    });
    drop(watching);
    let watched = Bare::watched(MILLION);
    group.bench_function("the popular process exits", |bencher| {
        bencher.iter_batched_ref(|| watched.clone(), |bare| bare.exit(WATCHER), BatchSize::PerIteration);
    });
    group.finish();
}

fn wire(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("a frame of 1000 signals");
    group.throughput(Throughput::Elements(1000));
    let monitor =
        |slot| Signal::Monitor { id: MonitorId(number(slot)), target: RemoteTarget::Pid(number(slot)) };
    let down =
        |slot| Signal::Down { id: MonitorId(number(slot)), reason: DownReason::Exit(ExitReason::Normal) };
    let makers: [(&str, &dyn Fn(u32) -> Signal); 2] = [("monitors", &monitor), ("downs", &down)];
    for (name, make) in makers {
        let signals: Vec<_> = (0..1000).map(make).collect();
        let mut frame = Vec::new();
        let mut write = || {
            let mut last = None;
            frame.clear();
            signals.iter().for_each(|signal| encode(black_box(signal), &mut last, &mut frame));
            frame.len()
        };
        group.bench_function(format!("{name} are encoded"), |bencher| bencher.iter(&mut write));
        group.bench_function(format!("{name} are decoded"), |bencher| {
            bencher.iter(|| Signals::new(black_box(&frame)).filter(Result::is_ok).count());
        });
    }
    group.finish();
}
