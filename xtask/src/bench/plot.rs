//! Two plots as SVG, drawn by hand: bars on a logarithmic scale, and a curve for each system.

use crate::svg::{COLOURS, Scale, Svg, WIDTH};

/// Width of the labels left of the axis.
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 70.0;

/// One bar a figure: how many times better ours is. A tick on a bar shows the minimum.
pub(super) fn ratios(rows: &[(String, f64, Option<f64>)]) -> String {
    const STEP: f64 = 24.0;
    let bottom = 40.0 + STEP * rows.len() as f64;
    let values = rows.iter().flat_map(|(_, ratio, must)| [Some(*ratio), *must]).flatten();
    let scale = Scale::around(values.chain([1.0]), LEFT, RIGHT);
    let mut svg = Svg::new(bottom + 30.0, "How many times better than Erlang/OTP (its better configuration)");
    for decade in scale.decades() {
        let x = scale.place(decade);
        svg.line((x, 30.0), (x, bottom), if decade == 1.0 { "#333" } else { "#ccc" });
        svg.text((x, bottom + 15.0), "middle", &format!("{decade} x"));
    }
    for (at, (label, ratio, must)) in rows.iter().enumerate() {
        let y = 40.0 + STEP * at as f64;
        let (from, to) = (scale.place(1.0), scale.place(*ratio));
        let colour = if must.is_some_and(|must| *ratio < must) { COLOURS[1] } else { COLOURS[0] };
        svg.bar((from.min(to), y), ((to - from).abs().max(1.0), STEP - 8.0), colour);
        svg.text((LEFT - 8.0, y + 12.0), "end", label);
        svg.text((to.max(from) + 4.0, y + 12.0), "start", &format!("{ratio:.2}"));
        if let Some(must) = must {
            let x = scale.place(*must);
            svg.line((x, y - 2.0), (x, y + STEP - 6.0), "#000");
        }
    }
    svg.end()
}

/// A curve for each system: how many of a thousand round trips take how long. Sorts the times, in
/// nanoseconds.
pub(super) fn latencies(systems: &mut [(&str, Vec<u64>)]) -> String {
    const TOP: f64 = 40.0;
    const BOTTOM: f64 = 360.0;
    /// Up to which share of the round trips, as a number of nines.
    const NINES: f64 = 4.0;
    systems.iter_mut().for_each(|(_, times)| times.sort_unstable());
    let micros = |nanos: u64| nanos as f64 / 1e3;
    let extremes = systems.iter().flat_map(|(_, times)| times.first().into_iter().chain(times.last()));
    let scale = Scale::around(extremes.map(|&nanos| micros(nanos)), BOTTOM, TOP);
    let across = |nines: f64| LEFT + (RIGHT - LEFT) * nines / NINES;
    let mut svg = Svg::new(BOTTOM + 60.0, "From telling a process to exit to its Down, in microseconds");
    for decade in scale.decades() {
        svg.line((LEFT, scale.place(decade)), (RIGHT, scale.place(decade)), "#ccc");
        svg.text((LEFT - 8.0, scale.place(decade) + 4.0), "end", &format!("{decade}"));
    }
    for (nines, label) in [(0.301, "50 %"), (1.0, "90 %"), (2.0, "99 %"), (3.0, "99.9 %"), (4.0, "99.99 %")] {
        svg.line((across(nines), TOP), (across(nines), BOTTOM), "#ccc");
        svg.text((across(nines), BOTTOM + 15.0), "middle", label);
    }
    for (at, (name, times)) in systems.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let point = |step: u32| {
            let nines = NINES * f64::from(step) / 200.0;
            let share = 1.0 - 10_f64.powf(-nines);
            let time = times.get((share * times.len() as f64) as usize).or(times.last())?;
            Some((across(nines), scale.place(micros(*time))))
        };
        svg.curve((0..=200).filter_map(point), colour);
        svg.text((LEFT + 10.0 + 200.0 * at as f64, BOTTOM + 40.0), "start", name);
        svg.bar((LEFT - 4.0 + 200.0 * at as f64, BOTTOM + 31.0), (10.0, 10.0), colour);
    }
    svg.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_better_figure_has_a_longer_bar() {
        let width = |ratio: f64| {
            let svg = ratios(&[("W1a".to_owned(), ratio, None), ("W2".to_owned(), 90.0, None)]);
            let bar = svg.lines().find(|line| line.contains(COLOURS[0])).expect("a bar").to_owned();
            bar.split("width=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next()?.parse::<f64>().ok())
                .expect("its width")
        };
        assert!(width(2.0) < width(20.0));
    }

    #[test]
    fn a_missed_target_has_another_colour() {
        let svg = |ratio| ratios(&[("W1a".to_owned(), ratio, Some(5.0))]);
        assert!(svg(4.0).contains(COLOURS[1]) && !svg(6.0).contains(COLOURS[1]));
    }

    #[test]
    fn one_time_alone_can_be_drawn() {
        assert!(latencies(&mut [("Obit", vec![30_000])]).contains("polyline"));
    }
}
