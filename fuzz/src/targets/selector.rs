//! Selectors of labels and fields: read, and asked of an object. A selector that is read decides, whatever it says.
use api::facet;
use api::key::Key;
use api::selector::{Fields, Labels};
use serde_json::{Value, json};

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pod = json!({"metadata": {"name": "x", "labels": {"a": "b", "e": "", "n": "7"}}, "spec": {"nodeName": "n1"}});
    let facet = facet::of("pods", &pod);
    if let Ok(labels) = Labels::parse(text) {
        assert_eq!(labels.matches(&facet), labels.matches_map(&pod["metadata"]["labels"]));
        let each = labels.requirements.iter().all(|requirement| requirement.holds(facet.label(&requirement.key)));
        assert_eq!(labels.matches(&facet), each);
    }
    if let Ok(fields) = Fields::parse(text, facet::fields::paths("pods")) {
        let _ = fields.matches(&Key::new("pods", "n", "x"), &facet);
        assert_eq!(fields.is_empty(), fields.terms.is_empty());
    }
    if let Ok(selector) = serde_json::from_str::<Value>(text) {
        let _ = Labels::of(&selector).map(|labels| labels.matches(&facet));
        let _ = Labels::of_map(&selector).matches(&facet);
    }
}
