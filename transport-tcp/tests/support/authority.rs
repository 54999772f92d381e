//! Certificates, generated for each test run.

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConfig, ServerConnection,
    client::WebPkiServerVerifier,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use std::sync::Arc;
use transport_tcp::{Tls, TlsError};

/// A CA.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// The credentials of a node, each as PEM.
#[derive(Clone)]
pub struct Card {
    pub ca: String,
    pub certificate: String,
    pub key: String,
}

impl Authority {
    /// A new CA; a second CA of the same name is a different one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: Issuer::new(params, key) }
    }

    /// The CA's own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Credentials with those DNS names.
    pub fn issue(&self, names: &[&str]) -> Card {
        self.issue_as(names, |_| {})
    }

    pub fn issue_expired(&self, names: &[&str]) -> Card {
        self.issue_as(names, |params| params.not_after = rcgen::date_time_ymd(2001, 1, 1))
    }

    pub fn issue_for_later(&self, names: &[&str]) -> Card {
        self.issue_as(names, |params| params.not_before = rcgen::date_time_ymd(4000, 1, 1))
    }

    pub fn issue_for(&self, purpose: ExtendedKeyUsagePurpose, names: &[&str]) -> Card {
        self.issue_as(names, |params| params.extended_key_usages = vec![purpose])
    }

    fn issue_as(&self, names: &[&str], set: impl FnOnce(&mut CertificateParams)) -> Card {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        set(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Card { ca: self.pem.clone(), certificate, key: key.serialize_pem() }
    }
}

impl Card {
    /// The same credentials, with trust in another CA.
    pub fn trusting(self, authority: &Authority) -> Self {
        Card { ca: authority.pem.clone(), ..self }
    }

    pub fn tls(&self) -> Tls {
        self.try_tls().unwrap()
    }

    pub fn try_tls(&self) -> Result<Tls, TlsError> {
        Tls::from_pem(self.ca.as_bytes(), self.certificate.as_bytes(), self.key.as_bytes())
    }

    /// A TLS client that is not a node, with these credentials or with none.
    pub fn client(&self, to: &str, shows_certificate: bool) -> Connection {
        let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let verifier = WebPkiServerVerifier::builder_with_provider(
            self.roots(),
            Arc::new(rustls::crypto::ring::default_provider()),
        );
        let builder = builder.with_webpki_verifier(verifier.build().unwrap());
        let config = if shows_certificate {
            builder.with_client_auth_cert(self.chain(), self.private_key()).unwrap()
        } else {
            builder.with_no_client_auth()
        };
        let to = ServerName::try_from(to.to_owned()).unwrap();
        ClientConnection::new(Arc::new(config), to).unwrap().into()
    }

    /// A TLS server that is not a node.
    pub fn server(&self) -> Connection {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(self.roots(), provider.clone());
        let builder = ServerConfig::builder_with_provider(provider);
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let builder = builder.with_client_cert_verifier(verifier.build().unwrap());
        let config = builder.with_single_cert(self.chain(), self.private_key()).unwrap();
        ServerConnection::new(Arc::new(config)).unwrap().into()
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.ca.as_bytes()).unwrap()).unwrap();
        Arc::new(roots)
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}
