//! The chat page: files that `web/app` was built to, inside the binary. Knows nothing of conversations.
//!
//! Every address of the page answers the same `index.html`; the page itself reads where it is. Without Node at build
//! time there is none, and a plain page says so.

use axum::Router;
use axum::body::Body;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, HeaderValue, IF_NONE_MATCH, VARY,
};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64URL_NOPAD;
use rust_embed::{EmbeddedFile, RustEmbed};

use super::State;
use super::problem::Error;

#[derive(RustEmbed)]
#[folder = "web/app/dist"]
#[allow_missing = true]
struct Built;

/// The page runs its own files and talks to its own server, and nothing that it shows can change that.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
     connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'",
);
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
/// A browser looks up the hosts of links before anyone follows them; a host's name can carry what was said.
const DNS_PREFETCH_CONTROL: HeaderName = HeaderName::from_static("x-dns-prefetch-control");
const SAME_ORIGIN: HeaderValue = HeaderValue::from_static("same-origin");

/// Their names change with their content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const ASK_FIRST: HeaderValue = HeaderValue::from_static("no-cache");

const NOT_BUILT: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Weir</title>\
    <h1>Weir is running</h1>\
    <p>This binary was built without its page. With Node 20 or newer, <code>make web</code> builds it; \
    then build the server again.</p>\
    <p>The API is complete without it: <a href=\"/openapi.json\">openapi.json</a>.</p>";

/// None of this is an operation of the API: it takes no credential, and stands in no document.
pub fn router() -> Router<State> {
    let page = get(|headers: HeaderMap| async move { page::<Built>(&headers) });
    let icon = get(|headers: HeaderMap| async move { file::<Built>("favicon.svg", ASK_FIRST, &headers) });
    let theme = get(|headers: HeaderMap| async move { file::<Built>("theme.js", ASK_FIRST, &headers) });
    let asset = get(|Path(path): Path<String>, headers: HeaderMap| async move {
        file::<Built>(&format!("assets/{path}"), FOREVER, &headers)
    });
    Router::new()
        .route("/", page.clone())
        .route("/setup", page.clone())
        .route("/sign-in", page.clone())
        .route("/c/{id}", page.clone())
        .route("/approvals", page.clone())
        .route("/approvals/{id}", page)
        .route("/favicon.svg", icon)
        .route("/theme.js", theme)
        .route("/assets/{*path}", asset)
}

fn page<Files: RustEmbed>(headers: &HeaderMap) -> Response {
    match Files::get("index.html") {
        Some(_) => file::<Files>("index.html", ASK_FIRST, headers),
        None => ([(CACHE_CONTROL, ASK_FIRST)], Html(NOT_BUILT)).into_response(),
    }
}

fn file<Files: RustEmbed>(path: &str, keep: HeaderValue, asked: &HeaderMap) -> Response {
    let Some(plain) = Files::get(path) else { return Error::not_found().into_response() };
    let etag = format!("\"{}\"", BASE64URL_NOPAD.encode(&plain.metadata.sha256_hash()));
    let is_known = asked.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let packed = packed::<Files>(path, asked);

    let mut response = match (is_known, &packed) {
        (true, _) => StatusCode::NOT_MODIFIED.into_response(),
        (false, Some((_, packed))) => Body::from(packed.data.clone()).into_response(),
        (false, None) => Body::from(plain.data).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type(path));
    headers.insert(CACHE_CONTROL, keep);
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(CROSS_ORIGIN_OPENER_POLICY, SAME_ORIGIN);
    headers.insert(DNS_PREFETCH_CONTROL, HeaderValue::from_static("off"));
    headers.extend(HeaderValue::try_from(etag).map(|etag| (ETAG, etag)));
    headers.extend(packed.map(|(encoding, _)| (CONTENT_ENCODING, encoding)));
    response
}

/// The file as the build packed it, where it did and the browser can read that.
fn packed<Files: RustEmbed>(path: &str, asked: &HeaderMap) -> Option<(HeaderValue, EmbeddedFile)> {
    let accepted = asked.get(ACCEPT_ENCODING)?.to_str().ok()?;
    let accepts = |coding: &str| accepted.split(',').any(|one| one.trim() == coding);
    [("br", "br"), ("gzip", "gz")].into_iter().filter(|(coding, _)| accepts(coding)).find_map(
        |(coding, ending)| Some((HeaderValue::from_static(coding), Files::get(&format!("{path}.{ending}"))?)),
    )
}

fn media_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("json") => "application/json",
        _ => "application/octet-stream",
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use http_body_util::BodyExt;
    use rust_embed::Metadata;

    use super::*;

    /// A page of three files, one of them packed.
    struct Small;

    impl RustEmbed for Small {
        fn get(path: &str) -> Option<EmbeddedFile> {
            let data: &[u8] = match path {
                "index.html" => b"<!doctype html>",
                "assets/index-1.js" => b"plain",
                "assets/index-1.js.br" => b"packed",
                _ => return None,
            };
            let metadata = Metadata::__rust_embed_new([7; 32], None, None);
            Some(EmbeddedFile { data: Cow::Borrowed(data), metadata })
        }

        fn iter() -> impl Iterator<Item = Cow<'static, str>> + 'static {
            std::iter::empty()
        }
    }

    /// No build has been here.
    struct Nothing;

    impl RustEmbed for Nothing {
        fn get(_: &str) -> Option<EmbeddedFile> {
            None
        }

        fn iter() -> impl Iterator<Item = Cow<'static, str>> + 'static {
            std::iter::empty()
        }
    }

    #[tokio::test]
    async fn the_page_is_asked_for_each_time_and_comes_with_its_policy() {
        let first = page::<Small>(&HeaderMap::new());
        assert_eq!(first.status(), StatusCode::OK);
        assert_eq!(first.headers()[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(first.headers()[CACHE_CONTROL], "no-cache");
        let policy = first.headers()[CONTENT_SECURITY_POLICY].to_str().expect("a policy");
        assert!(policy.contains("default-src 'none'; script-src 'self';"), "{policy}");
        assert!(policy.contains("require-trusted-types-for 'script'"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(first.headers()[DNS_PREFETCH_CONTROL], "off");

        let again = page::<Small>(&HeaderMap::from_iter([(IF_NONE_MATCH, first.headers()[ETAG].clone())]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(text(again).await, "");
    }

    #[tokio::test]
    async fn a_file_comes_packed_to_those_who_can_unpack_it() {
        let asked = |value| HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
        let get = |headers: HeaderMap| file::<Small>("assets/index-1.js", FOREVER, &headers);

        let packed = get(asked("gzip, br"));
        assert_eq!(packed.headers()[CONTENT_ENCODING], "br");
        assert_eq!(packed.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(text(packed).await, "packed");

        for plain in [get(asked("gzip")), get(HeaderMap::new())] {
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(plain.headers()[CONTENT_TYPE], "text/javascript; charset=utf-8");
            assert_eq!(text(plain).await, "plain");
        }
    }

    #[tokio::test]
    async fn without_a_built_page_a_plain_one_says_how_to_build_it() {
        let plain = page::<Nothing>(&HeaderMap::new());
        assert_eq!(plain.status(), StatusCode::OK);
        assert!(text(plain).await.contains("make web"));
        assert_eq!(
            file::<Nothing>("assets/gone.js", FOREVER, &HeaderMap::new()).status(),
            StatusCode::NOT_FOUND
        );
    }

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.expect("a body").to_bytes();
        String::from_utf8(bytes.to_vec()).expect("text")
    }
}
