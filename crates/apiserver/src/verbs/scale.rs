//! `/scale`: an autoscaling/v1 Scale, made from an object and put back into it.
use crate::body;
use crate::call::Call;
use crate::negotiate::{Form, Patch};
use crate::query::write_options;
use crate::read;
use crate::request::Response;
use crate::rules;
use crate::verbs::patch::{names_revision, read as read_patch};
use crate::verbs::update::change;
use crate::{draft, shape};
use api::codec::table::cells;
use api::revision::Millis;
use api::status::{Cause, Status};
use hyper::Method;
use hyper::header::WARNING;
use serde_json::{Value, json};

/// The group of a Scale, whatever it is a scale of.
const GROUP: &str = "autoscaling";

/// # Errors
/// As the verbs on the object itself.
pub async fn scale(call: Call) -> Result<Response, Status> {
    // What the object's own change answers is read here; the client gets its Scale.
    let (form, call) = (call.form, &Call { form: Form::Json, ..call });
    match call.request.method {
        Method::GET | Method::HEAD => {
            let view = match &call.past {
                Some(past) => past.clone(),
                None => read::newest(&call.room).await?,
            };
            let object = view.get_key(&call.key(&call.target.name)).ok_or_else(|| call.not_found())?;
            let object = shape::value(call, object);
            if let Some(own) = &call.kind.scale
                && object.pointer(&paths(call).0).is_none()
            {
                let path = &own.spec_replicas;
                return Err(Status::internal(format!("the spec replicas field {path:?} does not exist")));
            }
            answered(form, 200, &shown(call, &object))
        }
        Method::PUT => {
            let options = write_options("UpdateOptions", &call.query)?;
            let decoded = body::other(&call.request, "api.autoscaling.v1.Scale", options.validation)?;
            let body::Decoded { value: wanted, warnings } =
                decoded.ok_or_else(|| Status::bad_request("a Scale is required"))?;
            let (named, name) = (draft::text(&wanted, "name"), &call.target.name);
            if !named.is_empty() && named != name {
                let why = format!("the name of the object ({named}) does not match the name on the URL ({name})");
                return Err(Status::bad_request(why));
            }
            let bound = !draft::text(&wanted, "resourceVersion").is_empty();
            let response = change(call, &options, bound, |current, old| {
                draft::same_object(call, current, &wanted)?;
                Ok((scaled(call, old, &wanted)?, warnings.clone()))
            });
            reshaped(call, form, response.await?)
        }
        Method::PATCH => {
            let (way, patch, options, _) = read_patch(call).await?;
            let bound = names_revision(way, &patch);
            let response = change(call, &options, bound, |current, old| {
                let mut wanted = match way {
                    Patch::Json | Patch::Merge => rules::patch(&call.kind, way, &shown(call, old), &patch)?,
                    // A Scale has no lists, so a strategic merge is a plain one.
                    Patch::Strategic => rules::patch(&call.kind, Patch::Merge, &shown(call, old), &patch)?,
                    Patch::Apply => patch.clone(),
                };
                draft::same_object(call, current, &wanted)?;
                let complaints = rules::check_as("api.autoscaling.v1.Scale", &mut wanted)?;
                let complaints = body::judge(&call.kind, options.validation, complaints)?;
                let new = if way == Patch::Apply {
                    // Who applies a Scale owns the replicas of the object, and nothing else of it.
                    rules::apply(call, Some(old), &scaled(call, &json!({}), &wanted)?, &options)?
                } else {
                    scaled(call, old, &wanted)?
                };
                Ok((new, complaints))
            });
            reshaped(call, form, response.await?)
        }
        _ => Err(crate::call::not_allowed()),
    }
}

/// The Scale of an object.
fn shown(call: &Call, object: &Value) -> Value {
    let (spec, status, selector) = paths(call);
    let meta = &object["metadata"];
    let mut out = json!({"kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": {}, "spec": {}, "status": {}});
    for member in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = meta.get(member) {
            out["metadata"][member] = value.clone();
        }
    }
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64);
    if let Some(replicas) = number(&spec) {
        out["spec"]["replicas"] = replicas.into();
    }
    out["status"]["replicas"] = number(&status).unwrap_or(0).into();
    let selector = selector.and_then(|path| object.pointer(&path).cloned());
    match selector {
        Some(Value::String(text)) => out["status"]["selector"] = text.into(),
        Some(selector) => out["status"]["selector"] = selector_text(&selector).into(),
        None => {}
    }
    out
}

