//! The files of config map, secret, downward API and projected volumes: path to bytes and mode. Pure.
use super::env::{self, Sources, TokenKey};
use super::spec::{Container, Item, Pod, Projected, Source, TokenSource, Volume};
use crate::limits::VOLUME_BYTES_MAX;
use base64::Engine as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Relative path to content.
pub type Files = BTreeMap<String, File>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub bytes: Vec<u8>,
    pub mode: u32,
}

/// The files of `volume`, or `None` if it is not of a kind made of files.
///
/// # Errors
/// In words, if a source is missing that is not optional, or an item's path leaves the volume.
pub fn make(pod: &Pod, volume: &Volume, sources: &Sources) -> Result<Option<Files>, String> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        from_object(source, &source.name, "configmap", &sources.config_maps, mode(source.default_mode), &mut files)?;
    } else if let Some(source) = &volume.secret {
        let name = if source.secret_name.is_empty() { &source.name } else { &source.secret_name };
        from_object(source, name, "secret", &sources.secrets, mode(source.default_mode), &mut files)?;
    } else if let Some(source) = &volume.downward_api {
        downward(pod, source, sources, mode(source.default_mode), &mut files)?;
    } else if let Some(projected) = &volume.projected {
        project(pod, projected, sources, &mut files)?;
    } else {
        return Ok(None);
    }
    let size: usize = files.values().map(|file| file.bytes.len()).sum();
    if size > VOLUME_BYTES_MAX {
        return Err(format!("volume {} would hold {size} bytes; the most is {VOLUME_BYTES_MAX}", volume.name));
    }
    Ok(Some(files))
}

fn mode(mode: Option<u32>) -> u32 {
    mode.unwrap_or(0o644) & 0o777
}

fn project(pod: &Pod, projected: &Projected, sources: &Sources, files: &mut Files) -> Result<(), String> {
    let mode = mode(projected.default_mode);
    for projection in &projected.sources {
        if let Some(source) = &projection.config_map {
            from_object(source, &source.name, "configmap", &sources.config_maps, mode, files)?;
        }
        if let Some(source) = &projection.secret {
            from_object(source, &source.name, "secret", &sources.secrets, mode, files)?;
        }
        if let Some(source) = &projection.downward_api {
            downward(pod, source, sources, mode, files)?;
        }
        if let Some(source) = &projection.service_account_token {
            let token = sources.tokens.get(&key(source)).ok_or("the token of its service account has not come yet")?;
            place(&source.path, File { bytes: token.clone().into_bytes(), mode }, files)?;
        }
    }
    Ok(())
}

/// Seconds for which a token is asked whose volume does not say, as Kubernetes' defaults do.
const TOKEN_SECONDS: u64 = 3_600;

fn key(source: &TokenSource) -> TokenKey {
    TokenKey { audience: source.audience.clone(), seconds: source.expiration_seconds.unwrap_or(TOKEN_SECONDS) }
}

/// The service account tokens that the pod's volumes ask for.
#[must_use]
pub fn tokens(pod: &Pod) -> BTreeSet<TokenKey> {
    let sources = pod.spec.volumes.iter().filter_map(|volume| volume.projected.as_ref()).flat_map(|all| &all.sources);
    sources.filter_map(|source| source.service_account_token.as_ref()).map(key).collect()
}

fn from_object(
    source: &Source,
    name: &str,
    kind: &str,
    objects: &BTreeMap<String, Value>,
    mode: u32,
    files: &mut Files,
) -> Result<(), String> {
    let Some(object) = objects.get(name) else {
        return if source.optional { Ok(()) } else { Err(format!("{kind} \"{name}\" not found")) };
    };
    let contents = bytes(object);
    if source.items.is_empty() {
        for (key, bytes) in contents {
            place(&key, File { bytes, mode }, files)?;
        }
        return Ok(());
    }
    for item in &source.items {
        match contents.get(&item.key) {
            Some(bytes) => place(
                &item.path,
                File { bytes: bytes.clone(), mode: item.mode.map_or(mode, |mode| mode & 0o777) },
                files,
            )?,
            None if source.optional => {}
            None => return Err(format!("{kind} \"{name}\" has no key {}", item.key)),
        }
    }
    Ok(())
}

fn downward(pod: &Pod, source: &Source, sources: &Sources, mode: u32, files: &mut Files) -> Result<(), String> {
    let none = Container::default();
    for Item { path, mode: own, field_ref, resource_field_ref, .. } in &source.items {
        let text = match (field_ref, resource_field_ref) {
            (Some(field), _) => env::field(pod, &field.field_path, sources)?,
            (None, Some(resource)) => env::resource(pod, &none, resource, sources)?,
            (None, None) => return Err(format!("downward API item {path} names no field")),
        };
        place(path, File { bytes: text.into_bytes(), mode: own.map_or(mode, |mode| mode & 0o777) }, files)?;
    }
    Ok(())
}

