//! TLS between nodes: one CA of their own, a certificate a node, the node's name in the
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

use crate::platform::exposing_mode;

mod error;
mod name;
mod problem;
mod shake;
mod tunnel;

pub use error::TlsError;
pub(crate) use problem::Problem;
pub(crate) use shake::{accept, dial};

/// What a node needs to speak TLS with the other nodes of its cluster: the CA they all trust, and a
/// certificate and key of its own.
///
/// Both sides of every connection show a certificate that this CA has issued, in TLS 1.3, and a
/// certificate speaks for the nodes it names alone: the node `label@host:port` bears the DNS name
/// **`label.host`** among its subject alternative names. So `billing@db1.example:7001` has
/// `billing.db1.example`. Whoever dials checks that it has reached the node it looked for; whoever
/// accepts, that the newcomer may bear the name it claims.
///
/// - Use a CA of the cluster's own. Whatever it issues a certificate to can join.
/// - A certificate may be limited to purposes; then it needs both `clientAuth` and `serverAuth`.
/// - DNS names know neither ports nor capitals: nodes whose names differ in those alone share a
///   name here, and could speak for each other. A wildcard, `*.db1.example`, speaks for every node
///   of that host.
/// - Nodes must be named by host names, not by IP addresses. Where the resolver does not know them,
///   give the address along: `TcpConfig::peer("b@db2.example=10.0.0.8:7001".parse()?)`.
/// - Labels and the parts of a host may not begin or end with a hyphen. Underscores are fine.
/// - What counts as a sign of life is a whole record of TLS, at most 16 KiB: on a connection that
///   takes longer for that than the heartbeat's timeout, sessions end.
/// - Nothing is asked about revoked certificates: let them live for a short time instead. They are
///   read once, at start. A session that stands outlives its certificate; new ones are refused.
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
/// let config = TcpConfig::new("billing@db1.example:7001".parse()?)
///     .tls(Tls::from_pem_files("ca.pem", "node.pem", "node.key")?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tls {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    as_server: Arc<WebPkiServerVerifier>,
    as_client: Arc<dyn ClientCertVerifier>,
    /// The own certificate, and those between it and the CA.
    chain: Vec<CertificateDer<'static>>,
}

impl Tls {
    /// The most bytes that each of the three files may have.
    pub const MAX_LEN: usize = 1 << 20;

    /// Reads the certificates of the trusted CAs, the node's own certificate, followed by any
    /// intermediate certificates, and its private key (PKCS #8, SEC 1 or PKCS #1), all of them PEM.
    ///
    /// Outside Unix the mode of the key's file is not checked.
    ///
    /// # Errors
    /// [`TlsError::File`] if a file cannot be read; [`TlsError::Exposed`] if the mode of the key's
    /// file lets its group or others do anything with it (on Unix); and those of [`Tls::from_pem`].
    pub fn from_pem_files(
        ca: impl AsRef<Path>,
        certificate: impl AsRef<Path>,
        key: impl AsRef<Path>,
    ) -> Result<Self, TlsError> {
        let (ca, certificate) = (read(ca.as_ref(), Access::Any)?, read(certificate.as_ref(), Access::Any)?);
        Self::from_pem(&ca, &certificate, &read(key.as_ref(), Access::OwnerOnly)?)
    }

    /// As [`Tls::from_pem_files`], of what the files would hold.
    ///
    /// # Errors
    /// [`TlsError::Pem`] if something is no PEM or not what it should be, [`TlsError::KeyMismatch`]
    /// if the certificate is of another key, [`TlsError::Unusable`] if no TLS can be made of them.
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
        // Unauthenticated peers need not know the name of the CA.
        let as_client = WebPkiClientVerifier::builder_with_provider(roots, provider.clone());
        let as_client = as_client.clear_root_hint_subjects().build();
        let as_client = as_client.map_err(|error| TlsError::Unusable { reason: error.to_string() })?;
        let client = client_config(&provider, &as_server, &chain, key.clone_key()).map_err(unusable)?;
        let server = server_config(&provider, &as_client, &chain, key).map_err(unusable)?;
        Ok(Tls { client: Arc::new(client), server: Arc::new(server), as_server, as_client, chain })
    }

    /// Whether the node of that name will be believed with this certificate: what every peer would
    /// refuse is better said at start.
    pub(crate) fn check(&self, own: &NodeName) -> Result<(), TlsError> {
        let name = name::of(own)?;
        let (own, between) = self.chain.split_first().expect("a key fits a certificate: there is one");
        let now = UnixTime::now();
        let as_server = self.as_server.verify_server_cert(own, between, &name, &[], now).map(drop);
        let as_client = || self.as_client.verify_client_cert(own, between, now).map(drop);
        let refused = |error| TlsError::Refused { reason: Problem::from(error).to_string() };
        as_server.and_then(|()| as_client()).map_err(refused)
    }

    /// A connection to the node of that name, on which nothing was sent yet.
    fn dialed(&self, to: &NodeName) -> Result<rustls::Connection, Problem> {
        Ok(ClientConnection::new(self.client.clone(), name::of(to)?)?.into())
    }

    /// A connection from a node that has dialed, on which nothing was sent yet.
    fn accepted(&self) -> Result<rustls::Connection, Problem> {
        Ok(ServerConnection::new(self.server.clone())?.into())
    }
}

/// Whether a certificate can bear the name of that node.
pub(crate) fn can_name(node: &NodeName) -> Result<(), TlsError> {
    Ok(name::of(node).map(drop)?)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls(..)")
    }
}

// Every connection is authenticated anew: no session is resumed at either side.

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
    // A node has one certificate; a listener on the path need not hear whom we look for.
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
        none if none.is_empty() => Err(pem_error(what, "there is no certificate in it")),
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
    // All the room it needs: a buffer that grows would leave copies of a key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(len as usize + 1));
    file.take(Tls::MAX_LEN as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}
