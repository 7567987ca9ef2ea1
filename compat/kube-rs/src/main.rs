//! The stock kube-rs client and runtime against the cluster of the kubeconfig: objects, discovery, watchers, a controller, streams.
mod controller;
mod discovery;
mod objects;
mod step;
mod streams;
mod watching;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use kube::{Client, Error};
use std::collections::BTreeMap;
use step::{Answer, eventually, step};

const NAMESPACE: &str = "compat-kube-rs";

/// A ConfigMap of one entry, with the label `set`.
fn config_map(name: &str, set: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(BTreeMap::from([("set".to_owned(), set.to_owned())])),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("k".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

/// The code and reason of a refusal.
fn refusal<T>(answer: kube::Result<T>) -> Answer<(u16, String)> {
    match answer {
        Err(Error::Api(status)) => Ok((status.code, status.reason.clone())),
        Err(other) => Err(other.into()),
        Ok(_) => Err("it was not refused".into()),
    }
}

async fn namespace_gone(client: &Client) -> Answer {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    if namespaces.get_opt(NAMESPACE).await?.is_some() {
        namespaces.delete(NAMESPACE, &DeleteParams::default()).await?;
    }
    eventually("the namespace is gone", async || namespaces.get_opt(NAMESPACE).await.ok().filter(Option::is_none))
        .await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Answer {
    let client = Client::try_default().await?;
    namespace_gone(&client).await?;
    step("create a namespace", async {
        let body = Namespace {
            metadata: ObjectMeta { name: Some(NAMESPACE.into()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        Api::all(client.clone()).create(&PostParams::default(), &body).await?;
        Ok(())
    })
    .await;
    discovery::run(&client).await;
    objects::run(&client).await;
    watching::run(&client).await;
    controller::run(&client).await;
    streams::run(&client).await;
    step("delete the namespace", namespace_gone(&client)).await;
    std::process::exit(i32::from(!step::well()));
}
