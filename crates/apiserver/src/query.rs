//! The parameters of a request: Kubernetes' Get-, List-, Create-, Update-, Patch- and DeleteOptions, read and checked.
//! A parameter that would change the meaning and cannot be read is refused, never ignored.
use crate::limits::QUERY_PARAMETERS_MAX;
use crate::route::unescape;
use api::go;
use api::revision::Revision;
use api::status::{Cause, Status};
use serde_json::Value;

/// The parameters in the order written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// # Errors
    /// 400 if an escape is broken or there are too many.
    pub fn parse(query: Option<&str>) -> Result<Self, Status> {
        let mut list = Vec::new();
        for pair in query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if list.len() == QUERY_PARAMETERS_MAX {
                return Err(Status::bad_request(format!("more than {QUERY_PARAMETERS_MAX} query parameters")));
            }
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decoded = unescape(name, true).zip(unescape(value, true));
            list.push(
                decoded
                    .ok_or_else(|| Status::bad_request(format!("invalid URL escape in query parameter {name:?}")))?,
            );
        }
        Ok(Self(list))
    }

    /// The first value; empty and absent are the same.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next().filter(|value| !value.is_empty())
    }

    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(have, _)| have == name).map(|(_, value)| value.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(have, _)| have == name)
    }

    /// As Go's conversion does: present and not `0` or `false` is true.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.all(name).next().is_some_and(|value| !matches!(value.to_ascii_lowercase().as_str(), "0" | "false"))
    }

    /// A whole number of any sign: one that is there is not empty.
    ///
    /// # Errors
    /// 400 in the words of Go's `strconv`.
    pub fn signed(&self, name: &str) -> Result<Option<i64>, Status> {
        self.all(name).next().map(whole).transpose()
    }
}

fn whole(text: &str) -> Result<i64, Status> {
    text.parse().map_err(|error: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let far = matches!(error.kind(), PosOverflow | NegOverflow);
        let why = if far { "value out of range" } else { "invalid syntax" };
        Status::bad_request(format!("strconv.ParseInt: parsing {text:?}: {why}"))
    })
}

/// How far a write goes, and what is said of unknown fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    pub dry_run: bool,
    pub validation: FieldValidation,
    pub manager: String,
    pub force: bool,
    /// Server-side apply: who owns what is settled by it, not noted afterwards.
    pub applies: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    Ignore,
    #[default]
    Warn,
    Strict,
}

/// Options of `kind` (`CreateOptions`, `UpdateOptions`, `PatchOptions`).
///
/// # Errors
/// 422 as Kubernetes words it.
pub fn write_options(kind: &str, query: &Parameters) -> Result<WriteOptions, Status> {
    let dry_run = dry_run(kind, query.all("dryRun"))?;
    let validation = match query.get("fieldValidation").unwrap_or_default() {
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        "Warn" | "" => FieldValidation::Warn,
        other => {
            let message =
                format!("Unsupported value: {other:?}: supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"");
            return Err(invalid(kind, "fieldValidation", "FieldValueNotSupported", &message));
        }
    };
    let manager = query.get("fieldManager").unwrap_or_default().to_owned();
    if manager.len() > 128 {
        return Err(invalid(kind, "fieldManager", "FieldValueTooLong", "Too long: may not be more than 128 bytes"));
    }
    if let Some((at, c)) = manager.char_indices().find(|(_, c)| c.is_control() || (c.is_whitespace() && *c != ' ')) {
        let code = u32::from(c);
        let message =
            format!("Invalid value: {}: invalid character U+{code:04X} (at position {at})", go::quoted(&manager));
        return Err(invalid(kind, "fieldManager", "FieldValueInvalid", &message));
    }
    Ok(WriteOptions { dry_run, validation, manager, force: query.flag("force"), applies: false })
}

fn dry_run<'a>(kind: &str, values: impl Iterator<Item = &'a str>) -> Result<bool, Status> {
    let mut asked = false;
    for value in values.filter(|value| !value.is_empty()) {
        if value != "All" {
            let message = format!("Unsupported value: []string{{{value:?}}}: supported values: \"All\"");
            return Err(invalid(kind, "dryRun", "FieldValueNotSupported", &message));
        }
        asked = true;
    }
    Ok(asked)
}

