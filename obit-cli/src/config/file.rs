//! Reads a file of settings.
//!
//! Errors name the file, the line and the setting. They never quote the file: it may be the secret
//! file of the cluster by mistake, or contain a secret.

use std::{fs::File, io::Read, path::Path};

use monitor_runtime::Config;
use serde::Deserialize;
use toml::{
    Spanned, Table,
    de::{DeTable, Deserializer},
};

use crate::{
    failure::{Context, Failure, Result},
    options::NodeOptions,
};

/// Maximum size of a file of settings, in bytes. A larger file is a mistake.
const MAX_FILE: u64 = 1 << 20;

/// Reads the settings in the file.
pub(super) fn read(path: &Path) -> Result<NodeOptions> {
    let name = || format!("cannot read the configuration {}", path.display());
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes)).context(name)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(Failure::new(format!("{}: the file has more than {MAX_FILE} bytes", name())));
    }
    parse(&bytes).map_err(|problem| Failure::new(format!("{}: {problem}", path.display())))
}

fn parse(bytes: &[u8]) -> std::result::Result<NodeOptions, String> {
    let line = |at: usize| bytes.iter().take(at).filter(|byte| **byte == b'\n').count() + 1;
    let text = std::str::from_utf8(bytes)
        .map_err(|error| format!("line {}: it is not UTF-8 text", line(error.valid_up_to())))?;
    let settings = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or_default();
        let at = line(span.start);
        if error.message().starts_with("duplicate key") {
            let key = text.get(span).unwrap_or_default();
            return format!("line {at}: {}this setting was given before; remove one of them", shown_key(key));
        }
        format!("line {at}: it is not TOML; each setting is `key = value`, and a text has quotes")
    })?;
    let mut settings: Vec<_> = settings.into_inner().into_iter().collect();
    settings.sort_by_key(|(key, _)| key.span().start);
    settings.into_iter().try_fold(NodeOptions::default(), |mut options, (key, value)| {
        let (at, shown) = (line(key.span().start), shown_key(key.get_ref()));
        let problem = |message: &str| format!("line {at}: {shown}{}", without_values(message));
        let name = key.get_ref().to_string();
        let one = Spanned::new(key.span(), DeTable::from_iter([(key, value)]));
        if is_of_library(&name) {
            let setting = Table::deserialize(Deserializer::from(one)).map_err(|e| problem(e.message()))?;
            // The name of this configuration does not matter: only the setting is checked.
            Config::new("a@localhost").read(setting.clone()).map_err(|error| problem(error.message()))?;
            options.settings.extend(setting);
            return Ok(options);
        }
        let one = NodeOptions::deserialize(Deserializer::from(one)).map_err(|e| problem(e.message()))?;
        Ok(options.or(one))
    })
}

/// Whether a key is a setting of the library for which there is no flag.
fn is_of_library(key: &str) -> bool {
    const FLAGS: [&str; 6] = ["listen", "peers", "peers_file", "cluster", "hidden", "preset"];
    !FLAGS.contains(&key) && Config::keys().any(|known| known == key)
}

/// The key if it looks like one of a setting, else nothing: it may be a part of a secret.
fn shown_key(key: &str) -> String {
    const MAX_LEN: usize = 24;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'-';
    match key.len() <= MAX_LEN && key.bytes().all(is_plain) {
        true => format!("`{key}`: "),
        false => String::new(),
    }
}

