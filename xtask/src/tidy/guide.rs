//! The promises of the guide: the code on every page is compiled, the catalog explains the text of
//! every error, and the page on troubleshooting quotes only texts of the catalog.

use super::{
    Finding,
    sources::{File, Sources},
};

/// The file by which rustdoc tests the pages.
const DOC_TESTS: &str = "obit/src/doc_tests.rs";
/// The page that has every text that can be printed.
const CATALOG: &str = "docs/errors.md";
/// The page that goes from symptoms to the texts of the catalog.
const TROUBLESHOOTING: &str = "docs/guide/troubleshooting.md";
/// Code that begins like this is a command line and not a text that is printed.
const COMMANDS: [&str; 3] = ["obit ", "cargo ", "--"];
/// Programs for this repository's own use print texts of their own.
const LIBRARIES: [&str; 6] = [
    "refs/src/",
    "monitor-core/src/",
    "peer-service/src/",
    "transport-tcp/src/",
    "monitor-runtime/src/",
    "obit-cli/src/",
];

pub(super) fn check(sources: &Sources) -> Vec<Finding> {
    let text = |path| sources.find(path).map_or("", |file| &file.text);
    let mut findings = untested_pages(sources, text(DOC_TESTS));
    let page = text(CATALOG).replace('\n', " ");
    findings.extend(unknown_quotes(text(TROUBLESHOOTING), &page));
    for file in &sources.files {
        if file.is_rust() && LIBRARIES.iter().any(|library| file.path.starts_with(library)) {
            findings.extend(unexplained_texts(file, &page));
        }
    }
    findings
}

fn untested_pages(sources: &Sources, doc_tests: &str) -> Vec<Finding> {
    let is_page = |file: &&File| file.path == "README.md" || is_under_docs(&file.path);
    let is_tested = |file: &&File| doc_tests.contains(&format!("\"../../{}\"", file.path));
    let pages = sources.files.iter().filter(is_page).filter(|file| !is_tested(file));
    pages.map(|file| finding(DOC_TESTS, format!("lacks {}: its code is not compiled", file.path))).collect()
}

fn is_under_docs(path: &str) -> bool {
    path.starts_with("docs/") && path.ends_with(".md")
}

fn unexplained_texts<'f>(file: &'f File, page: &'f str) -> impl Iterator<Item = Finding> + 'f {
    let unexplained = error_texts(&file.text).into_iter().filter(|text| !page.contains(longest_part(text)));
    unexplained.map(|text| finding(&file.path, format!("prints «{text}»: explain it in {CATALOG}")))
}

/// The texts that the page quotes as code, unless the catalog has them.
fn unknown_quotes(page: &str, catalog: &str) -> Vec<Finding> {
    let page = page.replace('\n', " ");
    let code = page.split('`').skip(1).step_by(2);
    let texts = code.filter(|code| code.contains(' ') && !COMMANDS.iter().any(|with| code.starts_with(with)));
    let known = |text: &str| text.split('…').all(|part| catalog.contains(part.trim()));
    let unknown = texts.filter(|text| !known(text));
    unknown.map(|text| finding(TROUBLESHOOTING, format!("quotes «{text}», which {CATALOG} lacks"))).collect()
}

/// The texts in the attributes `error` of thiserror, with their placeholders; none for
/// `transparent`.
fn error_texts(source: &str) -> Vec<String> {
    let attributes = source.split("#[error(").skip(1);
    attributes.filter_map(|rest| literal(rest.trim_start().strip_prefix('"')?)).collect()
}

/// A string literal without its first quotation mark, as it is once compiled.
fn literal(source: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = source.chars();
    loop {
        match rest.next()? {
            '"' => return Some(text),
            '\\' => match rest.next()? {
                '\n' => rest = rest.as_str().trim_start().chars(),
                escaped => text.push(escaped),
            },
            plain => text.push(plain),
        }
    }
}

/// Returns the longest fixed part of a text, which a page can quote literally: placeholders differ
/// each time.
fn longest_part(text: &str) -> &str {
    text.split(['{', '}']).step_by(2).map(str::trim).max_by_key(|part| part.len()).unwrap_or_default()
}

fn finding(file: &str, what: String) -> Finding {
    Finding { file: file.to_owned(), line: 0, what }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn texts_are_read_as_the_compiler_reads_them() {
        let source =
            "#[error(\"a {b} c\")]\n#[error(transparent)]\n#[error(\n    \"one \\\n     two `{}`\", x\n)]";
        assert_eq!(error_texts(source), ["a {b} c", "one two `{}`"]);
        assert_eq!(longest_part("{what}: is too long: {kind}"), ": is too long:");
    }

    #[test]
    fn a_text_that_the_page_lacks_is_found() {
        let printed = file("refs/src/error.rs", &format!("#[{}(\"is {{0}} wide\")]", "error"));
        assert_eq!(unexplained_texts(&printed, "it may be … wide").count(), 0);
        assert_eq!(unexplained_texts(&printed, "it may be … long").count(), 1);
    }

    #[test]
    fn a_quoted_text_that_the_catalog_lacks_is_found() {
        let catalog = "| `A` | `cannot read …: …` | Look at the path. |";
        assert_eq!(unknown_quotes("`cannot\nread …`, `Config`, `obit why T`", catalog), []);
        assert_eq!(unknown_quotes("`cannot write …: …`", catalog).len(), 1);
    }

    #[test]
    fn a_page_that_is_not_compiled_is_found() {
        let sources = Sources { files: vec![file("docs/a.md", ""), file("docs/b.md", ""), file("c.md", "")] };
        let findings = untested_pages(&sources, "#[doc = include_str!(\"../../docs/a.md\")]");
        assert_eq!(findings, [finding(DOC_TESTS, "lacks docs/b.md: its code is not compiled".to_owned())]);
    }
}
