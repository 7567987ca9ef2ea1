//! What an operator writes of others who know tokens, in Kubernetes' own files: an AuthenticationConfiguration
//! (apiserver.config.k8s.io) for issuers of OpenID Connect, and a kubeconfig for a webhook. It reads texts; files are the caller's.
use super::authenticator::Authenticator;
use super::https::Client;
use super::oidc::{Claim, Issuer, Oidc};
use super::webhook::Webhook;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::sync::Arc;

/// Issuers of one file, as in Kubernetes.
const ISSUERS_MAX: usize = 64;

/// Members of `jwt` that would need an expression language; who asks for them must not be believed that they work.
const EXPRESSIONS: [&str; 5] = [
    "/claimMappings/username/expression",
    "/claimMappings/groups/expression",
    "/claimMappings/uid/expression",
    "/claimMappings/extra",
    "/userValidationRules",
];

/// The authenticators of an AuthenticationConfiguration. `roots`: whom the machine believes (PEM), for issuers that name no authority.
///
/// # Errors
/// In one line that says what to mend.
pub fn issuers(text: &str, roots: &[u8]) -> Result<Vec<Arc<dyn Authenticator>>, String> {
    let config = yaml(text)?;
    if config["kind"] != "AuthenticationConfiguration" {
        return Err("its kind is not AuthenticationConfiguration".into());
    }
    let list = config["jwt"].as_array().map(Vec::as_slice).unwrap_or_default();
    if list.len() > ISSUERS_MAX {
        return Err(format!("it names {} issuers; the most is {ISSUERS_MAX}", list.len()));
    }
    let mut all: Vec<Arc<dyn Authenticator>> = Vec::with_capacity(list.len());
    for (number, jwt) in list.iter().enumerate() {
        let wrong = |why: String| format!("jwt[{number}]: {why}");
        let issuer = issuer(jwt).map_err(wrong)?;
        let own = jwt["issuer"]["certificateAuthority"].as_str().filter(|pem| !pem.is_empty()).map(str::as_bytes);
        let client = Client::new(own.unwrap_or(roots), None).map_err(wrong)?;
        all.push(Arc::new(Oidc::new(issuer, client)));
    }
    Ok(all)
}

/// One issuer of the file.
///
/// # Errors
/// In words.
pub fn issuer(jwt: &Value) -> Result<Issuer, String> {
    let text = |pointer: &str| jwt.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(known) = EXPRESSIONS.iter().find(|pointer| jwt.pointer(pointer).is_some()) {
        return Err(format!("{known}: expressions are not supported; name a claim"));
    }
    let url = text("/issuer/url");
    if !url.starts_with("https://") {
        return Err("issuer.url must begin with https://".into());
    }
    let audiences = jwt["issuer"]["audiences"].as_array().into_iter().flatten();
    let audiences: Vec<String> = audiences.filter_map(Value::as_str).map(str::to_owned).collect();
    if audiences.is_empty() {
        return Err("issuer.audiences: at least one is required".into());
    }
    let claim = |member: &str| -> Result<Claim, String> {
        let name = text(&format!("/claimMappings/{member}/claim"));
        let prefix = jwt["claimMappings"][member]["prefix"].as_str();
        // A name without a prefix could be one that the cluster gives others: who wants none says so.
        if !name.is_empty() && prefix.is_none() {
            return Err(format!("claimMappings.{member}.prefix is required when claim is set; it may be empty"));
        }
        Ok(Claim { name, prefix: prefix.unwrap_or_default().to_owned() })
    };
    let username = claim("username")?;
    if username.name.is_empty() {
        return Err("claimMappings.username.claim is required".into());
    }
    let rules = jwt["claimValidationRules"].as_array().into_iter().flatten();
    let mut required = Vec::new();
    for rule in rules {
        match (rule["claim"].as_str(), rule["requiredValue"].as_str()) {
            (Some(claim), Some(value)) => required.push((claim.to_owned(), value.to_owned())),
            _ => return Err("claimValidationRules: each needs claim and requiredValue".into()),
        }
    }
    Ok(Issuer {
        url,
        discovery: text("/issuer/discoveryURL"),
        audiences,
        username,
        groups: claim("groups")?,
        uid: text("/claimMappings/uid/claim"),
        required,
    })
}

/// The webhook of a kubeconfig: its current context, or else its first cluster and user. `read` gives the text of a file that it names.
///
/// # Errors
/// In one line that says what to mend.
pub fn webhook(
    text: &str,
    roots: &[u8],
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Arc<dyn Authenticator>, String> {
    let config = yaml(text)?;
    let named = |list: &str, name: &Value| -> Value {
        let items = config[list].as_array().map(Vec::as_slice).unwrap_or_default();
        let found = items.iter().find(|item| item["name"] == *name).or(items.first());
        found.cloned().unwrap_or_default()
    };
    let context = named("contexts", &config["current-context"])["context"].clone();
    let cluster = named("clusters", &context["cluster"])["cluster"].clone();
    let user = named("users", &context["user"])["user"].clone();
    let server = cluster["server"].as_str().filter(|server| server.starts_with("https://"));
    let server = server.ok_or("its cluster's server must begin with https://")?;
    let pem = |of: &Value, member: &str| -> Result<Option<Vec<u8>>, String> {
        if let Some(data) = of[format!("{member}-data")].as_str() {
            let decoded = STANDARD.decode(data).map_err(|why| format!("{member}-data is no base64: {why}"))?;
            return Ok(Some(decoded));
        }
        of[member].as_str().map(|path| read(path).map(String::into_bytes)).transpose()
    };
    let authority = pem(&cluster, "certificate-authority")?.unwrap_or_else(|| roots.to_vec());
    let own = pem(&user, "client-certificate")?.zip(pem(&user, "client-key")?);
    let own = own.as_ref().map(|(certificate, key)| (certificate.as_slice(), key.as_slice()));
    let client = Client::new(&authority, own)?;
    let bearer = user["token"].as_str().unwrap_or_default().to_owned();
    Ok(Arc::new(Webhook::new(server.to_owned(), client, bearer)))
}

fn yaml(text: &str) -> Result<Value, String> {
    let parsed = api::codec::yaml::parse(text.as_bytes()).map_err(|why| format!("it is no YAML: {}", why.message))?;
    Ok(parsed.value)
}
