//! Network namespaces as files: made by a thread of their own, kept by a bind mount, entered by nobody else. Linux only.
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use std::path::Path;

/// Makes a namespace and keeps it at `path`. One that is there already is kept.
pub(super) async fn make(path: &Path) -> Result<(), String> {
    if nsfs(path) {
        return Ok(());
    }
    let place = path.to_owned();
    inside(None, move || async move {
        let words = |why: std::io::Error| format!("keeping the pod's network namespace: {why}");
        std::fs::File::create(&place).map_err(words)?;
        let ours = Path::new("/proc/thread-self/ns/net");
        mount(Some(ours), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>).map_err(|why| words(why.into()))
    })
    .await
}

/// Lets go of the namespace; it falls when nobody is in it any more.
pub(super) fn remove(path: &Path) {
    let _ = umount2(path, MntFlags::MNT_DETACH);
    let _ = std::fs::remove_file(path);
}

fn nsfs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|fs| fs.filesystem_type() == nix::sys::statfs::NSFS_MAGIC)
}

/// Runs `body` on a thread inside a new namespace, or in the one at `path`. A thread that has been elsewhere is never used again.
pub(super) async fn inside<T, F, R>(path: Option<&Path>, body: F) -> Result<T, String>
where
    T: Send + 'static,
    F: FnOnce() -> R + Send + 'static,
    R: Future<Output = Result<T, String>>,
{
    let file = path
        .map(std::fs::File::open)
        .transpose()
        .map_err(|why| format!("opening the pod's network namespace: {why}"))?;
    let (send, receive) = tokio::sync::oneshot::channel();
    let work = move || {
        let moved = match &file {
            Some(file) => setns(file, CloneFlags::CLONE_NEWNET),
            None => unshare(CloneFlags::CLONE_NEWNET),
        };
        let done = moved.map_err(|why| format!("entering the pod's network namespace: {why}")).and_then(|()| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|why| why.to_string())?;
            runtime.block_on(body())
        });
        let _ = send.send(done);
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "a network namespace belongs to a thread, and a worker of the runtime must never leave its own"
    )]
    std::thread::spawn(work);
    receive.await.map_err(|_| "the thread in the pod's network namespace died".to_owned())?
}
