//! The list of cases, as the pages have it: a row for each, with its id first.

use std::fs;

use anyhow::{Context, Result};
use harness::workspace;

/// The pages of the list.
const PAGES: [&str; 2] = ["docs/CONFORMANCE.md", "docs/RACES.md"];

/// One case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Case {
    /// As it stands in the list, such as `P01`.
    pub(super) id: String,
    /// Where it stands.
    pub(super) page: &'static str,
    /// The tests that its row names, without the modules they are in.
    pub(super) tests: Vec<String>,
    /// Whether its row links to a clause that it checks.
    pub(super) has_clause: bool,
}

/// Reads all cases, in the order of the pages.
pub(super) fn read() -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    for page in PAGES {
        let text = fs::read_to_string(workspace::root().join(page))
            .with_context(|| format!("cannot read {page}"))?;
        cases.extend(text.lines().filter_map(|line| row(page, line)));
    }
    Ok(cases)
}

/// The case of a row; none if the line is no row, or its first cell no id.
fn row(page: &'static str, line: &str) -> Option<Case> {
    let id = line.strip_prefix("| ")?.split(' ').next()?;
    let begin = format!("{}_", id.to_ascii_lowercase());
    (id_of(&begin)? == id.to_ascii_lowercase()).then(|| {
        let in_code = line.split('`').skip(1).step_by(2);
        let tests = in_code.filter(|name| name.starts_with(&begin)).map(str::to_owned).collect();
        Case { id: id.to_owned(), page, tests, has_clause: line.contains("](https://") }
    })
}

/// The id with which a name begins: letters, two digits, perhaps one letter more, and an
/// underscore.
pub(super) fn id_of(name: &str) -> Option<&str> {
    let (id, _) = name.split_once('_')?;
    let digits = id.trim_start_matches(|c: char| c.is_ascii_lowercase());
    let letters = id.len() - digits.len();
    let rest = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let last_is_letter = rest.bytes().all(|b| b.is_ascii_lowercase()) && rest.len() <= 1;
    (matches!(letters, 1..=2) && digits.len() - rest.len() == 2 && last_is_letter).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_letters_two_digits_and_perhaps_a_letter() {
        for (name, id) in [("p01_x", "p01"), ("nd20_each", "nd20"), ("r17b_late", "r17b")] {
            assert_eq!(id_of(name), Some(id));
        }
        for name in ["p1_x", "p001_x", "p01", "abc01_x", "a_process_01", "01_x", "p01bc_x", ""] {
            assert_eq!(id_of(name), None, "{name}");
        }
    }

    #[test]
    fn a_row_names_the_tests_of_its_own_id() {
        let line =
            "| R17b + | a race with `code` | `r17b_one`, `r17b_two`; see `r17_other` | [why](https://x) |";
        let case = row("page", line).unwrap();
        assert_eq!((case.id.as_str(), case.has_clause), ("R17b", true));
        assert_eq!(case.tests, ["r17b_one", "r17b_two"]);
        for line in ["| id | what |", "|---|---|", "P01 in prose", "| the case P01 | `p01_x` |", ""] {
            assert_eq!(row("page", line), None, "{line}");
        }
    }
}
