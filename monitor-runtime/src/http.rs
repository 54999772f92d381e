//! Looking into a node over HTTP: metrics for Prometheus, and what it knows as JSON.
//!
//! | path | is |
//! |---|---|
//! | `/metrics` | how much there is of everything, and every drop, in the text form of Prometheus |
//! | `/inspect` | the node and its peers, who watches whom, the last `Down`s and why, as JSON |
//!
//! ```
//! use monitor_runtime::{Config, Node, http};
//! # use peer_service::memory::Network;
//! # smol::block_on(async {
//! # let node = Node::with_service(Config::new("a@local".parse()?), Network::new().join("a@local".parse()?)).await?;
//! let served = http::serve(&node, "127.0.0.1:0".parse()?)?; // until it is dropped
//! println!("curl http://{}/metrics", served.local_addr());
//! # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
//! ```

use std::{
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{Arc, Weak},
};

use futures::future::{AbortHandle, Abortable};
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue, X_CONTENT_TYPE_OPTIONS},
    server::conn::http1,
    service::service_fn,
};
use smol::net::TcpStream;
use smol_hyper::rt::FuturesIo;

use crate::{clients, control::Look, node::Node, state::Inner};

mod metrics;

/// The open port of a node. Dropped, it is closed; the node goes on.
#[derive(Debug)]
#[must_use = "the port is closed when this is dropped"]
pub struct Served {
    listening: AbortHandle,
    local_addr: SocketAddr,
}

/// How much of the head of a request is read, in bytes.
const MAX_HEAD: usize = 16 * 1024;
/// How many monitors of each kind are shown.
const MAX_MONITORS: usize = 1000;

/// Answers `GET` at that address, on the node's executor. Port 0 takes any that is free.
///
/// **There is neither encryption nor a password**: whoever reaches the address sees who watches whom, and can make the
/// node look it up as often as 16 connections at once allow. Loopback addresses are reached from this machine only; to a
/// request that comes to one under another host's name, as pages of strangers can make browsers send, the answer is 421.
///
/// A connection is good for one request, within 10 s, with a head of at most 16 KiB.
///
/// # Errors
/// What the system says if it cannot listen there.
pub fn serve(node: &Node, address: SocketAddr) -> io::Result<Served> {
    let listener = smol::Async::<TcpListener>::bind(address)?;
    let local_addr = listener.get_ref().local_addr()?;
    let (listening, stopped) = AbortHandle::new_pair();
    let local_only = local_addr.ip().is_loopback();
    let weak = Arc::downgrade(&node.inner);
    (node.inner.spawner)(Box::pin(async move {
        let listener = smol::net::TcpListener::from(listener);
        let serving =
            clients::serve(weak, listener.incoming(), move |stream, node| converse(stream, node, local_only));
        // Aborted or not, it is over.
        let _ = Abortable::new(serving, stopped).await;
    }));
    Ok(Served { listening, local_addr })
}

impl Served {
    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// One request and its answer. Whoever breaks the rules of HTTP is hyper's to refuse.
async fn converse(stream: TcpStream, node: Weak<Inner>, local_only: bool) {
    let service = service_fn(move |request| {
        let node = node.upgrade().map(|inner| Node { inner });
        let answer = match node {
            Some(node) => respond(&request, &node, local_only),
            None => text(StatusCode::SERVICE_UNAVAILABLE, "the node is gone\n"),
        };
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = http1::Builder::new();
    let http = http.keep_alive(false).max_buf_size(MAX_HEAD);
    if let Err(error) = http.serve_connection(FuturesIo::new(stream), service).await {
        tracing::debug!(%error, "a client over HTTP");
    }
}

fn respond(request: &Request<Incoming>, node: &Node, local_only: bool) -> Response<Full<Bytes>> {
    if local_only && !request.headers().get(HOST).is_some_and(names_this_machine) {
        return text(StatusCode::MISDIRECTED_REQUEST, "ask by 127.0.0.1, [::1] or localhost\n");
    }
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return answer;
    }
    match request.uri().path() {
        "/metrics" => answer(StatusCode::OK, "text/plain; version=0.0.4", metrics::of(node)),
        "/inspect" => answer(StatusCode::OK, "application/json", inspect(node)),
        _ => text(StatusCode::NOT_FOUND, "there are /metrics and /inspect\n"),
    }
}

/// A browser that is led here by a page of somebody else names that one's host.
fn names_this_machine(host: &HeaderValue) -> bool {
    let Ok(host) = host.to_str() else { return false };
    let name = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn inspect(node: &Node) -> String {
    serde_json::to_string(&Look::at(node, MAX_MONITORS)).expect("it is made of texts and numbers")
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain", text)
}

fn answer(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_taken_for_it() {
        let names = |host: &str| names_this_machine(&HeaderValue::from_str(host).unwrap());
        assert!(
            ["localhost", "LOCALHOST:80", "127.0.0.1:9464", "127.1.2.3", "[::1]:9464"].into_iter().all(names)
        );
        let others = ["", "obit.test", "obit.test:9464", "127.0.0.1.obit.test", "10.0.0.7", "[::2]", "::1"];
        assert!(!others.into_iter().any(names));
    }
}
