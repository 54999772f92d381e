//! The imports of a library crate, from the text of its files.

use std::collections::BTreeMap;

use crate::tidy::sources::{File, Sources};

/// Path of a module from the root of its crate, which is the empty path.
pub(super) type Path = Vec<String>;

/// A module that imports another module of the same crate.
pub(super) struct Import {
    pub(super) from: Path,
    /// The module that defines the imported item: re-exports are followed.
    pub(super) to: Path,
    pub(super) file: String,
    pub(super) line: usize,
}

/// A name that a `use` declaration brings into a module.
struct Name {
    name: String,
    path: Path,
    line: usize,
}

/// The declarations of a module, without those of its tests.
#[derive(Default)]
struct Declarations {
    names: Vec<Name>,
    /// The modules of tests that are files of their own.
    test_files: Vec<String>,
}

/// The modules of a crate that are files, with their declarations.
type Modules<'a> = BTreeMap<Path, (&'a File, Declarations)>;

/// The imports within the crate whose files lie in `source_folder`, without those of its tests.
pub(super) fn within(source_folder: &str, sources: &Sources) -> Vec<Import> {
    let modules: Modules = sources
        .files
        .iter()
        .filter_map(|file| Some((module_path(source_folder, file)?, (file, declarations(file)))))
        .collect();
    let is_test = |module: &Path| {
        let is_test_child = |length: usize| {
            let parent = modules.get(&module[..length]);
            parent.is_some_and(|(_, parent)| parent.test_files.contains(&module[length]))
        };
        (0..module.len()).any(is_test_child)
    };
    let mut imports = Vec::new();
    for (module, (file, declarations)) in modules.iter().filter(|(module, _)| !is_test(module)) {
        for name in &declarations.names {
            if let Some(path) = from_root(module, &name.path, &modules) {
                let to = defining_module(path, &modules);
                imports.push(Import { from: module.clone(), to, file: file.path.clone(), line: name.line });
            }
        }
    }
    imports
}

fn module_path(source_folder: &str, file: &File) -> Option<Path> {
    let path = file.path.strip_prefix(source_folder)?.strip_prefix('/')?.strip_suffix(".rs")?;
    Some(if path == "lib" { Path::new() } else { path.split('/').map(str::to_owned).collect() })
}

fn declarations(file: &File) -> Declarations {
    let mut declarations = Declarations::default();
    let mut after_test_attribute = false;
    let mut lines = file.lines().map(|(line, text)| (line, code(text)));
    while let Some((line, text)) = lines.next() {
        if let Some(module) = text.strip_prefix("mod ").filter(|_| after_test_attribute) {
            match module.strip_suffix(';') {
                Some(name) => declarations.test_files.push(name.to_owned()),
                None => break, // The test module is the end of a file.
            }
        }
        if let Some(first) = use_tree(text) {
            let mut tree = first.to_owned();
            while !tree.contains(';') {
                let Some((_, more)) = lines.next() else { break };
                tree.push(' ');
                tree.push_str(more);
            }
            if !after_test_attribute {
                let tree = tree.split(';').next().unwrap_or_default();
                flatten(tree, &Path::new(), line, &mut declarations.names);
            }
        }
        after_test_attribute = is_test_attribute(text) || (after_test_attribute && text.starts_with("#["));
    }
    declarations
}

fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or_default().trim()
}

/// The tree of a line that begins a `use` declaration.
fn use_tree(text: &str) -> Option<&str> {
    let text = match text.strip_prefix("pub") {
        Some(public) if public.starts_with('(') => public.split_once(')')?.1.trim_start(),
        Some(public) => public.trim_start(),
        None => text,
    };
    text.strip_prefix("use ")
}

fn is_test_attribute(text: &str) -> bool {
    let Some(condition) = text.strip_prefix("#[cfg(") else { return false };
    let condition = condition.strip_prefix("all(").unwrap_or(condition);
    condition.starts_with("test") || condition.starts_with("loom")
}

/// Adds the names of `tree`, which stands behind `prefix`.
fn flatten(tree: &str, prefix: &Path, line: usize, names: &mut Vec<Name>) {
    let (head, group) = match tree.split_once('{') {
        Some((head, group)) => (head, group.rsplit_once('}').map(|(inner, _)| inner)),
        None => (tree, None),
    };
    let (head, alias) = match head.split_once(" as ") {
        Some((head, alias)) => (head, Some(alias.trim())),
        None => (head, None),
    };
    let mut path = prefix.clone();
    path.extend(head.split("::").map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    if let Some(group) = group {
        elements(group).into_iter().for_each(|element| flatten(element, &path, line, names));
        return;
    }
    if path.len() > 1 {
        path.pop_if(|last| last == "self");
    }
    if let Some(last) = path.last().filter(|_| !tree.trim().is_empty()) {
        names.push(Name { name: alias.unwrap_or(last).to_owned(), path, line });
    }
}

/// The elements of a group, separated by the commas that are in no inner group.
fn elements(group: &str) -> Vec<&str> {
    let mut depth = 0;
    let is_separator = |letter| {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        letter == ',' && depth == 0
    };
    group.split(is_separator).collect()
}

/// The imported path from the root of the crate; `None` if it leads to another crate.
fn from_root(module: &Path, path: &Path, modules: &Modules<'_>) -> Option<Path> {
    let up = path.iter().take_while(|part| *part == "super").count();
    let (base, rest) = match path.first()?.as_str() {
        "crate" => (&[][..], &path[1..]),
        "self" => (&module[..], &path[1..]),
        "super" => (&module[..module.len().saturating_sub(up)], &path[up..]),
        first => {
            let child = [&module[..], &[first.to_owned()]].concat();
            modules.contains_key(&child).then_some((&module[..], &path[..]))?
        }
    };
    Some([base, rest].concat())
}

/// The module that defines the item at `path`.
fn defining_module(mut path: Path, modules: &Modules<'_>) -> Path {
    // A limit, in case that two modules re-export everything from each other.
    for _ in 0..8 {
        let module = innermost(&path, modules);
        let rest = &path[module.len()..];
        let exported = rest.first().and_then(|item| {
            let name = modules.get(&module)?.1.names.iter().find(|name| name.name == *item)?;
            from_root(&module, &name.path, modules)
        });
        match exported {
            Some(target) => path = [&target[..], &rest[1..]].concat(),
            None => return module,
        }
    }
    innermost(&path, modules)
}

fn innermost(path: &Path, modules: &Modules<'_>) -> Path {
    let is_module = |length: &usize| modules.contains_key(&path[..*length]);
    path[..(0..=path.len()).rev().find(is_module).unwrap_or(0)].to_vec()
}
