//! The session cookie: opaque, out of reach of scripts, and never sent by another site's forms.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use cookie::time::Duration;
use cookie::{Cookie, CookieBuilder, SameSite};

use super::edge::Place;
use crate::auth::KeyText;

/// Behind TLS the prefix has browsers refuse a cookie that another host or an unencrypted page set.
const fn name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-weir_session" } else { "weir_session" }
}

/// The token that came with the request.
pub fn session_token(headers: &HeaderMap, place: &Place) -> Option<String> {
    let lists = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut cookies = lists.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let found = cookies.find(|cookie| cookie.name() == name(place.is_tls));
    found.map(|cookie| cookie.value().to_owned()).filter(|token| !token.is_empty())
}

/// `Set-Cookie` for a session that was just opened, for so many seconds.
pub fn opened(token: &KeyText, place: &Place, seconds: i64) -> HeaderValue {
    let max_age = Duration::seconds(seconds);
    written(Cookie::build((name(place.is_tls), token.expose())).max_age(max_age), place)
}

/// `Set-Cookie` that takes it away.
pub fn closed(place: &Place) -> HeaderValue {
    written(Cookie::build((name(place.is_tls), "")).max_age(Duration::ZERO), place)
}

fn written(cookie: CookieBuilder<'_>, place: &Place) -> HeaderValue {
    let cookie = cookie.path("/").http_only(true).same_site(SameSite::Lax).secure(place.is_tls).build();
    HeaderValue::try_from(cookie.to_string()).expect("a token is visible ASCII")
}
