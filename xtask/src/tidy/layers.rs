//! The permitted dependencies between crates.
//!
//! ```text
//! refs (package obit-refs)  <-  monitor-core, peer-service, transport-tcp, monitor-runtime
//! supervision  <-  peer-service, transport-tcp, monitor-runtime
//! monitor-core  <-  monitor-runtime  ->  peer-service  <-  transport-tcp
//! monitor-runtime  ->  transport-tcp   by the feature `tcp`, in one file
//! monitor-runtime  <-  obit, which re-exports it; obit-cli, the command `obit`
//! tools/*: programs that use the libraries, and that no library uses
//! ```

use super::{Finding, packages::Package, sources::Sources};

/// A layer and its permitted dependencies. Packages of the project that are not named may not be
/// depended on.
struct Layer {
    name: &'static str,
    /// Packages of the project.
    project: &'static [&'static str],
    /// Packages of others; none means any.
    others: Option<&'static [&'static str]>,
}

const LAYERS: [Layer; 16] = [
    Layer { name: "obit-refs", project: &[], others: Some(&["postcard", "serde", "thiserror"]) },
    Layer {
        name: "monitor-core",
        project: &["obit-refs"],
        others: Some(&["foldhash", "hashbrown", "postcard", "serde", "thiserror"]),
    },
    Layer { name: "supervision", project: &[], others: Some(&["pin-project-lite", "tracing"]) },
    Layer { name: "peer-service", project: &["obit-refs", "supervision"], others: None },
    Layer { name: "transport-tcp", project: &["obit-refs", "supervision", "peer-service"], others: None },
    Layer {
        name: "monitor-runtime",
        project: &["obit-refs", "supervision", "monitor-core", "peer-service", "transport-tcp"],
        others: None,
    },
    // The name under which users add the library; it has no code of its own.
    Layer { name: "obit", project: &["monitor-runtime"], others: Some(&[]) },
    Layer { name: "obit-cli", project: &["monitor-runtime"], others: None },
    Layer { name: "fuzz-corpus", project: &[], others: None },
    Layer { name: "harness", project: &[], others: None },
    Layer { name: "node-protocol", project: &[], others: None },
    Layer { name: "test-node", project: &["monitor-runtime", "node-protocol"], others: None },
    Layer { name: "bench-node", project: &["obit-refs", "monitor-runtime"], others: None },
    Layer { name: "scale-node", project: &["monitor-runtime"], others: None },
    Layer {
        name: "simulator",
        project: &["obit-refs", "supervision", "peer-service", "transport-tcp", "monitor-runtime"],
        others: None,
    },
    Layer { name: "xtask", project: &["harness", "node-protocol"], others: None },
];

/// Package of the project that the tests of any other may use.
const FOR_TESTS: &str = "fuzz-corpus";

/// The only file of the runtime that may know the transport.
const TCP_FILE: &str = "monitor-runtime/src/tcp.rs";

pub(super) fn check(packages: &[Package], sources: &Sources) -> Vec<Finding> {
    let mut findings = dependencies(packages);
    findings.extend(transport_stays_optional(packages));
    findings.extend(transport_stays_in_its_file(sources));
    findings
}

fn dependencies(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let Some(layer) = LAYERS.iter().find(|layer| layer.name == package.name) else {
            findings.push(finding(
                package,
                "is no layer that is known here: add it to the table, or remove it".to_owned(),
            ));
            continue;
        };
        for dependency in &package.dependencies {
            let name = dependency.name.as_str();
            let ours = packages.iter().any(|other| other.name == name);
            let allowed = if ours {
                // The tests of a package may depend on the package itself, with other features.
                layer.project.contains(&name)
                    || name == package.name
                    || (name == FOR_TESTS && dependency.kind.as_deref() == Some("dev"))
            } else {
                // Dependencies of tests are not part of the published library.
                dependency.kind.is_some() || layer.others.is_none_or(|others| others.contains(&name))
            };
            if !allowed {
                let may =
                    [layer.project, layer.others.unwrap_or(&["packages of others"])].concat().join(", ");
                findings.push(finding(package, format!("may not depend on {name}, only on {may}")));
            }
        }
    }
    findings
}

