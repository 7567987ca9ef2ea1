//! GET of a collection: one view, a page of it, its objects' own bytes joined in chunks. Nothing is decoded for plain JSON.
use crate::call::Call;
use crate::limits::{CHUNK_BYTES, CONTINUE_MILLIS_MAX, PROTOBUF_AT_ONCE_BYTES_MAX};
use crate::negotiate::Form;
use crate::query::{Freshness, ListOptions};
use crate::read;
use crate::request::{Content, JSON, Response};
use crate::select::Selection;
use crate::shape;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Revision;
use api::status::Status;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

/// A page of a list, and what its head says.
pub(super) struct Page {
    view: Arc<View>,
    pub(super) objects: Vec<Arc<Object>>,
    continuing: Option<String>,
    remaining: Option<usize>,
}

/// # Errors
/// As `query::list_options`, `Selection::new` and `read::view`; 410 for a continue token that is too old.
pub async fn list(call: &Call, options: &ListOptions) -> Result<Response, Status> {
    let selection = Selection::new(call, options)?;
    let page = page(call, options, &selection).await?;
    let mut meta = json!({"resourceVersion": page.view.revision().to_string()});
    if let Some(token) = page.continuing {
        meta["continue"] = token.into();
    }
    if let Some(remaining) = page.remaining {
        meta["remainingItemCount"] = remaining.into();
    }
    answered(call, meta, page.objects).await
}

/// The objects as a list, in the form that was asked for.
///
/// # Errors
/// As `shape`.
pub async fn answered(call: &Call, meta: Value, objects: Vec<Arc<Object>>) -> Result<Response, Status> {
    match call.form {
        Form::Json => Ok(joined(call, &meta, objects)),
        Form::Protobuf | Form::MetadataProtobuf => {
            let envelopes = shape::Envelopes::of(call)?;
            if objects.iter().map(|object| object.bytes.len()).sum::<usize>() <= PROTOBUF_AT_ONCE_BYTES_MAX {
                return Ok(Response::protobuf(200, envelopes.list(&meta, &objects)?));
            }
            let made = rt::blocking("protobuf", move || envelopes.list(&meta, &objects)).await;
            let made = made.unwrap_or_else(|_| Err(Status::internal("a list was not written to its end")))?;
            Ok(Response::protobuf(200, made))
        }
        Form::Table => shape::table(call, meta, &objects),
        Form::Metadata => {
            let items: Vec<Value> = objects.iter().map(|object| shape::metadata(call, object)).collect();
            let list = json!({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": items});
            Ok(Response::value(200, &list))
        }
        Form::Yaml => {
            let items: Vec<Value> = objects.iter().map(|object| shape::value(call, object)).collect();
            let (kind, version) = (&*call.kind.list_kind, call.kind.api_version());
            shape::yaml(200, &json!({"kind": kind, "apiVersion": version, "metadata": meta, "items": items}))
        }
    }
}

/// The objects that `selection` takes of `view`, in the order of lists.
pub fn selected<'a>(
    call: &Call,
    view: &'a View,
    selection: &'a Selection,
    after: Option<(&str, &str)>,
) -> Box<dyn Iterator<Item = &'a Arc<Object>> + Send + 'a> {
    let resource = &*call.kind.resource;
    if let (Some(namespace), Some(name), None) =
        (selection.namespace().or((!call.kind.namespaced).then_some("")), selection.name(), after)
    {
        return Box::new(view.get(resource, namespace, name).into_iter().filter(|object| selection.matches(object)));
    }
    if let (Some(node), "pods", None) = (selection.node().filter(|node| !node.is_empty()), resource, after) {
        return Box::new(view.list_by_field("pods", "spec.nodeName", node).filter(|object| selection.matches(object)));
    }
    Box::new(view.list_after(resource, selection.namespace(), after).filter(|object| selection.matches(object)))
}

/// # Errors
/// As `list`.
pub(super) async fn page(call: &Call, options: &ListOptions, selection: &Selection) -> Result<Page, Status> {
    let token = options.continuing.as_deref().map(Token::parse).transpose()?;
    let view = match (&call.past, &token) {
        (Some(past), _) => past.clone(),
        (None, Some(token)) => token.view(call).await?,
        (None, None) => read::view(&call.room, options.freshness).await?,
    };
    let after = token.as_ref().map(|token| (token.namespace.as_str(), token.name.as_str()));
    // From "any" revision a limit is ignored, as kube-apiserver does from its cache.
    let limit = if token.is_none() && options.freshness == Freshness::Any { None } else { options.limit };
    let Some(limit) = limit else {
        let objects = selected(call, &view, selection, after).cloned().collect();
        return Ok(Page { view, objects, continuing: None, remaining: None });
    };
    let mut objects = Vec::with_capacity(limit.min(1_024));
    let mut more = false;
    // By a field index the order is the same (its last part is the place), so a page may be cut anywhere.
    for object in selected(call, &view, selection, after) {
        if objects.len() == limit {
            more = true;
            break;
        }
        objects.push(object.clone());
    }
    let mut page = Page { view, objects, continuing: None, remaining: None };
    if let (true, Some(last)) = (more, page.objects.last()) {
        let before = token.as_ref().map_or(0, |token| token.given);
        let given = before + page.objects.len();
        let (namespace, name) = (last.key.namespace.to_string(), last.key.name.to_string());
        let issued =
            token.as_ref().filter(|token| token.revision.is_some()).map_or_else(rt::wall, |token| token.issued);
        let next = Token { revision: Some(page.view.revision()), namespace, name, issued, given };
        page.continuing = Some(next.text());
        call.room.keep_page(&page.view);
        if selection.is_all() {
            let whole = page.view.count(&call.kind.resource, selection.namespace());
            page.remaining = Some(whole.saturating_sub(given)).filter(|remaining| *remaining > 0);
        }
    }
    Ok(page)
}

/// Where the next page begins, and of which revision.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Token {
    /// `None`: go on from the present; the list is then not of one revision ("inconsistent").
    revision: Option<Revision>,
    namespace: String,
    name: String,
    /// When the first page was read, milliseconds since the epoch.
    issued: u64,
    /// How many items came before.
    given: usize,
}

