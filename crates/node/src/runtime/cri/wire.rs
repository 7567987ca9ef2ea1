//! One call to a CRI runtime over its unix socket: bytes there and back, time limits, and its errors in our words.
use super::super::RuntimeError;
use crate::limits::{CRI_MESSAGE_MAX, CRI_WAIT};
use std::path::Path;
use std::time::Duration;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

pub(super) struct Wire {
    channel: Channel,
}

impl Wire {
    /// The channel to a socket; it connects, and connects again, when it is used.
    pub(super) fn open(socket: &Path) -> Result<Self, RuntimeError> {
        let endpoint = Endpoint::from_shared(format!("unix://{}", socket.display()))
            .map_err(|why| RuntimeError::Failed(format!("{} is no socket: {why}", socket.display())))?;
        Ok(Self { channel: endpoint.connect_lazy() })
    }

    /// Calls a method by its whole path.
    pub(super) async fn call<M, R>(&self, method: &'static str, message: M) -> Result<R, RuntimeError>
    where
        M: prost::Message + Default + 'static,
        R: prost::Message + Default + 'static,
    {
        self.call_within(CRI_WAIT, method, message).await
    }

    pub(super) async fn call_within<M, R>(&self, wait: u64, method: &'static str, message: M) -> Result<R, RuntimeError>
    where
        M: prost::Message + Default + 'static,
        R: prost::Message + Default + 'static,
    {
        let mut grpc = Grpc::new(self.channel.clone()).max_decoding_message_size(CRI_MESSAGE_MAX);
        let call = async {
            grpc.ready()
                .await
                .map_err(|why| Status::unavailable(format!("the runtime does not answer: {}", words(&why))))?;
            grpc.unary(Request::new(message), PathAndQuery::from_static(method), ProstCodec::<M, R>::default()).await
        };
        let name = method.rsplit('/').next().unwrap_or(method);
        match rt::timeout(Duration::from_millis(wait), call).await {
            None => Err(RuntimeError::Failed(format!("{name}: no answer in {wait} ms"))),
            Some(Err(status)) => Err(error(name, &status)),
            Some(Ok(response)) => Ok(response.into_inner()),
        }
    }
}

fn error(name: &str, status: &Status) -> RuntimeError {
    let text = format!("{name}: {}", status.message());
    match status.code() {
        Code::NotFound => RuntimeError::NotFound(text),
        Code::InvalidArgument => RuntimeError::Config(text),
        Code::FailedPrecondition => RuntimeError::State(text),
        _ => RuntimeError::Failed(text),
    }
}

/// The error with its causes.
fn words(why: &dyn std::error::Error) -> String {
    let mut text = why.to_string();
    let mut cause = why.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
