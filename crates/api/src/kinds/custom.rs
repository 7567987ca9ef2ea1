//! The kinds that a CustomResourceDefinition defines, one for each version it serves. It stores nothing and asks nobody.
use crate::field::Problems;
use crate::kind::{Column, DeleteReturns, Kind, ScalePaths, Schema, Subresource};
use crate::kinds::priority;
use crate::kinds::table::builtin;
use crate::schema::structural::Structural;
use crate::status::{Status, qualified};
use serde_json::Value;
use std::sync::Arc;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const GROUP: &str = "apiextensions.k8s.io";

/// The kinds of a definition, in the order of its versions, by the names it has been given. Whether it is as definitions must be is
/// `schema::validate`'s to say, and whether they are served is `acceptance`'s.
///
/// # Errors
/// 422 if a schema cannot be read.
pub fn from_crd(definition: &Value) -> Result<Vec<Kind>, Status> {
    let mut problems = Problems::default();
    let spec = &definition["spec"];
    let mut kinds = Vec::new();
    for (at, version) in versions(spec).enumerate() {
        if version["served"] == true {
            kinds.push(kind(definition, version, &format!("spec.versions[{at}]"), &mut problems));
        }
    }
    if problems.causes.is_empty() {
        return Ok(kinds);
    }
    let own = builtin().iter().find(|kind| &*kind.group == GROUP && &*kind.kind == "CustomResourceDefinition");
    let own = own.ok_or_else(|| Status::internal("the kind CustomResourceDefinition is not known"))?;
    let name = definition["metadata"]["name"].as_str().unwrap_or_default();
    problems.refuse(own, name).map(|()| Vec::new())
}

