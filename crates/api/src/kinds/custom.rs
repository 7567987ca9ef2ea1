//! The kinds that a CustomResourceDefinition defines, one for each version it serves. It stores nothing and asks nobody.
use crate::field::Problems;
use crate::jsonpath;
use crate::kind::{Column, DeleteReturns, Kind, ScalePaths, Schema, Subresource};
use crate::kinds::table::builtin;
use crate::schema::structural::Structural;
use crate::status::{Status, qualified};
use serde_json::Value;
use std::sync::Arc;

const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];
const GROUP: &str = "apiextensions.k8s.io";

/// Resources under which the cluster keeps what no client sees; no definition may have their names.
const RESERVED: [&str; 1] = ["nodeports.rutter.dev"];

/// The kinds of a definition, in the order of its versions.
///
/// # Errors
/// 422 with everything about it that cannot be served.
pub fn from_crd(definition: &Value) -> Result<Vec<Kind>, Status> {
    let mut problems = Problems::default();
    let spec = &definition["spec"];
    for (path, value) in [
        ("spec.group", &spec["group"]),
        ("spec.names.plural", &spec["names"]["plural"]),
        ("spec.names.kind", &spec["names"]["kind"]),
    ] {
        if value.as_str().unwrap_or_default().is_empty() {
            problems.required(path, "");
        }
    }
    names(definition, &mut problems);
    let versions: &[Value] = spec["versions"].as_array().map_or(&[], Vec::as_slice);
    if versions.is_empty() {
        problems.required("spec.versions", "must have at least one version");
    }
    let mut kinds = Vec::new();
    for (at, version) in versions.iter().enumerate() {
        let path = format!("spec.versions[{at}]");
        let kind = kind(spec, version, &path, &mut problems);
        if version["served"] == true {
            kinds.push(kind);
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

/// The definition's name says where its objects are kept: nobody else's place.
fn names(definition: &Value, problems: &mut Problems) {
    let spec = &definition["spec"];
    let (name, group, plural) =
        (text(&definition["metadata"], "name"), text(spec, "group"), text(&spec["names"], "plural"));
    if group.is_empty() || plural.is_empty() {
        return;
    }
    for why in crate::name::label_1035(plural) {
        problems.invalid_text("spec.names.plural", plural, &why);
    }
    for why in crate::name::subdomain(group) {
        problems.invalid_text("spec.group", group, &why);
    }
    if !group.contains('.') {
        problems.invalid_text("spec.group", group, "should be a domain with at least one dot");
    }
    if name != format!("{plural}.{group}") {
        problems.invalid_text("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
    let resource = qualified(group, plural);
    if RESERVED.contains(&resource.as_str()) || builtin().iter().any(|kind| *kind.resource == *resource) {
        problems.forbidden("metadata.name", "this name is the cluster's own");
    }
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value[member].as_str().unwrap_or_default()
}

fn kind(spec: &Value, version: &Value, path: &str, problems: &mut Problems) -> Kind {
    let (group, names) = (text(spec, "group"), &spec["names"]);
    let (name, plural, kind) = (text(version, "name"), text(names, "plural"), text(names, "kind"));
    let words =
        |list: &Value| list.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect();
    let or = |text: &str, other: String| if text.is_empty() { other.into() } else { text.into() };
    let schema_path = format!("{path}.schema.openAPIV3Schema");
    let source = &version["schema"]["openAPIV3Schema"];
    if !source.is_object() {
        problems.required(schema_path.as_str(), "schemas are required");
    } else if source["type"] != "object" {
        problems.invalid(format!("{schema_path}.type"), &source["type"], "must be object at the root");
    }
    let schema = Structural::read(source, &schema_path, problems);
    let (subresources, scale) = subresources(&version["subresources"], path, (group, name, kind), problems);
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
        columns: columns(&version["additionalPrinterColumns"], path, problems),
        selectable: version["selectableFields"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|field| text(field, "jsonPath").trim_start_matches('.').into())
            .collect(),
        scale,
    }
}

fn subresources(
    source: &Value,
    path: &str,
    (group, version, kind): (&str, &str, &str),
    problems: &mut Problems,
) -> (Vec<Subresource>, Option<ScalePaths>) {
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
        for member in ["specReplicasPath", "statusReplicasPath"] {
            let path = format!("{path}.subresources.scale.{member}");
            match text(scale, member) {
                "" => problems.required(path, ""),
                text if !jsonpath::understood(text) => {
                    problems.invalid_text(path, text, "should be a json path starting with a dot");
                }
                _ => {}
            }
        }
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
fn columns(source: &Value, path: &str, problems: &mut Problems) -> Vec<Column> {
    let mut columns = Vec::new();
    for (at, column) in source.as_array().into_iter().flatten().enumerate() {
        let path = format!("{path}.additionalPrinterColumns[{at}]");
        let known = ["boolean", "date", "integer", "number", "string"];
        if !known.contains(&text(column, "type")) {
            problems.unsupported(format!("{path}.type"), &column["type"], &known);
        }
        if text(column, "name").is_empty() {
            problems.required(format!("{path}.name"), "");
        }
        if text(column, "jsonPath").is_empty() {
            problems.required(format!("{path}.jsonPath"), "");
        }
        columns.push(Column {
            name: text(column, "name").into(),
            kind: text(column, "type").into(),
            format: text(column, "format").into(),
            description: text(column, "description").into(),
            priority: column["priority"].as_i64().unwrap_or(0),
            json_path: text(column, "jsonPath").into(),
        });
    }
    columns
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
    fn a_definition_has_a_place_of_its_own() {
        let named = |name: &str, plural: &str, group: &str| {
            let mut definition = boats();
            definition["metadata"]["name"] = name.into();
            definition["spec"]["names"]["plural"] = plural.into();
            definition["spec"]["group"] = group.into();
            let told = from_crd(&definition).map_or_else(|status| status.causes.clone(), |_| Vec::new());
            told.into_iter().map(|cause| cause.field).collect::<Vec<_>>()
        };
        assert!(named("boats.rutter.dev", "boats", "rutter.dev").is_empty());
        assert_eq!(named("boats.dev", "boats", "rutter.dev"), ["metadata.name"]);
        assert_eq!(named("pods.dev", "pods", "dev"), ["spec.group"]);
        assert_eq!(named("Boats.rutter.dev", "Boats", "rutter.dev"), ["spec.names.plural"]);
        for (plural, group) in
            [("nodeports", "rutter.dev"), ("ipaddresses", "networking.k8s.io"), ("leases", "coordination.k8s.io")]
        {
            assert_eq!(named(&format!("{plural}.{group}"), plural, group), ["metadata.name"]);
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut bad = boats();
        bad["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = json!({"type": "object", "properties": {"spec": {"type": "object",
            "properties": {"a": {}, "b": {"type": "string", "pattern": "("}, "c": {"type": "array"}}}}});
        bad["spec"]["versions"][0]["additionalPrinterColumns"][0]["type"] = json!("colour");
        let status = from_crd(&bad).expect_err("it is not sound");
        let fields: Vec<&str> = status.causes.iter().map(|cause| cause.field.as_str()).collect();
        let at = "spec.versions[0].schema.openAPIV3Schema.properties[spec].properties";
        assert_eq!(
            fields,
            [
                &format!("{at}[a].type"),
                &format!("{at}[b].pattern"),
                &format!("{at}[c].items"),
                "spec.versions[0].additionalPrinterColumns[0].type"
            ]
        );
        assert_eq!(status.code, 422);
    }
}
