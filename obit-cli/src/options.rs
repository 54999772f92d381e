//! The settings of a node: as flags, as environment variables and in a file, under the same names.

use std::{
    fmt::{self, Display},
    marker::PhantomData,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use clap::{ArgAction, Args, ValueEnum};
use monitor_runtime::{NodeName, NodeSpec, ParseError};
use serde::{Deserialize, Deserializer, de};

use crate::log;

/// Options of all commands that start a node. A flag wins over its variable, and both win over the
/// file.
#[derive(Args, Deserialize, Debug, Default)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "The node")]
pub(crate) struct NodeOptions {
    /// A TOML file with any of these settings: `node = "a@host:7001"`, `peers = ["b@host:7001"]`, …
    #[arg(long, value_name = "FILE", env = "OBIT_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// The name of this node. No other node of the cluster may have it.
    #[arg(long, value_name = "LABEL@HOST[:PORT]", env = "OBIT_NODE", hide_env_values = true)]
    #[serde(deserialize_with = "text")]
    pub(crate) node: Option<NodeName>,

    /// The address to listen on; by default the one in the name of the node. Port 0 chooses a free
    /// port.
    #[arg(long, value_name = "IP:PORT", env = "OBIT_LISTEN", hide_env_values = true)]
    #[serde(deserialize_with = "text")]
    pub(crate) listen: Option<ListenAddress>,

    /// A node to connect to, and to reconnect to when the connection is lost. May be given several
    /// times.
    #[arg(long = "peer", value_name = "NODE[=ADDRESS]", env = "OBIT_PEERS", hide_env_values = true)]
    #[serde(deserialize_with = "texts")]
    pub(crate) peers: Option<Vec<Specs>>,

    /// A file with such nodes, one per line. The node reads it again and again.
    #[arg(long, value_name = "FILE", env = "OBIT_PEERS_FILE", hide_env_values = true)]
    pub(crate) peers_file: Option<PathBuf>,

    /// A file with the secret of the cluster, as written by `obit keygen FILE`. Or put the secret
    /// itself into the variable OBIT_SECRET. Without a secret or TLS the node connects on this
    /// machine only.
    #[arg(long, value_name = "FILE", env = "OBIT_SECRET_FILE", hide_env_values = true)]
    pub(crate) secret_file: Option<PathBuf>,

    /// Files with secrets that are also accepted from peers, while the cluster changes its secret.
    #[arg(skip)]
    pub(crate) also_accept_files: Option<Vec<PathBuf>>,

    /// The settings of the file that have no flag: those of the library.
    #[arg(skip)]
    #[serde(skip)]
    pub(crate) settings: toml::Table,

    /// The certificate of the cluster's own CA. With it, `--tls-cert` and `--tls-key` all
    /// connections are encrypted; all nodes need them.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_CA", hide_env_values = true)]
    pub(crate) tls_ca: Option<PathBuf>,

    /// The certificate of this node: for the DNS name LABEL.HOST if the node is LABEL@HOST.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_CERT", hide_env_values = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of this node, in a file that only its owner can open.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_KEY", hide_env_values = true)]
    pub(crate) tls_key: Option<PathBuf>,

    /// The name of the cluster, at most 64 bytes. Nodes of different clusters do not connect.
    #[arg(long, value_name = "NAME", env = "OBIT_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<String>,

    /// Whether this node is hidden from the lists of visible nodes on other nodes.
    #[arg(
        long,
        env = "OBIT_HIDDEN",
        hide_env_values = true,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = yes_or_no,
        value_name = "BOOL"
    )]
    pub(crate) hidden: Option<bool>,

    /// How soon a silent node is declared unreachable. Nodes may have different presets.
    #[arg(long, value_enum, env = "OBIT_PRESET", hide_env_values = true)]
    #[serde(deserialize_with = "choice")]
    pub(crate) preset: Option<Preset>,

    /// The socket at which this node answers `obit nodes`, `obit monitors`, `obit why` and `obit
    /// top`; by default one in $XDG_RUNTIME_DIR/obit. `run` and `agent` also read the variable
    /// OBIT_SOCKET.
    #[arg(long, value_name = "FILE")]
    pub(crate) socket: Option<PathBuf>,

    /// Serve a live page of the node (/), metrics for Prometheus (/metrics) and the node as JSON
    /// (/inspect): with a port, to this machine only; with an address, to every client that reaches
    /// it.
    #[arg(long, value_name = "PORT|IP:PORT", env = "OBIT_HTTP", hide_env_values = true)]
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) http: Option<HttpAddress>,

    /// How much the node logs on standard error; by default `warn`.
    #[arg(long, value_enum, value_name = "LEVEL", env = "OBIT_LOG", hide_env_values = true)]
    #[serde(deserialize_with = "choice")]
    pub(crate) log: Option<log::Level>,
}

