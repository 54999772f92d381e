//! Counts the habits that make comments and Markdown hard to read, and refuses a rise.
//!
//! A headless opening is a sentence that begins with a relative pronoun and is not a question, such
//! as "What waits is sent": name the thing first ("Queued frames are sent"). "Nobody", "somebody"
//! and "anybody" stand for a component: name the component. A comment, and a line of prose in
//! Markdown, has at most 100 columns.

use super::{
    Finding,
    sources::{File, Sources},
};

const MAX_COLUMNS: usize = 100;
const PRONOUNS: [&str; 5] = ["What", "Who", "Whoever", "Whatever", "Whom"];
const PERSONS: [&str; 3] = ["nobody", "somebody", "anybody"];
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
    Limit { kind: "comments", applies: |file| file.is_rust(), figures: [8.29, 2.81, 1638.0] },
    Limit { kind: "Markdown", applies: |file| file.is_prose(), figures: [0.27, 0.1, 202.0] },
];

#[derive(Default)]
struct Counts {
    words: usize,
    openings: usize,
    persons: usize,
    wide: usize,
}

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let excess = |limit: &Limit| {
        let found = figures(sources, limit).into_iter().filter(|(_, is, most)| is > most);
        let kind = limit.kind;
        found.map(move |(name, is, most)| Finding {
            file: kind.to_owned(),
            line: 0,
            what: format!("{is:.2} {name}, the limit is {most}: reword the new ones, see `tidy/english.rs`"),
        })
    };
    LIMITS.iter().flat_map(excess).collect()
}

/// One line for each figure, with its limit.
pub(super) fn report(sources: &Sources) -> String {
    let line = |limit: &Limit| {
        let kind = limit.kind;
        let figures = figures(sources, limit).into_iter();
        figures.map(move |(name, is, most)| format!("{kind}: {is:.2} {name} (limit {most})"))
    };
    LIMITS.iter().flat_map(line).collect::<Vec<_>>().join("\n")
}

/// Each figure with its name and its limit.
fn figures(sources: &Sources, limit: &Limit) -> [(&'static str, f64, f64); 3] {
    let mut counts = Counts::default();
    sources.files.iter().filter(limit.applies).for_each(|file| count(file, &mut counts));
    let per_thousand = |count: usize| count as f64 * 1000.0 / counts.words.max(1) as f64;
    let are = [per_thousand(counts.openings), per_thousand(counts.persons), counts.wide as f64];
    std::array::from_fn(|at| (FIGURES[at], are[at], limit.figures[at]))
}

fn count(file: &File, counts: &mut Counts) {
    let (mut paragraph, mut in_code) = (String::new(), false);
    for (_, line) in file.lines() {
        let comment = line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']));
        let text = if file.is_rust() { comment.unwrap_or_default() } else { line }.trim();
        let fence = text.starts_with("```");
        in_code = (in_code ^ fence) && !(file.is_rust() && comment.is_none());
        let table = text.starts_with('|');
        if fence || in_code || table || text.is_empty() || text.starts_with(['#', '-', '*', '>']) {
            count_sentences(&std::mem::take(&mut paragraph), counts);
        }
        if table {
            text.split('|').for_each(|cell| count_sentences(cell, counts));
        } else if !(fence || in_code) {
            paragraph = paragraph + text + " ";
            counts.wide += usize::from(!text.is_empty() && is_wide(line));
        }
    }
    count_sentences(&paragraph, counts);
}

fn count_sentences(paragraph: &str, counts: &mut Counts) {
    let words: Vec<_> =
        paragraph.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect();
    let is_person = |word: &&&str| PERSONS.contains(&stem(word).to_lowercase().as_str());
    counts.words += words.len();
    counts.persons += words.iter().filter(is_person).count();
    let sentences = words.split_inclusive(|word| ends_with(word, &['.', '?', '!']));
    counts.openings += sentences.filter(|sentence| is_headless(sentence)).count();
}

fn is_headless(sentence: &[&str]) -> bool {
    let word = |at: usize| sentence.get(at).map_or("", |word| stem(word));
    let is_question = sentence.last().is_some_and(|last| ends_with(last, &['?']));
    !is_question && (PRONOUNS.contains(&word(0)) || (word(0), word(1)) == ("Of", "what"))
}

/// A word without the quotation marks and the punctuation around it, and without `'s`.
fn stem(word: &str) -> &str {
    let word = word.trim_start_matches(|c: char| !c.is_alphanumeric());
    word.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
}

fn ends_with(word: &str, marks: &[char]) -> bool {
    word.trim_end_matches([')', '*', '"', '`']).ends_with(marks)
}

/// Whether a line is too wide even without the targets of its links, which cannot be broken. The
/// description of a picture is one line.
fn is_wide(line: &str) -> bool {
    let after_target = |part: &str| part.split_once(')').map_or(0, |(_, rest)| rest.chars().count() + 2);
    let mut parts = line.split("](");
    let first = parts.next().unwrap_or_default().chars().count();
    first + parts.map(after_target).sum::<usize>() > MAX_COLUMNS
        && !line.contains("://")
        && !line.starts_with("![")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_counts(path: &str, text: &str, openings: usize, persons: usize, wide: usize) {
        let mut counts = Counts::default();
        count(&File { path: path.to_owned(), text: text.to_owned() }, &mut counts);
        assert_eq!((counts.openings, counts.persons, counts.wide), (openings, persons, wide), "{text}");
    }

    #[test]
    fn headless_openings_are_counted_and_questions_are_not() {
        assert_counts("a.rs", "/// Sent. What\n/// waits is not.\n// Who asks?\nlet What = 1;", 1, 0, 0);
        assert_counts("a.md", "- Of what is kept\n- Whoever.\n\nWhat\nis it?\n\nWhatever_x", 2, 0, 0);
        assert_counts(
            "a.md",
            "| What it does | who |\n```\nWho waits\n```\nSo what. \"Who\" waits.",
            2,
            0,
            0,
        );
    }

    #[test]
    fn persons_are_counted_in_prose_alone() {
        let text = "// Nobody, somebody's, `anybody`\nlet nobody = 1;\n// ```\n// nobody";
        assert_counts("a.rs", text, 0, 3, 0);
    }

    #[test]
    fn wide_lines_are_counted_unless_they_cannot_be_broken() {
        let (fits, wide) = (["a"; 50].join(" "), "ab ".repeat(34));
        assert_counts("a.md", &format!("{fits}\n{wide}\n| {wide}\n```\n{wide}"), 0, 0, 1);
        assert_counts("a.md", &format!("[a](b{wide}) a\nhttp://{wide}\n![{wide}](a)"), 0, 0, 0);
        assert_counts("a.md", &format!("[a](b){wide}"), 0, 0, 1);
        assert_counts("a.rs", &format!("    // {wide}\n{wide}"), 0, 0, 1);
    }
}
