//! The page for people: files that are part of the program, and what a browser may do with them.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS},
};

use super::answer;

/// Path, kind and contents of each.
const FILES: [(&str, &str, &str); 8] = [
    ("/", "text/html; charset=utf-8", include_str!("page/index.html")),
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/course.js", SCRIPT, include_str!("page/course.js")),
    ("/map.js", SCRIPT, include_str!("page/map.js")),
    ("/picture.js", SCRIPT, include_str!("page/picture.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Nothing but these files, nothing written into the page, and nobody around it. Names come from
/// peers, who may be hostile: should one of them ever be taken for more than text, it could still
/// neither run nor load anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The file at that path.
pub(super) fn file(path: &str) -> Option<Response<Full<Bytes>>> {
    let (_, kind, contents) = FILES.into_iter().find(|(other, ..)| *other == path)?;
    let mut file = answer(StatusCode::OK, kind, contents);
    let headers: [(HeaderName, &'static str); 3] =
        [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer"), (X_FRAME_OPTIONS, "DENY")];
    file.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Some(file)
}
