//! The families of a Service's addresses. It gives no addresses.
use crate::call::Call;
use crate::draft;
use api::status::{Cause, Status};
use serde_json::{Map, Value};

/// The cluster has IPv4 alone: who demands both families, or another, is refused, unless it has it already. Whoever has neither an
/// address nor a selector may name any: it is reached by addresses that others write.
///
/// # Errors
/// 422.
pub fn one(call: &Call, old: Option<&Value>, service: &Value) -> Result<(), Status> {
    let spec = &service["spec"];
    let same =
        |old: &Value| ["ipFamilyPolicy", "ipFamilies"].iter().all(|member| old["spec"][*member] == spec[*member]);
    let headless = spec["clusterIP"] == "None" || spec["clusterIPs"][0] == "None";
    let of_others = headless && spec["selector"].as_object().is_none_or(Map::is_empty);
    if spec["type"] == "ExternalName" || of_others || old.is_some_and(same) {
        return Ok(());
    }
    let mut causes = Vec::new();
    let mut cause = |field: &str, value: &Value, why: &str| {
        let message = format!("Invalid value: {value}: {why}");
        causes.push(Cause { reason: "FieldValueInvalid", message, field: field.into() });
    };
    if spec["ipFamilyPolicy"] == "RequireDualStack" {
        let why = "this cluster is not configured for dual-stack services";
        cause("spec.ipFamilyPolicy", &spec["ipFamilyPolicy"], why);
    }
    for (place, family) in spec["ipFamilies"].as_array().into_iter().flatten().enumerate() {
        if family == "IPv6" {
            cause(&format!("spec.ipFamilies[{place}]"), family, "not configured on this cluster");
        }
    }
    if causes.is_empty() { Ok(()) } else { Err(draft::invalid(&call.kind, draft::text(service, "name"), causes)) }
}
