//! Fetches images from a registry by the OCI distribution specification (v1.1): manifests, blobs, anonymous or named tokens.
//! Every byte is checked against the digest it was asked by. Registries on this machine speak plain HTTP.
use super::reference::Reference;
use super::store::Images;
use super::{Descriptor, Image, Index, Manifest, digest_of, digest_text};
use crate::limits::{LAYER_BYTES_MAX, MANIFEST_BYTES_MAX, REDIRECTS_MAX, REGISTRY_WAIT};
use crate::runtime::{Credentials, RuntimeError};
use base64::Engine as _;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::header::{ACCEPT, AUTHORIZATION, LOCATION, WWW_AUTHENTICATE};
use hyper::{Request, Response, StatusCode, Uri, body::Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use sha2::{Digest as _, Sha256};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

const TYPES: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
    application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

type Http = Client<HttpsConnector<HttpConnector>, Empty<Bytes>>;

struct Registry<'a> {
    http: Http,
    reference: &'a Reference,
    credentials: Option<Credentials>,
    /// The whole value of `Authorization`, once one was asked for.
    authorization: Option<String>,
}

/// Gets the image from its registry, whatever is here already; content that is here is not fetched again.
///
/// # Errors
/// `InvalidImage` if what came is no image, `Pull` with what the registry said if it could not be had.
pub async fn pull(images: &Arc<Images>, name: &str, credentials: Option<Credentials>) -> Result<Image, RuntimeError> {
    let reference = Reference::parse(name).map_err(RuntimeError::InvalidImage)?;
    if reference.is_builtin() {
        let found = find(images, name).await?;
        return found.ok_or_else(|| RuntimeError::Failed("the built-in image is not here".into()));
    }
    let _one = images.pulling.lock().await;
    let manifest = fetch(images, &reference, credentials).await?;
    let store = images.clone();
    // Layers are unpacked: this takes as long as the disk does.
    let kept = rt::blocking("image-keep", move || store.keep(&reference, &manifest)).await;
    kept.map_err(|_| RuntimeError::Failed("unpacking the image broke off".into()))?.map_err(RuntimeError::InvalidImage)
}

/// The image of that name, if it is here; the built-in one is made on the first look.
///
/// # Errors
/// `Failed` if what is kept of it cannot be read.
pub async fn find(images: &Arc<Images>, name: &str) -> Result<Option<Image>, RuntimeError> {
    let (store, name) = (images.clone(), name.to_owned());
    let found = rt::blocking("image-find", move || store.find(&name)).await;
    found.map_err(|_| RuntimeError::Failed("looking for the image broke off".into()))?.map_err(RuntimeError::Failed)
}

/// Fetches what the reference names into the store; the digest of its manifest.
async fn fetch(
    images: &Images,
    reference: &Reference,
    credentials: Option<Credentials>,
) -> Result<String, RuntimeError> {
    let connector =
        hyper_rustls::HttpsConnectorBuilder::new().with_webpki_roots().https_or_http().enable_http1().build();
    let http = Client::builder(TokioExecutor::new()).build(connector);
    let mut registry = Registry { http, reference, credentials, authorization: None };
    let (mut digest, mut bytes) = registry.manifest(reference.version()).await?;
    if let Ok(index) = serde_json::from_slice::<Index>(&bytes) {
        let chosen = index.choose().ok_or_else(|| {
            RuntimeError::InvalidImage(format!("{reference} has no manifest for linux/{}", super::architecture()))
        })?;
        (digest, bytes) = registry.manifest(&chosen.digest).await?;
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|why| RuntimeError::InvalidImage(format!("the manifest of {reference} cannot be read: {why}")))?;
    images.put(&digest, &bytes).map_err(RuntimeError::InvalidImage)?;
    for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
        registry.blob(images, blob).await?;
    }
    Ok(digest)
}

