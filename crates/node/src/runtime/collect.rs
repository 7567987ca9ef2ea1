//! Reads the channel frames of an exec to its end: output and exit code. For probes, hooks and tests.
use super::BoxDuplex;
use link::message::ExecExit;
use tokio::io::AsyncReadExt as _;

/// Bytes of output that are kept; the rest is read and dropped.
const OUTPUT_MAX: usize = 64 * 1024;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    pub code: i32,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
}

/// Reads until the exit frame.
///
/// # Errors
/// In words, if the stream breaks before, or the command could not run at all.
pub async fn collect(mut stream: BoxDuplex) -> Result<Collected, String> {
    let mut collected = Collected::default();
    loop {
        let mut head = [0; 5];
        stream.read_exact(&mut head).await.map_err(|why| format!("the exec broke off: {why}"))?;
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > crate::limits::STREAM_FRAME_MAX * 16 {
            return Err(format!("the exec sent a frame of {length} bytes"));
        }
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.map_err(|why| format!("the exec broke off: {why}"))?;
        let keep = |into: &mut Vec<u8>| {
            let room = OUTPUT_MAX.saturating_sub(into.len()).min(bytes.len());
            into.extend_from_slice(&bytes[..room]);
        };
        match head[0] {
            1 => keep(&mut collected.stdout),
            2 => keep(&mut collected.stderr),
            3 => {
                let exit: ExecExit =
                    serde_json::from_slice(&bytes).map_err(|why| format!("the exec's end cannot be read: {why}"))?;
                if !exit.error.is_empty() {
                    return Err(exit.error);
                }
                collected.code = exit.code;
                return Ok(collected);
            }
            _ => {}
        }
    }
}
