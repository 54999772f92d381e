//! Makes the configuration of a node from flags, environment variables and a file.

use std::{
    env,
    ffi::OsString,
    fmt::Display,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use monitor_runtime::{
    Config, Node, NodeName, Secret, SecretError, StartError, TcpStartError, Tls, control, http,
};

use crate::{
    failure::{Context, Failure, Result, full_text},
    limits, log,
    options::{HttpAddress, ListenAddress, NodeOptions, Preset, Specs},
    redaction,
};

mod file;

/// The environment variable that may hold the secret itself.
pub(crate) const SECRET: &str = "OBIT_SECRET";

/// The environment variable that may name the control socket of a node. If it is exported, it is
/// meant for one node and for the commands that ask this node.
const SOCKET: &str = "OBIT_SOCKET";

/// Number of `Down`s that a node keeps for `obit why`.
const MAX_HISTORY: usize = 4096;

/// Decides the defaults for settings that were not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A node to which other nodes connect: it needs a name that they know.
    Member,
    /// A short-lived node to which no other node connects.
    Visitor,
}

/// A node that can be started.
pub(crate) struct Prepared {
    pub(crate) config: Config,
    /// The path of its control socket.
    socket: Option<PathBuf>,
    /// The address of its HTTP server.
    http: Option<SocketAddr>,
}

/// A running node with its control socket and HTTP server.
pub(crate) struct Started {
    pub(crate) node: Node,
    _served: (Option<control::Served>, Option<http::Served>),
}

/// Combines flags, environment and file, and starts the log.
pub(crate) fn prepare(options: NodeOptions, role: Role) -> Result<Prepared> {
    let secret = secret(&options)?;
    let mut options = options;
    if role == Role::Member {
        options.socket = options.socket.or_else(|| variable(SOCKET).map(PathBuf::from));
    }
    refuse_possible_secret("--config", options.config.as_ref())?;
    let options = match options.config.clone() {
        Some(file) => options.or(read(&file)?),
        None => options,
    };
    for (flag, file) in [
        ("--secret-file", &options.secret_file),
        ("--peers-file", &options.peers_file),
        ("--tls-ca", &options.tls_ca),
        ("--tls-cert", &options.tls_cert),
        ("--tls-key", &options.tls_key),
    ] {
        refuse_possible_secret(flag, file.as_ref())?;
    }
    // A visitor dials an unreachable node repeatedly only because of `--wait`, and reports that
    // itself.
    log::start(options.log.unwrap_or_default(), role == Role::Visitor);
    let secret = match (secret, &options.secret_file) {
        (None, Some(file)) => {
            Some(Secret::from_file(file).map_err(|error| bad_secret(error, file.display()))?)
        }
        (secret, _) => secret,
    };
    let socket = options.socket.clone();
    let http = options.http.map(|HttpAddress(address)| address);
    Ok(Prepared { config: node(options, secret, role)?, socket, http })
}

/// The secret that flags or environment name. The configuration file counts only if they name none.
fn secret(options: &NodeOptions) -> Result<Option<Secret>> {
    match &options.secret_file {
        Some(_) => Ok(None),
        None if variable(SECRET).is_some() => {
            let secret = Secret::from_env(SECRET);
            Ok(Some(secret.map_err(|error| bad_secret(error, format_args!("the variable {SECRET}")))?))
        }
        None => Ok(None),
    }
}

/// The value of a variable; `None` if it is not set or is empty.
fn variable(name: &str) -> Option<OsString> {
    env::var_os(name).filter(|value| !value.is_empty())
}

/// The error for a wrong secret, with the source of the secret.
fn bad_secret(error: SecretError, source: impl Display) -> Failure {
    match error {
        SecretError::TooShort { .. } | SecretError::TooLong { .. } => {
            Failure::new(format!("{source}: {error}"))
        }
        // The texts of the other errors name the source.
        error => error.into(),
    }
}

/// Reads a file of settings. Paths in it are relative to its directory.
fn read(path: &Path) -> Result<NodeOptions> {
    let mut options = file::read(path)?;
    let directory = path.parent().unwrap_or(Path::new(""));
    for path in [
        &mut options.peers_file,
        &mut options.secret_file,
        &mut options.tls_ca,
        &mut options.tls_cert,
        &mut options.tls_key,
        &mut options.socket,
    ] {
        *path = path.take().map(|relative| directory.join(relative));
    }
    for path in options.also_accept_files.iter_mut().flatten() {
        *path = directory.join(&path);
    }
    Ok(options)
}

/// Refuses a long path at which there is no file, without showing it: the path may be a secret in
/// the wrong place.
fn refuse_possible_secret(flag: &str, path: Option<&PathBuf>) -> Result<()> {
    let is_missing = |path: &&PathBuf| matches!(path.try_exists(), Ok(false) | Err(_));
    let may_be_secret = |path: &&PathBuf| redaction::path_may_be_secret(path);
    match path.filter(may_be_secret).filter(is_missing) {
        Some(_) => Err(Failure::new(format!(
            "{flag}: there is no such file; its name is not shown because it may be the secret itself"
        ))),
        None => Ok(()),
    }
}