impl Registry<'_> {
    fn address(&self, rest: &str) -> String {
        let registry = match self.reference.registry.as_str() {
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let host = registry.rsplit_once(':').map_or(registry, |(host, _)| host);
        let here = host == "localhost" || host == "[::1]" || host.starts_with("127.");
        format!("{}://{registry}/v2/{}/{rest}", if here { "http" } else { "https" }, self.reference.path)
    }

    async fn manifest(&mut self, version: &str) -> Result<(String, Bytes), RuntimeError> {
        let response = self.get(&self.address(&format!("manifests/{version}"))).await?;
        let bytes = whole(response).await?;
        let digest = digest_of(&bytes);
        if version.starts_with("sha256:") && digest != version {
            return Err(RuntimeError::InvalidImage(format!(
                "the registry sent a manifest with digest {digest} for {version}"
            )));
        }
        Ok((digest, bytes))
    }

    async fn blob(&mut self, images: &Images, descriptor: &Descriptor) -> Result<(), RuntimeError> {
        let place = images.blob(&descriptor.digest).map_err(RuntimeError::InvalidImage)?;
        if place.is_file() {
            return Ok(());
        }
        if descriptor.size > LAYER_BYTES_MAX {
            return Err(RuntimeError::InvalidImage(format!(
                "a layer of {} bytes; the most is {LAYER_BYTES_MAX}",
                descriptor.size
            )));
        }
        let response = self.get(&self.address(&format!("blobs/{}", descriptor.digest))).await?;
        let coming = images.coming();
        let done = stream(response, &coming).await.and_then(|digest| match digest == descriptor.digest {
            true => images.take(&coming, &digest).map_err(RuntimeError::Failed),
            false => Err(RuntimeError::InvalidImage(format!(
                "the registry sent content with digest {digest} for {}",
                descriptor.digest
            ))),
        });
        if done.is_err() {
            let _ = std::fs::remove_file(&coming);
        }
        done
    }

    /// Asks, with a token if one is wanted, through redirects.
    async fn get(&mut self, address: &str) -> Result<Response<Incoming>, RuntimeError> {
        let (mut address, mut authorized) = (address.to_owned(), true);
        let first = host(&address);
        let mut tried = false;
        for _ in 0..REDIRECTS_MAX + 2 {
            // A token is for the registry alone, never for where it sends us.
            authorized &= host(&address) == first;
            let response = self.send(&address, self.authorization.as_deref().filter(|_| authorized)).await?;
            match response.status() {
                StatusCode::OK => return Ok(response),
                StatusCode::UNAUTHORIZED if !tried && authorized => {
                    tried = true;
                    let challenge = response
                        .headers()
                        .get(WWW_AUTHENTICATE)
                        .and_then(|value| value.to_str().ok())
                        .unwrap_or_default()
                        .to_owned();
                    self.authorization = Some(self.authorize(&challenge).await?);
                }
                status if status.is_redirection() => {
                    let next = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
                    let next = next.ok_or_else(|| RuntimeError::Pull(format!("{address} redirects to nowhere")))?;
                    address = if next.starts_with('/') { format!("{first}{next}") } else { next.to_owned() };
                }
                status => {
                    let words = whole(response).await.map(|bytes| message(&bytes)).unwrap_or_default();
                    let what = match status {
                        StatusCode::NOT_FOUND => "not found",
                        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => "access denied, or it does not exist",
                        _ => "the registry refused",
                    };
                    return Err(RuntimeError::Pull(format!(
                        "failed to pull {}: {what} ({status}{words})",
                        self.reference
                    )));
                }
            }
        }
        Err(RuntimeError::Pull(format!("failed to pull {}: too many redirects", self.reference)))
    }

    async fn send(&self, address: &str, authorization: Option<&str>) -> Result<Response<Incoming>, RuntimeError> {
        let uri: Uri =
            address.parse().map_err(|why| RuntimeError::Pull(format!("{address:?} is no address: {why}")))?;
        let mut request =
            Request::get(uri).header(ACCEPT, TYPES).header("user-agent", concat!("rutter/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request.body(Empty::new()).map_err(|why| RuntimeError::Pull(why.to_string()))?;
        match rt::timeout(Duration::from_millis(REGISTRY_WAIT), self.http.request(request)).await {
            Some(Ok(response)) => Ok(response),
            Some(Err(why)) => {
                let cause = std::error::Error::source(&why).map(|cause| format!(": {cause}")).unwrap_or_default();
                Err(RuntimeError::Pull(format!("failed to pull {}: {address}: {why}{cause}", self.reference)))
            }
            None => {
                Err(RuntimeError::Pull(format!("failed to pull {}: {address} did not answer in time", self.reference)))
            }
        }
    }

    /// Answers a challenge: the value of `Authorization` from now on.
    async fn authorize(&self, challenge: &str) -> Result<String, RuntimeError> {
        let basic = self.credentials.as_ref().map(|credentials| {
            let pair = format!("{}:{}", credentials.user, credentials.password);
            format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair))
        });
        let Some(parameters) = challenge.strip_prefix("Bearer ").or_else(|| challenge.strip_prefix("bearer ")) else {
            return basic.ok_or_else(|| {
                RuntimeError::Pull(format!(
                    "{} asks for a name and a password; name an imagePullSecret",
                    self.reference.registry
                ))
            });
        };
        let find = |name: &str| parameter(parameters, name);
        let realm =
            find("realm").ok_or_else(|| RuntimeError::Pull("the registry's challenge names no realm".into()))?;
        let scope = find("scope").unwrap_or_else(|| format!("repository:{}:pull", self.reference.path));
        let mut address = format!("{realm}{}scope={}", if realm.contains('?') { "&" } else { "?" }, escape(&scope));
        if let Some(service) = find("service") {
            address.push_str(&format!("&service={}", escape(&service)));
        }
        let response = self.send(&address, basic.as_deref()).await?;
        if response.status() != StatusCode::OK {
            return Err(RuntimeError::Pull(format!("{realm} gave no token ({})", response.status())));
        }
        let answer: serde_json::Value = serde_json::from_slice(&whole(response).await?)
            .map_err(|why| RuntimeError::Pull(format!("{realm} sent no token: {why}")))?;
        let token = answer["token"].as_str().or_else(|| answer["access_token"].as_str());
        token.map(|token| format!("Bearer {token}")).ok_or_else(|| RuntimeError::Pull(format!("{realm} sent no token")))
    }
}

