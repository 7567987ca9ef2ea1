//! HorizontalPodAutoscaler and PodDisruptionBudget. It counts no pods.
use super::labels;
use super::words::{number, text};
use crate::field::Problems;
use serde_json::Value;

pub(super) fn autoscaler(spec: &Value, problems: &mut Problems) {
    let (least, most) = (&spec["minReplicas"], number(spec, "maxReplicas"));
    if least.as_i64().is_some_and(|least| least < 0) {
        problems.invalid("spec.minReplicas", least, "must be greater than or equal to 0");
    }
    if most < 1 {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than 0");
    }
    if least.as_i64().is_some_and(|least| most < least) {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to `minReplicas`");
    }
    for member in ["kind", "name"] {
        if text(&spec["scaleTargetRef"], member).is_empty() {
            problems.required(format!("spec.scaleTargetRef.{member}"), "");
        }
    }
}

pub(super) fn budget(spec: &Value, problems: &mut Problems) {
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        problems.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for member in ["minAvailable", "maxUnavailable"] {
        if spec[member].as_i64().is_some_and(|pods| pods < 0) {
            problems.invalid(format!("spec.{member}"), &spec[member], "must be greater than or equal to 0");
        }
    }
    if !spec["selector"].is_null() {
        labels::selector(&spec["selector"], "spec.selector", problems);
    }
}
