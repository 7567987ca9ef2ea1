//! What is wrong with a text that is no JSON, in the words of Go's decoder, which clients have come to know. It reads no values, and
//! however deep a text nests, it does not recurse.

/// What stands open around a place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    List,
    Object,
}

/// What may come next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Value,
    ValueOrEnd,
    Key,
    KeyOrEnd,
    Colon,
    /// After a value: a comma, or the end of what stands open.
    After,
}

/// What is wrong first; `None`: it is JSON.
pub(super) fn of(bytes: &[u8]) -> Option<String> {
    let mut scan = Scan { bytes, at: 0 };
    scan.text().err().map(|fault| match fault {
        Fault::End => "unexpected end of JSON input".to_owned(),
        Fault::Character(context) => {
            let shown = bytes.get(scan.at).copied().map(shown).unwrap_or_default();
            format!("invalid character {shown} {context}")
        }
    })
}

enum Fault {
    End,
    /// The character at the place of the scan, and where it was met.
    Character(String),
}

struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Scan<'_> {
    fn text(&mut self) -> Result<(), Fault> {
        let (mut open, mut next) = (Vec::new(), Next::Value);
        loop {
            self.space();
            if next == Next::After && open.is_empty() {
                return if self.at == self.bytes.len() { Ok(()) } else { wrong("after top-level value") };
            }
            let found = *self.bytes.get(self.at).ok_or(Fault::End)?;
            next = match (next, found, open.last()) {
                (Next::ValueOrEnd, b']', _) | (Next::KeyOrEnd, b'}', _) => self.close(&mut open),
                (Next::Value | Next::ValueOrEnd, _, _) => self.value(found, &mut open)?,
                (Next::Key | Next::KeyOrEnd, b'"', _) => {
                    self.string()?;
                    Next::Colon
                }
                (Next::Key | Next::KeyOrEnd, _, _) => return wrong("looking for beginning of object key string"),
                (Next::Colon, b':', _) => self.step(Next::Value),
                (Next::Colon, _, _) => return wrong("after object key"),
                (Next::After, b',', Some(Open::Object)) => self.step(Next::Key),
                (Next::After, b',', Some(Open::List)) => self.step(Next::Value),
                (Next::After, b'}', Some(Open::Object)) | (Next::After, b']', Some(Open::List)) => {
                    self.close(&mut open)
                }
                (Next::After, _, Some(Open::Object)) => return wrong("after object key:value pair"),
                (Next::After, _, _) => return wrong("after array element"),
            };
        }
    }

    fn step(&mut self, next: Next) -> Next {
        self.at += 1;
        next
    }

    fn close(&mut self, open: &mut Vec<Open>) -> Next {
        open.pop();
        self.step(Next::After)
    }

    fn value(&mut self, first: u8, open: &mut Vec<Open>) -> Result<Next, Fault> {
        match first {
            b'{' => {
                open.push(Open::Object);
                return Ok(self.step(Next::KeyOrEnd));
            }
            b'[' => {
                open.push(Open::List);
                return Ok(self.step(Next::ValueOrEnd));
            }
            b'"' => self.string()?,
            b'-' | b'0'..=b'9' => self.number()?,
            b't' => self.literal("true")?,
            b'f' => self.literal("false")?,
            b'n' => self.literal("null")?,
            _ => return wrong("looking for beginning of value"),
        }
        Ok(Next::After)
    }

    fn space(&mut self) {
        while self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
            self.at += 1;
        }
    }

    fn literal(&mut self, word: &str) -> Result<(), Fault> {
        for letter in word.bytes() {
            if *self.bytes.get(self.at).ok_or(Fault::End)? != letter {
                return wrong(&format!("in literal {word} (expecting {})", shown(letter)));
            }
            self.at += 1;
        }
        Ok(())
    }

    fn string(&mut self) -> Result<(), Fault> {
        self.at += 1;
        loop {
            match *self.bytes.get(self.at).ok_or(Fault::End)? {
                b'"' => break,
                b'\\' => self.escape()?,
                0..0x20 => return wrong("in string literal"),
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Ok(())
    }

    /// Ends at the last character of the escape.
    fn escape(&mut self) -> Result<(), Fault> {
        self.at += 1;
        match *self.bytes.get(self.at).ok_or(Fault::End)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Ok(()),
            b'u' => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.bytes.get(self.at).ok_or(Fault::End)?.is_ascii_hexdigit() {
                        return wrong("in \\u hexadecimal character escape");
                    }
                }
                Ok(())
            }
            _ => wrong("in string escape code"),
        }
    }

    fn number(&mut self) -> Result<(), Fault> {
        if self.bytes[self.at] == b'-' {
            self.at += 1;
        }
        if self.bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b'e' | b'E')) {
            self.at += 1;
            if self.bytes.get(self.at).is_some_and(|byte| matches!(byte, b'+' | b'-')) {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        Ok(())
    }

    /// One digit or more.
    fn digits(&mut self, context: &str) -> Result<(), Fault> {
        if !self.bytes.get(self.at).ok_or(Fault::End)?.is_ascii_digit() {
            return wrong(context);
        }
        while self.bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        Ok(())
    }
}

