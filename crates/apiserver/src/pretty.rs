//! Answers for people: JSON with line breaks and two spaces a level, as Go's encoder indents. It changes bytes between values only, and needs
//! no whole document: a long list is indented as it is written.
use crate::query::Parameters;
use crate::request::{Content, Request, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use serde_json::Value;

/// Programs of people who read what they are answered: they need not ask.
const PEOPLE: [&str; 3] = ["curl", "Wget", "Mozilla/5.0"];

/// Whether this client is answered so: it says by `pretty=`, or is one that people sit before.
#[must_use]
pub fn wanted(request: &Request) -> bool {
    let accept = request.header(ACCEPT).unwrap_or_default();
    if accept.split([',', ';']).any(|part| part.trim() == "pretty=1") {
        return true;
    }
    let said = request.uri.query().filter(|query| query.contains("pretty"));
    let said = said.and_then(|query| Parameters::parse(Some(query)).ok());
    match said.as_ref().and_then(|query| query.get("pretty")) {
        // Go's strconv.ParseBool; what it cannot read is false.
        Some(said) => matches!(said, "1" | "t" | "T" | "true" | "TRUE" | "True"),
        None => PEOPLE.iter().any(|people| request.agent().starts_with(people)),
    }
}

/// Whether what stands at `path` is written in the form that its client asks for. Documents that are kept as they are have one form.
#[must_use]
pub fn negotiated(path: &str) -> bool {
    let document = ["/openapi", "/.well-known/", "/metrics", "/rutter/"];
    !document.iter().any(|document| path.starts_with(document))
}

/// The response indented, if it is JSON.
#[must_use]
pub fn indented(mut response: Response) -> Response {
    let json = |value: &hyper::header::HeaderValue| value.as_bytes().starts_with(b"application/json");
    if !response.headers.get(CONTENT_TYPE).is_some_and(json) {
        return response;
    }
    response.content = match response.content {
        Content::Whole(bytes) => Content::Whole(Indenter::default().piece(&bytes)),
        Content::Pieces(pieces) => {
            let mut indenter = Indenter::default();
            Content::Pieces(pieces.map(move |piece| indenter.piece(&piece)).boxed())
        }
        other @ Content::Upgrade(_) => other,
    };
    response
}

/// A value as Go's `MarshalIndent` writes it.
#[must_use]
pub fn text(value: &Value) -> Bytes {
    Indenter::default().piece(value.to_string().as_bytes())
}

/// Where in a document it is, between pieces.
#[derive(Debug, Default)]
struct Indenter {
    depth: usize,
    in_text: bool,
    escaped: bool,
    /// The last was an opening bracket: what is empty stays on one line.
    opened: bool,
}

impl Indenter {
    fn piece(&mut self, bytes: &[u8]) -> Bytes {
        let mut out = Vec::with_capacity(bytes.len() * 2);
        for byte in bytes {
            self.byte(&mut out, *byte);
        }
        out.into()
    }

    fn byte(&mut self, out: &mut Vec<u8>, byte: u8) {
        if self.in_text {
            out.push(byte);
            self.in_text = self.escaped || byte != b'"';
            self.escaped = byte == b'\\' && !self.escaped;
            return;
        }
        match byte {
            b' ' | b'\n' | b'\r' | b'\t' => return,
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                if !self.opened {
                    self.line(out);
                }
                self.opened = false;
                out.push(byte);
                return;
            }
            _ => {}
        }
        if std::mem::take(&mut self.opened) {
            self.line(out);
        }
        out.push(byte);
        match byte {
            b'{' | b'[' => {
                self.depth += 1;
                self.opened = true;
            }
            b',' => self.line(out),
            b':' => out.push(b' '),
            b'"' => self.in_text = true,
            _ => {}
        }
    }

    fn line(&self, out: &mut Vec<u8>) {
        out.push(b'\n');
        out.resize(out.len() + self.depth * 2, b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn it_is_indented_as_go_does_however_it_is_cut() {
        let value = json!({"a": [], "b": {}, "c": [1, {"d": "x\\\"}, {\n"}, [[]]], "e": null, "f": -1.5});
        let want = serde_json::to_string_pretty(&value).expect("text");
        assert_eq!(text(&value), want);
        let plain = value.to_string() + "\n";
        for cut in 0..plain.len() {
            let mut indenter = Indenter::default();
            let (first, second) = plain.as_bytes().split_at(cut);
            assert_eq!([indenter.piece(first), indenter.piece(second)].concat(), want.as_bytes(), "{cut}");
        }
        assert_eq!(Indenter::default().piece(want.as_bytes()), want, "what is indented stays so");
    }
}
