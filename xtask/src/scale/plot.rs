//! Plots on two logarithmic scales, where a power of the size is a straight line: one picture for
//! the costs of a subject that are counted in the same unit.

use super::costs::{Costs, Series, grouped};
use crate::svg::{COLOURS, Scale, Svg, WIDTH};

const LEFT: f64 = 90.0;
const RIGHT: f64 = WIDTH - 40.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 360.0;
/// Distance between two lines of the legend.
const LINE: f64 = 20.0;

/// Returns all pictures, with their file names.
pub(super) fn all(costs: &Costs) -> Vec<(String, String)> {
    let mut pictures: Vec<(String, Vec<&Series>)> = Vec::new();
    for series in &costs.series {
        let name = format!("{}-{}.svg", series.subject.id, series.cost.unit.replace('/', "-per-"));
        match pictures.iter_mut().find(|(other, _)| *other == name) {
            Some((_, together)) => together.push(series),
            None => pictures.push((name, vec![series])),
        }
    }
    pictures.into_iter().map(|(name, series)| (name, picture(&series))).collect()
}

/// Points, the fitted power as a line through them, and its exponent in the legend.
fn picture(series: &[&Series]) -> String {
    let points = || series.iter().flat_map(|series| &series.points);
    let across = Scale::around(points().map(|point| point.0), LEFT, RIGHT);
    let up = Scale::around(points().map(|point| point.1), BOTTOM, TOP);
    let height = BOTTOM + 45.0 + LINE * series.len() as f64;
    let first = series.first().expect("no picture is of nothing");
    let mut svg = Svg::new(height, &format!("{} ({})", first.subject.title, first.cost.unit));
    for decade in across.decades() {
        svg.line((across.place(decade), TOP), (across.place(decade), BOTTOM), "#ccc");
        svg.text((across.place(decade), BOTTOM + 15.0), "middle", &grouped(decade));
    }
    for decade in up.decades() {
        svg.line((LEFT, up.place(decade)), (RIGHT, up.place(decade)), "#ccc");
        let label = if decade >= 1.0 { grouped(decade) } else { decade.to_string() };
        svg.text((LEFT - 8.0, up.place(decade) + 4.0), "end", &label);
    }
    for (at, series) in series.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let mut legend = series.cost.name.to_owned();
        if let Some(growth) = series.growth() {
            let end = |point: &(f64, f64)| (across.place(point.0), up.place(growth.at(point.0)));
            svg.curve(series.points.iter().map(end), colour);
            legend += &format!(": grows with the power {:.2} of the size", growth.exponent);
        }
        // A logarithmic scale can only show values above zero.
        for (size, value) in series.points.iter().filter(|point| point.1 > 0.0) {
            svg.bar((across.place(*size) - 4.0, up.place(*value) - 4.0), (8.0, 8.0), colour);
        }
        let y = BOTTOM + 45.0 + LINE * at as f64;
        svg.bar((LEFT, y - 9.0), (10.0, 10.0), colour);
        svg.text((LEFT + 18.0, y), "start", &legend);
    }
    svg.end()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::costs::{Subject, cost};

    const SUBJECT: Subject = Subject { id: "nodes", title: "Nodes" };

    fn costs(values: &[(usize, f64)]) -> Costs {
        let mut costs = Costs::default();
        for &(size, value) in values {
            costs.add(SUBJECT, cost("time", "ms/s", 1.0), size, value);
            costs.add(SUBJECT, cost("other time", "ms/s", 1.0), size, 2.0 * value);
            costs.add(SUBJECT, cost("memory", "B", 1.0), size, 64.0);
        }
        costs
    }

    #[test]
    fn costs_of_one_unit_share_a_picture_and_each_tells_its_exponent() {
        let pictures = all(&costs(&[(10, 1.0), (100, 100.0)]));
        let names: Vec<_> = pictures.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["nodes-ms-per-s.svg", "nodes-B.svg"]);
        assert_eq!(pictures[0].1.matches("the power 2.00").count(), 2);
        assert_eq!(pictures[0].1.matches("polyline").count(), 2);
    }

    #[test]
    fn a_single_size_is_drawn_without_a_line() {
        let pictures = all(&costs(&[(10, 1.0)]));
        assert!(!pictures[0].1.contains("polyline") && pictures[0].1.contains("other time"));
    }
}
