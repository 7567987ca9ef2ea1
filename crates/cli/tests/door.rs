//! Bad words at the door: a clear line with what to do next, the right exit code, and no panic.
mod cluster;

use cluster::{rutter, text};
use serde_json::Value;
use std::process::{Command, Output};

fn run(line: &str) -> Output {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(rutter());
    command.args(line.split(' ').filter(|word| !word.is_empty())).current_dir(dir.path()).env_remove("KUBECONFIG");
    command.env_remove("RUTTER_TOKEN").output().expect("rutter runs")
}

/// What is typed, the exit code, and what the one line must hold.
const WRONG: &[(&str, i32, &str)] = &[
    ("upp", 2, "rutter help"),
    ("up --members 2", 2, "1, 3 or 5"),
    ("up --runtime docker", 2, "cri=SOCKET"),
    ("up --api-port 1", 2, "rutter help up"),
    ("up --no-such-flag", 2, "rutter help up"),
    ("control --name m1", 2, "--dir"),
    ("control --name m1 --dir d --found --join 127.0.0.1:1 --token t", 2, "cannot be used with"),
    ("control --name m1 --dir d", 1, "--found"),
    ("control --name M_1 --dir d --found", 1, "M_1"),
    ("control --name m1 --dir d --join 127.0.0.1:1 --token nonsense", 1, "token"),
    ("control --name m1 --dir d --join 127.0.0.1:1", 2, "--token"),
    ("control --name m1 --dir d --found --api nowhere", 2, "--api"),
    ("control --name m1 --dir d --found --link 127.0.0.1", 2, "--link"),
    ("control --name m1 --dir d --found --link [::]:7", 1, "--advertise-link"),
    ("control --name m1 --dir d --found --advertise-api here", 1, "HOST:PORT"),
    ("node --name n1 --dir d", 1, "rutter token --role node"),
    ("node --name n1 --dir d --join 127.0.0.1:1 --token nonsense", 1, "token"),
    ("node --name n1 --dir d --runtime docker", 2, "cri=SOCKET"),
    ("member replace", 2, "NAME"),
    ("member remove m1 --force", 2, "--force"),
    ("member add", 1, "rutter up"),
    ("token --valid-seconds soon", 2, "--valid-seconds"),
    ("status", 1, "rutter up"),
    ("status --kubeconfig none", 1, "none"),
    ("log --from 5 --to 3", 1, "--from"),
    ("log --from x", 2, "rutter help log"),
    ("token --role king", 2, "member"),
    ("replay --dir none", 1, "stopped member"),
    ("purge --dir none", 1, "there is no such directory"),
    ("log --dir none", 1, "stopped member"),
    ("log --dir none --follow", 2, "cannot be used with"),
    ("simulate --runs 0", 2, "--runs"),
    ("simulate --from none", 1, "stopped member"),
    ("simulate --from none --nodes 2", 2, "cannot be used with"),
    ("simulate --threads 0", 2, "--threads"),
    ("simulate --seed 18446744073709551615 --runs 2", 1, "--seed"),
    ("simulate --faults none,cut", 1, "all or none"),
    ("simulate --nodes 0 --for 1h", 1, "other flags"),
    ("simulate --nodes 0 --minimize", 1, "other flags"),
    ("simulate --log /proc/none", 1, "can be written"),
    ("simulate --timeline none/page.html", 1, "can be written"),
    ("bench log --clients 0", 2, "1 to 10000"),
    ("bench log --rounds 0", 2, "1 to 100"),
    ("bench api --rate 0", 2, "rutter help bench"),
    ("bench api --operation fly", 2, "status-patch"),
];

#[test]
fn who_prints_for_nobody_ends_in_silence() {
    let print = || {
        let mut command = Command::new(rutter());
        command.args(["simulate", "--seed", "1", "--print"]);
        command
    };
    let mut command = print();
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = command.stdout(writer).output().expect("rutter runs");
    assert_eq!(text(&output.stderr), "");
    assert_eq!(output.status.code(), Some(0), "nothing went wrong");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a disk that is full");
    let output = print().stdout(full).output().expect("rutter runs");
    assert_eq!(output.status.code(), Some(1), "who does not have what was asked for is told: {}", text(&output.stderr));
    assert!(text(&output.stderr).starts_with("rutter: standard output: "), "{}", text(&output.stderr));
}

#[test]
fn what_simulated_members_leave_is_read_as_real_logs_are() {
    let dir = tempfile::tempdir().expect("a directory");
    let run = |line: &str| {
        let mut command = Command::new(rutter());
        let output = command.args(line.split(' ')).current_dir(dir.path()).output().expect("rutter runs");
        assert!(output.status.success(), "rutter {line}: {}", text(&output.stderr));
        text(&output.stdout)
    };
    run("simulate --seed 3 --runs 1 --for 2s --nodes 1 --faults none --log left");
    let lines = |line: &str| -> Vec<Value> {
        run(line).lines().map(|line| serde_json::from_str(line).expect("an entry is JSON")).collect()
    };
    let all = lines("log --dir left/m1 --output json");
    let replayed: Value = serde_json::from_str(&run("replay --dir left/m1 --output json")).expect("JSON");
    assert_eq!(all.iter().rev().find_map(|entry| entry["last"].as_u64()), replayed["revision"].as_u64());
    let some = lines("log --dir left/m1 --from 5 --to 9 --output json");
    let wanted =
        |entry: &&Value| entry["last"].as_u64() >= Some(5) && entry["first"].as_u64().is_some_and(|at| at <= 9);
    assert_eq!(some, all.iter().filter(wanted).cloned().collect::<Vec<_>>());
    assert!(!some.is_empty() && some.len() < all.len() && run("log --dir left/m1").contains("having read revision"));
    std::fs::remove_file(dir.path().join("left/m1/log/segment-0000000000000001.log")).expect("the first segment");
    for line in ["log --dir left/m1", "replay --dir left/m1", "simulate --from left/m1"] {
        let output =
            Command::new(rutter()).args(line.split(' ')).current_dir(dir.path()).output().expect("rutter runs");
        let said = text(&output.stderr);
        assert!(said.contains("does not have its beginning") && said.lines().count() == 1, "rutter {line}: {said}");
    }
}

#[test]
fn wrong_words_get_one_line_that_says_what_to_do() {
    for (line, code, wanted) in WRONG {
        let output = run(line);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(*code), "rutter {line}: {said}");
        assert!(said.contains(wanted) && said.starts_with("rutter: "), "rutter {line}: {said}");
        assert!(said.trim_end().lines().count() == 1 && said.contains("; "), "rutter {line} says one line: {said}");
    }
}

#[test]
fn wrong_words_are_told_in_json_too() {
    for (line, code, _) in WRONG {
        let output = run(&format!("{line} --output json"));
        let said: Value = serde_json::from_slice(&output.stderr)
            .unwrap_or_else(|why| panic!("rutter {line}: {why}: {}", text(&output.stderr)));
        assert_eq!(output.status.code(), Some(*code), "rutter {line}: {said}");
        for field in ["error", "next"] {
            assert!(said[field].as_str().is_some_and(|text| !text.is_empty()), "rutter {line}: {said}");
        }
    }
}

#[test]
fn help_and_version_are_no_errors() {
    for line in ["help", "--help", "help up", "bench log --help", "--version"] {
        let output = run(line);
        assert!(output.status.success() && !output.stdout.is_empty(), "rutter {line}");
    }
    assert_eq!(run("").status.code(), Some(2));
}
