//! What the log promises: what was flushed is there after every crash, what is damaged is never given out.
use super::*;
use crate::disk::memory::MemoryDisk;
use crate::log::frame::Kind;
use bytes::Bytes;

const SMALL: Options = Options { cluster: Some(7), segment_bytes: 2_048, cache_bytes: 0, read_only: false };

fn open(disk: &MemoryDisk) -> Result<Log, LogError> {
    Log::open(Arc::new(disk.clone()), SMALL)
}

fn entry(index: u64, term: u64) -> Frame {
    let payload = Bytes::from(format!("entry {index} of term {term} {}", "x".repeat((index % 7) as usize * 13)));
    Frame { index, term, leader: 1, time: Millis(1_000 + index), kind: Kind::Normal, flags: 0, payload }
}

fn entries(range: std::ops::Range<u64>, term: u64) -> Vec<Frame> {
    range.map(|index| entry(index, term)).collect()
}

fn all(log: &Log) -> Result<Vec<Frame>, LogError> {
    let reader = log.reader();
    let found = reader.entries(reader.start(), reader.next(), usize::MAX)?;
    Ok(found.into_iter().map(|(frame, _)| frame).collect())
}

/// Batches of three entries until `count`.
fn filled(disk: &MemoryDisk, count: u64) -> Log {
    let log = open(disk).expect("opens");
    for first in (0..count).step_by(3) {
        log.append(&entries(first..count.min(first + 3), 1)).expect("appends");
        log.flush().expect("flushes");
    }
    log
}

#[test]
fn what_is_appended_reads_back_before_and_after_a_restart() {
    let disk = MemoryDisk::default();
    let log = filled(&disk, 100);
    assert!(disk.contents().len() > 5, "several segments");
    assert_eq!(all(&log).expect("reads"), entries(0..100, 1));
    log.append(&entries(100..102, 2)).expect("appends");
    assert_eq!(log.reader().entry(101), Ok(Some(entry(101, 2))), "readable before the flush");
    assert!(log.dirty());
    let chain = log.reader().chain_at(60).expect("reads");
    drop(log);
    let log = open(&disk).expect("opens");
    assert_eq!(all(&log).expect("reads"), entries(0..100, 1), "what was not flushed is gone, what was is there");
    assert_eq!(log.reader().chain_at(60), Ok(chain));
    assert_eq!(log.reader().last(), Some(Position { index: 99, term: 1, leader: 1 }));
    assert_eq!(log.time(), Millis(1_099));
}

#[test]
fn votes_and_marks_survive_in_the_next_segments() {
    let disk = MemoryDisk::default();
    let log = open(&disk).expect("opens");
    log.save_vote(b"vote 1").expect("saves");
    log.append(&entries(0..4, 1)).expect("appends");
    let committed = Position { index: 2, term: 1, leader: 1 };
    log.save_committed(Some(committed)).expect("saves");
    log.purge(Position { index: 1, term: 1, leader: 1 }, None).expect("purges");
    log.flush().expect("flushes");
    for first in (4..100).step_by(4) {
        log.append(&entries(first..first + 4, 1)).expect("appends");
        log.flush().expect("flushes");
    }
    drop(log);
    let log = open(&disk).expect("opens");
    assert_eq!(log.vote(), b"vote 1");
    assert_eq!(log.committed(), Some(committed));
    assert_eq!(log.purged(), Some(Position { index: 1, term: 1, leader: 1 }));
    assert_eq!(all(&log).expect("reads"), entries(0..100, 1), "purged entries stay as history");
}

#[test]
fn truncated_entries_never_come_back() {
    for keep in [Some(97), Some(60), Some(3), Some(0), None] {
        let disk = MemoryDisk::default();
        let log = filled(&disk, 100);
        let next = keep.map_or(0, |keep| keep + 1);
        log.truncate_after(keep).expect("truncates");
        assert_eq!(log.reader().next(), next);
        assert_eq!(log.reader().entry(next), Ok(None), "void at once");
        log.append(&entries(next..next + 5, 2)).expect("appends");
        let mut wanted = entries(0..next, 1);
        wanted.extend(entries(next..next + 5, 2));
        assert_eq!(all(&log).expect("reads"), wanted, "before the flush, cut after {keep:?}");
        log.flush().expect("flushes");
        assert_eq!(all(&log).expect("reads"), wanted, "after the flush, cut after {keep:?}");
        let chain = log.reader().chain_at(next + 4).expect("reads");
        drop(log);
        let log = open(&disk).expect("opens");
        assert_eq!(all(&log).expect("reads"), wanted, "after a restart, cut after {keep:?}");
        assert_eq!(log.reader().chain_at(next + 4), Ok(chain));
        log.append(&entries(next + 5..next + 50, 2)).expect("goes on");
        log.flush().expect("flushes");
        wanted.extend(entries(next + 5..next + 50, 2));
        assert_eq!(all(&log).expect("reads"), wanted);
    }
}