/// What becomes of the objects that the deleted one owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    Background,
    Foreground,
    Orphan,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    pub dry_run: bool,
    pub grace_seconds: Option<u64>,
    pub propagation: Option<Propagation>,
    pub uid: Option<String>,
    pub revision: Option<String>,
    /// What does not go at once is answered with 202: who says `orphanDependents=false` waits for the rest.
    pub accepts: bool,
}

/// From the body if there is one, else from the query, as in Kubernetes; `dryRun` from both. The body's types are checked
/// (`body::other`).
///
/// # Errors
/// 400 for values of the wrong type, 422 for values out of range or that contradict each other.
pub fn delete_options(query: &Parameters, body: Option<&Value>) -> Result<DeleteOptions, Status> {
    const KIND: &str = "DeleteOptions";
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(kind) = body.and_then(|body| body.get("kind")).and_then(text).filter(|kind| kind != KIND) {
        let message = format!("the body is of kind {kind:?}, and cannot be converted to DeleteOptions");
        return Err(Status::bad_request(message));
    }
    let (grace, policy, orphan) = match body {
        None => {
            let grace = query.get("gracePeriodSeconds").map(whole);
            let orphan = query.has("orphanDependents").then(|| query.flag("orphanDependents"));
            (grace.transpose()?, query.get("propagationPolicy").map(str::to_owned), orphan)
        }
        Some(body) => {
            let number = |value: &Value| {
                value.as_i64().ok_or_else(|| {
                    let why = format!("gracePeriodSeconds: Invalid value: {value}: must be a whole number of seconds");
                    Status::bad_request(why)
                })
            };
            let grace = body.get("gracePeriodSeconds").filter(|value| !value.is_null()).map(number).transpose()?;
            (grace, body.get("propagationPolicy").and_then(text), body.get("orphanDependents").and_then(Value::as_bool))
        }
    };
    if let (Some(policy), Some(_)) = (policy.as_deref().filter(|policy| !policy.is_empty()), orphan) {
        let message = format!("Invalid value: {policy:?}: orphanDependents and deletionPropagation cannot be both set");
        return Err(invalid(KIND, "propagationPolicy", "FieldValueInvalid", &message));
    }
    let propagation = match policy.as_deref() {
        Some("Background") => Some(Propagation::Background),
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some(other) if !other.is_empty() => {
            let message = format!(
                "Unsupported value: {other:?}: supported values: \"Foreground\", \"Background\", \"Orphan\", \"nil\""
            );
            return Err(invalid(KIND, "propagationPolicy", "FieldValueNotSupported", &message));
        }
        _ => orphan.map(|orphan| if orphan { Propagation::Orphan } else { Propagation::Background }),
    };
    let in_body = |name: &str| body.and_then(|body| body.get("preconditions")).and_then(|p| p.get(name)).and_then(text);
    let dry_in_body = body.and_then(|body| body.get("dryRun")).and_then(Value::as_array);
    let dry_in_body = dry_in_body.into_iter().flatten().filter_map(Value::as_str);
    Ok(DeleteOptions {
        dry_run: dry_run(KIND, query.all("dryRun").chain(dry_in_body))?,
        grace_seconds: grace.map(|seconds| u64::try_from(seconds).unwrap_or(1)),
        propagation,
        uid: in_body("uid"),
        revision: in_body("resourceVersion"),
        accepts: orphan == Some(false),
    })
}

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// It holds every write acknowledged before the call.
    Newest,
    /// Whatever this member has.
    Any,
    NotBefore(Revision),
    Exactly(Revision),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListOptions {
    pub freshness: Freshness,
    pub limit: Option<usize>,
    pub continuing: Option<String>,
    pub watch: bool,
    pub bookmarks: bool,
    /// Send the present state as ADDED events, then a marked bookmark.
    pub initial_events: Option<bool>,
    pub timeout_seconds: Option<u64>,
    pub labels: String,
    pub fields: String,
}

