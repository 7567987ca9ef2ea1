//! The gRPC probe: one `grpc.health.v1.Health/Check`, without TLS, as kubelets ask it (KEP-2727).
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

/// `HealthCheckRequest` of the gRPC health checking protocol.
#[derive(Clone, PartialEq, prost::Message)]
struct Check {
    #[prost(string, tag = "1")]
    service: String,
}

/// `HealthCheckResponse` of the same.
#[derive(Clone, PartialEq, prost::Message)]
struct Health {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// `ServingStatus.SERVING`.
const SERVING: i32 = 1;
const METHOD: &str = "/grpc.health.v1.Health/Check";

/// Asks once whether `service` (empty: the whole server) serves.
///
/// # Errors
/// In words that are shown to people.
pub(super) async fn ask(host: &str, port: u16, service: &str) -> Result<(), String> {
    let wrong = |why: &dyn std::fmt::Display| format!("gRPC probe of {host}:{port}: {why}");
    let endpoint = Endpoint::from_shared(format!("http://{host}:{port}")).map_err(|why| wrong(&why))?;
    let channel = endpoint.connect().await.map_err(|why| format!("dial tcp {host}:{port}: {why}"))?;
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|why| wrong(&why))?;
    let check = Request::new(Check { service: service.to_owned() });
    let answer = grpc.unary(check, PathAndQuery::from_static(METHOD), ProstCodec::<Check, Health>::default()).await;
    match answer.map(|answer| answer.into_inner().status) {
        Ok(SERVING) => Ok(()),
        Ok(status) => Err(format!("service unhealthy (responded with status {status})")),
        Err(why) if why.code() == Code::Unimplemented => {
            Err("this server does not implement the grpc health protocol (grpc.health.v1.Health)".into())
        }
        Err(why) => Err(wrong(&why.message())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use http_body_util::{BodyExt, Full, StreamBody};
    use hyper::body::{Frame, Incoming};
    use hyper::service::service_fn;
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use prost::Message as _;

    /// A server over HTTP/2 as any gRPC library's: `ships` serves, the rest does not, `unknown` is not found.
    async fn answer(
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<impl hyper::body::Body<Data = Bytes, Error = std::convert::Infallible>>, hyper::Error>
    {
        let right = request.uri().path() == METHOD;
        let body = request.into_body().collect().await?.to_bytes();
        let check = Check::decode(&body[5..]).unwrap_or_default();
        let code = match (right, check.service.as_str()) {
            (false, _) => "12",
            (true, "unknown") => "5",
            (true, _) => "0",
        };
        let health = Health { status: if check.service == "ships" { SERVING } else { 2 } }.encode_to_vec();
        let mut message = vec![0, 0, 0, 0, u8::try_from(health.len()).expect("short")];
        message.extend_from_slice(&health);
        let trailers = [("grpc-status".parse().expect("a name"), code.parse().expect("a value"))].into_iter().collect();
        let data = Full::new(Bytes::from(message)).into_data_stream();
        let frames = futures::StreamExt::map(data, |data| data.map(Frame::data));
        let frames = futures::StreamExt::chain(frames, futures::stream::iter([Ok(Frame::trailers(trailers))]));
        Ok(hyper::Response::builder()
            .header("content-type", "application/grpc")
            .body(StreamBody::new(frames))
            .expect("a response"))
    }

    #[tokio::test]
    async fn a_service_is_asked_by_name() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let port = listener.local_addr().expect("an address").port();
        drop(rt::spawn("server", async move {
            while let Ok((stream, _)) = listener.accept().await {
                let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service_fn(answer));
                drop(rt::spawn("connection", serving));
            }
        }));
        assert_eq!(ask("127.0.0.1", port, "ships").await, Ok(()));
        let sick = ask("127.0.0.1", port, "").await.expect_err("it does not serve");
        assert_eq!(sick, "service unhealthy (responded with status 2)");
        assert!(ask("127.0.0.1", port, "unknown").await.is_err());
        assert!(ask("127.0.0.1", 1, "").await.is_err_and(|why| why.starts_with("dial tcp 127.0.0.1:1")));
    }
}