/// A response with a Scale.
fn answered(form: Form, code: u16, scale: &Value) -> Result<Response, Status> {
    if !matches!(form, Form::Table) {
        return shape::answer_in(form, code, scale);
    }
    let columns = [("Name", "string"), ("Desired", "integer"), ("Available", "integer"), ("Age", "string")];
    let columns: Vec<Value> = columns
        .into_iter()
        .map(|(name, kind)| {
            let format = if name == "Name" { "name" } else { "" };
            json!({"name": name, "type": kind, "format": format, "description": "", "priority": 0})
        })
        .collect();
    let meta = &scale["metadata"];
    let age = cells::since(&meta["creationTimestamp"], Millis(rt::wall()));
    let row = [meta["name"].clone(), count(&scale["spec"]), count(&scale["status"]), age.into()];
    let rows = [json!({"cells": row, "object": shape::partial(scale)})];
    let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": meta["resourceVersion"]}, "columnDefinitions": columns, "rows": rows});
    Ok(Response::value(code, &table))
}

fn count(part: &Value) -> Value {
    part["replicas"].as_i64().unwrap_or(0).into()
}

/// The object with the replicas that a Scale asks for.
fn scaled(call: &Call, object: &Value, scale: &Value) -> Result<Value, Status> {
    let mut new = object.clone();
    let wanted = scale.get("spec").and_then(|spec| spec.get("replicas"));
    let replicas = match wanted {
        None | Some(Value::Null) => 0,
        Some(value) => {
            value.as_i64().ok_or_else(|| Status::bad_request("spec.replicas of a Scale is a whole number"))?
        }
    };
    if !(0..=i64::from(i32::MAX)).contains(&replicas) {
        let message = format!("Invalid value: {replicas}: must be greater than or equal to 0");
        let cause = Cause { reason: "FieldValueInvalid", message, field: "spec.replicas".into() };
        let name = &call.target.name;
        let told = format!("Scale.{GROUP} {name:?} is invalid: {}: {}", cause.field, cause.message);
        let mut status = Status::new(422, "Invalid", told).about(GROUP, "Scale", name);
        status.causes = vec![cause];
        return Err(status);
    }
    let (path, ..) = paths(call);
    let mut at = &mut new;
    for part in path[1..].split('/') {
        let Some(object) = at.as_object_mut() else {
            return Err(Status::bad_request(format!("{} has no place for replicas at {path}", call.kind.kind)));
        };
        at = object.entry(part).or_insert_with(|| json!({}));
    }
    *at = replicas.into();
    Ok(new)
}

/// JSON pointers to desired replicas, present replicas and selector.
fn paths(call: &Call) -> (String, String, Option<String>) {
    let pointer = |path: &str| path.replace('.', "/");
    match &call.kind.scale {
        Some(paths) => {
            let selector = paths.label_selector.as_deref().map(pointer);
            (pointer(&paths.spec_replicas), pointer(&paths.status_replicas), selector)
        }
        None => ("/spec/replicas".into(), "/status/replicas".into(), Some("/spec/selector".into())),
    }
}

/// A selector as a client writes it on a command line.
fn selector_text(selector: &Value) -> String {
    let plain =
        selector.get("matchLabels").or(if selector.get("matchExpressions").is_some() { None } else { Some(selector) });
    let mut parts: Vec<String> = Vec::new();
    for (key, value) in plain.and_then(Value::as_object).into_iter().flatten() {
        parts.push(format!("{key}={}", value.as_str().unwrap_or_default()));
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> =
            expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str().unwrap_or_default() {
            "In" => format!("{key} in ({})", values.join(",")),
            "NotIn" => format!("{key} notin ({})", values.join(",")),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        });
    }
    parts.join(",")
}

/// The Scale of the object that a change answered with.
fn reshaped(call: &Call, form: Form, response: Response) -> Result<Response, Status> {
    let crate::request::Content::Whole(bytes) = &response.content else { return Ok(response) };
    let object: Value = api::codec::json::value(bytes).unwrap_or_default();
    let mut answer = answered(form, response.code.as_u16(), &shown(call, &object))?;
    for warning in response.headers.get_all(WARNING) {
        answer.headers.append(WARNING, warning.clone());
    }
    Ok(answer)
}
