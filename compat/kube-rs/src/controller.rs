//! A controller by kube-rs: a kind of its own made by the derive, finalizer, children by server-side apply, status, restart.
use crate::NAMESPACE;
use crate::step::{Answer, equal, eventually, step};
use futures::StreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::{conditions, finalizer, wait, watcher};
use kube::{Client, CustomResource, CustomResourceExt as _, Resource as _, ResourceExt as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

const FINALIZER: &str = "kube-rs.rutter.dev/hold";

#[derive(CustomResource, Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[kube(
    group = "kube-rs.rutter.dev",
    version = "v1",
    kind = "Buoy",
    namespaced,
    status = "BuoyStatus",
    shortname = "by"
)]
#[kube(printcolumn = r#"{"name":"Colour", "type":"string", "jsonPath":".spec.colour"}"#)]
pub struct BuoySpec {
    /// What it looks like.
    colour: String,
    #[serde(default)]
    lights: Option<u8>,
}

#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct BuoyStatus {
    child: Option<String>,
    generation: Option<i64>,
}

struct Context {
    client: Client,
    cleaned: AtomicUsize,
    failed: AtomicUsize,
}

type Failure = Box<finalizer::Error<kube::Error>>;

async fn reconcile(buoy: Arc<Buoy>, context: Arc<Context>) -> Result<Action, Failure> {
    let buoys: Api<Buoy> = Api::namespaced(context.client.clone(), NAMESPACE);
    let by_state = |event| async {
        match event {
            finalizer::Event::Apply(buoy) => apply(&buoy, &context.client).await,
            finalizer::Event::Cleanup(_) => {
                context.cleaned.fetch_add(1, Ordering::Relaxed);
                Ok(Action::await_change())
            }
        }
    };
    finalizer::finalizer(&buoys, FINALIZER, buoy, by_state).await.map_err(Box::new)
}

async fn apply(buoy: &Buoy, client: &Client) -> kube::Result<Action> {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let buoys: Api<Buoy> = Api::namespaced(client.clone(), NAMESPACE);
    let name = format!("{}-child", buoy.name_any());
    let owner = buoy.controller_owner_ref(&());
    let child = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": [owner]}, "data": {"colour": buoy.spec.colour}});
    let params = PatchParams::apply("buoy-controller").force();
    maps.patch(&name, &params, &Patch::Apply(child)).await?;
    let status = json!({"apiVersion": "kube-rs.rutter.dev/v1", "kind": "Buoy", "status": {"child": name, "generation": buoy.metadata.generation}});
    buoys.patch_status(&buoy.name_any(), &params, &Patch::Apply(status)).await?;
    Ok(Action::requeue(Duration::from_secs(300)))
}

/// Runs the controller beside the user; it ends when the user is done.
async fn beside(context: &Arc<Context>, config: watcher::Config, user: impl Future<Output = Answer>) -> Answer {
    let buoys: Api<Buoy> = Api::namespaced(context.client.clone(), NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(context.client.clone(), NAMESPACE);
    let again = |_: Arc<Buoy>, why: &Failure, context: Arc<Context>| {
        if context.failed.fetch_add(1, Ordering::Relaxed) == 0 {
            println!("# reconciled again, since {why}");
        }
        Action::requeue(Duration::from_millis(500))
    };
    let controller = Controller::new(buoys, config.clone()).owns(maps, config).run(reconcile, again, context.clone());
    tokio::select! {
        () = controller.for_each(|_| std::future::ready(())) => Err("the controller ended".into()),
        answer = user => answer,
    }
}

pub async fn run(client: &Client) {
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let buoys: Api<Buoy> = Api::namespaced(client.clone(), NAMESPACE);
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    let name = Buoy::crd_name();
    step("the derived definition is applied and established", async {
        definitions.patch(name, &PatchParams::apply("compat").force(), &Patch::Apply(Buoy::crd())).await?;
        wait::await_condition(definitions.clone(), name, conditions::is_crd_established()).await?;
        Ok(())
    })
    .await;
    let context =
        Arc::new(Context { client: client.clone(), cleaned: AtomicUsize::new(0), failed: AtomicUsize::new(0) });
    for (kind, config) in
        [("list first", watcher::Config::default()), ("streamed lists", watcher::Config::default().streaming_lists())]
    {
        step(&format!("controller, {kind}: from the making to the end"), beside(&context, config, life(&buoys, &maps)))
            .await;
    }
    step("controller: what was changed while none ran", beside_later(&context, &buoys, &maps)).await;
    step("the finalizer was called once each", async { equal(context.cleaned.load(Ordering::Relaxed), 3) }).await;
    step("the definition goes", async {
        definitions.delete(name, &DeleteParams::default()).await?;
        eventually("it is gone", async || definitions.get_opt(name).await.ok().filter(Option::is_none)).await?;
        Ok(())
    })
    .await;
}

async fn colour(maps: &Api<ConfigMap>, wanted: &str) -> Option<()> {
    let data = maps.get_opt("ann-child").await.ok()??.data?;
    (data.get("colour").map(String::as_str) == Some(wanted)).then_some(())
}

async fn gone(buoys: &Api<Buoy>, maps: &Api<ConfigMap>) -> Answer {
    buoys.delete("ann", &DeleteParams::default()).await?;
    eventually("it is gone", async || buoys.get_opt("ann").await.ok().filter(Option::is_none)).await?;
    eventually("the child is gone", async || maps.get_opt("ann-child").await.ok().filter(Option::is_none)).await?;
    Ok(())
}

async fn life(buoys: &Api<Buoy>, maps: &Api<ConfigMap>) -> Answer {
    buoys.create(&PostParams::default(), &Buoy::new("ann", BuoySpec { colour: "red".into(), lights: Some(2) })).await?;
    eventually("the child is made", async || colour(maps, "red").await).await?;
    let done = eventually("the status is written", async || {
        buoys.get("ann").await.ok().filter(|one| one.status.as_ref().is_some_and(|status| status.generation == Some(1)))
    })
    .await?;
    equal(done.finalizers(), &[FINALIZER.to_owned()])?;
    buoys.patch("ann", &PatchParams::default(), &Patch::Merge(json!({"spec": {"colour": "green"}}))).await?;
    eventually("the child follows", async || colour(maps, "green").await).await?;
    maps.delete("ann-child", &DeleteParams::default()).await?;
    eventually("the child is made again", async || colour(maps, "green").await).await?;
    maps.patch("ann-child", &PatchParams::default(), &Patch::Merge(json!({"data": {"colour": "grey"}}))).await?;
    eventually("the child is mended", async || colour(maps, "green").await).await?;
    gone(buoys, maps).await
}

async fn beside_later(context: &Arc<Context>, buoys: &Api<Buoy>, maps: &Api<ConfigMap>) -> Answer {
    beside(context, watcher::Config::default(), async {
        buoys
            .create(&PostParams::default(), &Buoy::new("ann", BuoySpec { colour: "red".into(), lights: None }))
            .await?;
        eventually("the child is made", async || colour(maps, "red").await).await
    })
    .await?;
    buoys.patch("ann", &PatchParams::default(), &Patch::Merge(json!({"spec": {"colour": "blue"}}))).await?;
    buoys.delete("ann", &DeleteParams::default()).await?;
    equal(buoys.get("ann").await?.metadata.deletion_timestamp.is_some(), true)?;
    beside(context, watcher::Config::default(), async {
        eventually("it is gone", async || buoys.get_opt("ann").await.ok().filter(Option::is_none)).await?;
        Ok(())
    })
    .await
}
