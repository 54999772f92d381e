//! Siblings of a library, which are the files and folders directly below one folder, import each
//! other in one direction only. A reader can then understand each of them after the siblings that
//! it imports. Tests do not count.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Finding, sources::Sources};

mod imports;

const LIBRARIES: [&str; 6] = [
    "refs/src",
    "supervision/src",
    "monitor-core/src",
    "peer-service/src",
    "transport-tcp/src",
    "monitor-runtime/src",
];

/// A permitted circle: all siblings that import each other, directly or through others.
struct Permitted {
    folder: &'static str,
    /// In alphabetical order.
    siblings: &'static [&'static str],
    reason: &'static str,
}

const PERMITTED: [Permitted; 6] = [
    Permitted {
        folder: "peer-service/src/memory",
        siblings: &["service", "timer", "world"],
        reason: "the world owns its sessions and timers, which have a handle of the world",
    },
    Permitted {
        folder: "transport-tcp/src/proto/handshake",
        siblings: &["error", "frames", "messages"],
        reason: "an error contains the received REJECT, and messages that cannot be read are errors",
    },
    Permitted {
        folder: "monitor-runtime/src",
        siblings: &["caller", "node"],
        reason: "a caller has a handle of its node, and a node makes the caller for its own sends",
    },
    Permitted {
        folder: "monitor-runtime/src",
        siblings: &["error", "event"],
        reason: "a `DecodeError` contains the message, and the event `Malformed` contains the error",
    },
    Permitted {
        folder: "monitor-runtime/src",
        siblings: &["process", "spawn"],
        reason: "a process spawns processes, and a spawned body is given its process",
    },
    Permitted {
        folder: "monitor-runtime/src/engine",
        siblings: &["after_unlock", "state"],
        reason: "the state collects the work for after the lock, which then runs on the node's state",
    },
];

/// For each sibling the siblings that it imports, each with the place of one such import.
type Graph = BTreeMap<String, BTreeMap<String, Place>>;

struct Place {
    file: String,
    line: usize,
}

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    check_with(sources, &PERMITTED)
}

fn check_with(sources: &Sources, permitted: &[Permitted]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut used = BTreeSet::new();
    for (folder, graph) in LIBRARIES.iter().flat_map(|library| graphs(library, sources)) {
        for circle in circles(&graph) {
            let listed = permitted.iter().position(|one| one.folder == folder && circle == one.siblings);
            if listed.is_none() {
                findings.push(finding(&folder, &circle, &graph, permitted));
            }
            used.extend(listed);
        }
    }
    let unused = permitted.iter().enumerate().filter(|(index, _)| !used.contains(index));
    findings.extend(unused.map(|(_, circle)| Finding {
        file: file!().to_owned(),
        line: 0,
        what: format!(
            "{} has no circle of exactly {} any more: remove it from the list (its reason was: {})",
            circle.folder,
            circle.siblings.join(", "),
            circle.reason
        ),
    }));
    findings
}

/// The graph of each folder of a library.
fn graphs(library: &str, sources: &Sources) -> BTreeMap<String, Graph> {
    let mut graphs = BTreeMap::<String, Graph>::new();
    for import in imports::within(library, sources) {
        let shared = import.from.iter().zip(&import.to).take_while(|(from, to)| from == to).count();
        // A parent and its child are no siblings.
        let (Some(from), Some(to)) = (import.from.get(shared), import.to.get(shared)) else { continue };
        let folder = [&[library.to_owned()], &import.from[..shared]].concat().join("/");
        let place = Place { file: import.file, line: import.line };
        let imported = graphs.entry(folder).or_default().entry(from.clone()).or_default();
        imported.entry(to.clone()).or_insert(place);
    }
    graphs
}

/// The largest sets of siblings that all import each other, directly or through others.
fn circles(graph: &Graph) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|from| (from.as_str(), origins(graph, from).into_keys().collect())).collect();
    let circle_of = |from: &&str| {
        let mutual = |to: &&str| reached.get(to).is_some_and(|back| back.contains(from));
        reached[from].iter().copied().filter(mutual).collect::<Vec<_>>()
    };
    reached.keys().map(circle_of).filter(|circle| !circle.is_empty()).collect()
}

/// For each sibling that `start` imports, directly or through others: the sibling before it on a
/// shortest path.
fn origins<'a>(graph: &'a Graph, start: &'a str) -> BTreeMap<&'a str, &'a str> {
    let mut origins = BTreeMap::new();
    let mut queue = VecDeque::from([start]);
    while let Some(from) = queue.pop_front() {
        for to in graph.get(from).into_iter().flat_map(BTreeMap::keys) {
            if !origins.contains_key(to.as_str()) {
                origins.insert(to.as_str(), from);
                queue.push_back(to);
            }
        }
    }
    origins
}

fn finding(folder: &str, circle: &[&str], graph: &Graph, permitted: &[Permitted]) -> Finding {
    // A sibling that is in no permitted circle comes first: its import is probably the new one.
    let is_new = |sibling: &&&str| {
        !permitted.iter().any(|one| one.folder == folder && one.siblings.contains(*sibling))
    };
    let start = circle.iter().find(is_new).unwrap_or(&circle[0]);
    let path = shortest(graph, start);
    let places: Vec<_> = path.windows(2).map(|pair| &graph[pair[0]][pair[1]]).collect();
    let lines: Vec<_> = places.iter().map(|place| format!("{}:{}", place.file, place.line)).collect();
    let what = format!(
        "siblings in {folder} import each other in a circle: {} ({}): move the item that both need into a file \
         that imports neither, or permit the circle of {} with a reason in {}",
        path.join(" -> "),
        lines.join(", "),
        circle.join(", "),
        file!()
    );
    Finding { file: places[0].file.clone(), line: places[0].line, what }
}

