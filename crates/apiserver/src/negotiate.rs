//! What form an answer takes: Accept, in the client's order (no q weights, as in Kubernetes), and what a body may be.
use api::status::Status;

/// The form of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
    Table,
    /// One object's metadata, or a list of them.
    Metadata,
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

/// The first form of `accept` that can be given. `tables`: whether this endpoint can give Table and PartialObjectMetadata.
///
/// # Errors
/// 406 if there is none.
pub fn form(accept: Option<&str>, tables: bool) -> Result<Form, Status> {
    let accept = accept.unwrap_or_default();
    if accept.trim().is_empty() {
        return Ok(Form::Json);
    }
    for clause in accept.split(',') {
        let mut parts = clause.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let plain = match media {
            "application/json" | "*/*" | "application/*" => Form::Json,
            "application/yaml" => Form::Yaml,
            _ => continue,
        };
        let (mut kind, mut version, mut group) = ("", "", "");
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match name.trim() {
                "as" => kind = value.trim(),
                "v" => version = value.trim(),
                "g" => group = value.trim(),
                _ => {}
            }
        }
        match (kind, version, group) {
            ("", ..) => return Ok(plain),
            ("Table", "v1", "meta.k8s.io") if tables && plain == Form::Json => return Ok(Form::Table),
            ("PartialObjectMetadata" | "PartialObjectMetadataList", "v1", "meta.k8s.io")
                if tables && plain == Form::Json =>
            {
                return Ok(Form::Metadata);
            }
            _ => {}
        }
    }
    let message = "only the following media types are accepted: application/json, application/yaml";
    Err(Status::new(406, "NotAcceptable", message).detailed())
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
        let table = [
            (None, Some(Form::Json)),
            (Some("application/json, */*"), Some(Form::Json)),
            (Some("application/vnd.kubernetes.protobuf,application/json"), Some(Form::Json)),
            (Some("application/json;as=Table;v=v1;g=meta.k8s.io,application/json"), Some(Form::Table)),
            (Some("application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json"), Some(Form::Json)),
            (Some("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"), Some(Form::Metadata)),
            (Some("application/vnd.kubernetes.protobuf"), None),
            (Some("text/html;;;,,="), None),
        ];
        for (accept, want) in table {
            assert_eq!(form(accept, true).ok(), want, "{accept:?}");
        }
        assert_eq!(form(Some("application/json;as=Table;v=v1;g=meta.k8s.io"), false).map_err(|s| s.code), Err(406));
        let v2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
        assert_eq!((aggregated(Some(v2)), aggregated(Some("application/json"))), (Some("v2"), None));
        assert_eq!(body(Some("application/json; charset=utf-8")), Ok(Body::Json));
        assert_eq!(body(Some("text/plain")).map_err(|status| status.code), Err(415));
    }
}