fn node(options: NodeOptions, secret: Option<Secret>, role: Role) -> Result<Config> {
    if options.cluster.as_deref().is_some_and(redaction::is_key) {
        return Err(Failure::new(KEY_AS_CLUSTER));
    }
    let tls = tls(&options)?;
    let visits = role == Role::Visitor;
    let name = match options.node {
        Some(name) => name,
        None if tls.is_some() => return Err(Failure::new(NO_NAME_FOR_TLS)),
        None if visits => visitor_name()?,
        None => return Err(Failure::new(NO_NAME)),
    };
    let has_address = name.port().is_some();
    let config = Config::new(name).max_history(MAX_HISTORY).read(options.settings);
    // Each setting was read before, when its line was known.
    let config = config.map_err(|_| Failure::new("a setting of the file is out of its range"))?;
    let mut config = config.hidden(options.hidden.unwrap_or(visits));
    let mut also_accept = Vec::new();
    for file in options.also_accept_files.into_iter().flatten() {
        refuse_possible_secret("also_accept_files", Some(&file))?;
        also_accept.push(Secret::from_file(&file).map_err(|error| bad_secret(error, file.display()))?);
    }
    config = config.also_accept(also_accept);
    if let Some(ListenAddress(address)) = options.listen {
        config = config.listen(address);
    } else if visits && !has_address {
        // No node dials a visitor: it dials the nodes of its targets.
        config = config.listen(([127, 0, 0, 1], 0).into());
    }
    if let Some(file) = options.peers_file {
        config = config.tcp(|tcp| tcp.peers_file(file));
    }
    if let Some(tls) = tls {
        config = config.tls(tls);
    }
    if let Some(secret) = secret {
        config = config.secret(secret);
    }
    let peers = options.peers.into_iter().flatten().flat_map(|Specs(specs)| specs);
    config = config.peers(peers).cluster(options.cluster.unwrap_or_default());
    Ok(match options.preset {
        None | Some(Preset::Normal) => config,
        Some(Preset::Fast) => config.fast(),
        Some(Preset::Wan) => config.wan(),
    })
}

const NO_NAME_FOR_TLS: &str = "with TLS the name of a node is the one in its certificate: give it by --node";

const KEY_AS_CLUSTER: &str = "--cluster: the name of the cluster looks like its secret, and nodes send names over the network in the \
    clear; choose a short name, and put the secret into a file for `--secret-file`";

const NO_NAME: &str = "the node has no name; give it one that the other nodes know, as in `--node a@10.0.0.7:7001`, in the \
    variable OBIT_NODE, or as `node` in the file of `--config`";

impl Prepared {
    /// Starts the node, its control socket and its HTTP server.
    pub(crate) async fn start(self) -> Result<Started> {
        let node = start(self.config).await?;
        let served = match self.socket {
            Some(socket) => Some(
                control::serve(&node, &socket)
                    .context(|| format!("cannot listen at {}", socket.display()))
                    .map_err(|failure| failure.without_path("--socket", &socket))?,
            ),
            None => serve_at_default(&node),
        };
        let http = self.http.map(|address| serve_http(&node, address)).transpose()?;
        Ok(Started { node, _served: (served, http) })
    }
}

fn serve_http(node: &Node, address: SocketAddr) -> Result<http::Served> {
    let served = http::serve(node, address).context(|| format!("cannot listen for HTTP at {address}"))?;
    let address = served.local_addr();
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "every client that reaches this address can read the monitors of this node");
    }
    tracing::info!(url = %format_args!("http://{address}/"), "shown over HTTP");
    Ok(served)
}

/// Opens the default control socket. A failure is logged only: the node works without the socket.
fn serve_at_default(node: &Node) -> Option<control::Served> {
    let socket = control::default_socket(node)?;
    control::serve(node, &socket)
        .inspect_err(|error| tracing::warn!(socket = %socket.display(), %error, "this node cannot be asked"))
        .ok()
}

/// Starts a node. Errors in its settings name the flags of the command line.
async fn start(config: Config) -> Result<Node> {
    Node::start(config).await.map_err(|error| match error {
        StartError::Tcp(TcpStartError::NoSecret { address }) => Failure::new(format!(
            "without a secret every program that reaches {address} could join; make one by `obit keygen cluster.key`, give it to all \
             nodes by `--secret-file cluster.key`, or listen on a loopback address"
        )),
        StartError::Tcp(TcpStartError::Listen { address, cause }) if limits::advice(&cause).is_some() => {
            Failure::new(format!("cannot listen on {address}: {}", limits::explained(&cause)))
        }
        StartError::Thread(error) => {
            Failure::new(format!("cannot start the thread of the node: {}", limits::explained(&error)))
        }
        error => Failure::new(format!("cannot start the node: {}", full_text(&error))),
    })
}

fn tls(options: &NodeOptions) -> Result<Option<Tls>> {
    match (&options.tls_ca, &options.tls_cert, &options.tls_key) {
        (None, None, None) => Ok(None),
        (Some(ca), Some(certificate), Some(key)) => Ok(Some(Tls::from_pem_files(ca, certificate, key)?)),
        _ => Err(Failure::new("TLS needs all of --tls-ca, --tls-cert and --tls-key, or none of them")),
    }
}

/// A random name that no other node of the cluster has.
fn visitor_name() -> Result<NodeName> {
    let random = getrandom::u64().context(|| "no random numbers".to_owned())?;
    Ok(format!("visitor-{random:016x}@localhost").parse()?)
}
