//! Volumes over a directory of their own: what is made, refreshed, mounted and removed.
use super::*;
use serde_json::{Value, json};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

struct Ground {
    dir: tempfile::TempDir,
    volumes: Directory,
}

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let volumes = Directory::new(&dir.path().join("volumes"));
        Self { dir, volumes }
    }

    fn of(&self, volume: &str) -> PathBuf {
        self.dir.path().join("volumes/u1").join(volume)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        // Nothing may stay mounted in a test's directory.
        let _ = mount::unmount_below(self.dir.path());
    }
}

fn pod(volumes: Value, mounts: Value, security: Value) -> Pod {
    Pod::read(&json!({"metadata": {"name": "p", "namespace": "d", "uid": "u1"}, "spec": {"volumes": volumes,
        "securityContext": security, "containers": [{"name": "c", "volumeMounts": mounts}]}}))
    .expect("a pod")
}

fn sources(data: Value) -> Sources {
    let map = json!({"kind": "ConfigMap", "data": data});
    Sources { config_maps: [("m".to_owned(), map)].into(), ..Sources::default() }
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).expect("is there").permissions().mode() & 0o7777
}

#[test]
fn files_are_swapped_as_a_whole() {
    let ground = Ground::new();
    let volumes = json!([{"name": "v", "configMap": {"name": "m", "defaultMode": 0o600,
        "items": [{"key": "a", "path": "a"}, {"key": "b", "path": "deep/b", "mode": 0o640}], "optional": true}}]);
    let pod = pod(volumes, json!([{"name": "v", "mountPath": "/v"}]), json!({}));
    ground.volumes.make(&pod, &sources(json!({"a": "1", "b": "2"}))).expect("made");
    let at = ground.of("v");
    assert_eq!((text(&at.join("a")), text(&at.join("deep/b"))), ("1".into(), "2".into()));
    assert_eq!((mode(&at.join("a")), mode(&at.join("deep/b")), mode(&at)), (0o600, 0o640, 0o755));
    assert_eq!(std::fs::read_link(at.join("deep")).expect("a link"), Path::new("..data/deep"));
    let data = || std::fs::read_link(at.join("..data")).expect("a link");
    let first = data();

    ground.volumes.make(&pod, &sources(json!({"a": "1", "b": "2"}))).expect("made");
    assert_eq!(data(), first, "nothing has changed");

    // One that was left half way by a crash goes with the next change.
    std::fs::create_dir(at.join("..2000_01_01_00_00_00.1")).expect("made");
    symlink("nowhere", at.join("..data_tmp")).expect("made");
    ground.volumes.make(&pod, &sources(json!({"a": "3"}))).expect("made");
    assert_ne!(data(), first);
    let mut names: Vec<_> = std::fs::read_dir(&at).expect("reads").flatten().map(|entry| entry.file_name()).collect();
    names.sort();
    let mut expected = [data().into_os_string(), "..data".into(), "a".into()];
    expected.sort();
    assert_eq!(names, expected);
    assert_eq!(text(&at.join("a")), "3");

    let mounts = ground.volumes.mounts(&pod, &pod.spec.containers[0], &[]).expect("mounts");
    assert_eq!(mounts, [Mount { source: at, target: "/v".into(), read_only: true }]);
    assert_eq!(ground.volumes.uids(), ["u1"]);
    ground.volumes.remove("u1").expect("removed");
    ground.volumes.remove("u1").expect("removed twice");
    assert!(ground.volumes.uids().is_empty());
}