fn place(path: &str, file: File, files: &mut Files) -> Result<(), String> {
    let fine = !path.is_empty()
        && !path.starts_with('/')
        && path.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
    if !fine || path.starts_with("..") || path.contains('\0') {
        return Err(format!("{path:?} is no path inside a volume"));
    }
    files.insert(path.into(), file);
    Ok(())
}

/// `data` and `binaryData` of a config map, `data` of a secret.
fn bytes(object: &Value) -> BTreeMap<String, Vec<u8>> {
    let decode = |value: &Value| base64::engine::general_purpose::STANDARD.decode(value.as_str()?).ok();
    let members = |name: &str| object.get(name).and_then(Value::as_object).into_iter().flatten();
    let secret = object["kind"] == "Secret";
    let plain = members("data").filter_map(|(key, value)| {
        let bytes = if secret { decode(value)? } else { value.as_str()?.as_bytes().to_vec() };
        Some((key.clone(), bytes))
    });
    plain.chain(members("binaryData").filter_map(|(key, value)| Some((key.clone(), decode(value)?)))).collect()
}

/// The names of config maps and secrets that the pod's volumes ask for.
#[must_use]
pub fn wanted(pod: &Pod) -> (Vec<&str>, Vec<&str>) {
    let (mut maps, mut secrets) = (Vec::new(), Vec::new());
    for volume in &pod.spec.volumes {
        maps.extend(volume.config_map.iter().map(|source| source.name.as_str()));
        secrets.extend(volume.secret.iter().map(|source| {
            if source.secret_name.is_empty() { source.name.as_str() } else { source.secret_name.as_str() }
        }));
        for projection in volume.projected.iter().flat_map(|projected| &projected.sources) {
            maps.extend(projection.config_map.iter().map(|source| source.name.as_str()));
            secrets.extend(projection.secret.iter().map(|source| source.name.as_str()));
        }
    }
    (maps, secrets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn files(volume: Value) -> Result<Option<Files>, String> {
        let pod = Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u", "labels": {"a": "1"}},
            "spec": {"containers": [{"name": "c"}], "volumes": [volume]}}))?;
        let sources = Sources {
            config_maps: [(
                "m".into(),
                json!({"kind": "ConfigMap", "data": {"a": "1", "b": "2"}, "binaryData": {"c": "AAE="}}),
            )]
            .into(),
            tokens: [(TokenKey { audience: String::new(), seconds: 3_600 }, "t".to_owned())].into(),
            secrets: [("s".into(), json!({"kind": "Secret", "data": {"k": "aGk="}}))].into(),
            ..Sources::default()
        };
        make(&pod, &pod.spec.volumes[0], &sources)
    }

    #[test]
    fn files_of_every_source() {
        let all = files(json!({"name": "v", "configMap": {"name": "m"}})).expect("made").expect("files");
        assert_eq!(all.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(all["c"], File { bytes: vec![0, 1], mode: 0o644 });
        let one = files(
            json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 256, "items": [{"key": "k", "path": "x/y"}]}}),
        );
        assert_eq!(one.expect("made").expect("files")["x/y"], File { bytes: b"hi".to_vec(), mode: 0o400 });
        let many = files(
            json!({"name": "v", "projected": {"sources": [{"configMap": {"name": "m", "items": [{"key": "a", "path": "a"}]}},
            {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}, {"serviceAccountToken": {"path": "token"}}]}}),
        );
        let many = many.expect("made").expect("files");
        assert_eq!(many.keys().collect::<Vec<_>>(), ["a", "labels", "token"]);
        let other = json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "token", "audience": "x"}}]}});
        assert!(files(other).expect_err("not there").contains("has not come yet"));
        assert_eq!(many["labels"].bytes, b"a=\"1\"");
        assert_eq!(files(json!({"name": "v", "emptyDir": {}})), Ok(None));
    }

    #[test]
    fn bad_sources_are_errors_in_words() {
        let table = [
            (json!({"name": "v", "configMap": {"name": "none"}}), "not found"),
            (json!({"name": "v", "configMap": {"name": "m", "items": [{"key": "z", "path": "z"}]}}), "no key z"),
            (json!({"name": "v", "configMap": {"name": "m", "items": [{"key": "a", "path": "../a"}]}}), "no path"),
            (json!({"name": "v", "configMap": {"name": "m", "items": [{"key": "a", "path": "/a"}]}}), "no path"),
        ];
        for (volume, words) in table {
            assert!(files(volume).expect_err("bad").contains(words), "{words}");
        }
        assert_eq!(
            files(json!({"name": "v", "configMap": {"name": "none", "optional": true}})),
            Ok(Some(Files::new()))
        );
    }
}
