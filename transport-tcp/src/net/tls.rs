//! TLS between nodes: one CA for the cluster, one certificate for each node, the node's name in the
//! certificate.

use std::{fmt, fs::File, io::Read, path::Path, sync::Arc};

use refs::NodeName;
use rustls::{
    ClientConfig, ClientConnection, InconsistentKeys, RootCertStore, ServerConfig, ServerConnection,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::{CryptoProvider, ring},
    pki_types::{
        CertificateDer, PrivateKeyDer, UnixTime,
        pem::{self, PemObject as _},
    },
    server::{NoServerSessionStorage, WebPkiClientVerifier, danger::ClientCertVerifier},
    version::TLS13,
};
use zeroize::Zeroizing;

use crate::{net::error::tls::Problem, platform::exposing_mode};

mod error;
mod name;
mod shake;
mod tunnel;

pub use error::TlsError;
pub(crate) use shake::{accept, dial};

/// The TLS configuration of a node: the CA that all nodes of the cluster trust, and the node's own
/// certificate and key.
///
/// Both sides of every connection present a certificate issued by this CA, in TLS 1.3. A
/// certificate is valid only for the nodes that it names: the certificate of the node
/// `label@host:port` has the DNS name **`label.host`** among its subject alternative names, so that
/// of `billing@db1.example:7001` has `billing.db1.example`. The dialing node checks that it has
/// reached the node that it dialed; the accepting node checks that the peer may use the name that
/// it claims.
///
/// - Use a CA of the cluster's own. Every holder of a certificate of this CA can join.
/// - If a certificate is limited to purposes, it needs both `clientAuth` and `serverAuth`.
/// - DNS names have no ports and ignore case: nodes whose names differ only in those share a DNS
///   name, and could impersonate each other. A wildcard, `*.db1.example`, is valid for every node
///   of that host.
/// - Nodes must be named by host names, not by IP addresses. If the resolver does not resolve them,
///   add the address: `TcpConfig::peer("b@db2.example=10.0.0.8:7001".parse()?)`.
/// - Labels and the parts of a host may not begin or end with a hyphen. Underscores are fine.
/// - Received bytes count for the heartbeat once a whole TLS record, at most 16 KiB, has arrived:
///   on a connection that needs longer for a record than the heartbeat's timeout, sessions end.
/// - Revocation is not checked: issue certificates with a short validity instead. They are read
///   once, at start. An existing session continues when its certificate expires; new ones are
///   refused.
///
/// # Set-up
/// With OpenSSL 3, once for the cluster:
/// ```text
/// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
///     -subj "/CN=obit cluster" -keyout ca.key -out ca.pem
/// ```
/// and for each node, here `billing@db1.example`:
/// ```text
/// openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 \
///     -subj "/CN=billing" -addext "subjectAltName=DNS:billing.db1.example" \
///     -addext "basicConstraints=critical,CA:FALSE" -CA ca.pem -CAkey ca.key -keyout node.key -out node.pem
/// chmod 600 node.key
/// ```
/// The node needs `ca.pem`, `node.pem` and `node.key`; keep `ca.key` elsewhere.
///
/// ```no_run
/// # use transport_tcp::{TcpConfig, Tls};
/// let config = TcpConfig::new().tls(Tls::from_pem_files("ca.pem", "node.pem", "node.key")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    as_server: Arc<WebPkiServerVerifier>,
    as_client: Arc<dyn ClientCertVerifier>,
    /// The node's own certificate, and the intermediate ones between it and the CA.
    chain: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// Maximum size of each of the three files in bytes.
    pub const MAX_LEN: usize = 1 << 20;

    /// Reads the certificates of the trusted CAs, the node's own certificate, followed by any
    /// intermediate certificates, and its private key (PKCS #8, SEC 1 or PKCS #1), all of them PEM.
    ///
    /// Outside Unix the mode of the key's file is not checked.
    ///
    /// # Errors
    /// [`TlsError::File`] if a file cannot be read; [`TlsError::Exposed`] if the mode of the key's
    /// file gives its group or others any permission (on Unix); and those of [`Tls::from_pem`].
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (ca, certificate) = (read(ca.as_ref(), Access::Any)?, read(certificate.as_ref(), Access::Any)?);
        Self::from_pem(&ca, &certificate, &read(key.as_ref(), Access::OwnerOnly)?)
    }

    /// As [`Tls::from_pem_files`], from the contents of the files.
    ///
    /// # Errors
    /// [`TlsError::Pem`] if an argument is not PEM or has the wrong content,
    /// [`TlsError::KeyMismatch`] if the certificate is of another key, [`TlsError::Unusable`] if
    /// TLS rejects them.
    pub fn from_pem(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for root in certificates("CA", ca)? {
            roots.add(root).map_err(|error| pem_error("CA", error))?;
        }
        let roots = Arc::new(roots);
        let chain = certificates("certificate", certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| pem_error("key", error))?;
        let as_server = WebPkiServerVerifier::builder_with_provider(roots.clone(), provider.clone());
        let as_server =
            as_server.build().map_err(|error| TlsError::Unusable { reason: error.to_string() })?;
        // Unauthenticated peers need not learn the name of the CA.
        let as_client = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let as_client = as_client.clear_root_hint_subjects().build();
        let as_client = as_client.map_err(|error| TlsError::Unusable { reason: error.to_string() })?;
        let client = client_config(&provider, &as_server, &chain, key.clone_key()).map_err(unusable)?;
        let server = server_config(&provider, &as_client, &chain, key).map_err(unusable)?;
        Ok(Tls { client: Arc::new(client), server: Arc::new(server), as_server, as_client, chain })
    }

    /// Checks that peers accept this certificate for that node: a certificate that every peer would
    /// refuse is reported at start.
    pub(crate) fn check(&self, own: &NodeName) -> Result<(), TlsError> {
        let name = name::of(own)?;
        let (own, between) = self.chain.split_first().expect("a key fits a certificate: there is one");
        let now = UnixTime::now();
        let as_server = self.as_server.verify_server_cert(own, between, &name, &[], now).map(drop);
        let as_client = || self.as_client.verify_client_cert(own, between, now).map(drop);
        let refused = |error| TlsError::Refused { reason: Problem::from(error).to_string() };
        as_server.and_then(|()| as_client()).map_err(refused)
    }

    /// A connection to that node, on which nothing was sent yet.
    fn dialed(&self, to: &NodeName) -> Result<rustls::Connection, Problem> {
        Ok(ClientConnection::new(self.client.clone(), name::of(to)?)?.into())
    }

    /// A connection of a peer that dialed, on which nothing was sent yet.
    fn accepted(&self) -> Result<rustls::Connection, Problem> {
        Ok(ServerConnection::new(self.server.clone())?.into())
    }
}

