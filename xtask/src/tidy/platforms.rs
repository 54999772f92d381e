//! Code for one operating system is in separate files, so that support for a new system changes few
//! files. A module that exists on some alone is left out as a whole, in `lib.rs`, and a feature
//! that does says so in its own gate.

use super::{Finding, sources::File};

/// The keys of a `cfg` that depend on the operating system.
const ASKS: [&str; 5] = ["unix", "windows", "target_os", "target_family", "target_vendor"];

/// The crates that run in users' programs.
const CRATES: [&str; 6] = [
    "refs/src/",
    "monitor-core/src/",
    "peer-service/src/",
    "transport-tcp/src/",
    "monitor-runtime/src/",
    "obit-cli/src/",
];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let of_library = CRATES.iter().any(|of| file.path.starts_with(of)) && file.is_rust();
    let own_file = file.path.contains("/platform/") || file.path.ends_with("/platform.rs");
    if !of_library || own_file {
        return Vec::new();
    }
    let root = file.path.ends_with("src/lib.rs");
    let mut findings = Vec::new();
    let mut lines = file.lines().peekable();
    while let Some((line, text)) = lines.next() {
        let next = lines.peek().map_or("", |(_, next)| next);
        let whole_module = root && (next.starts_with("mod ") || next.starts_with("pub mod "));
        if asks(text) && !whole_module {
            let what =
                "asks for the operating system: let a file in `platform` know it, and give it a name here";
            findings.push(Finding { file: file.path.clone(), line, what: what.to_owned() });
        }
    }
    findings
}

/// Whether a line has a `cfg` of an operating system that is not part of a feature's gate.
fn asks(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let Some((_, condition)) = code.split_once("cfg") else { return false };
    let condition = condition.trim_start_matches("_attr").trim_start_matches('!');
    let words = || condition.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    condition.starts_with('(')
        && words().any(|word| ASKS.contains(&word))
        && !words().any(|word| word == "feature")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn code_that_depends_on_the_operating_system_is_found() {
        let text = "#[cfg(unix)]\nif cfg!(target_os = \"linux\") {}\n#[cfg_attr(not(windows), inline)]\n";
        assert_eq!(lines("transport-tcp/src/io/session/connection.rs", text), [1, 2, 3]);
        assert_eq!(lines("transport-tcp/src/platform/linux.rs", text), [0; 0]);
        assert_eq!(lines("xtask/src/main.rs", text), [0; 0], "no library");
    }

    #[test]
    fn whole_modules_and_gates_of_features_may() {
        let module = "#[cfg(unix)]\npub mod control;\n";
        assert_eq!(lines("monitor-runtime/src/lib.rs", module), [0; 0]);
        assert_eq!(lines("monitor-runtime/src/node.rs", module), [1]);
        assert_eq!(lines("monitor-runtime/src/lib.rs", "#[cfg(unix)]\npub use a::b;\n"), [1]);
        let gate =
            "#[cfg(all(feature = \"control\", unix))]\nfn f() {}\n// #[cfg(unix)]\nfn cfg_of_unix() {}\n";
        assert_eq!(lines("monitor-runtime/src/node.rs", gate), [0; 0]);
    }
}
