//! Objects one by one: writes, patches, refusals, subresources, pages, leases, events.
use crate::step::{Answer, equal, eventually, step};
use crate::{NAMESPACE, config_map, refusal};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::api::{
    Api, DeleteParams, EvictParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource as _, ResourceExt as _};
use serde_json::json;

pub async fn run(client: &Client) {
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    step("create, get, replace, conflict", async {
        let made = maps.create(&PostParams::default(), &config_map("a", "one", "1")).await?;
        equal(made.uid(), maps.get("a").await?.uid())?;
        let mut next = made.clone();
        next.data = Some([("k".into(), "2".into())].into());
        let replaced = maps.replace("a", &PostParams::default(), &next).await?;
        equal(replaced.data, next.data.clone())?;
        equal(refusal(maps.replace("a", &PostParams::default(), &next).await)?, (409, "Conflict".into()))
    })
    .await;
    step("refusals", async {
        equal(
            refusal(maps.create(&PostParams::default(), &config_map("a", "one", "1")).await)?,
            (409, "AlreadyExists".into()),
        )?;
        equal(refusal(maps.get("none").await)?, (404, "NotFound".into()))?;
        equal(
            refusal(maps.create(&PostParams::default(), &config_map("A_b", "one", "1")).await)?,
            (422, "Invalid".into()),
        )
    })
    .await;
    step("dry run, and metadata alone", async {
        maps.create(&PostParams { dry_run: true, ..PostParams::default() }, &config_map("dry", "one", "1")).await?;
        equal(maps.get_opt("dry").await?.is_none(), true)?;
        equal(maps.get_metadata("a").await?.name_any(), "a".to_owned())?;
        let patched = maps
            .patch_metadata(
                "a",
                &PatchParams::default(),
                &Patch::Merge(json!({"metadata": {"annotations": {"x": "y"}}})),
            )
            .await?;
        equal(patched.annotations().get("x").cloned(), Some("y".to_owned()))
    })
    .await;
    patches(&maps).await;
    step("pages", pages(&maps)).await;
    step("delete: preconditions, and a collection", deletes(&maps)).await;
    workloads(client).await;
    step("a lease is taken, renewed, lost", lease(client)).await;
    step("events are posted, and made a series", events(client, &maps)).await;
}

async fn patches(maps: &Api<ConfigMap>) {
    step("merge, JSON and strategic patches", async {
        let data = |map: ConfigMap| map.data.unwrap_or_default();
        let params = PatchParams::default();
        let got = maps.patch("a", &params, &Patch::Merge(json!({"data": {"k": null, "m": "1"}}))).await?;
        equal(data(got), [("m".to_owned(), "1".to_owned())].into())?;
        let json = serde_json::from_value(json!([{"op": "test", "path": "/data/m", "value": "1"}, {"op": "move", "from": "/data/m", "path": "/data/n"}]))?;
        let got = maps.patch("a", &params, &Patch::Json::<()>(json)).await?;
        equal(data(got), [("n".to_owned(), "1".to_owned())].into())?;
        let got = maps.patch("a", &params, &Patch::Strategic(json!({"data": {"$patch": "replace", "s": "1"}}))).await?;
        equal(data(got), [("s".to_owned(), "1".to_owned())].into())
    })
    .await;
    step("apply: create, own, conflict, force", async {
        let body = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"k": value}});
        maps.patch("applied", &PatchParams::apply("one"), &Patch::Apply(body("1"))).await?;
        let refused = refusal(maps.patch("applied", &PatchParams::apply("two"), &Patch::Apply(body("2"))).await)?;
        equal(refused, (409, "Conflict".into()))?;
        let got = maps.patch("applied", &PatchParams::apply("two").force(), &Patch::Apply(body("2"))).await?;
        let managers: Vec<_> = got.managed_fields().iter().filter_map(|entry| entry.manager.clone()).collect();
        equal(managers, vec!["two".to_owned()])
    })
    .await;
}

async fn pages(maps: &Api<ConfigMap>) -> Answer {
    for number in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("page-{number}"), "page", "")).await?;
    }
    let (mut names, mut params) = (Vec::new(), ListParams::default().labels("set=page").limit(2));
    loop {
        let page = maps.list(&params).await?;
        names.extend(page.items.iter().map(kube::ResourceExt::name_any));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => break,
        }
    }
    equal(names, (0..5).map(|number| format!("page-{number}")).collect())
}

