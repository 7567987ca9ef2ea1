//! Bytes written from the end to the beginning: the length of what was written is known when its head is. It knows no message.

/// What was written stands at the end of `bytes`.
pub(crate) struct Back {
    bytes: Vec<u8>,
    at: usize,
}

impl Back {
    /// Room for so many bytes; more is made when it is needed.
    pub(crate) fn new(room: usize) -> Self {
        Self { bytes: vec![0; room], at: room }
    }

    /// How much was written.
    pub(crate) fn written(&self) -> usize {
        self.bytes.len() - self.at
    }

    /// All of it.
    pub(crate) fn take(mut self) -> Vec<u8> {
        self.bytes.drain(..self.at);
        self.bytes
    }

    pub(crate) fn put(&mut self, part: &[u8]) {
        if part.len() > self.at {
            self.grow(part.len());
        }
        let start = self.at - part.len();
        self.bytes[start..self.at].copy_from_slice(part);
        self.at = start;
    }

    fn grow(&mut self, need: usize) {
        let written = self.written();
        let room = (self.bytes.len() + need).next_power_of_two().max(64) * 2;
        let mut larger = vec![0; room];
        larger[room - written..].copy_from_slice(&self.bytes[self.at..]);
        self.at = room - written;
        self.bytes = larger;
    }

    pub(crate) fn varint(&mut self, mut number: u64) {
        let (mut digits, mut count) = ([0_u8; 10], 0);
        loop {
            // Seven bits are left of it.
            digits[count] = (number & 0x7f) as u8;
            number >>= 7;
            if number == 0 {
                break;
            }
            digits[count] |= 0x80;
            count += 1;
        }
        self.put(&digits[..=count]);
    }

    /// A number of any type.
    pub(crate) fn number(&mut self, field: u32, number: u64) {
        self.varint(number);
        self.varint(u64::from(field) << 3);
    }

    pub(crate) fn double(&mut self, field: u32, number: f64) {
        self.put(&number.to_le_bytes());
        self.varint(u64::from(field) << 3 | 1);
    }

    pub(crate) fn text(&mut self, field: u32, text: &[u8]) {
        self.put(text);
        self.head(field, text.len());
    }

    /// Everything since `mark` was written (`written()` then) is the field's.
    pub(crate) fn close(&mut self, field: u32, mark: usize) {
        self.head(field, self.written() - mark);
    }

    /// The head of so many bytes.
    pub(crate) fn head(&mut self, field: u32, length: usize) {
        self.varint(length as u64);
        self.varint(u64::from(field) << 3 | 2);
    }
}
