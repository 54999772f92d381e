//! Tests that the command accepts every command line in the pages of the repository.

use clap::Parser;

use crate::Cli;

const PAGES: [(&str, &str); 3] = [
    ("README.md", include_str!("../../README.md")),
    ("docs/CLI.md", include_str!("../../docs/CLI.md")),
    ("docs/guide/operating.md", include_str!("../../docs/guide/operating.md")),
];

/// The lines that begin with `obit` in fenced blocks of these languages, without comments and
/// operators of the shell.
fn command_lines(page: &str) -> Vec<Vec<&str>> {
    let mut lines = Vec::new();
    for block in page.split("\n```").skip(1).step_by(2) {
        let Some(("sh" | "ini", block)) = block.split_once('\n') else { continue };
        let mut rest = block.lines();
        while let Some(first) = rest.next() {
            let mut parts = vec![first];
            while parts.last().is_some_and(|part| part.ends_with('\\')) {
                parts.extend(rest.next());
            }
            let words = parts.iter().flat_map(|part| part.trim_end_matches('\\').split_whitespace());
            let words: Vec<_> = words.take_while(|word| !matches!(*word, "#" | "&&")).collect();
            if words.first().is_some_and(|program| *program == "obit" || program.ends_with("/obit")) {
                lines.push(words);
            }
        }
    }
    lines
}

#[test]
fn every_command_line_of_a_page_is_accepted() {
    let mut accepted = 0;
    for (page, text) in PAGES {
        for line in command_lines(text) {
            // Help counts as accepted.
            if let Err(error) = Cli::try_parse_from(&line)
                && error.use_stderr()
            {
                panic!("{page}: {}\n{error}", line.join(" "));
            }
            accepted += 1;
        }
    }
    assert!(accepted >= 6, "only {accepted} were found");
}

#[test]
fn continued_lines_are_joined_and_shell_syntax_is_left_out() {
    let page = "text\n```sh\nobit watch \\\n  a@b@c && echo done\nls\nobit nodes   # all\n```\nobit none\n```ini\nExecStart=/bin/obit \
        agent\nUser=obit\n```\n";
    let lines = command_lines(page);
    assert_eq!(
        lines,
        [vec!["obit", "watch", "a@b@c"], vec!["obit", "nodes"], vec!["ExecStart=/bin/obit", "agent"]]
    );
}