/// # Errors
/// 400 or 422 as Kubernetes words them.
pub fn list_options(query: &Parameters, watch_prefix: bool) -> Result<ListOptions, Status> {
    const KIND: &str = "ListOptions";
    let forbid = |field: &str, why: String| invalid(KIND, field, "FieldValueForbidden", &format!("Forbidden: {why}"));
    // One that is negative is none.
    let limit = query.signed("limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let watch = watch_prefix || query.flag("watch");
    let version = query.get("resourceVersion");
    let revision = version.map(revision).transpose()?;
    let matching = query.get("resourceVersionMatch");
    let initial_events = query.has("sendInitialEvents").then(|| query.flag("sendInitialEvents"));
    let continuing = query.get("continue").map(str::to_owned);
    if continuing.is_some() && version.is_some_and(|version| version != "0") {
        return Err(Status::bad_request("specifying resource version is not allowed when using continue"));
    }
    if continuing.is_some() && matching.is_some() {
        let why = "resourceVersionMatch is forbidden when continue is provided";
        return Err(forbid("resourceVersionMatch", why.into()));
    }
    if watch {
        match (initial_events, matching) {
            (None, Some(_)) => {
                let why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided";
                return Err(forbid("resourceVersionMatch", why.into()));
            }
            (Some(_), None) => {
                let why = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan";
                return Err(forbid("resourceVersionMatch", why.into()));
            }
            (Some(_), Some(other)) if other != "NotOlderThan" => {
                let message = format!("Unsupported value: {other:?}: supported values: \"NotOlderThan\"");
                return Err(invalid(KIND, "resourceVersionMatch", "FieldValueNotSupported", &message));
            }
            _ => {}
        }
    } else if initial_events.is_some() {
        return Err(forbid("sendInitialEvents", "sendInitialEvents is forbidden for list".into()));
    } else if matching.is_some() && version.is_none() {
        let why = "resourceVersionMatch is forbidden unless resourceVersion is provided";
        return Err(forbid("resourceVersionMatch", why.into()));
    }
    let freshness = match (matching, revision) {
        (Some("Exact"), Some(Revision(0))) => {
            let why = "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"";
            return Err(forbid("resourceVersionMatch", why.into()));
        }
        (Some("Exact"), Some(revision)) => Freshness::Exactly(revision),
        (Some("NotOlderThan") | None, _) if revision.is_none() => Freshness::Newest,
        (Some("NotOlderThan") | None, Some(Revision(0))) => Freshness::Any,
        (None, Some(revision)) if limit.is_some() && !watch => Freshness::Exactly(revision),
        (Some("NotOlderThan") | None, Some(revision)) => Freshness::NotBefore(revision),
        (other, _) => {
            let message = format!(
                "Unsupported value: {:?}: supported values: \"Exact\", \"NotOlderThan\", \"\"",
                other.unwrap_or_default()
            );
            return Err(invalid(KIND, "resourceVersionMatch", "FieldValueNotSupported", &message));
        }
    };
    Ok(ListOptions {
        freshness,
        limit,
        continuing,
        watch,
        bookmarks: query.flag("allowWatchBookmarks"),
        initial_events,
        // None at all is what Kubernetes takes a zero for; what is negative is over at once.
        timeout_seconds: query
            .signed("timeoutSeconds")?
            .filter(|seconds| *seconds != 0)
            .map(|seconds| u64::try_from(seconds).unwrap_or(0)),
        labels: query.get("labelSelector").unwrap_or_default().to_owned(),
        fields: query.get("fieldSelector").unwrap_or_default().to_owned(),
    })
}

/// A resourceVersion as a client sends it.
///
/// # Errors
/// 500 if it is no decimal number, as Kubernetes answers.
pub fn revision(text: &str) -> Result<Revision, Status> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let why = if digits { "value out of range" } else { "invalid syntax" };
    let message = format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}");
    // Kubernetes takes it for its own mistake.
    text.parse().map(Revision).map_err(|_| Status::new(500, "", message))
}

