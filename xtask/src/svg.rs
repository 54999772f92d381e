//! Drawing by hand: logarithmic scales, lines, bars and texts as SVG.

use std::fmt::Write;

/// How wide every picture is.
pub(crate) const WIDTH: f64 = 760.0;
pub(crate) const COLOURS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd"];

/// A logarithmic scale, in whole decades.
pub(crate) struct Scale {
    decades: (i32, i32),
    places: (f64, f64),
}

impl Scale {
    pub(crate) fn around(values: impl Iterator<Item = f64>, first: f64, last: f64) -> Self {
        let logs: Vec<_> = values.filter(|value| *value > 0.0).map(f64::log10).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min).floor();
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max).ceil();
        let (low, high) = if low.is_finite() { (low as i32, high as i32) } else { (0, 1) };
        Scale { decades: (low, high.max(low + 1)), places: (first, last) }
    }

    pub(crate) fn place(&self, value: f64) -> f64 {
        let (low, high) = (f64::from(self.decades.0), f64::from(self.decades.1));
        self.places.0 + (self.places.1 - self.places.0) * (value.log10() - low) / (high - low)
    }

    pub(crate) fn decades(&self) -> impl Iterator<Item = f64> {
        (self.decades.0..=self.decades.1).map(|decade| 10_f64.powi(decade))
    }
}

/// A picture that is being drawn, on white.
pub(crate) struct Svg(String);

/// From the left, and from above.
type Point = (f64, f64);

impl Svg {
    pub(crate) fn new(height: f64, title: &str) -> Self {
        let mut svg = Svg(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        ));
        svg.text((WIDTH / 2.0, 18.0), "middle", title);
        svg
    }

    pub(crate) fn line(&mut self, (x1, y1): Point, (x2, y2): Point, colour: &str) {
        self.add(format_args!("<path d=\"M{x1:.1} {y1:.1}L{x2:.1} {y2:.1}\" stroke=\"{colour}\"/>"));
    }

    pub(crate) fn curve(&mut self, points: impl Iterator<Item = Point>, colour: &str) {
        let points: Vec<_> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.add(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>"
        ));
    }

    pub(crate) fn bar(&mut self, (x, y): Point, (width, height): Point, colour: &str) {
        self.add(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\"/>"
        ));
    }

    /// The texts are ours, and hold nothing that would have to be escaped.
    pub(crate) fn text(&mut self, (x, y): Point, anchor: &str, text: &str) {
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    fn add(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{element}").expect("a string takes everything");
    }

    pub(crate) fn end(mut self) -> String {
        self.0.push_str("</svg>\n");
        self.0
    }
}
