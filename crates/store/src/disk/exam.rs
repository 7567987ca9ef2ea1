//! What every disk must do, as one examination: the real one and the simulation's twin both pass it. It tests promises, not speed.
use crate::disk::{Disk, DiskError};
use std::sync::Arc;

/// Examines a disk; panics at the first promise broken. `open` first opens an empty directory; called again, after the disk before
/// it is dropped, it opens the same directory as a process does that was started again.
pub fn exam(open: &mut dyn FnMut() -> Arc<dyn Disk>) {
    names(&*open());
    bytes(&*open());
    missing(&*open());
    renames(&*open());
    large(&*open());
    kept_after_restart(open);
    readers_beside_a_writer(&open());
}

fn ok<T>(result: Result<T, DiskError>) -> T {
    match result {
        Ok(value) => value,
        Err(why) => panic!("a healthy disk failed: {why}"),
    }
}

fn names(disk: &dyn Disk) {
    assert_eq!(ok(disk.list()), Vec::<String>::new(), "a fresh directory is empty");
    for name in ["b", "a.log", "c-1_2"] {
        ok(disk.create(name));
    }
    assert_eq!(ok(disk.list()), ["a.log", "b", "c-1_2"], "names are listed in order");
    assert_eq!(disk.create("b"), Err(DiskError::Exists("b".into())), "a file is created once");
    for name in ["b", "a.log", "c-1_2"] {
        ok(disk.remove(name));
    }
    assert_eq!(ok(disk.list()), Vec::<String>::new(), "what is removed is gone");
}

fn bytes(disk: &dyn Disk) {
    ok(disk.create("f"));
    assert_eq!(ok(disk.len("f")), 0);
    ok(disk.append("f", b"hello "));
    ok(disk.append("f", b""));
    ok(disk.append("f", b"world"));
    assert_eq!(ok(disk.len("f")), 11, "unsynced bytes count");
    assert_eq!(ok(disk.read_at("f", 0, 11)), b"hello world", "unsynced bytes are read");
    ok(disk.sync("f"));
    assert_eq!(ok(disk.read_at("f", 6, 3)), b"wor");
    assert_eq!(ok(disk.read_at("f", 6, 100)), b"world", "a read ends where the file ends");
    assert_eq!(ok(disk.read_at("f", 11, 1)), b"");
    assert_eq!(ok(disk.read_at("f", 1_000, 1)), b"", "there is nothing past the end");
    ok(disk.truncate("f", 5));
    assert_eq!(ok(disk.len("f")), 5);
    ok(disk.append("f", b"!"));
    ok(disk.sync("f"));
    assert_eq!(ok(disk.read_at("f", 0, 100)), b"hello!", "appends go to the end that was cut");
    ok(disk.truncate("f", 0));
    assert_eq!(ok(disk.len("f")), 0);
    ok(disk.remove("f"));
}

fn missing(disk: &dyn Disk) {
    let gone = DiskError::Missing("no".into());
    assert_eq!(disk.len("no"), Err(gone.clone()));
    assert_eq!(disk.append("no", b"x"), Err(gone.clone()));
    assert_eq!(disk.read_at("no", 0, 1), Err(gone.clone()));
    assert_eq!(disk.sync("no"), Err(gone.clone()));
    assert_eq!(disk.truncate("no", 0), Err(gone.clone()));
    assert_eq!(disk.rename("no", "yes"), Err(gone.clone()));
    assert_eq!(disk.remove("no"), Err(gone));
}

fn renames(disk: &dyn Disk) {
    ok(disk.create("new"));
    ok(disk.append("new", b"2"));
    ok(disk.sync("new"));
    ok(disk.create("old"));
    ok(disk.append("old", b"1"));
    ok(disk.sync("old"));
    ok(disk.rename("new", "old"));
    assert_eq!(ok(disk.list()), ["old"]);
    assert_eq!(ok(disk.read_at("old", 0, 9)), b"2", "a rename replaces");
    ok(disk.append("old", b"3"));
    assert_eq!(ok(disk.read_at("old", 0, 9)), b"23", "a renamed file goes on");
    ok(disk.remove("old"));
    ok(disk.create("old"));
    assert_eq!(ok(disk.len("old")), 0, "a removed file does not come back");
    ok(disk.remove("old"));
}

fn large(disk: &dyn Disk) {
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    ok(disk.create("large"));
    ok(disk.append("large", &bytes));
    ok(disk.sync("large"));
    assert!(ok(disk.read_at("large", 0, 4_000_000)) == bytes, "3 MB come back as written");
    assert!(ok(disk.read_at("large", 2_000_001, 70_000)) == bytes[2_000_001..2_070_001]);
    ok(disk.remove("large"));
}

fn kept_after_restart(open: &mut dyn FnMut() -> Arc<dyn Disk>) {
    let disk = open();
    ok(disk.create("kept"));
    ok(disk.append("kept", b"synced"));
    ok(disk.sync("kept"));
    ok(disk.append("kept", b" or not"));
    drop(disk);
    let disk = open();
    assert_eq!(ok(disk.list()), ["kept"], "a name is durable");
    assert_eq!(ok(disk.read_at("kept", 0, 6)), b"synced", "what was synced is durable");
    assert!(ok(disk.len("kept")) <= 13, "nothing comes out of nowhere");
    ok(disk.remove("kept"));
}

fn readers_beside_a_writer(disk: &Arc<dyn Disk>) {
    ok(disk.create("shared"));
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut most = 0;
            while most < 1_000 {
                let length = ok(disk.len("shared"));
                assert!(length >= most, "a file that is appended to does not shrink");
                most = length;
                let read = ok(disk.read_at("shared", 0, usize::try_from(length).unwrap_or(usize::MAX)));
                assert!(
                    read.iter().enumerate().all(|(at, byte)| *byte == (at % 251) as u8),
                    "a reader sees what was written"
                );
            }
        });
        for at in 0..1_000_usize {
            ok(disk.append("shared", &[(at % 251) as u8]));
        }
        assert!(reader.join().is_ok(), "the reader was content");
    });
    ok(disk.remove("shared"));
}