/// Scheme and host of an address.
fn host(address: &str) -> String {
    let from = address.find("://").map_or(0, |at| at + 3);
    let end = address[from..].find('/').map_or(address.len(), |at| from + at);
    address[..end].to_owned()
}

/// The value of `name="…"` in a challenge.
fn parameter(text: &str, name: &str) -> Option<String> {
    let start = text.find(&format!("{name}=\""))? + name.len() + 2;
    text[start..].split('"').next().map(str::to_owned)
}

fn escape(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// What the registry's error body says.
fn message(bytes: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    value["errors"][0]["message"]
        .as_str()
        .map(|text| format!(": {}", text.chars().take(200).collect::<String>()))
        .unwrap_or_default()
}

/// A small body, whole.
async fn whole(response: Response<Incoming>) -> Result<Bytes, RuntimeError> {
    let body = http_body_util::Limited::new(response.into_body(), MANIFEST_BYTES_MAX);
    match rt::timeout(Duration::from_millis(REGISTRY_WAIT), body.collect()).await {
        Some(Ok(body)) => Ok(body.to_bytes()),
        Some(Err(why)) => Err(RuntimeError::Pull(format!("the registry's answer broke off or is too long: {why}"))),
        None => Err(RuntimeError::Pull("the registry's answer did not end in time".into())),
    }
}

/// A large body into a file; its digest.
async fn stream(response: Response<Incoming>, into: &std::path::Path) -> Result<String, RuntimeError> {
    let words = |why: std::io::Error| RuntimeError::Failed(format!("keeping a layer: {why}"));
    let mut file = std::fs::File::create(into).map_err(words)?;
    let (mut digest, mut size, mut body) = (Sha256::new(), 0_u64, response.into_body());
    loop {
        let frame = rt::timeout(Duration::from_millis(REGISTRY_WAIT), body.frame()).await;
        let frame =
            frame.ok_or_else(|| RuntimeError::Pull("the registry fell silent in the middle of a layer".into()))?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|why| RuntimeError::Pull(format!("a layer broke off: {why}")))?;
        let Some(bytes) = frame.data_ref() else { continue };
        size += bytes.len() as u64;
        if size > LAYER_BYTES_MAX {
            return Err(RuntimeError::InvalidImage(format!("a layer is larger than {LAYER_BYTES_MAX} bytes")));
        }
        digest.update(bytes);
        file.write_all(bytes).map_err(words)?;
    }
    Ok(digest_text(&digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_and_addresses() {
        let challenge = r#"realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull""#;
        assert_eq!(parameter(challenge, "service").as_deref(), Some("registry.example"));
        assert_eq!(parameter("realm=", "realm"), None);
        assert_eq!(host("https://a.example:1/x/y"), "https://a.example:1");
        assert_eq!(host("odd"), "odd");
        assert_eq!(escape("a:b/c d"), "a%3Ab%2Fc%20d");
        assert_eq!(message(br#"{"errors":[{"message":"no"}]}"#), ": no");
        assert_eq!(message(b"<html>"), "");
    }
}
