//! The site whose page made a request in a browser.
//!
//! Browsers send it in `Sec-Fetch-Site`, which no page can set or leave out; other programs do not
//! send it. Pages of other sites cannot read a response anyway, but they could cause load on the
//! node, or embed a response and measure its size.
//!
//! A link to the page is allowed: the user follows it, and the response fills a window of its own.
//! `Sec-Fetch-Mode` and `Sec-Fetch-Dest` distinguish a link from a frame, whose destination is
//! `iframe`.

use hyper::{Method, Request};

const SITE: &str = "sec-fetch-site";
const MODE: &str = "sec-fetch-mode";
const DESTINATION: &str = "sec-fetch-dest";

/// Whether a browser reports that another site made the request, and not this page or the user.
/// Another port of this machine is another site, too.
pub(super) fn is_another<B>(request: &Request<B>) -> bool {
    let allowed =
        |site: &[u8]| site.eq_ignore_ascii_case(b"same-origin") || site.eq_ignore_ascii_case(b"none");
    request.headers().get_all(SITE).iter().any(|site| !allowed(site.as_bytes()))
}

/// Whether a browser reports that its user followed a link to the page, which becomes the document
/// of a window or a tab.
pub(super) fn is_link_to_page<B>(request: &Request<B>) -> bool {
    let says = |header: &str, wanted: &[u8]| {
        let mut values = request.headers().get_all(header).iter();
        let first = values.next().is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(wanted));
        first && values.next().is_none()
    };
    request.method() == Method::GET
        && request.uri().path() == "/"
        && says(MODE, b"navigate")
        && says(DESTINATION, b"document")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_link_to_the_page_that_fills_a_window_is_one() {
        let is_link = |method: Method, path: &str, headers: &[(&str, &str)]| {
            let request = Request::builder().method(method).uri(path);
            let request =
                headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
            is_link_to_page(&request.body(()).unwrap())
        };
        let link = [(MODE, "navigate"), (DESTINATION, "document")];
        assert!(is_link(Method::GET, "/", &link));
        for (method, path) in
            [(Method::POST, "/"), (Method::HEAD, "/"), (Method::GET, "/inspect"), (Method::GET, "/metrics")]
        {
            assert!(!is_link(method.clone(), path, &link), "{method} {path}");
        }
        for headers in [
            &[][..],
            &[(MODE, "navigate")],
            &[(DESTINATION, "document")],
            &[(MODE, "navigate"), (DESTINATION, "iframe")],
            &[(MODE, "no-cors"), (DESTINATION, "document")],
            &[(MODE, "navigate"), (DESTINATION, "document"), (DESTINATION, "iframe")],
        ] {
            assert!(!is_link(Method::GET, "/", headers), "{headers:?}");
        }
    }

    #[test]
    fn only_this_page_and_the_user_are_no_other_site() {
        let from = |sites: &[&str]| {
            let request = sites.iter().fold(Request::builder(), |request, site| request.header(SITE, *site));
            is_another(&request.body(()).unwrap())
        };
        for sites in [&[][..], &["same-origin"], &["none"], &["Same-Origin"]] {
            assert!(!from(sites), "{sites:?}");
        }
        for sites in [&["cross-site"][..], &["same-site"], &["same-origin", "cross-site"], &[""], &["any"]] {
            assert!(from(sites), "{sites:?}");
        }
    }
}
