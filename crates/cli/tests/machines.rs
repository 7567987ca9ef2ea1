//! README's section on more machines, line by line as it stands there: each machine is an address of loopback with a directory of its own.
mod cluster;

use cluster::{eventually, rutter, text};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The section's lines, without comments.
fn lines() -> Vec<String> {
    let readme =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).expect("README.md");
    let section = readme.split("## More machines").nth(1).expect("the section").split("\n## ").next().expect("its end");
    let block = section.split("```").nth(1).expect("a block of commands");
    block.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

/// What runs on which machine.
struct Machines {
    dir: tempfile::TempDir,
    running: BTreeMap<String, Child>,
    /// What `TOKEN` stands for.
    token: String,
    kubeconfig: PathBuf,
}

/// The addresses that the section's words stand for.
const ADDRESSES: &[(&str, &str)] =
    &[("FIRST", "127.0.71.1"), ("SECOND", "127.0.71.2"), ("THIRD", "127.0.71.3"), ("ADDR", "127.0.71.4")];

impl Machines {
    fn home(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The words of a line, with what they stand for on the machine `name`.
    fn words(&self, line: &str, name: &str) -> Vec<String> {
        let mut line = line.replace("/var/lib/rutter", &self.home(name).display().to_string());
        for (word, address) in ADDRESSES {
            line = line.replace(word, address);
        }
        line.replace("TOKEN", &self.token).split_whitespace().skip(1).map(str::to_owned).collect()
    }

    /// Runs a line that asks; what it prints.
    fn ask(&self, line: &str) -> String {
        let mut command = Command::new(rutter());
        command.args(self.words(line, "m1")).env("KUBECONFIG", &self.kubeconfig).current_dir(self.dir.path());
        let output = command.output().expect("rutter runs");
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts a line that stays, and waits until it says that it serves.
    fn start(&mut self, line: &str, more: &[&str]) {
        let name = line.split("--name ").nth(1).and_then(|rest| rest.split(' ').next()).expect("a name").to_owned();
        let said = self.dir.path().join(format!("{name}.said"));
        let file = std::fs::File::create(&said).expect("a file");
        let mut command = Command::new(rutter());
        command.args(self.words(line, &name)).args(more).env_remove("KUBECONFIG").stdin(Stdio::null());
        let child = command.stdout(file.try_clone().expect("a file")).stderr(file).spawn().expect("it starts");
        self.running.insert(name.clone(), child);
        eventually(&format!("{name} serves"), || {
            let said = std::fs::read_to_string(&said).unwrap_or_default();
            assert_eq!(self.ended(&name), None, "{line}: {said}");
            (said.contains("serves the API") || said.contains("runs pods")).then_some(())
        });
    }

    fn ended(&mut self, name: &str) -> Option<i32> {
        let status = self.running.get_mut(name)?.try_wait().expect("it can be asked")?;
        Some(status.code().unwrap_or(-1))
    }

    /// (name, id) of each voting member, once there are so many.
    fn voters(&self, many: usize) -> Vec<(String, u64)> {
        eventually("so many vote", || {
            let list: Value = serde_json::from_str(&self.ask("rutter member list --output json")).expect("JSON");
            let members = list["members"].as_array().expect("members").iter();
            let voters = members.filter(|member| member["voter"] == true);
            let voters: Vec<(String, u64)> = voters
                .map(|member| {
                    (member["name"].as_str().expect("a name").to_owned(), member["id"].as_u64().expect("an id"))
                })
                .collect();
            (voters.len() == many).then_some(voters)
        })
    }

    fn lose(&mut self, name: &str) {
        let mut child = self.running.remove(name).expect("it runs");
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        std::fs::remove_dir_all(self.home(name)).expect("its disk is lost");
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        for (name, child) in &mut self.running {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            if std::thread::panicking() {
                let said = self.dir.path().join(format!("{name}.said"));
                eprintln!("--- {name}\n{}", std::fs::read_to_string(said).unwrap_or_default());
            }
        }
    }
}

/// The one command that a text tells to run, with its name in the place of NAME.
fn told(text: &str, name: &str) -> String {
    let command = text.split("  rutter control").nth(1).expect("a command");
    let lines: Vec<&str> = command.lines().take_while(|line| !line.trim().is_empty()).collect();
    let line = format!("rutter control{}", lines.join(" ").replace('\\', " "));
    line.replace("NAME", name).replace("DIR", "/var/lib/rutter")
}

#[test]
fn every_line_of_the_section_does_what_it_says() {
    let dir = tempfile::tempdir().expect("a directory");
    let kubeconfig = dir.path().join("none");
    let mut machines = Machines { dir, running: BTreeMap::new(), token: String::new(), kubeconfig };
    let lines = lines();
    assert!(lines.len() >= 11, "{lines:?}");
    for line in &lines {
        println!("{line}");
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            ["export", named] => {
                let path = named.strip_prefix("KUBECONFIG=/var/lib/rutter/").expect("the founder's kubeconfig");
                machines.kubeconfig = machines.home("m1").join(path);
                assert!(machines.kubeconfig.exists(), "{line}");
            }
            ["rutter", "token", ..] => machines.token = machines.ask(line).trim().to_owned(),
            ["rutter", "control", ..] => machines.start(line, &[]),
            ["rutter", "node", ..] => {
                // Without containers, so that nothing of this machine is touched.
                machines.start(line, &["--runtime", "process"]);
                eventually("the node is there", || {
                    let status: Value =
                        serde_json::from_str(&machines.ask("rutter status --output json")).expect("JSON");
                    (status["nodes"][0]["name"] == "n1" && status["nodes"][0]["session"].is_object()).then_some(())
                });
            }
            ["rutter", "member", "list"] => {
                assert_eq!(machines.voters(3), [("m1".into(), 1), ("m2".into(), 2), ("m3".into(), 3)]);
                let list = machines.ask(line);
                assert!(list.contains("127.0.71.3:6443") && list.contains("127.0.71.3:6543"), "{list}");
            }
            ["rutter", "member", "replace", name] => {
                machines.lose(name);
                let said = machines.ask(line);
                machines.start(&told(&said, name), &[]);
                assert_eq!(machines.voters(3), [("m1".into(), 1), ("m2".into(), 2), ("m3".into(), 4)]);
            }
            ["rutter", "member", "remove", name] => {
                machines.ask(line);
                assert_eq!(machines.voters(2), [("m1".into(), 1), ("m2".into(), 2)]);
                assert_eq!(eventually("it ends", || machines.ended(name)), 3);
                machines.running.remove(name);
            }
            ["rutter", "member", "add"] => {
                let said = machines.ask(line);
                machines.start(&told(&said, "m4"), &[]);
                assert_eq!(machines.voters(3), [("m1".into(), 1), ("m2".into(), 2), ("m4".into(), 5)]);
            }
            _ => panic!("a line that the test does not know: {line}"),
        }
    }
}
