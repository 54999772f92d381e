//! Inspecting a node over HTTP: metrics for Prometheus, and its state as JSON.
//!
//! | path | is |
//! |---|---|
//! | `/` | a page for people, which shows the data of `/inspect` and refreshes itself |
//! | `/metrics` | every gauge and counter of the node, in the text format of Prometheus |
//! | `/inspect` | the node and its peers, who watches whom, the last `Down`s and why, as JSON: at most 1,000 peers, 1,000 monitors of each kind and 1,000 `Down`s, or fewer, as in `/inspect?monitors=100&downs=20` |
//!
//! ```
//! use monitor_runtime::{Config, Node, http};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let node = Node::with_service(Config::new("a@local"), Network::new().join("a@local".parse()?))?;
//! let served = http::serve(&node, "127.0.0.1:0".parse()?)?; // until it is dropped
//! println!("curl http://{}/metrics", served.local_addr());
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```
//!
//! Fixed limits: at most 128 clients are connected at once, and at most 16 of them are served; the
//! others wait. A client has 2 s to send its request and 10 s to read the response. The head of a
//! request has at most 16 KiB, a response at most 16 MiB.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Weak},
};

use futures::future::{AbortHandle, Abortable};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use smol::net::TcpStream;
use smol_hyper::rt::FuturesIo;

use crate::{
    engine::state::Inner,
    node::Node,
    observe::{
        connection_limit::{self, Client},
        control::{Extent, Snapshot, bounded},
    },
    records::log,
    tasks::kinds,
};

mod host;
mod metrics;
mod page;
mod site;

use host::Host;

/// The open port of a node. Dropping this closes the port, and does not stop the node.
#[derive(Debug)]
#[must_use = "the port is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    local_addr: SocketAddr,
}

/// Maximum length of the head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// Maximum extent of a response.
const MAX_SHOWN: Extent = Extent { monitors: 1000, downs: 1000, peers: 1000 };
/// Maximum length of a response, in bytes.
const MAX_RESPONSE: usize = 16 << 20;

/// Answers `GET` requests at that address, on the node's own threads. With port 0 the system
/// chooses a free one.
///
/// **There is neither encryption nor a password**: every client that reaches the address can read
/// all monitors of the node, and can cause the load of 16 concurrent requests. A loopback address
/// is reachable from this machine only. A request that names another host at a loopback address,
/// which a hostile page can make a browser send, gets the status 421. A request whose
/// `Sec-Fetch-Site` names another site gets 403, unless a user has followed a link to the page `/`.
/// No other site may embed a response (`Cross-Origin-Resource-Policy`), and a window that another
/// site has opened is isolated from that site (`Cross-Origin-Opener-Policy`).
///
/// A connection serves one request. Its head has at most 16 KiB and arrives within 2 s; the
/// response has at most 16 MiB and is read within 10 s. While 128 clients are connected, a new
/// client replaces the one that has been connected the longest without a request, if that is 250 ms
/// or more. A client that has sent its request is not replaced.
///
/// # Errors
/// The error of the system if it cannot listen at the address.
pub fn serve(node: &Node, address: SocketAddr) -> io::Result<Served> {
    let listener = smol::Async::<TcpListener>::bind(address)?;
    let local_addr = listener.get_ref().local_addr()?;
    let (listening, stopped) = AbortHandle::new_pair();
    let local_only = local_addr.ip().is_loopback();
    let weak = Arc::downgrade(&node.inner);
    let serving = async move {
        let listener = smol::net::TcpListener::from(listener);
        let serving = connection_limit::serve(weak, "http", listener.incoming(), move |client, node| {
            handle(client, node, local_only)
        });
        // It makes no difference whether it was aborted.
        let _ = Abortable::new(serving, stopped).await;
    };
    node.inner.run_task(kinds::CLIENTS, serving, kinds::settled_on_drop);
    Ok(Served { listening, local_addr })
}

impl Served {
    /// The address on which it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Handles one request. hyper refuses a client that violates HTTP.
async fn handle(client: Client<TcpStream>, node: Weak<Inner>, local_only: bool) {
    let progress = client.progress();
    let refused = |node: &Weak<Inner>| {
        node.upgrade().inspect(|node| node.counters.questions_refused.add_one());
    };
    let service = service_fn(async |request| {
        progress.asked().await;
        let answer = match node.upgrade().map(|inner| Node { inner }) {
            Some(node) => respond(&request, &node, local_only),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the node is gone\n"),
        };
        if answer.status().is_client_error() {
            refused(&node);
        }
        Ok::<_, Infallible>(answer)
    });
    let mut http = http1::Builder::new();
    let http = http.keep_alive(false).max_buf_size(MAX_HEAD);
    if let Err(error) = http.serve_connection(FuturesIo::new(client), service).await {
        if error.is_parse() {
            refused(&node);
        }
        log::http_client_failed(&error);
    }
}

fn respond(request: &Request<Incoming>, node: &Node, local_only: bool) -> Response<Full<Bytes>> {
    match Host::of(request) {
        Host::Unclear => return text(StatusCode::BAD_REQUEST, "exactly one Host header is required\n"),
        Host::Other if local_only => {
            return text(StatusCode::MISDIRECTED_REQUEST, "use 127.0.0.1, [::1] or localhost as the host\n");
        }
        Host::Local | Host::Other => {}
    }
    if site::is_another(request) && !site::is_link_to_page(request) {
        return text(StatusCode::FORBIDDEN, ANOTHER_SITE);
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", metrics::of(node)),
        "/inspect" => match extent(request.uri().query()) {
            Some(extent) => inspect(node, &extent),
            None => text(StatusCode::BAD_REQUEST, "monitors and downs must be numbers\n"),
        },
        path => page::file(path)
            .unwrap_or_else(|| text(StatusCode::NOT_FOUND, "the paths are /, /metrics and /inspect\n")),
    }
}

const ANOTHER_SITE: &str = "requests from another site are refused; open this address directly\n";

fn inspect(node: &Node, extent: &Extent) -> Response<Full<Bytes>> {
    match bounded::json(&Snapshot::take(node, extent), MAX_RESPONSE) {
        Some(json) => answer(StatusCode::OK, "application/json", json),
        None => text(
            StatusCode::INSUFFICIENT_STORAGE,
            "more than 16 MiB; request less, as in /inspect?monitors=100&downs=20\n",
        ),
    }
}

/// The extent that the query requests, limited to the maximum. `None` if a value is not a number.
fn extent(query: Option<&str>) -> Option<Extent> {
    let mut extent = MAX_SHOWN;
    for pair in query.unwrap_or_default().split('&') {
        let (field, number) = match pair.split_once('=') {
            Some(("monitors", number)) => (&mut extent.monitors, number),
            Some(("downs", number)) => (&mut extent.downs, number),
            _ => continue,
        };
        *field = number.parse::<usize>().ok()?.min(*field);
    }
    Some(extent)
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_asks_for_less_and_never_for_more() {
        let asked = |query| extent(query).map(|extent| (extent.monitors, extent.downs, extent.peers));
        assert_eq!(asked(None), Some((1000, 1000, 1000)));
        assert_eq!(asked(Some("downs=0&x=y&monitors=7&&z")), Some((7, 0, 1000)));
        assert_eq!(asked(Some("monitors=1000000")), Some((1000, 1000, 1000)));
        assert_eq!([asked(Some("downs=-1")), asked(Some("monitors="))], [None, None]);
    }
}
