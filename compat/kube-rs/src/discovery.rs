//! Discovery, old and aggregated; every kind that can be listed is listed.
use crate::step::{Answer, equal, step};
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::GroupVersionKind;
use kube::discovery::{Discovery, Scope, verbs};
use kube::{Client, discovery};

pub async fn run(client: &Client) {
    step("version", async {
        let version = client.apiserver_version().await?;
        equal((version.major.as_str(), version.git_version.starts_with("v1.")), ("1", true))
    })
    .await;
    step("discovery, group by group, and aggregated: the same kinds", async {
        let old = kinds(&Discovery::new(client.clone()).run().await?);
        let new = kinds(&Discovery::new(client.clone()).run_aggregated().await?);
        equal(old.is_empty(), false)?;
        equal(old, new)
    })
    .await;
    step("discovery of one kind", async {
        let (resource, abilities) =
            discovery::pinned_kind(client, &GroupVersionKind::gvk("apps", "v1", "Deployment")).await?;
        equal((resource.plural.as_str(), abilities.scope), ("deployments", Scope::Namespaced))?;
        let mut subresources: Vec<&str> = abilities.subresources.iter().map(|(of, _)| of.plural.as_str()).collect();
        subresources.sort_unstable();
        equal(subresources, vec!["scale", "status"])
    })
    .await;
    step("every kind that can be listed", every_kind(client)).await;
}

fn kinds(found: &Discovery) -> Vec<String> {
    let of_group = |group: &discovery::ApiGroup| {
        let named = |(resource, abilities): (kube::discovery::ApiResource, discovery::ApiCapabilities)| {
            let mut operations = abilities.operations.clone();
            operations.sort();
            format!(
                "{}/{} {} {:?} {operations:?}",
                resource.api_version, resource.kind, resource.plural, abilities.scope
            )
        };
        group.recommended_resources().into_iter().map(named).collect::<Vec<_>>()
    };
    let mut all: Vec<String> = found.groups().flat_map(of_group).collect();
    all.sort();
    all
}

async fn every_kind(client: &Client) -> Answer {
    let found = Discovery::new(client.clone()).run_aggregated().await?;
    let mut wrong = Vec::new();
    for (resource, abilities) in found.groups().flat_map(discovery::ApiGroup::recommended_resources) {
        if abilities.supports_operation(verbs::LIST) {
            let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
            for params in [ListParams::default().limit(2), ListParams::default().match_any()] {
                let listed = api.list(&params).await.map(|_| ());
                let metadata = api.list_metadata(&params).await.map(|_| ());
                wrong.extend(
                    [listed, metadata]
                        .into_iter()
                        .filter_map(|one| Some(format!("{}: {}", resource.plural, one.err()?))),
                );
            }
        }
    }
    equal(wrong, Vec::<String>::new())
}
