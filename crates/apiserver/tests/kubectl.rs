//! Transcripts of stock kubectl against the server: each `$ ` line is run, what follows must be what it prints.
//! `[..]` stands for any text within a line, a line `...` for any lines.
mod serve;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The kubectls that are tried, by the minor version they are of.
const KUBECTLS: [&str; 2] = ["1.32", "1.35"];

fn kubectl(version: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the directory of what is built");
    let path = target.join("tools").join(format!("kubectl-{version}"));
    assert!(
        path.exists(),
        "kubectl {version} is not at {}: run scripts/kubectl-versions (make test does)",
        path.display()
    );
    path
}

async fn run(kubectl: &Path, https: &serve::Https, line: &str, input: &str) -> String {
    let cache = https.directory.path().join("cache");
    let words = shell_words(line);
    let settings = words.iter().map_while(|word| word.split_once('='));
    let mut command = tokio::process::Command::new(kubectl);
    command.envs(settings.clone());
    command.arg("--kubeconfig").arg(&https.kubeconfig).arg("--cache-dir").arg(cache);
    command.args(&words[settings.count() + 1..]);
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts"));
    command.env("KUBE_EDITOR", "sed -i s/edit-me/edited/").env("KUBECTL_EXTERNAL_DIFF", "diff -u -N");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().expect("kubectl starts");
    if let Some(mut stdin) = child.stdin.take() {
        use tokio::io::AsyncWriteExt as _;
        // A command that reads no input closes it.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = rt::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.unwrap_or_else(|| panic!("{line}: took longer than a minute")).expect("kubectl ends");
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        text.push_str(&format!("rc={}\n", output.status.code().unwrap_or(-1)));
    }
    text
}

/// Splits at spaces outside single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    for c in line.chars() {
        match c {
            '\'' => quoted = !quoted,
            ' ' if !quoted => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    words.into_iter().filter(|word| !word.is_empty()).collect()
}

/// Whether `have` is `want`, where `[..]` is any text.
fn line_matches(want: &str, have: &str) -> bool {
    let mut parts = want.split("[..]");
    let Some(first) = parts.next() else { return false };
    let Some(mut rest) = have.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else { return rest.is_empty() };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn lines_match(want: &[&str], have: &[&str]) -> bool {
    match (want.split_first(), have.split_first()) {
        (None, None) => true,
        (Some((&"...", rest)), _) => (0..=have.len()).any(|skip| lines_match(rest, &have[skip..])),
        (Some((first, want)), Some((line, have))) => {
            line_matches(first.trim_end(), line.trim_end()) && lines_match(want, have)
        }
        _ => false,
    }
}

async fn transcript(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).expect("a transcript");
    for version in KUBECTLS {
        let kubectl = kubectl(version);
        let https = serve::https(serve::alone().await).await;
        let mut lines = text.lines().filter(|line| !line.starts_with('#')).peekable();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else { continue };
            let mut input = String::new();
            while let Some(more) = lines.next_if(|line| line.starts_with("< ")) {
                input.push_str(&more[2..]);
                input.push('\n');
            }
            let mut want = Vec::new();
            while let Some(expected) = lines.next_if(|line| !line.starts_with("$ ")) {
                want.push(expected);
            }
            while want.last().is_some_and(|line| line.trim().is_empty()) {
                want.pop();
            }
            let have = run(&kubectl, &https, command, &input).await;
            let have: Vec<&str> = have.trim_end().lines().collect();
            assert!(
                lines_match(&want, &have),
                "kubectl {version}, {name}: $ {command}\n--- wanted\n{}\n--- got\n{}\n",
                want.join("\n"),
                have.join("\n")
            );
        }
        https.server.stop().await;
    }
}

macro_rules! transcripts {
    ($($name:ident),*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            transcript(stringify!($name)).await;
        })*
    };
}

transcripts!(first_steps, apply, owners, changes, reading, typed);

/// Streams need a node behind the server, so they are told here and not in a transcript.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams() {
    use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
    for version in KUBECTLS {
        let kubectl = kubectl(version);
        let (api, _) = serve::with_pod().await;
        let https = serve::https(api).await;
        assert_eq!(run(&kubectl, &https, "kubectl logs p --tail=5", "").await, "one\ntwo\n");
        assert_eq!(run(&kubectl, &https, "kubectl logs -f p", "").await, "one\ntwo\n");
        for over in ["", "KUBECTL_REMOTE_COMMAND_WEBSOCKETS=false "] {
            let exec =
                async |line: &str, input| run(&kubectl, &https, &format!("{over}kubectl exec {line}"), input).await;
            assert_eq!(exec("p -- echo a b", "").await, "a b\n");
            assert_eq!(exec("-i p -- cat", "some input").await, "some input");
            assert_eq!(exec("p -- fail", "").await, "command terminated with exit code 7\nrc=7\n");
            let refused = exec("p -c none -- echo", "").await;
            assert!(refused.contains("container none is not valid for pod p"), "{refused}");
        }
        let mut command = tokio::process::Command::new(&kubectl);
        command.arg("--kubeconfig").arg(&https.kubeconfig).arg("--cache-dir").arg(https.directory.path().join("cache"));
        command.args(["port-forward", "p", ":80"]).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("kubectl starts");
        let mut lines = tokio::io::BufReader::new(child.stdout.take().expect("piped")).lines();
        let line = rt::timeout(Duration::from_secs(20), lines.next_line()).await.expect("in time");
        let line = line.expect("text").expect("a line");
        let port: u16 = line.split(':').nth(1).and_then(|rest| rest.split(' ').next()?.parse().ok()).expect("a port");
        let connections = (0..4_u8).map(|number| async move {
            let mut socket = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.expect("it connects");
            let sent = vec![number; 300_000];
            let (mut read, mut write) = socket.split();
            let mut got = Vec::new();
            let writing = async {
                write.write_all(&sent).await.expect("written");
                write.shutdown().await.expect("shut");
            };
            let reading = rt::timeout(Duration::from_secs(20), read.read_to_end(&mut got));
            let ((), read) = futures::future::join(writing, reading).await;
            read.expect("in time").expect("read");
            assert!(got == sent, "{} of {} bytes came back", got.len(), sent.len());
        });
        futures::future::join_all(connections).await;
        child.kill().await.expect("killed");
        https.server.stop().await;
    }
}

#[test]
fn the_wildcards_of_transcripts_can_fail() {
    assert!(line_matches("a [..] c", "a b c") && !line_matches("a [..] c", "a b d") && !line_matches("a", "ab"));
    assert!(lines_match(&["a", "...", "d"], &["a", "b", "c", "d"]) && !lines_match(&["a", "...", "e"], &["a", "b"]));
    assert_eq!(shell_words("kubectl patch -p '{\"a\": 1}'"), ["kubectl", "patch", "-p", "{\"a\": 1}"]);
}
