//! Where a request carries a bearer token (RFC 6750): in `Authorization`, or, for browsers that cannot set that, among the subprotocols of
//! a WebSocket.
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use std::borrow::Cow;

/// How the subprotocol that is a token begins.
pub const PROTOCOL: &str = "base64url.bearer.authorization.k8s.io.";

/// The token, if there is one.
#[must_use]
pub fn token(headers: &HeaderMap) -> Option<Cow<'_, str>> {
    if let Some(text) = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()) {
        let (scheme, rest) = text.trim().split_once(' ')?;
        let token = rest.split(' ').next().filter(|token| !token.is_empty())?;
        return scheme.eq_ignore_ascii_case("bearer").then_some(Cow::Borrowed(token));
    }
    let lists = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    let found = lists.flat_map(|list| list.split(',')).find_map(|protocol| protocol.trim().strip_prefix(PROTOCOL))?;
    String::from_utf8(URL_SAFE_NO_PAD.decode(found).ok()?).ok().filter(|token| !token.is_empty()).map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_found_where_clients_put_them() {
        let table = [
            ("authorization", "Bearer abc", Some("abc")),
            ("authorization", "bearer abc def", Some("abc")),
            ("authorization", "Bearer  abc", None),
            ("authorization", "Bearer", None),
            ("authorization", "Basic abc", None),
            ("sec-websocket-protocol", "v5.channel.k8s.io, base64url.bearer.authorization.k8s.io.YWJj", Some("abc")),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.%%", None),
            ("sec-websocket-protocol", "v5.channel.k8s.io", None),
        ];
        for (name, value, want) in table {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().expect("a value"));
            assert_eq!(token(&headers).as_deref(), want, "{name}: {value}");
        }
    }
}
