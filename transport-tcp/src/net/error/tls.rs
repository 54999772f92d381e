//! The reasons why TLS with a peer failed, in words that say what to do.

use refs::NodeName;
use rustls::{AlertDescription, CertificateError, Error, PeerIncompatible};
use thiserror::Error;

/// See the [module](self). "The certificate" is the peer's, unless the text says otherwise.
#[derive(Debug, Error)]
pub(crate) enum Problem {
    #[error("the certificate is of none of the configured CAs; all nodes need one CA")]
    WrongCa,
    #[error("the certificate has expired; issue a new one, or correct the clocks")]
    Expired,
    #[error("the certificate is not valid yet; correct the clocks, or wait")]
    NotYetValid,
    #[error("the certificate is not for {expected} but for {presented}; issue one with that DNS name")]
    WrongName { expected: String, presented: String },
    #[error("the certificate may not be used for this; allow both clientAuth and serverAuth")]
    WrongPurpose,
    #[error("the certificate is bad: {0:?}")]
    BadCertificate(CertificateError),
    #[error("no certificate was presented; configure one at the other end")]
    NoCertificate,
    #[error("the other end does not speak TLS; configure it on both ends")]
    NotTls,
    #[error("the other end does not speak TLS 1.3, or not with these keys: {0:?}")]
    Incompatible(PeerIncompatible),
    #[error("refused by the other end: {}", alert_text(*.0))]
    Alert(AlertDescription),
    #[error(transparent)]
    Name(#[from] NoDnsName),
    #[error("{0}")]
    Other(Error),
}

/// A node whose name no certificate can contain.
#[derive(Debug, Error)]
#[error("{name} cannot stand in a certificate: {problem}")]
pub(crate) struct NoDnsName {
    pub(crate) name: NodeName,
    /// The reason, and how to correct it.
    pub(crate) problem: &'static str,
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidCertificate(error) => certificate(error),
            Error::NoCertificatesPresented => Problem::NoCertificate,
            Error::InvalidMessage(_) => Problem::NotTls,
            Error::PeerIncompatible(why) => Problem::Incompatible(why),
            Error::AlertReceived(alert) => Problem::Alert(alert),
            other => Problem::Other(other),
        }
    }
}

fn certificate(error: CertificateError) -> Problem {
    use CertificateError as E;
    match error {
        // A CA of the same name with another key is another CA.
        E::UnknownIssuer | E::BadSignature => Problem::WrongCa,
        E::Expired | E::ExpiredContext { .. } => Problem::Expired,
        E::NotValidYet | E::NotValidYetContext { .. } => Problem::NotYetValid,
        E::NotValidForNameContext { expected, presented } => Problem::WrongName {
            expected: expected.to_str().into_owned(),
            presented: if presented.is_empty() { "no name".to_owned() } else { presented.join(", ") },
        },
        E::InvalidPurpose | E::InvalidPurposeContext { .. } => Problem::WrongPurpose,
        other => Problem::BadCertificate(other),
    }
}

/// The meaning of an alert that the peer sent.
fn alert_text(alert: AlertDescription) -> String {
    use AlertDescription as A;
    let means = match alert {
        A::UnknownCA => "our certificate is of none of its CAs; all nodes need one CA",
        A::CertificateExpired => "our certificate is not valid now; look at its dates, and at both clocks",
        A::CertificateRequired => "it received no certificate of ours",
        A::ProtocolVersion => "it does not speak TLS 1.3; is TLS configured there?",
        A::BadCertificate => "our certificate is not for the name that it dialed, or it cannot read it",
        A::UnsupportedCertificate => "our certificate may not be used for this",
        A::DecryptError => "our certificate is not signed by its CA",
        _ => return format!("{alert:?}; its log says more"),
    };
    means.to_owned()
}
