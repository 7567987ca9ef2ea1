//! What form an answer takes: Accept, in the client's order (no q weights, as in Kubernetes), and what a body may be.
use api::status::Status;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
    Protobuf,
    Table,
    /// One object's metadata, or a list of them.
    Metadata,
    MetadataProtobuf,
}

/// What an endpoint can answer in, beside JSON and YAML.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    /// Table and PartialObjectMetadata.
    pub converted: bool,
    /// Whole objects in protobuf: of kinds that have a message.
    pub protobuf: bool,
    /// The answer is a stream of events: there is none of YAML.
    pub watch: bool,
}

/// The form of a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    Json,
    Yaml,
    Protobuf,
}

/// The kinds of patch (RFC 6902, RFC 7396, Kubernetes' two own).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patch {
    Json,
    Merge,
    Strategic,
    Apply,
}

/// The first form of `accept` that can be given.
///
/// # Errors
/// 406 if there is none.
pub fn form(accept: Option<&str>, offer: Offer) -> Result<Form, Status> {
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() {
        return Ok(Form::Json);
    }
    let clauses = clauses(accept);
    let found = clauses
        .iter()
        .flat_map(|clause| MEDIA.map(|media| (clause, media)))
        .find_map(|(clause, media)| if clause.takes(media) { clause.form(media, offer) } else { None });
    match found {
        Some(Form::Yaml) if offer.watch => {
            Err(not_acceptable("application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"))
        }
        Some(form) => Ok(form),
        None => Err(not_acceptable("application/json, application/yaml, application/vnd.kubernetes.protobuf")),
    }
}

/// What an error is told in: never as a Table, and in JSON if nothing else can be given.
#[must_use]
pub fn form_of_error(accept: Option<&str>) -> Form {
    form(accept, Offer { protobuf: true, ..Offer::default() }).unwrap_or(Form::Json)
}

/// The router's own refusal: the client wants nothing that a built-in kind is ever given in, whatever its parameters.
///
/// # Errors
/// 406 as Kubernetes' router words it.
pub fn routed(accept: Option<&str>, list: bool) -> Result<(), Status> {
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() || clauses(accept).iter().any(|clause| MEDIA.iter().any(|media| clause.takes(media))) {
        return Ok(());
    }
    let streams =
        if list { ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch" } else { "" };
    let message = format!(
        "406: Not Acceptable\n\nAvailable representations: application/json, application/yaml, application/vnd.kubernetes.protobuf{streams}"
    );
    Err(Status::new(406, "NotAcceptable", message).detailed())
}

/// The first of `known` media types that the client takes; the first of all if it does not say.
#[must_use]
pub fn first_of<'a>(accept: Option<&str>, known: &[&'a str]) -> Option<&'a str> {
    let accept = accept.filter(|accept| !accept.trim().is_empty()).unwrap_or("*/*");
    clauses(accept).iter().find_map(|clause| {
        let takes = |media: &&&str| media.split_once('/').is_some_and(|(_, subtype)| clause.takes(subtype));
        known.iter().find(takes).copied()
    })
}

fn not_acceptable(known: &str) -> Status {
    Status::new(406, "NotAcceptable", format!("only the following media types are accepted: {known}"))
}

const MEDIA: [&str; 3] = ["json", "yaml", "vnd.kubernetes.protobuf"];

/// One part of an Accept header.
struct Clause<'a> {
    kind: &'a str,
    subtype: &'a str,
    /// Thousandths.
    weight: u32,
    parameters: Vec<(&'a str, &'a str)>,
}

/// The parts of an Accept header, those of most weight first, what is named before what is not; else in the client's order.
fn clauses(accept: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = accept.split(',').filter_map(Clause::parse).collect();
    clauses.sort_by_key(|clause| (1_000 - clause.weight, clause.kind == "*", clause.subtype == "*"));
    clauses
}

impl<'a> Clause<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, subtype) = match parts.next()? {
            "*" => ("*", "*"),
            media => media.split_once('/')?,
        };
        let mut clause = Clause { kind, subtype, weight: 1_000, parameters: Vec::new() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match (name.trim(), value.trim()) {
                ("q", weight) => {
                    let weight = weight.parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0);
                    clause.weight = (weight * 1_000.0) as u32;
                }
                parameter => clause.parameters.push(parameter),
            }
        }
        Some(clause)
    }

    fn takes(&self, subtype: &str) -> bool {
        matches!((self.kind, self.subtype), ("*" | "application", "*"))
            || (self.kind, self.subtype) == ("application", subtype)
    }

    fn form(&self, media: &str, offer: Offer) -> Option<Form> {
        let (mut converts, mut kind, mut version, mut group) = (false, "", "", "");
        for (name, value) in &self.parameters {
            match *name {
                "stream" if !value.is_empty() && (*value != "watch" || media == "yaml") => return None,
                "as" => (kind, converts) = (value, true),
                "v" => (version, converts) = (value, true),
                "g" => (group, converts) = (value, true),
                _ => {}
            }
        }
        let converted = offer.converted && (version, group) == ("v1", "meta.k8s.io");
        match (kind, media) {
            _ if !converts => match media {
                "json" => Some(Form::Json),
                "yaml" => Some(Form::Yaml),
                _ => offer.protobuf.then_some(Form::Protobuf),
            },
            ("Table", "json") if converted => Some(Form::Table),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "json") if converted => Some(Form::Metadata),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "vnd.kubernetes.protobuf") if converted => {
                Some(Form::MetadataProtobuf)
            }
            _ => None,
        }
    }
}