/// Heartbeats for a kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Preset {
    /// After 5 s: the default.
    Normal,
    /// After 0.5 s: one rack, machines that are not overloaded.
    Fast,
    /// After 15 s: links between sites.
    Wan,
}

/// The address of a node's HTTP server. A port alone means loopback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HttpAddress(pub(crate) SocketAddr);

impl FromStr for HttpAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let port = text.parse::<u16>().map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let address = port.or_else(|_| text.parse());
        address.map(HttpAddress).map_err(|_| "neither a port nor an address like 127.0.0.1:9464")
    }
}

/// The address on which a node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ListenAddress(pub(crate) SocketAddr);

impl FromStr for ListenAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let address = text.parse().map(ListenAddress);
        address
            .map_err(|_| "write an IP address and a port, as in 127.0.0.1:7001, 0.0.0.0:7001 or [::1]:7001")
    }
}

/// Nodes to connect to, separated by white space.
#[derive(Clone, Debug)]
pub(crate) struct Specs(pub(crate) Vec<NodeSpec>);

impl FromStr for Specs {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()? {
            // Parsing the empty text as a node returns the error for it.
            specs if specs.is_empty() => text.trim().parse().map(|spec| Specs(vec![spec])),
            specs => Ok(Specs(specs)),
        }
    }
}

fn yes_or_no(text: &str) -> Result<bool, &'static str> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("write true or false"),
    }
}

impl NodeOptions {
    /// These options, with those that are not set taken from `file`.
    pub(crate) fn or(self, file: NodeOptions) -> NodeOptions {
        NodeOptions {
            config: self.config,
            node: self.node.or(file.node),
            listen: self.listen.or(file.listen),
            peers: self.peers.or(file.peers),
            peers_file: self.peers_file.or(file.peers_file),
            secret_file: self.secret_file.or(file.secret_file),
            also_accept_files: self.also_accept_files.or(file.also_accept_files),
            settings: if self.settings.is_empty() { file.settings } else { self.settings },
            tls_ca: self.tls_ca.or(file.tls_ca),
            tls_cert: self.tls_cert.or(file.tls_cert),
            tls_key: self.tls_key.or(file.tls_key),
            cluster: self.cluster.or(file.cluster),
            hidden: self.hidden.or(file.hidden),
            preset: self.preset.or(file.preset),
            socket: self.socket.or(file.socket),
            http: self.http.or(file.http),
            log: self.log.or(file.log),
        }
    }
}

/// Reads a setting from its text, as on the command line.
fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some)
}

/// Reads a setting from its text or from a number.
fn number_or_text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a port or an address with one")
        }

        fn visit_i64<E>(self, number: i64) -> Result<String, E> {
            Ok(number.to_string())
        }

        fn visit_str<E>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    parse(&deserializer.deserialize_any(Visitor)?).map(Some)
}

/// A setting that is one of a few words. An error lists these words.
fn choice<'de, D: Deserializer<'de>, T: ValueEnum>(deserializer: D) -> Result<Option<T>, D::Error> {
    struct Visitor<T>(PhantomData<T>);

    impl<T: ValueEnum> de::Visitor<'_> for Visitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
            let names: Vec<_> = names.map(|value| format!("`{}`", value.get_name())).collect();
            write!(f, "one of {}", names.join(", "))
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
            T::from_str(text, false).map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }
    }

    deserializer.deserialize_any(Visitor(PhantomData)).map(Some)
}

fn texts<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    let parse = |(at, text): (usize, &String)| {
        text.parse().map_err(|error| de::Error::custom(format!("entry {}: {error}", at + 1)))
    };
    texts.iter().enumerate().map(parse).collect::<Result<_, _>>().map(Some)
}

/// Leaves the text out of the error: it may be a secret in the wrong place.
fn parse<T: FromStr<Err: Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_means_loopback() {
        let address = |text: &str| text.parse().map(|HttpAddress(address)| address.to_string());
        assert_eq!(address("9464").unwrap(), "127.0.0.1:9464");
        assert_eq!(address("0.0.0.0:9464").unwrap(), "0.0.0.0:9464");
        assert!(address("localhost").is_err() && address("70000").is_err());
    }

    #[test]
    fn nodes_may_have_any_white_space_between_them() {
        let names = |text: &str| text.parse().map(|Specs(specs)| specs.len());
        assert_eq!(names(" a@h:1  b@h:2\n\tc@h:3\n"), Ok(3));
        assert!(names(" ").is_err() && names("a@h:1 b").is_err());
    }

    #[test]
    fn yes_and_no_have_two_spellings_each() {
        assert_eq!(["1", "TRUE", "0", "False"].map(yes_or_no), [Ok(true), Ok(true), Ok(false), Ok(false)]);
        assert!(yes_or_no("maybe").is_err());
    }
}