fn wrong<T>(context: &str) -> Result<T, Fault> {
    Err(Fault::Character(context.to_owned()))
}

/// A byte as Go quotes a character.
fn shown(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'"' => "'\"'".into(),
        b'\\' => "'\\\\'".into(),
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        b'\t' => "'\\t'".into(),
        7 => "'\\a'".into(),
        8 => "'\\b'".into(),
        11 => "'\\v'".into(),
        12 => "'\\f'".into(),
        0..0x20 | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..0xa0 | 0xad => format!("'\\u{byte:04x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

#[cfg(test)]
mod tests {
    use super::of;
    use proptest::prelude::*;

    #[test]
    fn faults_are_told_as_go_tells_them() {
        for (text, want) in [
            ("{}", ""),
            (" [1, -0.5e+3, \"\\u00e4\\n\", null, {\"a\": [true, false]}] ", ""),
            ("", "unexpected end of JSON input"),
            ("{", "unexpected end of JSON input"),
            ("[1,", "unexpected end of JSON input"),
            ("\"a", "unexpected end of JSON input"),
            ("{bad", "invalid character 'b' looking for beginning of object key string"),
            ("{\"a\":1,}", "invalid character '}' looking for beginning of object key string"),
            ("{\"a\" 1}", "invalid character '1' after object key"),
            ("{\"a\":1 \"b\"}", "invalid character '\"' after object key:value pair"),
            ("[1 2]", "invalid character '2' after array element"),
            ("[1}", "invalid character '}' after array element"),
            ("[,]", "invalid character ',' looking for beginning of value"),
            ("{\"a\":}", "invalid character '}' looking for beginning of value"),
            ("{}{}", "invalid character '{' after top-level value"),
            ("nul!", "invalid character '!' in literal null (expecting 'l')"),
            ("[\"a\nb\"]", "invalid character '\\n' in string literal"),
            ("\"\\x\"", "invalid character 'x' in string escape code"),
            ("\"\\u12g4\"", "invalid character 'g' in \\u hexadecimal character escape"),
            ("-x", "invalid character 'x' in numeric literal"),
            ("1.x", "invalid character 'x' after decimal point in numeric literal"),
            ("1ex", "invalid character 'x' in exponent of numeric literal"),
            ("\u{e4}", "invalid character '\u{c3}' looking for beginning of value"),
            ("'a'", "invalid character '\\'' looking for beginning of value"),
        ] {
            assert_eq!(of(text.as_bytes()).unwrap_or_default(), want, "{text}");
        }
        assert!(of("[".repeat(1_000_000).as_bytes()).is_some());
    }

    proptest! {
        #[test]
        fn it_finds_fault_with_what_is_refused(text in "[\\[\\]{}:,\"a0-9.eE+\\- tru\\\\]{0,24}") {
            let reads = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            prop_assert_eq!(of(text.as_bytes()).is_none(), reads, "{}", text);
        }
    }
}
