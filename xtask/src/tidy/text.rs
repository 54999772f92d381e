//! Rules about single files.

use super::{Finding, sources::File};

/// No file of code is longer.
const MAX_LINES: usize = 600;

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.is_rust() {
        findings.extend(not_too_long(file));
        findings.extend(nothing_unfinished(file));
        findings.extend(ignored_tests_say_why(file));
        findings.extend(tests_do_not_sleep(file));
    }
    if file.is_rust() || file.is_prose() {
        findings.extend(no_paths_of_this_machine(file));
    }
    findings
}

fn not_too_long(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let what = format!(
        "has {lines} lines, the most is {MAX_LINES}: give one of its responsibilities a file of its own"
    );
    (lines > MAX_LINES).then(|| finding(file, 0, what))
}

fn nothing_unfinished(file: &File) -> Vec<Finding> {
    // Put together here, so that this file does not find itself.
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!("));
    let marks =
        ["TO", "FIX"].iter().zip(["DO", "ME"]).map(|(one, two)| format!("{one}{two}")).collect::<Vec<_>>();
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        if let Some(word) = words.iter().find(|word| code(text).contains(*word)) {
            findings.push(finding(
                file,
                line,
                format!("`{word})` is unfinished work: finish it, or leave it out"),
            ));
        }
        if let Some(mark) = marks.iter().find(|mark| text.contains(*mark)) {
            findings.push(finding(
                file,
                line,
                format!("{mark} is unfinished work: do it, or say why it may stay"),
            ));
        }
    }
    findings
}

fn ignored_tests_say_why(file: &File) -> Vec<Finding> {
    let bare = |(line, text): (usize, &str)| {
        (text.trim() == format!("#[{}]", "ignore")).then(|| {
            finding(file, line, "an ignored test: say why, as in `#[ignore = \"takes an hour\"]`".to_owned())
        })
    };
    file.lines().filter_map(bare).collect()
}

/// A sleep in a test is a condition that was not waited for.
fn tests_do_not_sleep(file: &File) -> Vec<Finding> {
    let whole_file_is_test = file.path.contains("/tests/") || file.path.ends_with("/tests.rs");
    let from = if whole_file_is_test {
        Some(0)
    } else {
        file.lines().find(|(_, text)| text.trim() == "#[cfg(test)]").map(|(line, _)| line)
    };
    let Some(from) = from else { return Vec::new() };
    let sleep = format!("thread::{}(", "sleep");
    let sleeps = |(line, text): (usize, &str)| {
        let what = "a test that sleeps: wait for the condition itself, with a generous deadline";
        (line > from && code(text).contains(&sleep)).then(|| finding(file, line, what.to_owned()))
    };
    file.lines().filter_map(sleeps).collect()
}

/// A reader has other folders than the writer.
fn no_paths_of_this_machine(file: &File) -> Vec<Finding> {
    let folders = ["home", "root", "work", "tmp", "Users"].map(|folder| format!("/{folder}/"));
    let mut findings = Vec::new();
    for (line, text) in file.lines() {
        for folder in &folders {
            // In the middle of a path, as in `src/work/`, it is a relative folder.
            let absolute = |at: usize| {
                !text[..at]
                    .ends_with(|c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '~' | '/'))
            };
            if text.match_indices(folder.as_str()).any(|(at, _)| absolute(at)) {
                let what = format!("a path of one machine ({folder}…): name it relative to the repository");
                findings.push(finding(file, line, what));
            }
        }
    }
    findings
}

/// The line without its comment. This is sufficient: no string has `//` before the text that the
/// checks look for.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default()
}

fn finding(file: &File, line: usize, what: String) -> Finding {
    Finding { file: file.path.clone(), line, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_found(path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).into_iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn long_files_are_found() {
        assert_eq!(lines_found("a/src/lib.rs", &"\n".repeat(MAX_LINES)), [0; 0]);
        assert_eq!(lines_found("a/src/lib.rs", &"\n".repeat(MAX_LINES + 1)), [0]);
        assert_eq!(lines_found("a/README.md", &"\n".repeat(MAX_LINES + 1)), [0; 0]);
    }

    #[test]
    fn unfinished_work_is_found() {
        let text = format!("fn f() {{\n    {}!()\n}}\n// {}{}: later", "todo", "TO", "DO");
        assert_eq!(lines_found("a/src/lib.rs", &text), [2, 4]);
        assert_eq!(lines_found("a/src/lib.rs", "// todo!() is forbidden"), [0; 0]);
    }

    #[test]
    fn ignored_tests_without_a_reason_are_found() {
        let text = format!("#[{}]\nfn f() {{}}\n#[ignore = \"slow\"]\nfn g() {{}}", "ignore");
        assert_eq!(lines_found("a/src/lib.rs", &text), [1]);
    }

    #[test]
    fn sleeping_tests_are_found() {
        let sleep = format!("std::thread::{}(second);", "sleep");
        assert_eq!(lines_found("a/tests/b.rs", &sleep), [1]);
        assert_eq!(lines_found("a/src/b.rs", &sleep), [0; 0]);
        assert_eq!(lines_found("a/src/b.rs", &format!("{sleep}\n#[cfg(test)]\nmod tests {{\n{sleep}")), [4]);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let path = format!("see /{}/me/notes", "home");
        assert_eq!(lines_found("README.md", &path), [1]);
        assert_eq!(lines_found("README.md", &format!("see src/{}/me", "home")), [0; 0]);
    }
}
