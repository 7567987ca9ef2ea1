//! OpenAPI as it is served: v2 in JSON and protobuf, v3 by group and version, with tags and hashes so that a client asks once.
//! What the documents say is `api::openapi`'s.
use crate::negotiate::first_of;
use crate::request::{Content, JSON, Request, Response, TEXT};
use crate::room::Served;
use api::openapi;
use api::revision::Millis;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, EXPIRES, HeaderValue, IF_NONE_MATCH, LOCATION, VARY};
use serde_json::Value;

/// gnostic's protobuf of a v2 document; its older name is still what clients ask for.
const V2_PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const V2_PROTOBUF_ONCE: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
/// How long a document under its own hash may be kept: a year, milliseconds.
const KEPT_MILLIS: u64 = 365 * 24 * 60 * 60 * 1_000;

/// A document with an ETag, or 304 if the client has it.
#[must_use]
pub fn tagged(request: &Request, document: Option<Bytes>, media: HeaderValue) -> Response {
    let Some(document) = document else { return Response::page_not_found() };
    let tag = format!("{:016X}", fingerprint(&document));
    under(request, &tag, document, media)
}

fn under(request: &Request, tag: &str, document: Bytes, media: HeaderValue) -> Response {
    let tag = format!("\"{tag}\"");
    let known = request.header(IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let response = if known {
        let mut response = Response::new(304, media, Content::Whole(Bytes::new()));
        response.headers.remove(CONTENT_TYPE);
        response
    } else {
        Response::new(200, media, Content::Whole(document))
    };
    response.with(ETAG, &tag)
}

/// FNV-1a: it tells documents apart, and nothing is trusted because of it.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// `GET /openapi/v2`.
#[must_use]
pub fn v2(served: &Served, request: &Request) -> Response {
    let accept = request.header(hyper::header::ACCEPT);
    let Some(form) = first_of(accept, &["application/json", V2_PROTOBUF_ONCE, V2_PROTOBUF]) else {
        return not_acceptable();
    };
    let Some(json) = served.document("/openapi/v2", |kinds| Some(openapi::document_v2(kinds))) else {
        return Response::page_not_found();
    };
    let tag = format!("{:016X}", fingerprint(&json));
    let (document, media) = if form == "application/json" {
        (json, JSON)
    } else {
        let made = served.made("/openapi/v2 in protobuf", |_| {
            let document: Value = serde_json::from_slice(&json).ok()?;
            Some(openapi::protobuf_v2(&document).into())
        });
        (made.unwrap_or_default(), HeaderValue::from_static(V2_PROTOBUF))
    };
    under(request, &tag, document, media).with(VARY, "Accept")
}

fn not_acceptable() -> Response {
    let mut response = Response::new(406, TEXT, Content::Whole(Bytes::new())).with(VARY, "Accept");
    response.headers.remove(CONTENT_TYPE);
    response
}

/// `GET /openapi/v3`. Kubernetes leaves its type to be guessed, and plain text is what is guessed.
#[must_use]
pub fn index(served: &Served, request: &Request) -> Response {
    tagged(request, served.document("/openapi/v3", |kinds| Some(openapi::index(kinds))), TEXT)
}

/// `GET /openapi/v3/NAME`: under its hash it may be kept for ever, and another hash leads to this one. `hash`: as asked for.
#[must_use]
pub fn v3(served: &Served, request: &Request, name: &str, hash: Option<&str>) -> Response {
    let (group, version) = match name.split('/').collect::<Vec<_>>()[..] {
        ["api", version] => ("", version),
        ["apis", group, version] => (group, version),
        _ => return Response::page_not_found(),
    };
    if first_of(request.header(hyper::header::ACCEPT), &["application/json"]).is_none() {
        return not_acceptable();
    }
    let Some(document) = served.document(name, |kinds| openapi::document(kinds, group, version)) else {
        return Response::page_not_found();
    };
    let tag = openapi::hash(&served.kinds, group, version);
    match hash.filter(|hash| !hash.is_empty()) {
        None => under(request, &tag, document, JSON).with(VARY, "Accept"),
        Some(hash) if hash == tag => {
            let expires = Millis(rt::wall().saturating_add(KEPT_MILLIS)).http_date();
            let response = under(request, &tag, document, JSON).with(VARY, "Accept");
            response.with(CACHE_CONTROL, "public, immutable").with(EXPIRES, &expires)
        }
        Some(_) => {
            let place = format!("/openapi/v3/{name}?hash={tag}");
            let response = Response::new(301, JSON, Content::Whole(Bytes::new()));
            response.with(ETAG, &format!("\"{tag}\"")).with(VARY, "Accept").with(LOCATION, &place)
        }
    }
}
