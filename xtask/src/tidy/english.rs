//! Counts the habits that make comments and Markdown hard to read, and refuses a rise.
//!
//! A headless opening is a sentence that begins with a relative pronoun and is not a question, such
//! as "What waits is sent": name the thing first ("Queued frames are sent"). "Nobody", "somebody"
//! and "anybody" stand for a component: name the component. A comment, and a line of prose in
//! Markdown, has at most 100 columns.

use self::prose::Counts;
use super::{
    Finding,
    sources::{File, Sources},
};

mod prose;

const FIGURES: [&str; 3] = [
    "headless openings in 1,000 words",
    "uses of nobody, somebody or anybody in 1,000 words",
    "lines of more than 100 columns",
];

/// The maximum of each figure in one kind of file. Lower it with every improvement; never raise it.
struct Limit {
    kind: &'static str,
    applies: fn(&&File) -> bool,
    figures: [f64; 3],
}

const LIMITS: [Limit; 2] = [
    Limit { kind: "comments", applies: |file| file.is_rust(), figures: [0.02, 0.06, 0.0] },
    Limit { kind: "Markdown", applies: |file| file.is_prose(), figures: [0.07, 0.0, 11.0] },
];

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let risen = figures(sources).into_iter().filter(|(_, has_risen)| *has_risen);
    let finding = |(figure, _)| Finding {
        file: "xtask/src/tidy/english.rs".to_owned(),
        line: 0,
        what: format!("{figure}: reword the new ones"),
    };
    risen.map(finding).collect()
}

/// One line for each figure, with its limit.
pub(super) fn report(sources: &Sources) -> String {
    let lines: Vec<_> = figures(sources).into_iter().map(|(figure, _)| figure).collect();
    lines.join("\n")
}

/// Each figure as a text, and whether it is above its limit.
fn figures(sources: &Sources) -> Vec<(String, bool)> {
    let mut figures = Vec::new();
    for Limit { kind, applies, figures: most } in LIMITS {
        let mut counts = Counts::default();
        sources.files.iter().filter(applies).for_each(|file| counts.add(file));
        let per_thousand = |count: usize| count as f64 * 1000.0 / counts.words.max(1) as f64;
        let are = [per_thousand(counts.openings), per_thousand(counts.persons), counts.wide as f64];
        for ((name, is), most) in FIGURES.into_iter().zip(are).zip(most) {
            figures.push((format!("{kind}: {is:.2} {name} (limit {most})"), is > most));
        }
    }
    figures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&Sources { files: vec![File { path: path.to_owned(), text: text.to_owned() }] }).len()
    }

    #[test]
    fn a_rise_above_a_limit_is_found_in_its_kind_of_file() {
        assert_eq!(findings("a.rs", "// Who waits for nobody."), 2);
        assert_eq!(findings("a.md", "Who waits for nobody."), 2);
        assert_eq!(findings("a.md", "A caller waits for a reply."), 0);
        assert_eq!(findings("a.toml", "Who waits for nobody."), 0);
    }
}
