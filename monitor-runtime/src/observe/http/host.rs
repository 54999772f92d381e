//! The host that a request names.
//!
//! A hostile page can direct a browser to a loopback address by a host name of its own that
//! resolves to it (DNS rebinding). The host in the request is the only difference to a request of
//! the user.

use std::net::IpAddr;

use hyper::{Request, Version, header::HOST};

/// The host that a request names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// This machine, by a loopback address or `localhost`.
    Local,
    /// Another host, or none.
    Other,
    /// Several hosts, or none although the version of HTTP requires one.
    Unclear,
}

impl Host {
    pub(super) fn of<B>(request: &Request<B>) -> Self {
        let mut named = request.headers().get_all(HOST).iter();
        let host = match (named.next(), named.next()) {
            (Some(host), None) => host,
            (None, _) if request.version() < Version::HTTP_11 => return Host::Other,
            _ => return Host::Unclear,
        };
        // A request for a proxy names its host in the first line, too.
        let asked_of_proxy = request.uri().host().is_some_and(|host| !is_local(host));
        let local = !asked_of_proxy && host.to_str().is_ok_and(|host| is_local(without_port(host)));
        if local { Host::Local } else { Host::Other }
    }
}

fn without_port(host: &str) -> &str {
    match host.find(']') {
        Some(end) => &host[..=end],
        None => host.split(':').next().unwrap_or_default(),
    }
}

/// Whether the host is this machine. An IPv6 address is in brackets.
fn is_local(name: &str) -> bool {
    let v6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let address: Option<IpAddr> = match v6 {
        Some(v6) => v6.parse().ok().map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    };
    name.eq_ignore_ascii_case("localhost") || address.is_some_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(hosts: &[&str]) -> Host {
        let request = hosts.iter().fold(Request::builder(), |request, host| request.header(HOST, *host));
        Host::of(&request.body(()).unwrap())
    }

    #[test]
    fn only_names_of_this_machine_are_taken_for_it() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1:9464", "127.1.2.3", "[::1]:9464"] {
            assert_eq!(of(&[host]), Host::Local, "{host}");
        }
        for host in [
            "",
            "obit.test",
            "obit.test:9464",
            "127.0.0.1.obit.test",
            "10.0.0.7",
            "[::2]",
            "::1",
            "[127.0.0.1]",
        ] {
            assert_eq!(of(&[host]), Host::Other, "{host}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        assert_eq!(of(&[]), Host::Unclear);
        assert_eq!(of(&["localhost", "localhost"]), Host::Unclear);
        let old = Request::builder().version(Version::HTTP_10).body(()).unwrap();
        assert_eq!(Host::of(&old), Host::Other);
        let proxied =
            Request::builder().uri("http://obit.test/inspect").header(HOST, "localhost").body(()).unwrap();
        assert_eq!(Host::of(&proxied), Host::Other);
    }
}