fn versions(spec: &Value) -> impl Iterator<Item = &Value> {
    spec["versions"].as_array().into_iter().flatten()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn kind(definition: &Value, version: &Value, path: &str, problems: &mut Problems) -> Kind {
    let (spec, given) = (&definition["spec"], &definition["status"]["acceptedNames"]);
    let names = if text(given, "plural").is_empty() { &spec["names"] } else { given };
    let group = text(spec, "group");
    let (name, plural, kind) = (text(version, "name"), text(names, "plural"), text(names, "kind"));
    let words =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
    let or = |text: &str, other: String| if text.is_empty() { other.into() } else { text.into() };
    let schema_path = format!("{path}.schema.openAPIV3Schema");
    let schema = Structural::read(&version["schema"]["openAPIV3Schema"], &schema_path, problems);
    let (subresources, scale) = subresources(&version["subresources"], (group, name, kind));
    Kind {
        group: group.into(),
        version: name.into(),
        kind: kind.into(),
        list_kind: or(text(names, "listKind"), format!("{kind}List")),
        plural: plural.into(),
        singular: or(text(names, "singular"), kind.to_lowercase()),
        short_names: words(&names["shortNames"]),
        categories: words(&names["categories"]),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: VERBS.iter().map(|verb| (*verb).into()).collect(),
        subresources,
        delete_returns: DeleteReturns::Status,
        resource: qualified(group, plural).into(),
        schema: Schema::Custom(Arc::new(schema)),
        columns: columns(&version["additionalPrinterColumns"]),
        selectable: version["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| text(field, "jsonPath").trim_start_matches('.').into())
            .collect(),
        scale,
        deprecated: deprecated(spec, version),
        stored_in: versions(spec)
            .find(|one| one["storage"] == true && one["served"] == true)
            .map(|one| text(one, "name").into()),
        defined: text(&definition["metadata"], "resourceVersion").parse().unwrap_or(0),
    }
}

/// What clients of a deprecated version are told: its own words, or which version to use instead.
fn deprecated(spec: &Value, version: &Value) -> Option<Box<str>> {
    if version["deprecated"] != true {
        return None;
    }
    if let Some(own) = version["deprecationWarning"].as_str() {
        return Some(own.into());
    }
    let (group, kind, name) = (text(spec, "group"), text(&spec["names"], "kind"), text(version, "name"));
    let better = |other: &&Value| {
        other["served"] == true && other["deprecated"] != true && priority::compare(text(other, "name"), name).is_lt()
    };
    let others = versions(spec).filter(better);
    let best = others.map(|other| text(other, "name")).min_by(|a, b| priority::compare(a, b));
    let instead = best.map(|best| format!("; use {group}/{best} {kind}")).unwrap_or_default();
    Some(format!("{group}/{name} {kind} is deprecated{instead}").into())
}

fn subresources(source: &Value, (group, version, kind): (&str, &str, &str)) -> (Vec<Subresource>, Option<ScalePaths>) {
    let one = |name: &str, group: &str, version: &str, kind: &str| Subresource {
        name: name.into(),
        verbs: ["get", "patch", "update"].map(Into::into).to_vec(),
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
    };
    let mut list = Vec::new();
    if source["status"].is_object() {
        list.push(one("status", group, version, kind));
    }
    let scale = source.get("scale").filter(|scale| scale.is_object()).map(|scale| {
        let selector = text(scale, "labelSelectorPath");
        ScalePaths {
            spec_replicas: text(scale, "specReplicasPath").into(),
            status_replicas: text(scale, "statusReplicasPath").into(),
            label_selector: (!selector.is_empty()).then(|| selector.into()),
        }
    });
    if scale.is_some() {
        list.push(one("scale", "autoscaling", "v1", "Scale"));
    }
    (list, scale)
}

/// Printer columns; a definition that names none has the age.
fn columns(source: &Value) -> Vec<Column> {
    let columns = source.as_array().into_iter().flatten();
    columns
        .map(|column| Column {
            name: text(column, "name").into(),
            kind: text(column, "type").into(),
            format: text(column, "format").into(),
            description: text(column, "description").into(),
            priority: column["priority"].as_i64().unwrap_or(0),
            json_path: text(column, "jsonPath").into(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::from_crd;
    use serde_json::json;

    fn boats() -> serde_json::Value {
        json!({"metadata": {"name": "boats.rutter.dev"}, "spec": {"group": "rutter.dev", "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat", "shortNames": ["bt"]},
            "versions": [
                {"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}},
                 "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.masts", "statusReplicasPath": ".status.masts"}},
                 "additionalPrinterColumns": [{"name": "Masts", "type": "integer", "jsonPath": ".spec.masts"}]},
                {"name": "v2", "served": false, "storage": false, "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
    }

    #[test]
    fn a_definition_serves_its_versions() {
        let kinds = from_crd(&boats()).expect("it is sound");
        assert_eq!(kinds.len(), 1, "v2 is not served");
        let kind = &kinds[0];
        assert_eq!((&*kind.resource, &*kind.singular, &*kind.list_kind), ("boats.rutter.dev", "boat", "BoatList"));
        assert!(kind.namespaced && kind.custom() && kind.subresource("scale").is_some());
        assert_eq!(&*kind.columns[0].json_path, ".spec.masts");
    }

    #[test]
    fn a_deprecated_version_says_what_to_use() {
        let mut definition = boats();
        let told = |definition: &serde_json::Value| {
            let kinds = from_crd(definition).expect("it is sound");
            kinds[0].deprecated.as_deref().map(str::to_owned)
        };
        assert_eq!(told(&definition), None);
        definition["spec"]["versions"][0]["deprecated"] = json!(true);
        assert_eq!(told(&definition).as_deref(), Some("rutter.dev/v1 Boat is deprecated"));
        definition["spec"]["versions"][1]["served"] = json!(true);
        assert_eq!(told(&definition).as_deref(), Some("rutter.dev/v1 Boat is deprecated; use rutter.dev/v2 Boat"));
        definition["spec"]["versions"][0]["deprecationWarning"] = json!("row instead");
        assert_eq!(told(&definition).as_deref(), Some("row instead"));
    }
}