/// Checks that a certificate can contain the name of that node.
pub(crate) fn can_name(node: &NodeName) -> Result<(), TlsError> {
    Ok(name::of(node).map(drop)?)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

// Every connection is authenticated anew: neither side resumes sessions.

fn client_config(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<WebPkiServerVerifier>,
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let builder = builder.with_webpki_verifier(verifier.clone());
    let mut config = builder.with_client_auth_cert(chain.to_vec(), key)?;
    config.resumption = Resumption::disabled();
    // A node has one certificate, and an eavesdropper need not learn which node is dialed.
    config.enable_sni = false;
    Ok(config)
}

fn server_config(
    provider: &Arc<CryptoProvider>,
    verifier: &Arc<dyn ClientCertVerifier>,
    chain: &[CertificateDer<'static>],
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let builder = builder.with_client_cert_verifier(verifier.clone());
    let mut config = builder.with_single_cert(chain.to_vec(), key)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

fn unusable(error: rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::KeyMismatch,
        other => TlsError::Unusable { reason: other.to_string() },
    }
}

fn certificates(what: &'static str, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, pem::Error>>();
    match found.map_err(|error| pem_error(what, error))? {
        found if found.is_empty() => Err(pem_error(what, "there is no certificate in it")),
        found => Ok(found),
    }
}

fn pem_error(what: &'static str, problem: impl fmt::Display) -> TlsError {
    TlsError::Pem { what, problem: problem.to_string() }
}

/// The users that may be able to open a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Any,
    OwnerOnly,
}

fn read(path: &Path, access: Access) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let failed = |cause| TlsError::File { path: path.to_owned(), cause };
    let file = File::open(path).map_err(failed)?;
    let exposed = if access == Access::OwnerOnly { exposing_mode(&file).map_err(failed)? } else { None };
    if let Some(mode) = exposed {
        return Err(TlsError::Exposed { path: path.to_owned(), mode });
    }
    let len = file.metadata().map_err(failed)?.len();
    if len > Tls::MAX_LEN as u64 {
        let cause = std::io::Error::other("it has more than 1 MiB: is it the right file?");
        return Err(failed(cause));
    }
    // The buffer has its full capacity from the start: growing it would leave copies of a key in
    // memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len as usize + 1));
    file.take(Tls::MAX_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