#[test]
fn chain_is_the_same_however_the_entries_came() {
    let (one, two) = (MemoryDisk::default(), MemoryDisk::default());
    let log = filled(&one, 20);
    log.truncate_after(Some(9)).expect("truncates");
    log.append(&entries(10..20, 1)).expect("appends");
    let other = open(&two).expect("opens");
    other.append(&entries(0..20, 1)).expect("appends");
    for index in 0..20 {
        assert_eq!(log.reader().chain_at(index), other.reader().chain_at(index));
    }
}

#[test]
fn log_goes_on_after_a_snapshot_ahead_of_it() {
    let disk = MemoryDisk::default();
    let log = filled(&disk, 20);
    let upto = Position { index: 49, term: 3, leader: 2 };
    let chain = Chain([5; 16]);
    log.purge(upto, Some(chain)).expect("purges");
    assert_eq!(log.reader().last(), Some(upto));
    assert_eq!(log.reader().entry(10), Err(LogError::Gone { index: 10 }), "what stood before is not of this history");
    log.append(&entries(50..60, 3)).expect("appends");
    log.flush().expect("flushes");
    for again in [false, true] {
        let log = if again { open(&disk).expect("opens") } else { log.clone() };
        assert_eq!(log.reader().start(), 50);
        assert_eq!(all(&log).expect("reads"), entries(50..60, 3));
        assert_eq!(log.reader().chain_at(49), Ok(Some(chain)));
        assert_eq!(log.reader().chain_at(50), Ok(Some(chain.then(&entry(50, 3)))));
    }
    log.truncate_after(Some(49)).expect("truncates to the snapshot");
    assert_eq!(log.reader().last(), Some(upto));
    log.append(&entries(50..53, 4)).expect("appends");
    log.flush().expect("flushes");
    let log = open(&disk).expect("opens");
    assert_eq!(all(&log).expect("reads"), entries(50..53, 4));
    assert_eq!(log.retire(&Retention { needed_from: 50, ..Retention::default() }), Ok(2), "what lies before the gap");
    assert_eq!(all(&open(&disk).expect("opens")).expect("reads"), entries(50..53, 4));
}

#[test]
fn retention_takes_the_oldest_segments_and_no_more_than_asked() {
    let disk = MemoryDisk::default();
    let log = filled(&disk, 100);
    let bytes_max = log.bytes() / 2;
    let half = Retention { needed_from: u64::MAX, bytes_max: Some(bytes_max), since: None };
    assert_eq!(log.retire(&half), Ok(0), "Raft may need all of it");
    log.purge(Position { index: 99, term: 1, leader: 1 }, None).expect("purges");
    log.flush().expect("flushes");
    assert_eq!(log.retire(&Retention { needed_from: 0, ..half }), Ok(0), "a checkpoint needs all of it");
    assert_eq!(log.retire(&Retention { bytes_max: None, ..half }), Ok(0), "nothing asks for it");
    assert!(log.retire(&half).expect("retires") > 0);
    assert!(log.bytes() <= bytes_max);
    let start = log.reader().start();
    assert!(start > 0);
    assert_eq!(log.reader().entry(start - 1), Err(LogError::Gone { index: start - 1 }));
    let log = open(&disk).expect("opens");
    assert_eq!(log.reader().start(), start);
    assert_eq!(all(&log).expect("reads"), entries(start..100, 1));
    let old = Retention { needed_from: u64::MAX, bytes_max: None, since: Some(Millis(1_080)) };
    assert!(log.retire(&old).expect("retires") > 0);
    assert!(log.reader().start() <= 80, "nothing younger went");
}

#[test]
fn what_was_taken_away_counts_as_purged_though_the_mark_was_lost() {
    let disk = MemoryDisk::default();
    let log = filled(&disk, 100);
    log.purge(Position { index: 99, term: 1, leader: 1 }, None).expect("purges");
    let half = Retention { needed_from: u64::MAX, bytes_max: Some(log.bytes() / 2), since: None };
    assert!(log.retire(&half).expect("retires") > 0);
    let start = log.reader().start();
    // The process ends before the mark was flushed.
    let log = open(&disk).expect("opens");
    assert_eq!(log.purged(), Some(Position { index: start - 1, term: 1, leader: 1 }));
    assert_eq!(all(&log).expect("reads"), entries(start..100, 1));
}

#[test]
fn disorder_and_strangers_are_refused() {
    let disk = MemoryDisk::default();
    let log = filled(&disk, 30);
    assert_eq!(log.append(&entries(31..32, 1)), Err(LogError::Order { wanted: 30, given: 31 }));
    assert_eq!(log.append(&entries(29..30, 1)), Err(LogError::Order { wanted: 30, given: 29 }));
    assert_eq!(log.truncate_after(Some(40)), Err(LogError::Order { wanted: 30, given: 41 }));
    assert!(matches!(log.save_vote(&[0; 2_000]), Err(LogError::TooLarge { .. })));
    let stranger = Log::open(Arc::new(disk.clone()), Options { cluster: Some(8), ..SMALL });
    assert_eq!(stranger.err(), Some(LogError::Cluster { wanted: 8, found: 7 }));
    assert!(Log::open(Arc::new(disk.clone()), Options { cluster: None, ..SMALL }).is_ok());
    let mut files = disk.contents();
    files.remove("segment-0000000000000002.log");
    let hole = open(&MemoryDisk::from(files)).err();
    assert_eq!(hole, Some(LogError::Hole { before: "segment-0000000000000003.log".into() }));
}