impl Token {
    fn text(&self) -> String {
        let revision = self.revision.map_or_else(|| json!(-1), |revision| json!(revision.0));
        let start = format!("{}\u{0}{}\u{0}", self.namespace, self.name);
        let token = json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start, "t": self.issued, "n": self.given});
        URL_SAFE_NO_PAD.encode(token.to_string())
    }

    fn parse(text: &str) -> Result<Self, Status> {
        let bad = |why: &str| Status::bad_request(format!("invalid continue token: continue key is not valid: {why}"));
        let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|why| bad(&why.to_string()))?;
        let token: Value = serde_json::from_slice(&bytes).map_err(|why| bad(&why.to_string()))?;
        let mut start = token["start"].as_str().ok_or_else(|| bad("it names no start"))?.split('\u{0}');
        let (namespace, name) = start.next().zip(start.next()).ok_or_else(|| bad("its start is no key"))?;
        let number = |member: &str| token[member].as_u64();
        let revision = match token["rv"].as_i64() {
            Some(-1) => None,
            _ => Some(Revision(number("rv").ok_or_else(|| bad("it names no revision"))?)),
        };
        let given = number("n").and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        Ok(Self { revision, namespace, name, issued: number("t").unwrap_or(0), given })
    }

    /// History is kept far longer than a client may page through it: a client that stops for minutes should see the present.
    async fn view(&self, call: &Call) -> Result<Arc<View>, Status> {
        let revision = self.revision.filter(|_| !planted(Bug::PagesFromPresent));
        let Some(revision) = revision else { return read::newest(&call.room).await };
        let fresh = rt::wall().saturating_sub(self.issued) <= CONTINUE_MILLIS_MAX;
        let view = if fresh { read::at(&call.room, revision).await? } else { None };
        view.ok_or_else(|| {
            let message = "The provided continue parameter is too old to display a consistent list result. You can start a new list \
                without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
                Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted \
                between the time the first chunk was returned and now may show up in the list.";
            let mut status = Status::new(410, "Expired", message);
            status.continuing = Self { revision: None, ..self.clone() }.text();
            status
        })
    }
}

/// `{"kind":…List,…,"items":[` and the objects' bytes, in chunks made as they are written.
fn joined(call: &Call, meta: &Value, objects: Vec<Arc<Object>>) -> Response {
    let kind = Value::from(&*call.kind.list_kind);
    let mut head = format!(
        "{{\"kind\":{kind},\"apiVersion\":{},\"metadata\":{meta},\"items\":[",
        Value::from(call.kind.api_version())
    );
    let size: usize = objects.iter().map(|object| object.bytes.len() + 1).sum();
    if head.len() + size <= CHUNK_BYTES * 4 {
        head.reserve_exact(size + 3);
        let mut whole = head.into_bytes();
        for (number, object) in objects.iter().enumerate() {
            if number > 0 {
                whole.push(b',');
            }
            whole.extend_from_slice(&shape::bytes(call, object));
        }
        whole.extend_from_slice(b"]}\n");
        return Response::json(200, whole);
    }
    let call = shape::Version::of(call);
    let state = (Some(head.into_bytes()), objects.into_iter(), call, true);
    let pieces = futures::stream::unfold(state, |(buffer, mut objects, version, mut first)| async move {
        let mut buffer = buffer?;
        buffer.reserve(CHUNK_BYTES);
        loop {
            let Some(object) = objects.next() else {
                buffer.extend_from_slice(b"]}\n");
                return Some((Bytes::from(buffer), (None, objects, version, first)));
            };
            if !first {
                buffer.push(b',');
            }
            first = false;
            buffer.extend_from_slice(&version.bytes(&object));
            if buffer.len() >= CHUNK_BYTES {
                return Some((Bytes::from(buffer), (Some(Vec::new()), objects, version, first)));
            }
        }
    });
    Response::new(200, JSON, Content::Pieces(Box::pin(pieces)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back_and_garbage_does_not() {
        let token = Token { revision: Some(Revision(7)), namespace: "a".into(), name: "b".into(), issued: 5, given: 2 };
        assert_eq!(Token::parse(&token.text()), Ok(token.clone()));
        let open = Token { revision: None, ..token };
        assert_eq!(Token::parse(&open.text()), Ok(open));
        for bad in ["abc", "", "e30", "!!!", &URL_SAFE_NO_PAD.encode(r#"{"rv":-5,"start":"a"}"#)] {
            assert_eq!(Token::parse(bad).map_err(|status| status.code), Err(400), "{bad}");
        }
    }
}
