//! Which flow schema a request belongs to. It is asked schema by schema, in the order of their precedence.
use crate::attempt::Attempt;
use serde_json::Value;

/// A schema, ready to be asked.
#[derive(Clone, Debug)]
pub struct Flow {
    pub name: String,
    /// Lower comes first; of equals the lower name.
    pub precedence: i64,
    /// The level its requests are of.
    pub level: String,
    rules: Vec<Value>,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub user: &'a str,
    pub groups: &'a [Box<str>],
}

impl Flow {
    /// Of a FlowSchema.
    #[must_use]
    pub fn of(schema: &Value) -> Self {
        let (meta, spec) = (&schema["metadata"], &schema["spec"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self {
            name: text(&meta["name"]),
            precedence: spec["matchingPrecedence"].as_i64().unwrap_or(i64::MAX),
            level: text(&spec["priorityLevelConfiguration"]["name"]),
            rules: spec["rules"].as_array().cloned().unwrap_or_default(),
        }
    }

    /// Whether what `who` attempts belongs to it.
    #[must_use]
    pub fn takes(&self, who: Who<'_>, attempt: &Attempt<'_>) -> bool {
        self.rules.iter().any(|rule| {
            let of = |member: &str| rule[member].as_array().into_iter().flatten();
            of("subjects").any(|subject| is(subject, who))
                && if attempt.path.is_empty() {
                    of("resourceRules").any(|rule| resource(rule, attempt))
                } else {
                    of("nonResourceRules").any(|rule| has(rule, "verbs", attempt.verb) && path(rule, attempt.path))
                }
        })
    }
}

fn is(subject: &Value, who: Who<'_>) -> bool {
    let text = |member: &str, name: &str| subject[member][name].as_str().unwrap_or_default().to_owned();
    match subject["kind"].as_str() {
        Some("User") => matches!(text("user", "name"), name if name == "*" || name == who.user),
        Some("Group") => {
            matches!(text("group", "name"), name if name == "*" || who.groups.iter().any(|group| **group == *name))
        }
        Some("ServiceAccount") => {
            let (namespace, name) = (text("serviceAccount", "namespace"), text("serviceAccount", "name"));
            let account = who.user.strip_prefix("system:serviceaccount:").and_then(|account| account.split_once(':'));
            account.is_some_and(|(space, own)| space == namespace && (name == "*" || name == own))
        }
        _ => false,
    }
}

fn has(rule: &Value, member: &str, wanted: &str) -> bool {
    rule[member].as_array().into_iter().flatten().any(|one| one == "*" || one == wanted)
}

fn resource(rule: &Value, attempt: &Attempt<'_>) -> bool {
    let resource = match attempt.subresource {
        "" => attempt.resource.to_owned(),
        sub => format!("{}/{sub}", attempt.resource),
    };
    let placed = match attempt.namespace {
        "" => rule["clusterScope"] == true,
        namespace => has(rule, "namespaces", namespace),
    };
    placed
        && has(rule, "verbs", attempt.verb)
        && has(rule, "apiGroups", attempt.group)
        && has(rule, "resources", &resource)
}

fn path(rule: &Value, path: &str) -> bool {
    rule["nonResourceURLs"].as_array().into_iter().flatten().filter_map(Value::as_str).any(|known| {
        known == "*"
            || known == path
            || known.strip_suffix('*').is_some_and(|start| start.ends_with('/') && path.starts_with(start))
    })
}
