//! The mark of a member whose state was found to differ from a majority's: a file beside the log, so that starting it again does
//! not make it serve again. It is never taken away: what is wrong with such a member is to be looked into, and the member replaced.
use store::disk::{Disk, DiskError};

const MARK: &str = "diverged";
/// Bytes of the reason that are read back.
const REASON_BYTES_MAX: usize = 1024;

/// Sets the mark; it is durable when this returns.
pub(crate) fn set(disk: &dyn Disk, why: &str) -> Result<(), DiskError> {
    match disk.create(MARK) {
        // The first reason stands.
        Err(DiskError::Exists(_)) => Ok(()),
        Err(error) => Err(error),
        Ok(()) => {
            disk.append(MARK, why.as_bytes())?;
            disk.sync(MARK)
        }
    }
}

/// Why the member must not serve, if it must not.
pub(crate) fn found(disk: &dyn Disk) -> Result<Option<String>, DiskError> {
    match disk.read_at(MARK, 0, REASON_BYTES_MAX) {
        Ok(why) => Ok(Some(String::from_utf8_lossy(&why).trim().to_owned())),
        Err(DiskError::Missing(_)) => Ok(None),
        Err(error) => Err(error),
    }
}
