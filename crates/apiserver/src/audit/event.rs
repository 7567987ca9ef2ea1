//! An event of the audit stream (audit.k8s.io/v1), written straight from what is known of a request. It decides nothing and reads no policy.
use crate::identity::User;
use crate::request::agent;
use crate::trail::Trail;
use api::audit::{Level, Stage};
use api::revision::Millis;
use bytes::Bytes;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// Why a request was let pass or not.
const DECISION: &str = "authorization.k8s.io/decision";
const REASON: &str = "authorization.k8s.io/reason";

/// One line of the stream.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event<'a> {
    kind: &'static str,
    api_version: &'static str,
    level: &'static str,
    #[serde(rename = "auditID")]
    audit_id: &'a str,
    stage: &'static str,
    #[serde(rename = "requestURI")]
    request_uri: &'a str,
    verb: &'a str,
    user: Shown<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    impersonated_user: Option<Shown<'a>>,
    #[serde(rename = "sourceIPs", skip_serializing_if = "Option::is_none")]
    source_ips: Option<[IpAddr; 1]>,
    user_agent: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) object_ref: Option<Reference<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_status: Option<Answer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_object: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_object: Option<Value>,
    request_received_timestamp: String,
    stage_timestamp: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) annotations: BTreeMap<&'static str, &'a str>,
}

/// The object that was asked for (`ObjectReference`); what is empty is not told.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Reference<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    resource: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) namespace: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) uid: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_group: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    api_version: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) resource_version: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    subresource: &'a str,
}

/// The code, and what a Status says beside it.
#[derive(Serialize)]
pub(super) struct Answer {
    metadata: Empty,
    code: u16,
    #[serde(flatten)]
    pub(super) said: BTreeMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Empty {}

/// Somebody, as Kubernetes shows them (`UserInfo`); nothing of nobody.
struct Shown<'a>(Option<&'a User>);

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap as _;
        let mut map = serializer.serialize_map(None)?;
        let Some(user) = self.0 else { return map.end() };
        map.serialize_entry("username", &user.name)?;
        if !user.uid.is_empty() {
            map.serialize_entry("uid", &user.uid)?;
        }
        map.serialize_entry("groups", &user.groups)?;
        if !user.extra.is_empty() {
            map.serialize_entry("extra", &user.extra)?;
        }
        map.end()
    }
}

impl<'a> Event<'a> {
    /// Everything but the objects and what an answer says.
    pub(super) fn new(trail: &'a Trail, stage: Stage, level: Level, code: u16) -> Self {
        let ended = stage != Stage::RequestReceived;
        Self {
            kind: "Event",
            api_version: "audit.k8s.io/v1",
            level: level.text(),
            audit_id: &trail.audit_id,
            stage: stage.text(),
            request_uri: trail.uri(),
            verb: trail.verb,
            user: Shown(trail.user.as_ref()),
            impersonated_user: trail.acts_as.as_ref().map(|user| Shown(Some(user))),
            source_ips: trail.from.map(|from| [from]),
            user_agent: agent(trail.agent.as_ref()),
            object_ref: trail.target.as_ref().map(|target| Reference {
                resource: &target.resource,
                namespace: Cow::Borrowed(&target.namespace),
                name: Cow::Borrowed(&target.name),
                uid: Cow::Borrowed(""),
                api_group: &target.group,
                api_version: &target.version,
                resource_version: Cow::Borrowed(""),
                subresource: &target.subresource,
            }),
            response_status: ended.then(|| Answer { metadata: Empty {}, code, said: BTreeMap::new() }),
            request_object: None,
            response_object: None,
            request_received_timestamp: Millis(trail.received).rfc3339_micro(),
            stage_timestamp: Millis(rt::wall()).rfc3339_micro(),
            annotations: if ended { decision(trail) } else { BTreeMap::new() },
        }
    }

    /// As a line of JSON, with its newline.
    pub(super) fn line(&self) -> Bytes {
        let mut text = Vec::with_capacity(LINE_BYTES);
        // It is made of texts and values alone, which always have a form in JSON.
        let _ = serde_json::to_writer(&mut text, self);
        text.push(b'\n');
        text.into()
    }
}

/// Bytes of a usual line.
const LINE_BYTES: usize = 1_024;

/// Who was refused was refused by the rules alone if no rule let them pass.
fn decision(trail: &Trail) -> BTreeMap<&'static str, &str> {
    let (decision, reason) = trail.rule.as_ref().map_or(("forbid", ""), |rule| ("allow", &**rule));
    BTreeMap::from([(DECISION, decision), (REASON, reason)])
}