/// After a cut at every byte of the last segment, the log holds whole batches from the start, and can go on.
#[test]
fn a_cut_at_every_byte_leaves_whole_batches() {
    let disk = MemoryDisk::default();
    filled(&disk, 32);
    let files = disk.contents();
    let (last, bytes) = files.last_key_value().expect("segments");
    for cut in 0..=bytes.len() {
        let mut files = files.clone();
        files.insert(last.clone(), bytes[..cut].to_vec());
        let disk = MemoryDisk::from(files);
        let look =
            Log::open(Arc::new(disk.clone()), Options { read_only: true, ..SMALL }).expect("a torn end is no error");
        let log = open(&disk).expect("a torn end is no error");
        assert_eq!(all(&look), all(&log));
        let next = log.reader().next();
        assert!(next % 3 == 0 || next == 32, "half a batch at {cut}");
        assert!(cut < bytes.len() || next == 32);
        assert_eq!(all(&log).expect("reads"), entries(0..next, 1));
        log.append(&entries(next..next + 2, 2)).expect("goes on");
        log.flush().expect("goes on");
        let mut wanted = entries(0..next, 1);
        wanted.extend(entries(next..next + 2, 2));
        assert_eq!(all(&open(&disk).expect("opens")).expect("reads"), wanted, "cut at {cut}");
    }
}

/// A flipped bit anywhere is refused or seen when it is read, in the last batch too: nothing that was durable is cut silently.
#[test]
fn a_flipped_bit_anywhere_is_seen() {
    for count in [32, 1] {
        let disk = MemoryDisk::default();
        filled(&disk, count);
        let files = disk.contents();
        for (name, bytes) in &files {
            for (at, bit) in (0..bytes.len()).flat_map(|at| [(at, at % 8), (at, (at + 5) % 8)]) {
                let mut files = files.clone();
                files.get_mut(name).expect("it is there")[at] ^= 1 << bit;
                let Ok(log) = Log::open(Arc::new(MemoryDisk::from(files)), SMALL) else { continue };
                match all(&log) {
                    Err(LogError::Damaged { .. } | LogError::Version { .. }) => {}
                    other => panic!("bit {bit} of byte {at} of {name}: {other:?}"),
                }
            }
        }
    }
}

/// Any part of an unfinished batch may be on disk, in any order: here each stretch of sectors that a device may have lost.
#[test]
fn a_batch_torn_in_the_middle_is_cut() {
    let disk = MemoryDisk::default();
    let options = Options { segment_bytes: 1 << 20, ..SMALL };
    let log = Log::open(Arc::new(disk.clone()), options).expect("opens");
    log.append(&entries(0..30, 1)).expect("appends");
    log.flush().expect("flushes");
    let before = disk.contents();
    log.append(&entries(30..60, 1)).expect("appends");
    log.flush().expect("flushes");
    let after = disk.contents();
    let (last, bytes) = after.last_key_value().expect("segments");
    let start = before.get(last).map_or(0, Vec::len);
    let sectors: Vec<usize> = (start / 512..=bytes.len().div_ceil(512)).map(|sector| sector * 512).collect();
    assert!(sectors.len() > 6 && start % 512 != 0, "the batch begins within a sector and has several");
    for (place, from) in sectors.iter().enumerate() {
        for to in &sectors[place + 1..] {
            let mut files = after.clone();
            files.get_mut(last).expect("it is there")[(*from).max(start)..(*to).min(bytes.len())].fill(0);
            let log = Log::open(Arc::new(MemoryDisk::from(files)), options).expect("a torn batch is no error");
            assert_eq!(all(&log).expect("reads"), entries(0..30, 1), "lost {from}..{to}");
        }
    }
}

/// A segment that was being begun when the power went is taken away; one that was begun and then damaged is not.
#[test]
fn a_segment_is_taken_away_only_if_it_was_never_begun() {
    let disk = MemoryDisk::default();
    filled(&disk, 32);
    let files = disk.contents();
    let (last, bytes) = files.last_key_value().expect("segments");
    let whole = {
        // What the segments before it hold.
        let mut files = files.clone();
        files.remove(last);
        let log = open(&MemoryDisk::from(files)).expect("opens");
        let next = log.reader().next();
        drop(log);
        next
    };
    for lost in [0..bytes.len(), 0..512] {
        let mut files = files.clone();
        let lost_whole = lost.len() == bytes.len();
        files.get_mut(last).expect("it is there")[lost].fill(0);
        match open(&MemoryDisk::from(files)) {
            Ok(log) if lost_whole => assert_eq!(log.reader().next(), whole),
            Err(LogError::Damaged { offset: 0, .. }) if !lost_whole => {}
            other => panic!("{:?}", other.map(|_| "opened")),
        }
    }
}