/// The message of an error without the value from the file, which serde puts before the expected
/// one.
fn without_values(message: &str) -> String {
    let expected = |what: &str| match message.rsplit_once(", expected ") {
        Some((_, expected)) => format!("{what}; expected {expected}"),
        None => what.to_owned(),
    };
    if message.starts_with("unknown field ") {
        return expected("there is no such setting");
    }
    let starts = |quotes: &[&str]| quotes.iter().any(|start| message.starts_with(start));
    if starts(&["invalid value: ", "unknown variant "]) {
        return expected("there is no such value");
    }
    if starts(&["invalid type: ", "invalid length "]) {
        return expected("the value is of another kind");
    }
    // The message is from this program, which never quotes the value.
    message.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "5ec4e7b1a2c3d4e5f60718293a4b5c6d7e8f9012a3b4c5d6e7f8091a2b3c4d5e";

    fn error(file: &[u8]) -> String {
        parse(file).expect_err("an error")
    }

    #[test]
    fn an_error_names_line_and_key_and_what_is_expected() {
        assert_eq!(
            error(b"\npreset = \"slow\"\n"),
            "line 2: `preset`: there is no such value; expected one of `normal`, `fast`, `wan`"
        );
        assert_eq!(
            error(b"preset = 5\n"),
            "line 1: `preset`: the value is of another kind; expected one of `normal`, `fast`, `wan`"
        );
        assert_eq!(
            error(b"log = \"loud\"\n"),
            "line 1: `log`: there is no such value; expected one of `off`, `error`, `warn`, `info`, `debug`, `trace`"
        );
        assert_eq!(
            error(b"peers = [\n\"b@h:1\",\n\"c@\"]"),
            "line 1: `peers`: entry 2: node name: lacks a host (at byte 2)"
        );
        assert_eq!(
            error(b"node = \"a@h:1\"\nhttp = true"),
            "line 2: `http`: the value is of another kind; expected a port or an address with one"
        );
        let unknown = error(b"hidden = true\nsecret = \"x\"");
        assert!(unknown.starts_with("line 2: `secret`: there is no such setting; expected one of `node`, "));
        assert_eq!(
            error(b"hidden = 1\nhidden = true"),
            "line 2: `hidden`: this setting was given before; remove one of them"
        );
        assert_eq!(
            error(b"hidden = true\nstop_timeout = 5"),
            "line 2: `stop_timeout`: the value is of another kind; expected a time with its unit, such as \"2.5s\" or \"500ms\""
        );
        assert_eq!(
            error(b"max_frame = \"much\""),
            "line 1: `max_frame`: there is no such value; expected a number of bytes, or a text with a unit such as \"64MiB\""
        );
        assert_eq!(
            error(b"heartbeat = { interval = \"1s\" }"),
            "line 1: `heartbeat`: missing field `timeout`"
        );
        assert_eq!(error(b"node = \"a@h:1\"\n\xff"), "line 2: it is not UTF-8 text");
    }

    /// Every setting of the library has a key in the file.
    #[test]
    fn the_file_can_set_everything_that_the_library_can_set() {
        let values = [
            "true",
            "7",
            "\"7s\"",
            "\"c\"",
            "\"fast\"",
            "\"127.0.0.1:7\"",
            "[]",
            "{ interval = \"1s\", timeout = \"5s\" }",
        ];
        for key in Config::keys() {
            let accepted = values.iter().any(|value| parse(format!("{key} = {value}").as_bytes()).is_ok());
            assert!(accepted, "{key}");
            assert!(
                include_str!("../../../docs/CLI.md").contains(&format!("`{key}` |")),
                "{key} in docs/CLI.md"
            );
        }
    }

    #[test]
    fn no_part_of_the_file_is_ever_quoted() {
        let keys = [
            "node",
            "listen",
            "peers",
            "peers_file",
            "secret_file",
            "cluster",
            "hidden",
            "preset",
            "http",
            "log",
            "secret",
            "config",
            "heartbeat",
            "peers_dns",
            "max_frame",
            "stop_timeout",
            "also_accept_files",
            SECRET,
        ];
        let values = [
            format!("\"{SECRET}\""),
            format!("[\"{SECRET}\"]"),
            format!("[\"a@h:1\", \"{SECRET}\"]"),
            format!("{{ {SECRET} = 1 }}"),
            format!("{{ value = \"{SECRET}\" }}"),
            format!("\"{SECRET}, expected {SECRET}\""),
            format!("\"{SECRET}"),
            format!("'''\n{SECRET}"),
            SECRET.to_owned(),
            "5".repeat(30),
        ];
        let mut files: Vec<_> =
            [SECRET.to_owned(), format!("{SECRET}="), format!("[{SECRET}]\nx = 1")].into();
        for key in keys {
            files.extend(values.iter().map(|value| format!("{key} = {value}\n")));
            files.push(format!("{key} = \"{SECRET}\"\n{key} = \"{SECRET}\""));
            files.push(format!("{key}.{SECRET} = true"));
            files.push(format!("{SECRET}.{key} = true"));
            files.push(format!("[{key}]\n{SECRET} = true"));
        }
        let mut errors = 0;
        for file in files {
            for file in [file.as_bytes().to_vec(), [file.as_bytes(), b"\xff"].concat()] {
                let Err(error) = parse(&file) else { continue };
                errors += 1;
                for part in SECRET.as_bytes().windows(6) {
                    let part = std::str::from_utf8(part).unwrap();
                    assert!(!error.contains(part), "{}: {error}", String::from_utf8_lossy(&file));
                }
                assert!(!error.contains("5555") && error.starts_with("line "), "{error}");
            }
        }
        assert!(errors > 100, "{errors}");
    }
}
