//! The page for embedders: its excerpts are in the example, and its tables are complete.

const PAGE: &str = include_str!("../../docs/guide/embedding.md");
const EXAMPLE: &str = include_str!("../examples/mini_actors.rs");
const CORE: [&str; 5] = [
    include_str!("../src/monitors.rs"),
    include_str!("../src/monitors/backlog.rs"),
    include_str!("../src/monitors/notices.rs"),
    include_str!("../src/monitors/sessions.rs"),
    include_str!("../src/monitors/signals.rs"),
];
const EFFECTS: &str = include_str!("../src/effect.rs");
const CONFIG: &str = include_str!("../src/config.rs");

#[test]
fn each_excerpt_is_in_the_example() {
    let excerpts: Vec<_> = PAGE.split("```").skip(1).step_by(2).collect();
    assert!(excerpts.len() > 5, "the page shows the example");
    for excerpt in excerpts {
        let code = excerpt.strip_prefix("rust,ignore\n").expect("a block of the page is an excerpt");
        assert!(EXAMPLE.contains(code), "not in the example:\n{code}");
    }
}

#[test]
fn the_page_names_each_input_effect_and_limit() {
    let methods = CORE.iter().flat_map(|file| names(file, "    pub ", "("));
    let methods = methods.filter_map(|method| method.rsplit_once("fn ").map(|(_, name)| name));
    let effects = EFFECTS.split_once("pub enum Effect {").and_then(|(_, rest)| rest.split_once("\n}"));
    let effects = names(effects.expect("the effects").0, "    ", " {");
    let effects = effects.filter(|effect| effect.starts_with(char::is_uppercase));
    let limits = names(CONFIG, "    pub(crate) ", ": usize,").filter(|field| field.starts_with("max_"));
    let all: Vec<_> = methods.chain(effects).chain(limits).filter(|name| *name != "new").collect();
    for expected in ["monitor", "resume", "peer_up", "Connect", "Discard", "max_waiting"] {
        assert!(all.contains(&expected), "{expected} was not found in the source: {all:?}");
    }
    let missing: Vec<_> = all.into_iter().filter(|name| !PAGE.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "the page lacks {missing:?}");
}

/// The parts of the lines with that indentation, up to the given end.
fn names<'a>(source: &'a str, start: &'a str, end: &'a str) -> impl Iterator<Item = &'a str> {
    source.lines().filter_map(move |line| line.strip_prefix(start)?.split_once(end)).map(|(name, _)| name)
}
