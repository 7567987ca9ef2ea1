//! The little of SPDY/3.1 that port-forward, exec and attach need (draft-mbelshe-httpbis-spdy-00): frames in, frames out, header blocks with
//! their two zlib contexts. It moves no bytes itself.
use bytes::{Buf as _, Bytes, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status as Flate};
use std::collections::BTreeMap;

/// Bytes of one frame and of one header block, decompressed.
const FRAME_BYTES_MAX: usize = 1 << 20;
const HEADER_BYTES_MAX: usize = 16 * 1024;

/// The header in which the parties agree on what the streams of a SPDY connection are for.
pub(super) const VERSION: &str = "x-stream-protocol-version";

/// What a client says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A new stream and its headers, names in lower case.
    Open {
        stream: u32,
        headers: BTreeMap<String, String>,
    },
    Data {
        stream: u32,
        bytes: Bytes,
        end: bool,
    },
    Reset {
        stream: u32,
    },
    Ping {
        body: Bytes,
    },
    /// The client is done.
    Away,
    /// SETTINGS, WINDOW_UPDATE and the like: nothing to do.
    Other,
}

/// The bytes are no SPDY.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken(pub(super) &'static str);

/// Reads frames.
pub(super) struct Reader {
    buffer: BytesMut,
    inflate: Decompress,
}

impl Reader {
    pub(super) fn new() -> Self {
        Self { buffer: BytesMut::new(), inflate: Decompress::new(true) }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame, if it is there.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Broken> {
        let Some(head) = self.buffer.first_chunk::<8>().copied() else { return Ok(None) };
        let [a, b, c, d, flags, x, y, z] = head;
        let length = u32::from_be_bytes([0, x, y, z]) as usize;
        if length > FRAME_BYTES_MAX {
            return Err(Broken("a frame is too long"));
        }
        if self.buffer.len() < 8 + length {
            return Ok(None);
        }
        self.buffer.advance(8);
        let mut body = self.buffer.split_to(length).freeze();
        if a & 0x80 == 0 {
            return Ok(Some(Frame::Data {
                stream: u32::from_be_bytes([a, b, c, d]),
                bytes: body,
                end: flags & 1 != 0,
            }));
        }
        let stream = body.first_chunk::<4>().map(|number| u32::from_be_bytes(*number) & 0x7fff_ffff);
        Ok(Some(match u16::from_be_bytes([c, d]) {
            1 if body.len() >= 10 => {
                body.advance(10);
                Frame::Open { stream: stream.unwrap_or_default(), headers: self.headers(&body)? }
            }
            1 => return Err(Broken("a SYN_STREAM is too short")),
            3 => Frame::Reset { stream: stream.unwrap_or_default() },
            6 => Frame::Ping { body },
            7 => Frame::Away,
            // HEADERS belongs to the compression context even if nobody asks what it says.
            8 if body.len() >= 4 => {
                self.headers(&body[4..])?;
                Frame::Other
            }
            _ => Frame::Other,
        }))
    }

    fn headers(&mut self, mut block: &[u8]) -> Result<BTreeMap<String, String>, Broken> {
        let mut out = Vec::with_capacity(1_024);
        loop {
            let before = (self.inflate.total_in(), out.len());
            if out.len() == out.capacity() {
                out.reserve(1_024);
            }
            match self.inflate.decompress_vec(block, &mut out, FlushDecompress::Sync) {
                Ok(Flate::StreamEnd) => return Err(Broken("a header block ends the compression")),
                Ok(_) => {}
                Err(why) if why.needs_dictionary().is_some() => {
                    self.inflate
                        .set_dictionary(&dictionary())
                        .map_err(|_| Broken("a header block uses another dictionary"))?;
                }
                Err(_) => return Err(Broken("a header block cannot be decompressed")),
            }
            let read = usize::try_from(self.inflate.total_in() - before.0).unwrap_or_default();
            block = &block[read.min(block.len())..];
            if out.len() > HEADER_BYTES_MAX {
                return Err(Broken("a header block is too long"));
            }
            if block.is_empty() && out.len() < out.capacity() || (read == 0 && out.len() == before.1 && before.0 > 2) {
                return pairs(&out).ok_or(Broken("a header block is no list of pairs"));
            }
        }
    }
}

fn pairs(mut block: &[u8]) -> Option<BTreeMap<String, String>> {
    let number = |block: &mut &[u8]| -> Option<usize> {
        let (number, rest) = block.split_first_chunk::<4>()?;
        *block = rest;
        usize::try_from(u32::from_be_bytes(*number)).ok()
    };
    let count = number(&mut block)?;
    let mut headers = BTreeMap::new();
    for _ in 0..count {
        let mut text = || -> Option<String> {
            let length = number(&mut block)?;
            let (text, rest) = block.split_at_checked(length)?;
            block = rest;
            String::from_utf8(text.to_vec()).ok()
        };
        let (name, value) = (text()?, text()?);
        headers.insert(name.to_ascii_lowercase(), value);
    }
    Some(headers)
}

/// Writes frames.
pub(super) struct Writer {
    deflate: Compress,
}

impl Writer {
    pub(super) fn new() -> Self {
        let mut deflate = Compress::new(Compression::fast(), true);
        // A fresh deflate stream takes any dictionary; should it not, the client will say that it cannot read us.
        let _ = deflate.set_dictionary(&dictionary());
        Self { deflate }
    }