/// A shortest circle from `start` to itself.
fn shortest<'a>(graph: &'a Graph, start: &'a str) -> Vec<&'a str> {
    let origins = origins(graph, start);
    let mut path = vec![start];
    let mut at = origins[start];
    while at != start {
        path.push(at);
        at = origins[at];
    }
    path.push(start);
    path.reverse();
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::sources::File;

    const NONE: &[Permitted] = &[];

    fn sources(files: &[(&str, &str)]) -> Sources {
        let file = |&(path, text): &(&str, &str)| File {
            path: format!("refs/src/{path}.rs"),
            text: text.to_owned(),
        };
        Sources { files: files.iter().map(file).collect() }
    }

    fn found(files: &[(&str, &str)], permitted: &[Permitted]) -> Vec<String> {
        check_with(&sources(files), permitted).iter().map(Finding::to_string).collect()
    }

    const fn permitted(siblings: &'static [&'static str]) -> Permitted {
        Permitted { folder: "refs/src", siblings, reason: "they own each other" }
    }

    #[test]
    fn circles_of_siblings_are_found_with_their_imports() {
        let circle = [("a", "//! use crate::c;\nuse crate::b::B;\n"), ("b", "use super::a::A;\n")];
        let [finding] = &found(&circle, NONE)[..] else { panic!("one circle, one finding") };
        assert!(finding.contains("a -> b -> a (refs/src/a.rs:2, refs/src/b.rs:1)"), "{finding}");
        let long = [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")];
        let [finding] = &found(&long, NONE)[..] else { panic!("one circle, one finding") };
        assert!(finding.contains("a -> b -> c -> a ("), "{finding}");
        assert_eq!(found(&long[..2], NONE), [""; 0], "a chain is no circle");
    }

    #[test]
    fn circles_of_folders_and_within_folders_are_found() {
        let folders = [("a", ""), ("a/x", "use crate::b::B;"), ("b", ""), ("b/y", "use crate::a::x::X;")];
        assert!(found(&folders, NONE)[0].contains("siblings in refs/src import"));
        let inner = [("a", ""), ("a/x", "use super::y::Y;"), ("a/y", "use super::x::X;")];
        assert!(found(&inner, NONE)[0].contains("siblings in refs/src/a import"));
        let parent = [("a", "use self::x::X;\nmod x;"), ("a/x", "use super::A;")];
        assert_eq!(found(&parent, NONE), [""; 0], "a parent is no sibling of its child");
    }

    #[test]
    fn circles_through_groups_renames_and_re_exports_are_found() {
        let group = "use crate::{\n    c::{self, C},\n    b::{x::{X, Y}, B as Other}, // B\n};\n";
        let groups = [("a", group), ("b", "pub(crate) use crate::a::A;"), ("c", "")];
        assert!(found(&groups, NONE)[0].contains("a -> b -> a (refs/src/a.rs:1, "));
        let re_export = [
            ("lib", "pub use self::a::A as Public;"),
            ("a", "use crate::b::B;"),
            ("b", "use crate::Public;"),
        ];
        assert!(found(&re_export, NONE)[0].contains("a -> b -> a"));
    }

    #[test]
    fn circles_of_tests_do_not_count() {
        let of_tests = [
            "#[cfg(test)]\nmod tests {\n    use crate::a::A;\n}\n",
            "#[cfg(all(test, not(loom)))]\nmod tests {\n    use crate::a::A;\n}\n",
            "#[cfg(test)]\nuse crate::{\n    a::A,\n};\n",
        ];
        for text in of_tests {
            assert_eq!(found(&[("a", "use crate::b::B;"), ("b", text)], NONE), [""; 0], "{text}");
        }
        let in_files = |parent| {
            let files = [
                ("a", "use crate::b::B;"),
                ("b", parent),
                ("b/pairs", ""),
                ("b/pairs/x", "use crate::a::A;"),
            ];
            found(&files, NONE).len()
        };
        assert_eq!(in_files("#[cfg(test)]\n#[rustfmt::skip]\nmod pairs;"), 0);
        assert_eq!(in_files("mod pairs;"), 1, "any other module counts");
    }

    #[test]
    fn circles_on_the_list_are_permitted_while_they_exist() {
        let circle = [("a", "use crate::b::B;"), ("b", "use crate::a::A;"), ("c", "use crate::a::A;")];
        let list = [permitted(&["a", "b"])];
        assert_eq!(found(&circle, &list), [""; 0]);

        let [finding] = &found(&circle[1..], &list)[..] else { panic!("one circle is not there any more") };
        assert!(finding.contains("refs/src has no circle of exactly a, b any more"), "{finding}");

        let grown = [circle[0], ("b", "use crate::{a::A, c::C};"), circle[2]];
        let findings = found(&grown, &list);
        assert!(findings[0].contains("c -> a -> b -> c"), "{findings:?}");
    }
}
