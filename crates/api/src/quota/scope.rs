//! Which pods a quota is about: its scopes, and its scopeSelector. A quota with either counts pods only.
use serde_json::Value;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

/// The scopes of a quota's spec.
pub(super) fn read(spec: &Value) -> Vec<Scope> {
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let plain = texts(&spec["scopes"]).into_iter();
    let plain = plain.map(|name| Scope { name, operator: "Exists".into(), values: Vec::new() });
    let selected = spec["scopeSelector"]["matchExpressions"].as_array().into_iter().flatten().map(|one| Scope {
        name: one["scopeName"].as_str().unwrap_or_default().to_owned(),
        operator: one["operator"].as_str().unwrap_or_default().to_owned(),
        values: texts(&one["values"]),
    });
    plain.chain(selected).collect()
}

impl Scope {
    pub(super) fn holds(&self, pod: &Value) -> bool {
        let spec = &pod["spec"];
        let terminating = spec["activeDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds >= 0);
        let best_effort = pod["status"]["qosClass"] == "BestEffort";
        match self.name.as_str() {
            "Terminating" => terminating,
            "NotTerminating" => !terminating,
            "BestEffort" => best_effort,
            "NotBestEffort" => !best_effort,
            "CrossNamespacePodAffinity" => crosses(&spec["affinity"]),
            "PriorityClass" => {
                let class = spec["priorityClassName"].as_str().unwrap_or_default();
                let listed = self.values.iter().any(|value| value == class);
                match self.operator.as_str() {
                    "In" => !class.is_empty() && listed,
                    "NotIn" => !listed,
                    "Exists" => !class.is_empty(),
                    "DoesNotExist" => class.is_empty(),
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// Whether a term of pod affinity looks into other namespaces.
fn crosses(affinity: &Value) -> bool {
    let looks = |term: &Value| {
        term["namespaces"].as_array().is_some_and(|list| !list.is_empty()) || !term["namespaceSelector"].is_null()
    };
    ["podAffinity", "podAntiAffinity"].iter().any(|side| {
        let terms = |way: &str| affinity[side][way].as_array().into_iter().flatten();
        terms("requiredDuringSchedulingIgnoredDuringExecution").any(looks)
            || terms("preferredDuringSchedulingIgnoredDuringExecution").any(|one| looks(&one["podAffinityTerm"]))
    })
}
