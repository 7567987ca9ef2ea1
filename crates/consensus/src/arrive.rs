//! Snapshots on their way in: parts from another member, put together and checked. One a sender, bounded; a sender that
//! begins anew replaces what it had sent.
use crate::limits::SNAPSHOT_BYTES_MAX;
use crate::parcel::Parcel;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

#[derive(Default)]
pub(crate) struct Arriving {
    by_member: Mutex<BTreeMap<u64, Vec<u8>>>,
}

impl Arriving {
    /// Takes a part; gives the whole once it is there.
    ///
    /// # Errors
    /// If a part is missing, it is too large, or the whole is damaged.
    pub(crate) async fn take(
        &self,
        from: u64,
        offset: u64,
        total: u64,
        part: &Bytes,
    ) -> Result<Option<Parcel>, String> {
        let whole = {
            let mut arriving = self.by_member.lock().unwrap_or_else(PoisonError::into_inner);
            let bytes = arriving.entry(from).or_default();
            if offset == 0 {
                bytes.clear();
            }
            let after = offset.saturating_add(part.len() as u64);
            if total > SNAPSHOT_BYTES_MAX || after > total || offset != bytes.len() as u64 {
                let have = bytes.len();
                arriving.remove(&from);
                return Err(format!(
                    "a part from {offset} to {after} of {total} bytes where {have} are there: begin anew"
                ));
            }
            // It grows with what comes, not with what is claimed.
            bytes.extend_from_slice(part);
            if after < total {
                return Ok(None);
            }
            arriving.remove(&from).unwrap_or_default()
        };
        let read = rt::blocking("snapshot", move || Parcel::read(&mut &*whole));
        match read.await {
            Ok(Ok(parcel)) => Ok(Some(parcel)),
            Ok(Err(why)) => Err(why.to_string()),
            Err(_) => Err("it was not read to its end".into()),
        }
    }
}