    /// SYN_REPLY without headers: the stream is accepted.
    pub(super) fn reply(&mut self, stream: u32) -> Bytes {
        let mut block = Vec::with_capacity(64);
        // No compression error is possible into a buffer with room.
        let _ = self.deflate.compress_vec(&0_u32.to_be_bytes(), &mut block, FlushCompress::Sync);
        control(2, &[&stream.to_be_bytes()[..], &block].concat())
    }
}

pub(super) fn ping(body: &[u8]) -> Bytes {
    control(6, body)
}

pub(super) fn data(stream: u32, bytes: &[u8], end: bool) -> Bytes {
    let mut frame = Vec::with_capacity(bytes.len() + 8);
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(&head(u8::from(end), bytes.len()));
    frame.extend_from_slice(bytes);
    frame.into()
}

fn control(kind: u16, body: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(body.len() + 8);
    frame.extend_from_slice(&[0x80, 3]);
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(&head(0, body.len()));
    frame.extend_from_slice(body);
    frame.into()
}

/// Flags and a length of 24 bits.
fn head(flags: u8, length: usize) -> [u8; 4] {
    let [_, x, y, z] = u32::try_from(length).unwrap_or(0).to_be_bytes();
    [flags, x, y, z]
}

/// The dictionary that SPDY/3 primes both compressors with.
fn dictionary() -> Vec<u8> {
    const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges \
        age allow authorization cache-control connection content-base content-encoding content-language content-length \
        content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since \
        if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate \
        proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning \
        www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie keep-alive origin";
    const TAIL: &str = "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 \
        Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not \
        Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov \
        Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,\
        application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,\
        utf-,*,enq=0.";
    let mut out = Vec::with_capacity(1_423);
    for word in WORDS.split_ascii_whitespace() {
        out.extend_from_slice(&u32::try_from(word.len()).unwrap_or(0).to_be_bytes());
        out.extend_from_slice(word.replace('_', " ").as_bytes());
    }
    out.extend_from_slice(TAIL.as_bytes());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A SYN_STREAM as a client would send it.
    fn open(deflate: &mut Compress, stream: u32, headers: &[(&str, &str)]) -> Bytes {
        let mut block = u32::try_from(headers.len()).expect("few").to_be_bytes().to_vec();
        for text in headers.iter().flat_map(|(name, value)| [name, value]) {
            block.extend_from_slice(&u32::try_from(text.len()).expect("short").to_be_bytes());
            block.extend_from_slice(text.as_bytes());
        }
        let mut small = Vec::with_capacity(4_096);
        deflate.compress_vec(&block, &mut small, FlushCompress::Sync).expect("compresses");
        control(1, &[&stream.to_be_bytes()[..], &[0; 6], &small].concat())
    }

    #[test]
    fn the_dictionary_is_that_of_spdy_3() {
        let bytes = dictionary();
        let sums = bytes.iter().fold((1_u32, 0_u32), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65_521;
            (a, (b + a) % 65_521)
        });
        assert_eq!((bytes.len(), sums.1 << 16 | sums.0), (1_423, 0xe3c6_a7c2));
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let mut deflate = Compress::new(Compression::fast(), true);
        deflate.set_dictionary(&dictionary()).expect("fresh");
        let mut bytes = Vec::new();
        for stream in [1, 3] {
            bytes.extend_from_slice(&open(
                &mut deflate,
                stream,
                &[("streamtype", "data"), ("Port", "80"), ("requestid", "0")],
            ));
        }
        bytes.extend_from_slice(&data(3, b"hello", true));
        bytes.extend_from_slice(&ping(&[0, 0, 0, 1]));
        for size in [1, 7, bytes.len()] {
            let mut reader = Reader::new();
            let mut frames = Vec::new();
            for piece in bytes.chunks(size) {
                reader.push(piece);
                while let Some(frame) = reader.next().expect("frames") {
                    frames.push(frame);
                }
            }
            assert_eq!(frames.len(), 4, "in pieces of {size}");
            assert!(
                matches!(&frames[1], Frame::Open { stream: 3, headers } if headers["port"] == "80" && headers["streamtype"] == "data")
            );
            assert_eq!(frames[2], Frame::Data { stream: 3, bytes: Bytes::from_static(b"hello"), end: true });
        }
    }

    proptest::proptest! {
        #[test]
        fn garbage_breaks_and_never_panics(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            for prefix in [&[][..], &[0x80, 3, 0, 1, 0, 0, 1, 0]] {
                let mut reader = Reader::new();
                reader.push(prefix);
                reader.push(&bytes);
                while let Ok(Some(_)) = reader.next() {}
            }
        }
    }
}