fn transport_stays_optional(packages: &[Package]) -> Option<Finding> {
    let runtime = packages.iter().find(|package| package.name == "monitor-runtime")?;
    let hard = |dependency: &super::packages::Dependency| {
        dependency.name == "transport-tcp" && dependency.kind.is_none() && !dependency.optional
    };
    let what = "depends on transport-tcp unconditionally: make it optional, behind the feature `tcp`";
    runtime.dependencies.iter().any(hard).then(|| finding(runtime, what.to_owned()))
}

fn transport_stays_in_its_file(sources: &Sources) -> Vec<Finding> {
    let mut findings = Vec::new();
    let elsewhere = sources.files.iter().filter(|file| {
        file.path.starts_with("monitor-runtime/src/") && file.is_rust() && file.path != TCP_FILE
    });
    for file in elsewhere {
        for (line, text) in file.lines() {
            let code = text.split("//").next().unwrap_or_default();
            if code.contains("transport_tcp") {
                let what = format!("only {TCP_FILE} may name transport_tcp: move it there");
                findings.push(Finding { file: file.path.clone(), line, what });
            }
        }
    }
    findings
}

fn finding(package: &Package, what: String) -> Finding {
    Finding { file: format!("{}/Cargo.toml", package.folder()), line: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::{packages::Dependency, sources::File};
    fn package(name: &str, dependencies: &[(&str, Option<&str>)]) -> Package {
        let dependency = |&(name, kind): &(&str, Option<&str>)| Dependency {
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            optional: false,
            req: "^0.1.0".to_owned(),
            path: None,
        };
        Package { dependencies: dependencies.iter().map(dependency).collect(), ..Package::named(name) }
    }

    #[test]
    fn a_dependency_against_the_direction_is_found() {
        let up = [
            package("obit-refs", &[]),
            package("peer-service", &[("monitor-core", None)]),
            package("monitor-core", &[]),
        ];
        assert_eq!(dependencies(&up).len(), 1);
        let in_tests =
            [package("monitor-core", &[]), package("transport-tcp", &[("monitor-core", Some("dev"))])];
        assert_eq!(dependencies(&in_tests).len(), 1, "not even in tests");
        let corpus = |kind| [package("fuzz-corpus", &[]), package("obit-refs", &[(FOR_TESTS, kind)])];
        assert_eq!(dependencies(&corpus(Some("dev"))), []);
        assert_eq!(dependencies(&corpus(None)).len(), 1, "the corpus is for tests alone");
        let down =
            [package("obit-refs", &[]), package("monitor-core", &[("obit-refs", None), ("serde", None)])];
        assert_eq!(dependencies(&down), []);
    }

    #[test]
    fn a_core_that_takes_in_a_package_of_others_is_found() {
        assert_eq!(dependencies(&[package("monitor-core", &[("rand", None)])]).len(), 1);
        assert_eq!(dependencies(&[package("monitor-core", &[("proptest", Some("dev"))])]), []);
        assert_eq!(dependencies(&[package("new-crate", &[])]).len(), 1);
    }

    #[test]
    fn a_transport_that_leaves_its_file_is_found() {
        let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
        let sources = Sources {
            files: vec![
                file(TCP_FILE, "use transport_tcp::Tcp;"),
                file("monitor-runtime/src/node.rs", "// not transport_tcp\nuse transport_tcp::Tcp;"),
            ],
        };
        let found = transport_stays_in_its_file(&sources);
        assert_eq!(found.iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
        let hard = [package("monitor-runtime", &[("transport-tcp", None)])];
        assert!(transport_stays_optional(&hard).is_some());
    }
}