/// 422 about an options object of group meta.k8s.io.
#[must_use]
pub fn invalid(kind: &str, field: &str, reason: &'static str, message: &str) -> Status {
    let mut status = Status::new(422, "Invalid", format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {message}"));
    status.causes = vec![Cause { reason, message: message.into(), field: field.into() }];
    status.about("meta.k8s.io", kind, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(query: &str) -> Result<ListOptions, Status> {
        list_options(&Parameters::parse(Some(query))?, false)
    }

    #[test]
    fn freshness_is_as_the_table_of_kubernetes_has_it() {
        let table = [
            ("", Freshness::Newest),
            ("resourceVersion=0", Freshness::Any),
            ("resourceVersion=7", Freshness::NotBefore(Revision(7))),
            ("limit=5", Freshness::Newest),
            ("limit=5&resourceVersion=0", Freshness::Any),
            ("limit=5&resourceVersion=7", Freshness::Exactly(Revision(7))),
            ("resourceVersion=7&resourceVersionMatch=Exact", Freshness::Exactly(Revision(7))),
            ("limit=5&resourceVersion=7&resourceVersionMatch=NotOlderThan", Freshness::NotBefore(Revision(7))),
            ("watch=1&resourceVersion=7", Freshness::NotBefore(Revision(7))),
            ("watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan", Freshness::Newest),
        ];
        for (query, want) in table {
            assert_eq!(list(query).map(|options| options.freshness), Ok(want), "{query}");
        }
        let refused = [
            ("resourceVersionMatch=Exact", 422),
            ("resourceVersionMatch=NotOlderThan", 422),
            ("resourceVersion=0&resourceVersionMatch=Exact", 422),
            ("resourceVersion=1&resourceVersionMatch=Foo", 422),
            ("continue=x&resourceVersion=5", 400),
            ("resourceVersion=abc", 500),
            ("resourceVersion=-1", 500),
            ("limit=", 400),
            ("timeoutSeconds=99999999999999999999", 400),
            ("watch=1&sendInitialEvents=true", 422),
            ("sendInitialEvents=true", 422),
            ("a=%zz", 400),
        ];
        assert_eq!(list("limit=-1").map(|options| options.limit), Ok(None));
        let told = list("limit=x").map_err(|status| status.message.clone()).err();
        assert_eq!(told.as_deref(), Some("strconv.ParseInt: parsing \"x\": invalid syntax"));
        for (query, code) in refused {
            assert_eq!(list(query).map_err(|status| status.code).err(), Some(code), "{query}");
        }
    }

    #[test]
    fn the_body_of_a_delete_goes_before_its_query() {
        let query = Parameters::parse(Some("propagationPolicy=Orphan&gracePeriodSeconds=3")).expect("parses");
        let from_query = delete_options(&query, None).expect("options");
        assert_eq!((from_query.propagation, from_query.grace_seconds), (Some(Propagation::Orphan), Some(3)));
        let body = serde_json::json!({"propagationPolicy": "Foreground", "preconditions": {"uid": "u"}});
        let from_body = delete_options(&query, Some(&body)).expect("options");
        assert_eq!((from_body.propagation, from_body.grace_seconds), (Some(Propagation::Foreground), None));
        assert_eq!(from_body.uid.as_deref(), Some("u"));
        let bad = serde_json::json!({"gracePeriodSeconds": "soon"});
        assert_eq!(delete_options(&query, Some(&bad)).map_err(|status| status.code).err(), Some(400));
    }
}
