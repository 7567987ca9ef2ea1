//! Plain child processes in a session of their own: the engine where there is no root and no image needs one.
use super::console;
use super::protocol::Run;
use super::started::Started;
use nix::libc;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub(super) fn start(run: &Run, tty: bool, stdin: bool) -> Result<Started, String> {
    let program = run.args.first().ok_or("there is no command to run")?;
    let path = find(program, run)?;
    let mut command = Command::new(&path);
    command.args(&run.args[1..]).arg0(program).env_clear().envs(run.env.iter().map(|(name, value)| (name, value)));
    let cwd = if run.cwd.is_empty() { "/" } else { &run.cwd };
    let root = run.root.clone().filter(|_| run.chroot);
    match (&run.root, run.chroot) {
        (Some(root), false) => _ = command.current_dir(root.join(cwd.trim_start_matches('/'))),
        (None, _) => _ = command.current_dir(cwd),
        // After the chroot, which happens later.
        (Some(_), true) => {}
    }
    let (mut ours, mut slave) = (Started { pid: 0, stdin: None, stdout: None, stderr: None, tty }, None);
    if tty {
        let (master, end) = console::open()?;
        let copy = || end.try_clone().map_err(|why| format!("sharing the terminal: {why}"));
        command.stdin(copy()?).stdout(copy()?).stderr(copy()?);
        ours.stdout = Some(master);
        slave = Some(end);
    } else {
        command.stdin(if stdin { Stdio::piped() } else { Stdio::null() }).stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    let (user, group, cwd) = (run.user, run.group, PathBuf::from(cwd));
    let master = ours.stdout.as_ref().map(AsRawFd::as_raw_fd);
    let change = nix::unistd::geteuid().is_root();
    // SAFETY: between fork and exec only system calls are made: this process has one thread, so no lock can be held by another.
    unsafe {
        command.pre_exec(move || {
            nix::unistd::setsid()?;
            if let Some(master) = master {
                libc::close(master);
                if libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            if let Some(root) = &root {
                nix::unistd::chroot(root)?;
                nix::unistd::chdir(&cwd)?;
            }
            if change && (user != 0 || group != 0) {
                nix::unistd::setgroups(&[])?;
                nix::unistd::setgid(nix::unistd::Gid::from_raw(group))?;
                nix::unistd::setuid(nix::unistd::Uid::from_raw(user))?;
            }
            Ok(())
        });
    }
    let mut child = command.spawn().map_err(|why| format!("exec {program:?} failed: {why}"))?;
    drop(slave);
    ours.pid = child.id().cast_signed();
    ours.stdin = child.stdin.take().map(OwnedFd::from);
    ours.stdout = ours.stdout.or_else(|| child.stdout.take().map(OwnedFd::from));
    ours.stderr = child.stderr.take().map(OwnedFd::from);
    Ok(ours)
}

/// The file to execute: a path as it is, a bare name by the container's PATH; below the root unless we enter it.
fn find(program: &str, run: &Run) -> Result<PathBuf, String> {
    let path = run
        .env
        .iter()
        .find(|(name, _)| name == "PATH")
        .map_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", |(_, value)| value);
    let places: Vec<PathBuf> = match program.contains('/') {
        true => vec![PathBuf::from(program)],
        false => path.split(':').map(|dir| Path::new(dir).join(program)).collect(),
    };
    for place in &places {
        let outside = match &run.root {
            Some(root) => root.join(place.strip_prefix("/").unwrap_or(place)),
            None => place.clone(),
        };
        // A link in an image may be absolute, so only that something is there can be asked from outside.
        if std::fs::symlink_metadata(&outside).is_ok() {
            return Ok(if run.chroot { place.clone() } else { outside });
        }
    }
    Err(format!("exec: {program:?}: executable file not found"))
}
