//! Two plots as SVG, drawn by hand: bars on a logarithmic scale, and a curve for each system.

use std::fmt::Write;

const WIDTH: f64 = 760.0;
/// Left of the axis: room for labels.
const LEFT: f64 = 150.0;
const RIGHT: f64 = WIDTH - 70.0;
const COLOURS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"];

/// One bar a figure: how many times better ours is. A tick on a bar is what must be reached.
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

/// How many of a thousand round trips take how long: one curve a system. Sorts the times, in nanoseconds.
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

/// A logarithmic scale, in whole decades.
struct Scale {
    decades: (i32, i32),
    places: (f64, f64),
}

impl Scale {
    fn around(values: impl Iterator<Item = f64>, first: f64, last: f64) -> Self {
        let logs: Vec<_> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (low, high) = if low.is_finite() { (low as i32, high as i32) } else { (0, 1) };
        Scale { decades: (low, high.max(low + 1)), places: (first, last) }
    }

    fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1));
        self.places.0 + (self.places.1 - self.places.0) * (value.log10() - low) / (high - low)
    }

    fn decades(&self) -> impl Iterator<Item = f64> {
        (self.decades.0..=self.decades.1).map(|decade| 10_f64.powi(decade))
    }
}

struct Svg(String);

type Point = (f64, f64);

impl Svg {
    fn new(height: f64, title: &str) -> Self {
        let mut svg = Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ));
        svg.text((WIDTH / 2.0, 18.0), "middle", title);
        svg
    }

    fn line(&mut self, (x1, y1): Point, (x2, y2): Point, colour: &str) {
        self.add(format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\"/>"));
    }

    fn curve(&mut self, points: impl Iterator<Item = Point>, colour: &str) {
        let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.add(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        ));
    }

    fn bar(&mut self, (x, y): Point, (width, height): Point, colour: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        ));
    }

    /// The texts are ours, and hold nothing that would have to be escaped.
    fn text(&mut self, (x, y): Point, anchor: &str, text: &str) {
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes everything");
    }

    fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
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
    fn what_misses_its_target_is_told_by_its_colour() {
        let svg = |ratio| ratios(&[("W1a".to_owned(), ratio, Some(5.0))]);
        assert!(svg(4.0).contains(COLOURS[1]) && !svg(6.0).contains(COLOURS[1]));
    }

    #[test]
    fn one_time_alone_can_be_drawn() {
        assert!(latencies(&mut [("Obit", vec![30_000])]).contains("polyline"));
    }
}