async fn deletes(maps: &Api<ConfigMap>) -> Answer {
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: Some("none".into()), ..Preconditions::default() }),
        ..DeleteParams::default()
    };
    equal(refusal(maps.delete("a", &params).await)?, (409, "Conflict".into()))?;
    maps.delete_collection(&DeleteParams::default(), &ListParams::default().labels("set=page")).await?;
    equal(maps.list(&ListParams::default().labels("set=page")).await?.items.len(), 0)
}

async fn workloads(client: &Client) {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), NAMESPACE);
    let pods: Api<Pod> = Api::namespaced(client.clone(), NAMESPACE);
    step("a deployment runs, is scaled, and a pod of it is evicted", async {
        let template = json!({"metadata": {"labels": {"app": "d"}}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [{"name": "c", "image": "rutter.dev/hello"}]}});
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "d"}}, "template": template}});
        deployments.create(&PostParams::default(), &serde_json::from_value(body)?).await?;
        let condition = kube::runtime::conditions::is_deployment_completed();
        kube::runtime::wait::await_condition(deployments.clone(), "d", condition).await?;
        let scale = deployments.patch_scale("d", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 2}}))).await?;
        equal(scale.spec.and_then(|spec| spec.replicas), Some(2))?;
        let of = ListParams::default().labels("app=d");
        let first = eventually("two pods", async || pods.list(&of).await.ok().filter(|all| all.items.len() == 2)).await?.items[0].name_any();
        pods.evict(&first, &EvictParams::default()).await?;
        eventually("it goes", async || pods.get_opt(&first).await.ok().filter(Option::is_none)).await?;
        Ok(())
    })
    .await;
    step("status is apart from spec", async {
        let before = deployments.get("d").await?;
        let body = json!({"spec": {"replicas": 9}, "metadata": {"annotations": {"seen": "yes"}}});
        let got = deployments.patch_status("d", &PatchParams::default(), &Patch::Merge(body)).await?;
        let spec = |one: &Deployment| one.spec.as_ref().and_then(|spec| spec.replicas);
        equal((spec(&got), got.metadata.generation), (spec(&before), before.metadata.generation))
    })
    .await;
    step("deleted in the foreground", async {
        deployments
            .delete(
                "d",
                &DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() },
            )
            .await?;
        eventually("it is gone", async || deployments.get_opt("d").await.ok().filter(Option::is_none)).await?;
        equal(pods.list(&ListParams::default().labels("app=d")).await?.items.len(), 0)
    })
    .await;
}

async fn lease(client: &Client) -> Answer {
    let leases: Api<Lease> = Api::namespaced(client.clone(), NAMESPACE);
    let held = |by: &str| Lease {
        metadata: ObjectMeta { name: Some("lead".into()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(by.into()),
            lease_duration_seconds: Some(5),
            renew_time: Some(MicroTime(Timestamp::now())),
            ..LeaseSpec::default()
        }),
    };
    let mut lease = leases.create(&PostParams::default(), &held("one")).await?;
    let stale = lease.clone();
    let renewed = Timestamp::now();
    lease.spec.as_mut().expect("it was made with one").renew_time = Some(MicroTime(renewed));
    let lease = leases.replace("lead", &PostParams::default(), &lease).await?;
    let at = lease.spec.and_then(|spec| spec.renew_time).ok_or("no time")?.0;
    equal(at.as_microsecond(), renewed.as_microsecond())?;
    equal(refusal(leases.replace("lead", &PostParams::default(), &stale).await)?, (409, "Conflict".into()))?;
    let taken = leases
        .patch(
            "lead",
            &PatchParams::apply("two").force(),
            &Patch::Apply(
                json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "two"}}),
            ),
        )
        .await?;
    equal(taken.spec.and_then(|spec| spec.holder_identity), Some("two".to_owned()))
}

async fn events(client: &Client, maps: &Api<ConfigMap>) -> Answer {
    let reporter = Reporter { controller: "compat".into(), instance: Some("here".into()) };
    let recorder = Recorder::new(client.clone(), reporter);
    let about = maps.get("a").await?.object_ref(&());
    let event = Event {
        type_: EventType::Normal,
        reason: "Seen".into(),
        note: Some("it is seen".into()),
        action: "See".into(),
        secondary: None,
    };
    for _ in 0..2 {
        recorder.publish(&event, &about).await?;
    }
    let events: Api<CoreEvent> = Api::namespaced(client.clone(), NAMESPACE);
    let found = events.list(&ListParams::default().fields("involvedObject.name=a,reason=Seen")).await?.items;
    let told: Vec<_> =
        found.iter().map(|one| (one.message.as_deref(), one.series.as_ref().and_then(|series| series.count))).collect();
    equal(told, vec![(Some("it is seen"), Some(2))])
}
