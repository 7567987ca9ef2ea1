//! Objects and outcomes as bytes at rest: what snapshots and checkpoints hold. Little endian, each part led by its length.
//! Reading checks every length; a change here asks for a new version of both formats.
use crate::state::Kept;
use api::command::Refusal;
use api::key::Key;
use api::object::{Object, Uid};
use api::record;
use api::revision::{Millis, Revision};
use bytes::Bytes;

/// Bytes are not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// Reads parts off the front of bytes.
pub(crate) struct Parts<'a>(pub(crate) &'a [u8]);

impl<'a> Parts<'a> {
    pub(crate) fn take(&mut self, length: usize) -> Result<&'a [u8], Malformed> {
        let (part, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(part)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        Ok(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| Malformed)?))
    }

    pub(crate) fn u128(&mut self) -> Result<u128, Malformed> {
        Ok(u128::from_le_bytes(self.take(16)?.try_into().map_err(|_| Malformed)?))
    }

    pub(crate) fn part(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        self.take(length)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.part()?).map_err(|_| Malformed)
    }

    pub(crate) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}

pub(crate) fn put(out: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).expect("parts are bounded by OBJECT_BYTES_MAX and the frame they came in");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(part);
}

pub(crate) fn put_object(out: &mut Vec<u8>, object: &Object) {
    for part in [&object.key.resource, &object.key.namespace, &object.key.name] {
        put(out, part.as_bytes());
    }
    out.extend_from_slice(&object.uid.0.to_le_bytes());
    for number in [object.created.0, object.revision.0] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    out.extend_from_slice(&object.hole.0.to_le_bytes());
    out.extend_from_slice(&object.hole.1.to_le_bytes());
    put(out, &object.bytes);
    let facet = record::encode_facet(&object.facet).expect("a facet came out of a record, so it goes into one");
    put(out, &facet);
}

pub(crate) fn object(parts: &mut Parts<'_>) -> Result<Object, Malformed> {
    let key = Key::new(parts.text()?, parts.text()?, parts.text()?);
    let uid = Uid(parts.u128()?);
    let (created, revision) = (Millis(parts.u64()?), Revision(parts.u64()?));
    let hole = (parts.u32()?, parts.u32()?);
    let bytes = Bytes::copy_from_slice(parts.part()?);
    if hole.0 > hole.1 || hole.1 as usize > bytes.len() {
        return Err(Malformed);
    }
    let facet = record::decode_facet(parts.part()?).map_err(|_| Malformed)?;
    Ok(Object { key, uid, created, revision, bytes, hole, facet })
}

pub(crate) fn put_kept(out: &mut Vec<u8>, kept: &Kept) {
    let (tag, write, a, b, why) = match kept {
        Kept::Done { first, last } => (0_u8, 0, first.0, last.0, ""),
        Kept::Refused { write, refusal: Refusal::Exists } => (1, *write, 0, 0, ""),
        Kept::Refused { write, refusal: Refusal::NotFound } => (2, *write, 0, 0, ""),
        Kept::Refused { write, refusal: Refusal::Conflict { current } } => (3, *write, current.0, 0, ""),
        Kept::Refused { write, refusal: Refusal::Malformed(why) } => (4, *write, 0, 0, &**why),
    };
    out.push(tag);
    out.extend_from_slice(&write.to_le_bytes());
    out.extend_from_slice(&a.to_le_bytes());
    out.extend_from_slice(&b.to_le_bytes());
    put(out, why.as_bytes());
}

pub(crate) fn kept(parts: &mut Parts<'_>) -> Result<Kept, Malformed> {
    let tag = parts.take(1)?[0];
    let write = parts.u32()?;
    let (a, b, why) = (parts.u64()?, parts.u64()?, parts.text()?);
    let refused = |refusal| Ok(Kept::Refused { write, refusal });
    match tag {
        0 => Ok(Kept::Done { first: Revision(a), last: Revision(b) }),
        1 => refused(Refusal::Exists),
        2 => refused(Refusal::NotFound),
        3 => refused(Refusal::Conflict { current: Revision(a) }),
        4 => refused(Refusal::Malformed(why.into())),
        _ => Err(Malformed),
    }
}
