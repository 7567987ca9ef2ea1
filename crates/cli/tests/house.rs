//! The house checks itself: who imports whom, what a thinker may have, no circle of files, first lines, lengths.
//! A rule that no test keeps is a wish.
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Crate, and the crates of ours that it may import. Imports only fall.
const MAY_IMPORT: [(&str, &[&str]); 12] = [
    ("api", &[]),
    ("rt", &[]),
    ("store", &["api"]),
    ("link", &["api", "rt"]),
    ("consensus", &["api", "rt", "store", "link"]),
    ("scheduler", &["api", "store"]),
    ("controllers", &["api", "store"]),
    ("node", &["api", "rt", "link"]),
    ("apiserver", &["api", "rt", "store", "consensus"]),
    ("control", &["api", "rt", "store", "link", "consensus", "apiserver", "scheduler", "controllers"]),
    (
        "simulation",
        &["api", "rt", "store", "link", "consensus", "apiserver", "control", "node", "scheduler", "controllers"],
    ),
    ("cli", &["api", "rt", "store", "link", "control", "node", "simulation"]),
];

/// What a thinker may depend on beside ours: nothing here reads a clock, a random number, a file or a socket.
const THINKERS_MAY: [(&str, &[&str]); 4] = [
    (
        "api",
        &["serde", "serde_json", "serde-saphyr", "json-patch", "regex", "rkyv", "prost", "bytes", "blake3", "jiff"],
    ),
    ("store", &["bytes", "blake3", "crc32c", "imbl", "rkyv", "serde", "serde_json", "tracing", "rocksdb", "loom"]),
    ("scheduler", &["serde", "serde_json", "blake3"]),
    ("controllers", &["serde", "serde_json", "blake3"]),
];

/// A dependency that reaches the world, and the one crate that imports it.
const ONE_ROOM: [(&str, &[&str]); 8] = [
    ("openraft", &["consensus"]),
    ("rocksdb", &["store"]),
    ("quinn", &["link"]),
    ("libcontainer", &["node"]),
    ("rtnetlink", &["node"]),
    ("tonic", &["node"]),
    ("dashmap", &["apiserver"]),
    ("loom", &["store"]),
];

const FILE_LINES_MAX: usize = 800;
const NAMES_THAT_SAY_NOTHING: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/cli lies two below the root").to_owned()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()))
}

/// The dependencies of a crate: `[dependencies]` and its target and optional forms; not `[dev-dependencies]`.
fn dependencies(name: &str) -> BTreeSet<String> {
    let manifest = root().join("crates").join(name).join("Cargo.toml");
    dependency_lines(&manifest, false).into_iter().map(|(name, _)| name).collect()
}

/// Each line of a manifest's section of dependencies: the name, and the line.
fn dependency_lines(manifest: &Path, dev: bool) -> Vec<(String, String)> {
    let mut section = String::new();
    let mut found = Vec::new();
    for line in read(manifest).lines() {
        let line = line.trim();
        if line.starts_with('[') {
            section = line.trim_matches(['[', ']']).to_owned();
        } else if section.ends_with("dependencies")
            && (dev || !section.ends_with("dev-dependencies"))
            && !line.starts_with('#')
        {
            if let Some(end) = line.find(['.', '=', ' ']) {
                found.push((line[..end].to_owned(), line.to_owned()));
            }
        }
    }
    found
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(below) else { return found };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn all_sources() -> Vec<PathBuf> {
    sources(&root().join("crates"))
}

#[test]
fn imports_only_fall() {
    let ours: BTreeSet<&str> = MAY_IMPORT.iter().map(|(name, _)| *name).collect();
    let there: BTreeSet<String> = fs::read_dir(root().join("crates"))
        .expect("crates can be read")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    assert_eq!(there, ours.iter().map(|name| (*name).to_owned()).collect(), "crates and the table above differ");
    for (name, may) in MAY_IMPORT {
        for dependency in dependencies(name) {
            if ours.contains(dependency.as_str()) {
                assert!(may.contains(&dependency.as_str()), "{name} must not import {dependency}");
            }
        }
    }
}

#[test]
fn thinkers_have_nothing_that_touches() {
    for (name, may) in THINKERS_MAY {
        for dependency in dependencies(name) {
            let ours = MAY_IMPORT.iter().any(|(own, _)| *own == dependency);
            assert!(ours || may.contains(&dependency.as_str()), "{name} thinks: it must not depend on {dependency}");
        }
        for path in sources(&root().join("crates").join(name).join("src")) {
            // An exam is a test suite: its implementations are tried as the world tries them.
            let lawful = name == "store" && (path.ends_with("disk/real.rs") || path.ends_with("disk/exam.rs"))
                || path.ends_with("tests.rs")
                || path.components().any(|c| c.as_os_str() == "checkpoint");
            for banned in ["std::fs", "std::net", "std::process", "std::env", "std::thread"] {
                let code = code_of(&read(&path));
                assert!(lawful || !code.contains(banned), "{}: a thinker must not name {banned}", path.display());
            }
        }
    }
}

#[test]
fn every_dependency_has_a_reason_and_is_used() {
    let all = dependency_lines(&root().join("Cargo.toml"), true);
    let mut unused: BTreeSet<String> = all.iter().map(|(name, _)| name.clone()).collect();
    for (name, line) in &all {
        let reason = line.split_once(" # ").map(|(_, reason)| reason.trim());
        assert!(
            line.contains("path = ") || reason.is_some_and(|reason| !reason.is_empty()),
            "{name}: why is it let in? ({line})"
        );
    }
    for (name, _) in MAY_IMPORT {
        let home = root().join("crates").join(name);
        let code: String = sources(&home).iter().map(|path| read(path)).collect();
        for (dependency, _) in dependency_lines(&home.join("Cargo.toml"), true) {
            let word = dependency.replace('-', "_");
            assert!(names(&code, &word), "{name} depends on {dependency} and never names it");
            unused.remove(&dependency);
        }
    }
    assert!(unused.is_empty(), "no crate depends on {unused:?}");
}

/// Whether the code has this word.
fn names(code: &str, word: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word)
        .any(|(at, _)| !letter(code[..at].chars().next_back()) && !letter(code[at + word.len()..].chars().next()))
}

