//! How objects of a custom kind are converted between its versions. Between versions of one shape nothing is to be done (`None`).
use crate::field::Problems;
use crate::schema::validate::words::{items, one_of, text};
use serde_json::Value;

const WEBHOOK: &str = "required when strategy is set to Webhook";
const PATH: &str = "spec.conversion";

pub(super) fn check(conversion: &Value, problems: &mut Problems) {
    if conversion.is_null() {
        return;
    }
    match text(conversion, "strategy") {
        "" => problems.required("spec.conversion.strategy", ""),
        strategy => one_of("spec.conversion.strategy", strategy, &["None", "Webhook"], problems),
    }
    let (webhook, before) = (&conversion["webhook"], problems.causes.len());
    if text(conversion, "strategy") != "Webhook" {
        // The fields' names are those of Kubernetes' internal version, in which it checks them.
        let why = "should not be set when strategy is not set to Webhook";
        if !webhook["clientConfig"].is_null() {
            problems.forbidden(format!("{PATH}.webhookClientConfig"), why);
        }
        if !items(webhook, "conversionReviewVersions").is_empty() {
            problems.forbidden(format!("{PATH}.conversionReviewVersions"), why);
        }
        return;
    }
    let client = &webhook["clientConfig"];
    if client.is_null() {
        problems.required(format!("{PATH}.webhookClientConfig"), WEBHOOK);
    } else if client["url"].is_null() == client["service"].is_null() {
        problems.required(format!("{PATH}.webhookClientConfig"), "exactly one of url or service is required");
    }
    let versions = items(webhook, "conversionReviewVersions");
    let path = format!("{PATH}.conversionReviewVersions");
    if versions.is_empty() {
        problems.required(path, "");
    } else if versions.iter().all(|version| version != "v1" && version != "v1beta1") {
        problems.invalid(path, &versions.to_vec().into(), "must include at least one of v1, v1beta1");
    }
    // The door of conversion by webhook: the call belongs beside `kinds::convert`, in the rooms that touch.
    if problems.causes.len() == before {
        problems.forbidden(format!("{PATH}.strategy"), "conversion by webhook is not offered by this server yet");
    }
}
