//! Watchers and reflectors: lists first and streamed lists, metadata alone, one object, restarts, versions too old, bookmarks.
use crate::step::{Answer, equal, eventually, step};
use crate::{NAMESPACE, config_map};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::watcher::{self, Event};
use kube::runtime::{WatchStreamExt as _, reflector};
use kube::{Client, ResourceExt as _};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;

pub async fn run(client: &Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    for (name, config) in [
        ("list first", watcher::Config::default()),
        ("list first in pages of one", watcher::Config::default().page_size(1)),
        ("list of any version", watcher::Config::default().any_semantic()),
        ("streamed list", watcher::Config::default().streaming_lists()),
        ("without bookmarks", watcher::Config::default().disable_bookmarks()),
    ] {
        step(&format!("watcher, {name}"), follows(&maps, config)).await;
    }
    step("watcher of metadata", async {
        maps.create(&PostParams::default(), &config_map("m", "metadata", "")).await?;
        let metadata: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client.clone(), NAMESPACE);
        let config = watcher::Config::default().labels("set=metadata").streaming_lists();
        let mut told = pin!(kube::runtime::watcher(metadata, config).applied_objects());
        equal(told.try_next().await?.map(|one| one.name_any()), Some("m".to_owned()))
    })
    .await;
    step("watcher of one object, until it is gone", one(&maps)).await;
    for (name, config) in
        [("list first", watcher::Config::default()), ("streamed list", watcher::Config::default().streaming_lists())]
    {
        step(&format!("reflector, {name}, over watches that end"), restarts(&maps, config)).await;
    }
    step("raw watch: bookmark before its end", bookmark(&maps)).await;
    step("raw watch: version of the future, and none", odd(&maps)).await;
}

/// What a watcher told: the names of what is there, then of each change.
fn told(event: Event<ConfigMap>) -> Option<String> {
    match event {
        Event::Init => Some("init".into()),
        Event::InitDone => Some("done".into()),
        Event::InitApply(one) => Some(format!("has {}", one.name_any())),
        Event::Apply(one) => Some(format!("apply {}", one.name_any())),
        Event::Delete(one) => Some(format!("delete {}", one.name_any())),
    }
}

async fn next(stream: &mut (impl Stream<Item = watcher::Result<Event<ConfigMap>>> + Unpin)) -> Answer<String> {
    let event =
        tokio::time::timeout(Duration::from_secs(10), stream.next()).await.map_err(|_| "nothing is told for 10 s")?;
    told(event.ok_or("it ended")??).ok_or_else(|| "nothing".into())
}

async fn follows(maps: &Api<ConfigMap>, config: watcher::Config) -> Answer {
    for name in ["f1", "f2"] {
        maps.create(&PostParams::default(), &config_map(name, "follow", "")).await?;
    }
    let mut stream = Box::pin(kube::runtime::watcher(maps.clone(), config.labels("set=follow")));
    for wanted in ["init", "has f1", "has f2", "done"] {
        equal(next(&mut stream).await?.as_str(), wanted)?;
    }
    maps.patch("f1", &PatchParams::default(), &Patch::Merge(json!({"data": {"k": "x"}}))).await?;
    equal(next(&mut stream).await?.as_str(), "apply f1")?;
    maps.patch("f1", &PatchParams::default(), &Patch::Merge(json!({"metadata": {"labels": {"set": "other"}}}))).await?;
    equal(next(&mut stream).await?.as_str(), "delete f1")?;
    maps.delete("f2", &DeleteParams::default()).await?;
    equal(next(&mut stream).await?.as_str(), "delete f2")?;
    maps.delete("f1", &DeleteParams::default()).await?;
    Ok(())
}

async fn one(maps: &Api<ConfigMap>) -> Answer {
    let mut stream = pin!(kube::runtime::watcher::watch_object(maps.clone(), "w1"));
    let mut next = async || -> Answer<Option<String>> {
        let told = tokio::time::timeout(Duration::from_secs(10), stream.next())
            .await
            .map_err(|_| "nothing is told for 10 s")?;
        Ok(told.ok_or("it ended")??.map(|one| one.data.unwrap_or_default()["k"].clone()))
    };
    equal(next().await?, None)?;
    maps.create(&PostParams::default(), &config_map("w1", "one", "1")).await?;
    equal(next().await?, Some("1".to_owned()))?;
    maps.delete("w1", &DeleteParams::default()).await?;
    equal(next().await?, None)
}

/// Watches of two seconds; changes come while one ends and the next begins.
async fn restarts(maps: &Api<ConfigMap>, config: watcher::Config) -> Answer {
    let (reader, writer) = reflector::store();
    let stream = kube::runtime::watcher(maps.clone(), config.labels("set=restart").timeout(2)).default_backoff();
    let mut inits = 0;
    let runs = reflector(writer, stream).for_each(|event| {
        inits += usize::from(matches!(event, Ok(Event::Init)));
        std::future::ready(())
    });
    let user = async {
        reader.wait_until_ready().await?;
        for round in 0..30 {
            let name = format!("r{}", round % 3);
            if maps.get_opt(&name).await?.is_some() {
                maps.delete(&name, &DeleteParams::default()).await?;
            } else {
                maps.create(&PostParams::default(), &config_map(&name, "restart", &round.to_string())).await?;
            }
            tokio::time::sleep(Duration::from_millis(150)).await;
        }
        for name in ["r0", "r1", "r2"] {
            maps.delete(name, &DeleteParams::default()).await.ok();
        }
        maps.create(&PostParams::default(), &config_map("last", "restart", "")).await?;
        eventually("the store holds the last alone", async || {
            (reader.state().iter().map(|one| one.name_any()).collect::<Vec<_>>() == ["last"]).then_some(())
        })
        .await?;
        maps.delete("last", &DeleteParams::default()).await?;
        Ok::<(), Box<dyn std::error::Error>>(())
    };
    tokio::select! {
        () = runs => return Err("the stream ended".into()),
        done = user => done?,
    }
    // A watch that ends at its time goes on from where it was; only a version too old begins anew.
    equal(inits, 1)
}

async fn bookmark(maps: &Api<ConfigMap>) -> Answer {
    let from = maps.list(&kube::api::ListParams::default()).await?.metadata.resource_version.ok_or("no version")?;
    let events: Vec<_> =
        maps.watch(&WatchParams::default().labels("set=nothing").timeout(5), &from).await?.try_collect().await?;
    match events.as_slice() {
        [WatchEvent::Bookmark(_)] => Ok(()),
        other => Err(format!("told {other:?}").into()),
    }
}

async fn odd(maps: &Api<ConfigMap>) -> Answer {
    let zero: Vec<_> =
        maps.watch(&WatchParams::default().fields("metadata.name=a").timeout(1), "0").await?.try_collect().await?;
    equal(matches!(zero.as_slice(), [WatchEvent::Added(_)]), true)?;
    let none = maps.watch(&WatchParams::default().timeout(1), "none").await;
    equal(none.is_err(), true)
}