#[test]
fn what_cannot_be_made_is_said() {
    let ground = Ground::new();
    let file = ground.dir.path().join("file");
    std::fs::write(&file, "").expect("writes");
    let table = [
        (json!({"name": "v", "configMap": {"name": "none"}}), "volume \"v\" : configmap \"none\" not found"),
        (json!({"name": "v", "persistentVolumeClaim": {"claimName": "x"}}), "not supported by this node yet"),
        (json!({"name": "v", "csi": {"driver": "x"}}), "csi is not supported"),
        (json!({"name": "v", "nfs": {"server": "x"}}), "not supported"),
        (json!({"name": "v", "emptyDir": {"medium": "HugePages"}}), "medium"),
        (json!({"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "much"}}), "sizeLimit"),
        (json!({"name": "v", "hostPath": {"path": file, "type": "Directory"}}), "is not a directory"),
        (json!({"name": "v", "hostPath": {"path": file, "type": "Socket"}}), "is not a socket file"),
        (json!({"name": "v", "hostPath": {"path": "/dev/null", "type": "BlockDevice"}}), "is not a block device"),
        (json!({"name": "v", "hostPath": {"path": file.join("below"), "type": "File"}}), "is not a file"),
        (json!({"name": "v", "hostPath": {"path": "a/b"}}), "absolute"),
        (json!({"name": "v", "hostPath": {"path": "/a/../b"}}), "absolute"),
        (json!({"name": "v", "hostPath": {"path": "/", "type": "Tape"}}), "invalid volume type"),
    ];
    for (volume, words) in table {
        let why = ground.volumes.make(&pod(json!([volume]), json!([]), json!({})), &Sources::default());
        let why = why.expect_err(words);
        assert!(why.starts_with("MountVolume.SetUp failed for volume \"v\"") && why.contains(words), "{why} / {words}");
    }
    for uid in ["", "..", ".", "a/b", ".hidden"] {
        assert!(ground.volumes.remove(uid).is_err(), "{uid:?}");
    }
}

#[test]
fn host_paths_are_checked_and_made() {
    let ground = Ground::new();
    let at = |name: &str| ground.dir.path().join(name);
    let make = |path: &Path, kind: &str| {
        let volumes = json!([{"name": "v", "hostPath": {"path": path, "type": kind}}]);
        let pod = pod(volumes, json!([{"name": "v", "mountPath": "v", "readOnly": true}]), json!({}));
        ground
            .volumes
            .make(&pod, &Sources::default())
            .and_then(|()| ground.volumes.mounts(&pod, &pod.spec.containers[0], &[]))
    };
    let expected = |path: &Path| Ok(vec![Mount { source: path.into(), target: "/v".into(), read_only: true }]);
    for (name, kind) in
        [("a/b", "DirectoryOrCreate"), ("a/b", "Directory"), ("a/f", "FileOrCreate"), ("a/f", "File"), ("new", "")]
    {
        assert_eq!(make(&at(name), kind), expected(&at(name)), "{name} {kind}");
    }
    assert_eq!(make(Path::new("/dev/null"), "CharDevice"), expected(Path::new("/dev/null")));
    assert!(at("a/f").is_file() && at("new").is_dir());
    ground.volumes.remove("u1").expect("removed");
    assert!(at("a/f").is_file(), "what is the machine's stays");
}

#[test]
fn empty_directories_keep_what_is_in_them() {
    let ground = Ground::new();
    let volumes = json!([{"name": "disk", "emptyDir": {}}, {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]);
    let root = mount::root();
    let pod = pod(volumes, json!([]), json!({"fsGroup": 4_321}));
    ground.volumes.make(&pod, &Sources::default()).expect("made");
    for name in ["disk", "memory"] {
        let at = ground.of(name);
        assert_eq!(mode(&at), if root { 0o2777 } else { 0o777 }, "{name}");
        if root {
            assert_eq!(std::fs::metadata(&at).expect("is there").gid(), 4_321, "{name}");
        }
        std::fs::write(at.join("kept"), "x").expect("writes");
        std::fs::set_permissions(&at, std::fs::Permissions::from_mode(0o700)).expect("sets");
    }
    ground.volumes.make(&pod, &Sources::default()).expect("made");
    for name in ["disk", "memory"] {
        assert_eq!((text(&ground.of(name).join("kept")), mode(&ground.of(name))), ("x".into(), 0o700), "{name}");
    }
    if mount::mounted(&ground.of("memory")).expect("known") {
        let much = std::fs::write(ground.of("memory").join("much"), vec![0; 2 << 20]);
        assert!(much.is_err(), "the limit holds");
    } else {
        eprintln!("no tmpfs here: the limit is not tried");
    }
    // A link that a container left is removed, what it points at is not.
    let outside = ground.dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    std::fs::write(outside.join("file"), "").expect("writes");
    symlink(&outside, ground.of("disk").join("out")).expect("links");
    ground.volumes.remove("u1").expect("removed");
    assert!(outside.join("file").exists() && !ground.of("disk").exists());
}

#[test]
fn files_belong_to_the_group() {
    if !mount::root() {
        return eprintln!("needs root");
    }
    let ground = Ground::new();
    let volumes = json!([{"name": "v", "configMap": {"name": "m", "defaultMode": 0o400}}]);
    let pod = pod(volumes, json!([]), json!({"fsGroup": 4_321}));
    ground.volumes.make(&pod, &sources(json!({"a": "1"}))).expect("made");
    let data = || std::fs::read_link(ground.of("v").join("..data")).expect("a link");
    let first = data();
    let file = ground.of("v/a");
    assert_eq!((mode(&file), std::fs::metadata(&file).expect("is there").gid()), (0o440, 4_321));
    ground.volumes.make(&pod, &sources(json!({"a": "1"}))).expect("made");
    assert_eq!(data(), first);
}

#[test]
fn sub_paths_stay_inside() {
    let ground = Ground::new();
    let volumes = json!([{"name": "e", "emptyDir": {}}, {"name": "m", "configMap": {"name": "m"}}]);
    let mounts = |name: &str, sub_path: &str, expression: &str| {
        let mounts = json!([{"name": name, "mountPath": "/x", "subPath": sub_path, "subPathExpr": expression}]);
        let pod = pod(volumes.clone(), mounts, json!({}));
        ground.volumes.make(&pod, &sources(json!({"a": "1"}))).expect("made");
        let environment = [("POD".to_owned(), "p-1".to_owned())];
        ground.volumes.mounts(&pod, &pod.spec.containers[0], &environment).map(|mounts| mounts[0].clone())
    };
    // What is mounted is what stands at the path, whether it was bound or not.
    let same = |mount: &Mount, path: &Path| {
        let (one, other) = (std::fs::metadata(&mount.source).expect("one"), std::fs::metadata(path).expect("other"));
        assert_eq!((one.dev(), one.ino()), (other.dev(), other.ino()), "{}", path.display());
    };
    let made = mounts("e", "new/dir", "").expect("made");
    same(&made, &ground.of("e/new/dir"));
    assert_eq!((mode(&ground.of("e/new/dir")), made.read_only), (0o777, false));
    same(&mounts("e", "", "logs/$(POD)").expect("made"), &ground.of("e/logs/p-1"));
    let key = mounts("m", "a", "").expect("found");
    same(&key, &ground.of("m/a"));
    assert!(key.read_only);

    let outside = ground.dir.path().join("outside");
    std::fs::create_dir(&outside).expect("made");
    let link = |target: &Path, name: &str| symlink(target, ground.of("e").join(name)).expect("links");
    link(Path::new("new/dir"), "inner");
    link(&outside, "absolute");
    link(Path::new("../../../outside"), "back");
    link(Path::new("nowhere"), "dangling");
    same(&mounts("e", "inner", "").expect("a link inside"), &ground.of("e/new/dir"));
    let table = [
        ("e", "absolute", "", "not within volume path"),
        ("e", "absolute/new", "", "not within volume path"),
        ("e", "back/a", "", "not within volume path"),
        ("e", "dangling", "", "No such file"),
        ("e", "../m", "", "must not contain '..'"),
        ("e", "a/../../m", "", "must not contain '..'"),
        ("e", "/etc", "", "absolute path"),
        ("e", "", "$(NONE)/x", "missing value for \"NONE\""),
        ("e", "", "../$(POD)", "must not contain '..'"),
        ("m", "none", "", "is not there"),
        ("other", "", "", "has no volume"),
    ];
    for (volume, sub_path, expression, words) in table {
        let why = mounts(volume, sub_path, expression).expect_err(words);
        assert!(why.contains(words), "{why} / {words}");
    }
    assert_eq!(std::fs::read_dir(&outside).expect("reads").count(), 0);
    ground.volumes.remove("u1").expect("removed");
    assert!(!ground.of("").exists());
}

#[test]
fn a_bound_host_path_survives_the_removal() {
    let ground = Ground::new();
    let host = ground.dir.path().join("host");
    std::fs::create_dir_all(host.join("sub")).expect("made");
    std::fs::write(host.join("sub/file"), "x").expect("writes");
    let mounts = json!([{"name": "h", "mountPath": "/a/b", "subPath": "sub"}, {"name": "h", "mountPath": "/a", "subPath": "sub/file"}]);
    let pod = pod(json!([{"name": "h", "hostPath": {"path": host}}]), mounts, json!({}));
    ground.volumes.make(&pod, &Sources::default()).expect("made");
    let mut last = Vec::new();
    for _ in 0..2 {
        last = ground.volumes.mounts(&pod, &pod.spec.containers[0], &[]).expect("mounts");
    }
    assert_eq!(last.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>(), ["/a", "/a/b"], "outer first");
    assert_eq!((text(&last[0].source), text(&last[1].source.join("file"))), ("x".into(), "x".into()));
    ground.volumes.remove("u1").expect("removed");
    assert_eq!(text(&host.join("sub/file")), "x");
    assert!(!ground.of("").exists());
}
