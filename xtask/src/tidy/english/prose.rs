//! Counts in the comments of a file, or in the prose of a Markdown page.

use crate::tidy::sources::File;

const MAX_COLUMNS: usize = 100;
const PRONOUNS: [&str; 5] = ["What", "Who", "Whoever", "Whatever", "Whom"];
const PERSONS: [&str; 3] = ["nobody", "somebody", "anybody"];

#[derive(Default)]
pub(super) struct Counts {
    pub(super) words: usize,
    /// Sentences that begin with a relative pronoun and are not questions.
    pub(super) openings: usize,
    /// Uses of "nobody", "somebody" and "anybody".
    pub(super) persons: usize,
    /// Lines of more than [`MAX_COLUMNS`] that could be broken.
    pub(super) wide: usize,
}

impl Counts {
    pub(super) fn add(&mut self, file: &File) {
        let (mut paragraph, mut in_code) = (String::new(), false);
        for (_, line) in file.lines() {
            let comment =
                line.trim_start().strip_prefix("//").map(|text| text.trim_start_matches(['/', '!']));
            let text = if file.is_rust() { comment.unwrap_or_default() } else { line }.trim();
            let fence = text.starts_with("```");
            in_code = (in_code ^ fence) && !(file.is_rust() && comment.is_none());
            let table = text.starts_with('|');
            if fence || in_code || table || text.is_empty() || text.starts_with(['#', '-', '*', '>']) {
                self.add_paragraph(&std::mem::take(&mut paragraph));
            }
            if table {
                text.split('|').for_each(|cell| self.add_paragraph(cell));
            } else if !(fence || in_code) {
                paragraph = paragraph + text + " ";
                self.wide += usize::from(!text.is_empty() && is_wide(line));
            }
        }
        self.add_paragraph(&paragraph);
    }

    fn add_paragraph(&mut self, paragraph: &str) {
        let words: Vec<_> =
            paragraph.split_whitespace().filter(|word| word.contains(char::is_alphanumeric)).collect();
        let is_person = |word: &&&str| PERSONS.contains(&stem(word).to_lowercase().as_str());
        self.words += words.len();
        self.persons += words.iter().filter(is_person).count();
        let sentences = words.split_inclusive(|word| ends_with(word, &['.', '?', '!']));
        self.openings += sentences.filter(|sentence| is_headless(sentence)).count();
    }
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
        counts.add(&File { path: path.to_owned(), text: text.to_owned() });
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
