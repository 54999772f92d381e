//! What can be said about a node: by flags, by the environment and in a file, in the same words.

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

/// What is common to all commands that begin a node. A flag wins over its variable, and both over
/// the file.
#[derive(Args, Deserialize, Debug, Default)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "The node")]
pub(crate) struct NodeOptions {
    /// A TOML file with any of these settings: `node = "a@host:7001"`, `peers = ["b@host:7001"]`, …
    #[arg(long, value_name = "FILE", env = "OBIT_CONFIG", hide_env_values = true)]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

    /// The name of this node, which must be its alone.
    #[arg(long, value_name = "LABEL@HOST[:PORT]", env = "OBIT_NODE", hide_env_values = true)]
    #[serde(deserialize_with = "text")]
    pub(crate) node: Option<NodeName>,

    /// Where to listen; by default where the name leads to. Port 0 takes any that is free.
    #[arg(long, value_name = "IP:PORT", env = "OBIT_LISTEN", hide_env_values = true)]
    #[serde(deserialize_with = "text")]
    pub(crate) listen: Option<ListenAddress>,

    /// A node to connect to, and to reconnect to whenever it is lost. May be given several times.
    #[arg(long = "peer", value_name = "NODE[=ADDRESS]", env = "OBIT_PEERS", hide_env_values = true)]
    #[serde(deserialize_with = "texts")]
    pub(crate) peers: Option<Vec<Specs>>,

    /// A file with such nodes, one a line, that is looked at again and again.
    #[arg(long, value_name = "FILE", env = "OBIT_PEERS_FILE", hide_env_values = true)]
    pub(crate) peers_file: Option<PathBuf>,

    /// The secret of the cluster: `obit keygen FILE` makes one. Or put the secret itself into the
    /// variable OBIT_SECRET. Without a secret or TLS only this machine can be reached.
    #[arg(long, value_name = "FILE", env = "OBIT_SECRET_FILE", hide_env_values = true)]
    pub(crate) secret_file: Option<PathBuf>,

    /// The certificate of the cluster's own CA. With it, `--tls-cert` and `--tls-key` all
    /// connections are encrypted; all nodes need them.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_CA", hide_env_values = true)]
    pub(crate) tls_ca: Option<PathBuf>,

    /// The certificate of this node: for the DNS name LABEL.HOST if the node is LABEL@HOST.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_CERT", hide_env_values = true)]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key to that, in a file that only its owner can open.
    #[arg(long, value_name = "FILE", env = "OBIT_TLS_KEY", hide_env_values = true)]
    pub(crate) tls_key: Option<PathBuf>,

    /// Which cluster this is, in at most 64 bytes: nodes of different clusters do not connect.
    #[arg(long, value_name = "NAME", env = "OBIT_CLUSTER", hide_env_values = true)]
    pub(crate) cluster: Option<String>,

    /// Whether the other nodes count this one among the hidden ones.
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

    /// How soon a silent node is given up; alike on all nodes.
    #[arg(long, value_enum, env = "OBIT_PRESET", hide_env_values = true)]
    #[serde(deserialize_with = "choice")]
    pub(crate) preset: Option<Preset>,

    /// Where `obit nodes`, `obit monitors`, `obit why` and `obit top` ask this node; by default a
    /// socket in $XDG_RUNTIME_DIR/obit. `run` and `agent` take it from the variable OBIT_SOCKET,
    /// too.
    #[arg(long, value_name = "FILE")]
    pub(crate) socket: Option<PathBuf>,

    /// Show a page with the node live (/), metrics for Prometheus (/metrics) and the node as JSON
    /// (/inspect) at this port, to this machine only; or at this address, to everybody who reaches
    /// it.
    #[arg(long, value_name = "PORT|IP:PORT", env = "OBIT_HTTP", hide_env_values = true)]
    #[serde(deserialize_with = "number_or_text")]
    pub(crate) http: Option<HttpAddress>,

    /// How much the node says of itself on standard error; `warn` if nothing is said.
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

/// Where a node is shown over HTTP: on loopback unless told otherwise.
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

/// Where a node listens.
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

/// Nodes to connect to, with any white space between them.
#[derive(Clone, Debug)]
pub(crate) struct Specs(pub(crate) Vec<NodeSpec>);

impl FromStr for Specs {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_whitespace().map(str::parse).collect::<Result<Vec<_>, _>>()? {
            // What is empty is no node; its own error says so.
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
    /// These, and what they leave open from `file`.
    pub(crate) fn or(self, file: NodeOptions) -> NodeOptions {
        NodeOptions {
            config: self.config,
            node: self.node.or(file.node),
            listen: self.listen.or(file.listen),
            peers: self.peers.or(file.peers),
            peers_file: self.peers_file.or(file.peers_file),
            secret_file: self.secret_file.or(file.secret_file),
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

/// A setting that is read from its text, as on the command line.
fn text<'de, D: Deserializer<'de>, T: FromStr<Err: Display>>(deserializer: D) -> Result<Option<T>, D::Error> {
    parse(&String::deserialize(deserializer)?).map(Some)
}

/// A setting that is read from its text, or is a number.
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

/// A setting that is one of a few words. An error lists them, whatever stands in their place.
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

/// The text itself is not in the error: it may be a secret in the wrong place.
fn parse<T: FromStr<Err: Display>, E: de::Error>(text: &str) -> Result<T, E> {
    text.parse().map_err(E::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
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
