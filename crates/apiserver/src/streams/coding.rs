//! A channel and its bytes as one WebSocket message: binary, or text with base64. It knows no channel's meaning.
use api::base64;
use bytes::Bytes;
use tokio_tungstenite::tungstenite::Message;

/// How the negotiated protocol writes messages.
#[derive(Clone, Copy)]
pub(super) enum Coding {
    /// The channel as a byte, then the bytes.
    Binary,
    /// The channel as a digit (or what follows the digits), then base64.
    Base64,
}

impl Coding {
    pub(super) fn of(protocol: &str) -> Self {
        if protocol.contains("base64.") { Self::Base64 } else { Self::Binary }
    }

    pub(super) fn message(self, channel: u8, bytes: &[u8]) -> Message {
        match self {
            Self::Binary => Message::Binary([&[channel], bytes].concat().into()),
            Self::Base64 => {
                let digit = char::from(b'0'.wrapping_add(channel));
                Message::Text(format!("{digit}{}", base64::encode(bytes)).into())
            }
        }
    }

    /// The channel and the bytes of a client's message; nothing if they are none.
    pub(super) fn read(self, message: Message) -> Option<(u8, Bytes)> {
        let bytes: Bytes = match message {
            Message::Binary(bytes) => bytes,
            Message::Text(text) => text.into(),
            _ => return None,
        };
        let channel = *bytes.first()?;
        match self {
            Self::Binary => Some((channel, bytes.slice(1..))),
            Self::Base64 => {
                let text = std::str::from_utf8(bytes.get(1..)?).ok()?;
                Some((channel.wrapping_sub(b'0'), base64::decode(text)?.into()))
            }
        }
    }
}
