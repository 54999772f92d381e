//! The page for people: files that are part of the program, and their content security policy.

use http_body_util::Full;
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS},
};

use super::answer;

/// Path, content type and contents of each file.
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

/// Allows these files only, no inline script, and no embedding of the page. Peers choose their
/// names and may be hostile: if the page ever inserted a name as markup, that could still neither
/// run nor load anything.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
    base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'";

/// The file at that path; `None` if there is none.
pub(super) fn file(path: &str) -> Option<Response<Full<Bytes>>> {
    let (_, kind, contents) = FILES.into_iter().find(|(other, ..)| *other == path)?;
    let mut file = answer(StatusCode::OK, kind, contents);
    let headers: [(HeaderName, &'static str); 3] =
        [(CONTENT_SECURITY_POLICY, POLICY), (REFERRER_POLICY, "no-referrer"), (X_FRAME_OPTIONS, "DENY")];
    file.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    Some(file)
}
