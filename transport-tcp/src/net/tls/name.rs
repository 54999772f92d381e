//! The DNS name of a node in its certificate.

use std::net::IpAddr;

use refs::NodeName;
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName},
    server::ParsedCertificate,
};

use crate::net::error::tls::{NoDnsName, Problem};

/// `label.host`: a label has no dot, so the first dot separates it from the host.
pub(super) fn of(node: &NodeName) -> Result<ServerName<'static>, NoDnsName> {
    let unfit = |problem| NoDnsName { name: node.clone(), problem };
    if node.host().parse::<IpAddr>().is_ok() {
        return Err(unfit(
            "its host is an IP address; name the node by a host name, and where no resolver knows that, \
             give peers its address along (`label@host=address:port`)",
        ));
    }
    ServerName::try_from(format!("{}.{}", node.label(), node.host())).map_err(|_| {
        unfit(
            "`label.host` is no DNS name; no part of it may be longer than 63 bytes, begin or end with a \
             hyphen, nor all of it be longer than 253, and the last part must not be a number",
        )
    })
}

/// Checks that the certificate is valid for that node. Its issuer was checked before.
pub(super) fn is_borne_by(node: &NodeName, certificate: &CertificateDer<'_>) -> Result<(), Problem> {
    Ok(verify_server_name(&ParsedCertificate::try_from(certificate)?, &of(node)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dns(name: &str) -> Result<String, &'static str> {
        let name = of(&name.parse().unwrap()).map_err(|no| no.problem)?;
        Ok(name.to_str().into_owned())
    }

    #[test]
    fn label_and_host_make_a_dns_name() {
        assert_eq!(dns("a@host"), Ok("a.host".to_owned()));
        assert_eq!(dns("a@db1.example:7001"), Ok("a.db1.example".to_owned()));
        assert_eq!(dns("under_score@host"), Ok("under_score.host".to_owned()));
        assert_eq!(dns("7@localhost"), Ok("7.localhost".to_owned()));
    }

    #[test]
    fn a_name_that_no_certificate_can_contain_is_refused() {
        for ip in ["a@127.0.0.1", "a@[::1]:7", "a@10.0.0.7:7001"] {
            assert!(dns(ip).unwrap_err().contains("IP address"), "{ip}");
        }
        for unfit in ["-a@host", "a-@host", "a@host.7", "a@host-.example", "a@..", "a@h..x"] {
            assert!(dns(unfit).unwrap_err().contains("no DNS name"), "{unfit}");
        }
    }
}
