//! Logs, exec, attach and forwarding by WebSocket.
use crate::NAMESPACE;
use crate::step::{Answer, equal, step};
use futures::{AsyncBufReadExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{Api, AttachParams, LogParams, PostParams};
use kube::runtime::{conditions, wait};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub async fn run(client: &Client) {
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    step("a pod runs", async {
        let spec = json!({"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "rutter.dev/hello", "ports": [{"containerPort": 8080}]}]});
        let body = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "s"}, "spec": spec});
        pods.create(&PostParams::default(), &serde_json::from_value(body)?).await?;
        wait::await_condition(pods.clone(), "s", conditions::is_pod_running()).await?;
        Ok(())
    })
    .await;
    step("log, followed", async {
        let mut lines = pods.log_stream("s", &LogParams { follow: true, ..LogParams::default() }).await?.lines();
        equal(lines.try_next().await?.is_some_and(|line| line.starts_with("hello from pod s")), true)
    })
    .await;
    step("exec, and its exit code", exec(&pods)).await;
    step("attach", async {
        let attached = pods.attach("s", &AttachParams::default().stdin(false).stderr(false)).await?;
        attached.abort();
        Ok(())
    })
    .await;
    step("port-forward", async {
        let mut forward = pods.portforward("s", &[8080]).await?;
        let mut stream = forward.take_stream(8080).ok_or("no stream")?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        equal(text.contains("200 OK"), true)
    })
    .await;
}

async fn exec(pods: &Api<Pod>) -> Answer {
    let params = || AttachParams::default().stderr(true);
    let mut process = pods.exec("s", ["rutter", "--version"], &params()).await?;
    let mut text = String::new();
    process.stdout().ok_or("no output")?.read_to_string(&mut text).await?;
    let status = process.take_status().ok_or("no status")?.await.ok_or("no status")?;
    equal((text.starts_with("rutter "), status.status.as_deref()), (true, Some("Success")))?;
    let mut process = pods.exec("s", ["rutter", "no-such-verb"], &params()).await?;
    let status = process.take_status().ok_or("no status")?.await.ok_or("no status")?;
    equal((status.status.as_deref(), status.reason.as_deref()), (Some("Failure"), Some("NonZeroExitCode")))
}