#[test]
fn one_tool_one_room() {
    for (tool, rooms) in ONE_ROOM {
        for (name, _) in MAY_IMPORT {
            assert!(
                !dependencies(name).contains(tool) || rooms.contains(&name),
                "{tool} belongs to {rooms:?}, not {name}"
            );
        }
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for path in all_sources() {
        let text = read(&path);
        assert!(text.starts_with("//!"), "{}: the first line must say what the room is for (//!)", path.display());
        let lines = text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines, at most {FILE_LINES_MAX}", path.display());
        let name = path.file_stem().expect("a source has a name").to_string_lossy();
        assert!(!NAMES_THAT_SAY_NOTHING.contains(&&*name), "{}: a name that says nothing", path.display());
    }
}

/// The text without comments, string contents and inline test modules (those may look at anything).
fn code_of(text: &str) -> String {
    let mut code = String::new();
    for line in text.lines() {
        if line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test") {
            break;
        }
        code.push_str(line.split("//").next().unwrap_or_default());
        code.push('\n');
    }
    code
}

/// Module path of a source file: `a/b.rs` is ["a", "b"], `lib.rs` is [].
fn module_of(source: &Path, src: &Path) -> Vec<String> {
    let relative = source.strip_prefix(src).expect("the source lies in src").with_extension("");
    let mut parts: Vec<String> = relative.components().map(|c| c.as_os_str().to_string_lossy().into_owned()).collect();
    if parts.last().is_some_and(|last| matches!(last.as_str(), "lib" | "main" | "mod")) {
        parts.pop();
    }
    parts
}

