//! Pod affinity terms: which pods, in which namespaces, and what counts as the same place.
use crate::spec::{list, text};
use api::object::Object;
use api::selector::Labels;
use serde_json::Value;
use store::view::View;

/// One `PodAffinityTerm`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Term {
    pub(crate) topology: String,
    selector: Labels,
    namespaces: Vec<String>,
    /// `None` if the term names no `namespaceSelector`.
    namespace_selector: Option<Labels>,
}

impl Term {
    /// Reads a term of a pod in `namespace`, whose own namespace is meant when the term names none.
    fn read(term: &Value, namespace: &str) -> Self {
        let named: Vec<String> =
            list(term, "namespaces").iter().filter_map(|name| name.as_str().map(str::to_owned)).collect();
        let namespace_selector = term.get("namespaceSelector").filter(|selector| !selector.is_null()).map(read_labels);
        let own = named.is_empty() && namespace_selector.is_none();
        Self {
            topology: text(term, "topologyKey").into(),
            selector: read_labels(&term["labelSelector"]),
            namespaces: if own { vec![namespace.into()] } else { named },
            namespace_selector,
        }
    }

    /// The term of a spread constraint: pods of the same namespace.
    pub(crate) fn of_selector(topology: &str, selector: &Value, namespace: &str) -> Self {
        let selector = read_labels(selector);
        Self { topology: topology.into(), selector, namespaces: vec![namespace.into()], namespace_selector: None }
    }

    pub(crate) fn matches(&self, view: &View, pod: &Object) -> bool {
        if !self.selector.matches(&pod.facet) {
            return false;
        }
        let namespace = &*pod.key.namespace;
        let selected = |selector: &Labels| {
            view.get("namespaces", "", namespace).is_some_and(|object| selector.matches(&object.facet))
        };
        self.namespaces.iter().any(|name| name == namespace) || self.namespace_selector.as_ref().is_some_and(selected)
    }

    /// Equal for terms that match the same pods, whatever their topology.
    pub(crate) fn signature(&self) -> String {
        format!("{:?}{:?}{:?}", self.selector, self.namespaces, self.namespace_selector)
    }
}

/// A selector; a malformed one selects nothing.
fn read_labels(selector: &Value) -> Labels {
    Labels::of(selector).unwrap_or(Labels { requirements: Vec::new(), nothing: true })
}

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";

pub(crate) fn affinity(pod: &Value, namespace: &str) -> Vec<Term> {
    list(&pod["spec"]["affinity"]["podAffinity"], REQUIRED).iter().map(|term| Term::read(term, namespace)).collect()
}

pub(crate) fn anti_affinity(pod: &Value, namespace: &str) -> Vec<Term> {
    list(&pod["spec"]["affinity"]["podAntiAffinity"], REQUIRED).iter().map(|term| Term::read(term, namespace)).collect()
}

/// Preferred terms with their weights: against for anti-affinity.
pub(crate) fn preferred(pod: &Value, namespace: &str) -> Vec<(i64, Term)> {
    let weighted = |kind: &str, sign: i64| -> Vec<(i64, Term)> {
        let terms = list(&pod["spec"]["affinity"][kind], PREFERRED).iter();
        let weight = |term: &Value| term.get("weight").and_then(Value::as_i64).unwrap_or(0).clamp(0, 100);
        terms.map(|term| (sign * weight(term), Term::read(&term["podAffinityTerm"], namespace))).collect()
    };
    [weighted("podAffinity", 1), weighted("podAntiAffinity", -1)].concat()
}
