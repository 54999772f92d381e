//! Writes the figures as a page, with their origin.

use std::{
    fmt::Write,
    time::{SystemTime, UNIX_EPOCH},
};

use harness::machine::Machine;

use super::Report;

/// The command that measures the same again.
pub(crate) fn command() -> String {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    format!("cargo xtask {}", arguments.join(" "))
}

/// The date, as in `2026-01-31`, in UTC.
pub(crate) fn today() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    date(since.as_secs() / (24 * 60 * 60))
}

/// The date that many days after the first of January 1970.
fn date(mut days: u64) -> String {
    let leap = |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let mut year = 1970;
    while days >= 365 + u64::from(leap(year)) {
        days -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

/// The page.
pub(super) fn page(report: &Report) -> String {
    let Report { command, date, machine: Machine { processors, kernel }, .. } = report;
    let mut page = format!(
        "\
# Liveness in figures

Written on {date} by

```sh
{command}
```

on a machine with {processors} processors ({kernel}) that others used at the same time. Run it again for figures of your
own; it needs root, `iproute2` and `nftables`.

Each node is a process of its own in a network namespace of its own, and many pairs of nodes are measured beside one
another. Times are taken by the program that does the harm, from before it does it to the moment when it reads what the
node has printed: they include the time that the harm itself takes, some milliseconds.

## How soon a fault is noticed

From the fault to the `Down` of a monitor, in milliseconds. A session ends when nothing was heard for the preset's
timeout, so the earliest moment is the timeout less one interval (the last sign of life came just before the fault), and
the latest should be the bound, timeout and interval together, give or take a round trip and what a busy machine takes. A
killed process is told of by its system, at once.

| preset | fault, as seen by who notices | samples | p50 | p99 | max | bound |
|---|---|---:|---:|---:|---:|---:|
"
    );
    let mut line = |text: String| writeln!(page, "{text}").expect("a string takes everything");
    for row in &report.detection {
        line(format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.preset, row.fault, row.samples, row.p50_ms, row.p99_ms, row.max_ms, row.bound_ms
        ));
    }
    line(
        "
«Nothing arrives» and «nothing gets out» are the two sides of a link that is dead in one direction. With few samples p99
is the maximum, or next to it.

## How often a node is given up that is there

How often a node was told that its peer is down, both sides counted, while nothing had happened to the peer. The pairs
send each other heartbeats only, which is when losing a session is likeliest.

| condition | preset | pairs | seconds | false Downs |
|---|---|---:|---:|---:|"
            .to_owned(),
    );
    for row in &report.false_positives {
        line(format!(
            "| {} | {} | {} | {} | {} |",
            row.condition, row.preset, row.pairs, row.seconds, row.false_downs
        ));
    }
    line(
        "
- *Every processor busy*: twice as many threads as processors run without a pause, beside the nodes.
- *Lost*: so many packets in a hundred, at random, at every node that they arrive at, dropped by the kernel.
- *Later*: through a relay between the two nodes that delays every byte by that time; a round trip takes twice that."
            .to_owned(),
    );
    page
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::liveness::{detection::Detection, false_positives::FalsePositives};

    #[test]
    fn days_become_dates() {
        let dates = [0, 58, 59, 364, 365, 789, 790, 11_016, 20_780].map(date);
        let wanted = [
            "1970-01-01",
            "1970-02-28",
            "1970-03-01",
            "1970-12-31",
            "1971-01-01",
            "1972-02-29",
            "1972-03-01",
            "2000-02-29",
            "2026-11-23",
        ];
        assert_eq!(dates, wanted);
    }

    #[test]
    fn every_row_is_on_the_page_and_so_is_how_to_make_it() {
        let report = Report {
            command: "cargo xtask liveness --quick".to_owned(),
            date: date(0),
            machine: Machine { processors: 2, kernel: "Linux 6.1".to_owned() },
            detection: vec![Detection {
                preset: "fast",
                fault: "a cable is pulled",
                samples: 3,
                p50_ms: 451,
                p99_ms: 498,
                max_ms: 499,
                bound_ms: 600,
            }],
            false_positives: vec![FalsePositives {
                condition: "every processor busy".to_owned(),
                preset: "wan",
                pairs: 10,
                seconds: 60,
                false_downs: 4,
            }],
        };
        let page = page(&report);
        for text in [
            "on 1970-01-01 by\n\n```sh\ncargo xtask liveness --quick\n```",
            "| fast | a cable is pulled | 3 | 451 | 498 | 499 | 600 |",
            "| every processor busy | wan | 10 | 60 | 4 |",
        ] {
            assert!(page.contains(text), "{text} is not in {page}");
        }
    }
}