/// The paths a file names, from the crate's root: `crate::…`, `super::…`, and children it declares.
fn named(code: &str, module: &[String], modules: &BTreeSet<Vec<String>>) -> BTreeSet<Vec<String>> {
    let mut found = BTreeSet::new();
    let mut add = |base: &[String], rest: &str| {
        for tail in braces(rest) {
            let mut path = base.to_vec();
            path.extend(tail);
            while !modules.contains(&path) && !path.is_empty() {
                path.pop();
            }
            if path != module && !path.is_empty() {
                found.insert(path);
            }
        }
    };
    for (at, _) in code.match_indices("crate::") {
        add(&[], &code[at + 7..]);
    }
    for (at, _) in code.match_indices("super::") {
        if !code[..at].ends_with("super::") {
            let ups = code[at..].split("super::").take_while(|part| part.is_empty()).count();
            let base = &module[..module.len().saturating_sub(ups)];
            add(base, code[at..].trim_start_matches("super::"));
        }
    }
    for child in modules.iter().filter(|m| m.len() == module.len() + 1 && m.starts_with(module)) {
        let name = child.last().expect("a child has a name");
        let used = code.match_indices(&format!("{name}::")).any(|(at, _)| {
            !code[..at].ends_with("::") && !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        if used && !module.is_empty() {
            found.insert(child.clone());
        }
    }
    found
}

/// `a::{b, c::d}` as paths; stops at what cannot be a path.
fn braces(text: &str) -> Vec<Vec<String>> {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let head: Vec<String> = text[..end].split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
    if !(text[..end].ends_with("::") || end == 0) || !text[end..].starts_with('{') {
        return vec![head];
    }
    let mut depth = 0;
    let mut parts = vec![String::new()];
    for c in text[end..].chars() {
        match c {
            '{' => {
                depth += 1;
                if depth > 1 {
                    parts.last_mut().expect("never empty").push(c);
                }
            }
            '}' => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
                parts.last_mut().expect("never empty").push(c);
            }
            ',' if depth == 1 => parts.push(String::new()),
            c => parts.last_mut().expect("never empty").push(c),
        }
    }
    let join = |tail: Vec<String>| head.iter().cloned().chain(tail).collect();
    parts.iter().flat_map(|part| braces(part.trim())).map(join).collect()
}

#[test]
fn no_circle_of_files_inside_a_crate() {
    let mut circles = Vec::new();
    for (name, _) in MAY_IMPORT {
        let src = root().join("crates").join(name).join("src");
        let files: Vec<_> = sources(&src).into_iter().filter(|path| !path.ends_with("tests.rs")).collect();
        let modules: BTreeSet<Vec<String>> = files.iter().map(|path| module_of(path, &src)).collect();
        let mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>> = BTreeMap::new();
        for path in &files {
            let module = module_of(path, &src);
            edges.entry(module.clone()).or_default().extend(named(&code_of(&read(path)), &module, &modules));
        }
        circles.extend(circle(&edges).map(|circle| {
            let names: Vec<String> = circle.iter().map(|module| module.join("::")).collect();
            format!("{name}: {}", names.join(" -> "))
        }));
    }
    assert!(circles.is_empty(), "circles of files:\n{}", circles.join("\n"));
}

/// A circle, if there is one: modules that reach themselves.
fn circle(edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<Vec<String>>> {
    fn walk(
        at: &Vec<String>,
        edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>,
        path: &mut Vec<Vec<String>>,
        done: &mut BTreeSet<Vec<String>>,
    ) -> Option<Vec<Vec<String>>> {
        if let Some(start) = path.iter().position(|on| on == at) {
            return Some(path[start..].iter().cloned().chain([at.clone()]).collect());
        }
        if !done.insert(at.clone()) {
            return None;
        }
        path.push(at.clone());
        let found = edges.get(at).into_iter().flatten().find_map(|next| walk(next, edges, path, done));
        path.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|start| walk(start, edges, &mut Vec::new(), &mut done))
}

#[test]
fn the_circle_finder_finds_a_circle() {
    let module = |name: &str| vec![name.to_owned()];
    let modules: BTreeSet<_> = ["a", "b", "c"].into_iter().map(module).collect();
    let text = |code: &str, of: &str| named(code, &module(of), &modules);
    assert_eq!(text("use crate::{b::X, c};", "a"), [module("b"), module("c")].into());
    assert_eq!(text("use super::a::Y;", "b"), [module("a")].into());
    let edges = [(module("a"), [module("b")].into()), (module("b"), [module("a")].into())].into();
    assert!(circle(&edges).is_some());
}

#[test]
fn the_project_speaks_only_of_itself() {
    let here = root().canonicalize().expect("the clone is there");
    let mut words = vec!["TODO".to_owned(), "FIXME".to_owned()];
    // Where this clone lies is no business of its texts. A clone in a directory like `/src` says nothing by its name.
    words.extend((here.components().count() > 2).then(|| format!("{}/", here.display())));
    let mut texts = all_sources();
    texts.extend(["README.md", "ARCHITECTURE.md", "Makefile"].map(|name| root().join(name)));
    for directory in ["docs", "scripts", ".ci"] {
        let entries = fs::read_dir(root().join(directory)).expect("a directory of the house");
        texts.extend(entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()));
    }
    for path in texts.into_iter().filter(|path| !path.ends_with("house.rs")) {
        for (number, line) in read(&path).lines().enumerate() {
            for word in &words {
                assert!(!line.contains(word), "{}:{}: says {word}", path.display(), number + 1);
            }
        }
    }
}