/// The version of aggregated discovery that `accept` asks for before it asks for the plain one.
#[must_use]
pub fn aggregated(accept: Option<&str>) -> Option<&'static str> {
    for clause in accept.unwrap_or_default().split(',') {
        let mut parts: Vec<&str> = clause.split(';').map(str::trim).collect();
        parts.sort_unstable();
        let is = |version| parts == ["application/json", "as=APIGroupDiscoveryList", "g=apidiscovery.k8s.io", version];
        if is("v=v2") {
            return Some("v2");
        }
        if is("v=v2beta1") {
            return Some("v2beta1");
        }
        if matches!(parts.as_slice(), ["application/json" | "*/*"]) {
            return None;
        }
    }
    None
}

/// What the body of a create, update or delete is; without a Content-Type it is JSON.
///
/// # Errors
/// 415 for anything else.
pub fn body(content_type: Option<&str>) -> Result<Body, Status> {
    match media(content_type) {
        "" | "application/json" => Ok(Body::Json),
        "application/yaml" => Ok(Body::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(Body::Protobuf),
        _ => {
            let message = "the body of the request was in an unknown format - accepted media types include: \
                application/json, application/yaml, application/vnd.kubernetes.protobuf";
            Err(Status::new(415, "UnsupportedMediaType", message))
        }
    }
}

/// A media type without its parameters.
#[must_use]
pub fn media(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_are_taken_in_the_order_of_the_client() {
        let all = Offer { converted: true, protobuf: true, watch: false };
        let table = [
            (None, Some(Form::Json)),
            (Some("application/json, */*"), Some(Form::Json)),
            (Some("*/*"), Some(Form::Json)),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Protobuf)),
            (Some("application/vnd.kubernetes.protobuf, */*"), Some(Form::Protobuf)),
            (Some("application/json,application/vnd.kubernetes.protobuf"), Some(Form::Json)),
            (Some("*/*,application/vnd.kubernetes.protobuf"), Some(Form::Protobuf)),
            (Some("application/vnd.kubernetes.protobuf;q=0.5,application/yaml;q=0.7"), Some(Form::Yaml)),
            (Some("application/vnd.kubernetes.protobuf;stream=watch"), Some(Form::Protobuf)),
            (Some("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Some(Form::Table)),
            (Some("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"), Some(Form::Json)),
            (
                Some(
                    "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1",
                ),
                Some(Form::Table),
            ),
            (Some("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"), Some(Form::Metadata)),
            (
                Some(
                    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
                ),
                Some(Form::MetadataProtobuf),
            ),
            (Some("text/html;;;,,="), None),
        ];
        for (accept, want) in table {
            assert_eq!(form(accept, all).ok(), want, "{accept:?}");
        }
        let custom = Offer { protobuf: false, ..all };
        assert_eq!(form(Some("application/vnd.kubernetes.protobuf,application/json"), custom), Ok(Form::Json));
        assert_eq!(form(Some("application/vnd.kubernetes.protobuf"), custom).map_err(|status| status.code), Err(406));
        let metadata = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(form(Some(metadata), custom), Ok(Form::MetadataProtobuf));
        let watch = Offer { watch: true, ..all };
        assert_eq!(form(Some("application/yaml"), watch).map_err(|status| status.code), Err(406));
        assert_eq!(
            form(Some("application/json;as=Table;v=v1;g=meta.k8s.io"), Offer::default()).map_err(|s| s.code),
            Err(406)
        );
        assert!(routed(Some("application/json;as=Table"), false).is_ok() && routed(Some("text/html"), true).is_err());
        assert_eq!(form_of_error(Some("text/html")), Form::Json);
        assert_eq!(form_of_error(Some(&format!("{metadata},application/vnd.kubernetes.protobuf"))), Form::Protobuf);
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!((aggregated(Some(v2)), aggregated(Some("application/json"))), (Some("v2"), None));
        assert_eq!(body(Some("application/json; charset=utf-8")), Ok(Body::Json));
        assert_eq!(body(Some("text/plain")).map_err(|status| status.code), Err(415));
    }
}
