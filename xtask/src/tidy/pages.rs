//! Checks that the pages for operators are complete, and that the tests they name exist.

use super::{
    Finding,
    sources::{File, Sources},
};

/// The page that explains every error, and under which heading it explains which type of which
/// file.
const ERRORS: &str = "docs/errors.md";
const EXPLAINED: [(&str, &str, &str); 15] = [
    ("EndKind", "refs/src/session_end.rs", "EndKind"),
    ("StartError", "monitor-runtime/src/error.rs", "StartError"),
    ("TcpStartError", "transport-tcp/src/error.rs", "StartError"),
    ("PeersFileError", "transport-tcp/src/error.rs", "PeersFileError"),
    ("TlsError", "transport-tcp/src/net/tls/error.rs", "TlsError"),
    ("SecretError", "transport-tcp/src/error.rs", "SecretError"),
    ("MonitorError", "monitor-runtime/src/error.rs", "MonitorError"),
    ("ConnectError", "monitor-runtime/src/error.rs", "ConnectError"),
    ("SendErrorKind", "monitor-runtime/src/error/send.rs", "SendErrorKind"),
    ("TrySendError", "monitor-runtime/src/error/send.rs", "TrySendError"),
    ("CallError", "monitor-runtime/src/error/send.rs", "CallError"),
    ("TryRecvError", "monitor-runtime/src/error.rs", "TryRecvError"),
    ("RegisterError", "monitor-runtime/src/error.rs", "RegisterError"),
    ("AskError", "monitor-runtime/src/observe/control/client.rs", "AskError"),
    ("ParseErrorKind", "refs/src/error.rs", "ParseErrorKind"),
];
/// Errors that are of one kind, so that a heading is all they have there, and their files.
const OF_ONE_KIND: [(&str, &str); 2] =
    [("DecodeError", "monitor-runtime/src/error.rs"), ("SendError", "monitor-runtime/src/error/send.rs")];

/// The pages that name the tests of their claims.
const SECURITY: [&str; 2] = ["SECURITY.md", "docs/security-annex.md"];

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let text = |path| sources.find(path).map_or("", |file| &file.text);
    for (heading, path, name) in EXPLAINED {
        let explained = explained(text(ERRORS), heading);
        let variants = variants(text(path), name);
        if variants.is_empty() {
            findings.push(finding(path, format!("has no `enum {name}`: mend the list in this check")));
        }
        for variant in variants.iter().filter(|variant| !explained.contains(variant)) {
            findings.push(finding(ERRORS, format!("`{variant}` is missing under `{heading}`: explain it")));
        }
        for variant in explained.iter().filter(|variant| !variants.contains(variant)) {
            findings.push(finding(ERRORS, format!("`{variant}` under `{heading}` is none: remove it")));
        }
    }
    for (name, path) in OF_ONE_KIND {
        if !text(path).contains(&format!("pub struct {name}")) {
            findings.push(finding(path, format!("has no `struct {name}`: mend the list in this check")));
        }
        if !text(ERRORS).contains(&format!("\n## `{name}`\n")) {
            findings.push(finding(ERRORS, format!("has no heading `{name}`: explain it")));
        }
    }
    for page in SECURITY {
        let unknown = tests_named(text(page)).filter(|test| !is_defined(test, sources));
        let lacks = |test| finding(page, format!("there is no test `{test}`: name one that exists"));
        findings.extend(unknown.map(lacks));
    }
    findings
}

fn is_defined(test: &str, sources: &Sources) -> bool {
    let definition = format!("fn {test}(");
    let mut code = sources.files.iter().filter(|file: &&File| file.is_rust());
    code.any(|file| file.text.contains(&definition))
}

/// The variants of a public enum, as the formatter lays them out.
fn variants<'t>(source: &'t str, name: &str) -> Vec<&'t str> {
    let begin = format!("pub enum {name} {{");
    let body = source.lines().skip_while(|line| *line != begin).skip(1).take_while(|line| *line != "}");
    let variant = |line: &'t str| {
        let word = line.strip_prefix("    ")?.split(['(', ' ', ',']).next()?;
        word.starts_with(|c: char| c.is_ascii_uppercase()).then_some(word)
    };
    body.filter_map(variant).collect()
}

/// Returns the names with their own row in a table under that heading.
fn explained<'t>(page: &'t str, heading: &str) -> Vec<&'t str> {
    let begin = format!("## `{heading}`");
    let section = page.lines().skip_while(|line| *line != begin).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    section.filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect()
}

/// Names in code that are as long as only those of tests are.
fn tests_named(page: &str) -> impl Iterator<Item = &str> {
    let in_code = page.split('`').skip(1).step_by(2);
    in_code.filter(|name| {
        name.matches('_').count() >= 3 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    })
}

fn finding(file: &str, what: String) -> Finding {
    Finding { file: file.to_owned(), line: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_of_every_shape_are_found() {
        let source = "pub enum Other {\n    No,\n}\n\n/// Why.\npub enum Error {\n    /// Plain.\n    #[error(\"A\")]\n    \
            Plain,\n    Tuple(#[from] Other),\n    Record {\n        /// Field.\n        Field: u8,\n    },\n}\n";
        assert_eq!(variants(source, "Error"), ["Plain", "Tuple", "Record"]);
        assert_eq!(variants(source, "None"), [""; 0]);
    }

    #[test]
    fn a_variant_is_explained_under_its_own_heading_only() {
        let page = "## `A`\n| error | means |\n|---|---|\n| `X` | |\n## `B`\n`Z`\n| `Y` | `Z` |\n";
        assert_eq!(explained(page, "A"), ["X"]);
        assert_eq!(explained(page, "B"), ["Y"]);
    }

    #[test]
    fn tests_are_told_from_other_code() {
        let page = "`insecure_allow_remote`, `a_test_of_it`, a_word_or_two_outside, `cargo a_b_c_d`";
        assert_eq!(tests_named(page).collect::<Vec<_>>(), ["a_test_of_it"]);
    }
}
