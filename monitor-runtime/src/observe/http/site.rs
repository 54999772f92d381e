//! Whose page in a browser has made a request.
//!
//! Browsers say so in `Sec-Fetch-Site`, which no page can set or leave out; other programs do not send it. Pages of other
//! sites cannot read an answer anyway, but could make the node look itself up, or embed the answer and measure it.

use hyper::Request;

const SITE: &str = "sec-fetch-site";

/// Whether a browser says that another site has made the request: neither this page nor the user himself. Another port of
/// this machine is another site, too.
pub(super) fn is_another<B>(request: &Request<B>) -> bool {
    let allowed =
        |site: &[u8]| site.eq_ignore_ascii_case(b"same-origin") || site.eq_ignore_ascii_case(b"none");
    request.headers().get_all(SITE).iter().any(|site| !allowed(site.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
