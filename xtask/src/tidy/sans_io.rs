//! The rules of the transport do no I/O, so that a simulation can drive them in virtual time; and
//! its sockets know none of the rules, so that another transport can use them, too.

use super::{Finding, sources::File};

/// A folder, and the texts that its files may not contain.
struct Layer {
    folder: &'static str,
    forbidden: &'static [&'static str],
    why: &'static str,
}

const LAYERS: [Layer; 2] = [
    Layer {
        folder: "transport-tcp/src/proto",
        forbidden: &[
            "smol",
            "Instant::now",
            ".elapsed()",
            "getrandom",
            "std::thread",
            "TcpStream",
            "TcpListener",
            "Mutex",
            "crate::io",
            "crate::net",
            "async ",
        ],
        why: "does I/O, or asks for the time: let `io` do it, and pass the result in",
    },
    Layer {
        folder: "transport-tcp/src/net",
        forbidden: &["crate::proto", "crate::io", "crate::config"],
        why: "knows the protocol of Obit: `net` has sockets, TLS and addresses for any transport",
    },
];

pub(super) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_test = file.path.contains("/tests") || file.path.ends_with("/pairs.rs");
    for layer in LAYERS.iter().filter(|layer| file.path.starts_with(layer.folder) && !is_test) {
        // Tests at the end of a file are exempt.
        for (line, text) in file.lines().take_while(|(_, text)| *text != "#[cfg(test)]") {
            let code = text.split("//").next().unwrap_or_default();
            if let Some(word) = layer.forbidden.iter().find(|word| code.contains(*word)) {
                let what = format!("`{word}` {}", layer.why);
                findings.push(Finding { file: file.path.clone(), line, what });
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &str, text: &str) -> Vec<usize> {
        let file = File { path: path.to_owned(), text: text.to_owned() };
        check(&file).iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn clocks_and_sockets_in_the_rules_and_rules_in_the_sockets_are_found() {
        let text = "// Instant::now\nlet now = Instant::now();\nuse crate::proto::wire;\n#[cfg(test)]\nInstant::now()";
        assert_eq!(lines("transport-tcp/src/proto/peers/peer.rs", text), [2]);
        assert_eq!(lines("transport-tcp/src/proto/peers/table/tests.rs", text), [0; 0]);
        assert_eq!(lines("transport-tcp/src/net/race.rs", text), [3]);
        assert_eq!(lines("transport-tcp/src/io/dialer.rs", text), [0; 0]);
    }
}
