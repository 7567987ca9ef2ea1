//! What the leader writes because only a running member knows it: whose certificates the cluster trusts, what every cluster has, and at
//! which addresses the members serve the API. What is there already stays; what is missing is made again.
use crate::decide::MEMBER_ACTOR;
use crate::limits::ENTER_PAUSE;
use crate::stop::Stop;
use api::command::{Change, Command, CommandId, Condition, Write};
use api::key::Key;
use api::revision::Revision;
use apiserver::server::ApiServer;
use consensus::Member;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use store::view::View;

const SLICES: &str = "endpointslices.discovery.k8s.io";
const ENDPOINTS: &str = "endpoints";
/// The Service of the API, its slice and its Endpoints.
const API: &str = "kubernetes";
const NAMESPACE: &str = "default";
const MANAGER_LABEL: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "members.rutter.dev";
/// Endpoints that have slices already are not mirrored into more.
const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";

pub(crate) struct Founding {
    pub(crate) member: Member,
    pub(crate) api: ApiServer,
    /// This member's id, and where it serves the API in fact: it may have asked for any port.
    pub(crate) own: (u64, SocketAddr),
    pub(crate) authority_pem: String,
}

impl Founding {
    /// Runs until `stop`; works whenever this member leads.
    pub(crate) async fn run(self, stop: Stop) {
        // The term in which roles and bindings were last completed.
        let mut completed = None;
        while !stop.stopping() {
            if let Some(term) = self.member.leading() {
                if completed != Some(term) {
                    match apiserver::founding::access(&self.api).await {
                        Ok(()) => completed = Some(term),
                        Err(why) => tracing::warn!(%why, "the roles that every cluster has could not be completed yet"),
                    }
                }
                self.found().await;
                self.endpoints(term).await;
            }
            stop.unless(rt::sleep(ENTER_PAUSE)).await;
        }
    }

    async fn found(&self) {
        let view = self.member.view();
        let there = |resource: &str, namespace: &str, name: &str| view.get(resource, namespace, name).is_some();
        if there("services", NAMESPACE, API) && there("configmaps", "kube-system", "cluster-ca") {
            return;
        }
        let made = match apiserver::founding::found(&self.api, self.own.1.port()).await {
            Ok(()) => apiserver::founding::publish_authority(&self.api, &self.authority_pem).await,
            refused => refused,
        };
        if let Err(why) = made {
            tracing::warn!(%why, "what every cluster has could not be created yet");
        }
    }

    /// Keeps the slices and the Endpoints of the Service `kubernetes` as the members are.
    async fn endpoints(&self, term: u64) {
        let members = self.member.members();
        let addresses = members.iter().filter_map(|standing| {
            let address: SocketAddr = standing.info.api.parse().ok()?;
            let own = standing.info.id == self.own.0 && address.port() == 0;
            Some(if own { SocketAddr::new(address.ip(), self.own.1.port()) } else { address })
        });
        let view = self.member.view();
        let writes = reconcile(&view, &slices(addresses));
        if writes.is_empty() {
            return;
        }
        let command = Command {
            id: CommandId(rt::unique()),
            actor: MEMBER_ACTOR.into(),
            agent: "members".into(),
            cause: Revision(0),
            read: view.revision(),
            note: "where the members serve the API".into(),
            writes,
        };
        if let Err(why) = self.member.submit_as_leader(term, command).await {
            tracing::debug!(%why, "the API's addresses could not be written; they are tried again");
        }
    }
}

/// A slice for each port at which members serve, by name; the one with the lowest port has the Service's name.
fn slices(addresses: impl Iterator<Item = SocketAddr>) -> BTreeMap<String, Value> {
    let mut ports: BTreeMap<(bool, u16), BTreeSet<IpAddr>> = BTreeMap::new();
    for address in addresses.filter(|address| address.port() != 0 && !address.ip().is_unspecified()) {
        ports.entry((address.is_ipv6(), address.port())).or_default().insert(address.ip());
    }
    let mut slices = BTreeMap::new();
    for ((six, port), addresses) in ports {
        let family = if six { "IPv6" } else { "IPv4" };
        let name = if slices.is_empty() { API.to_owned() } else { format!("{API}-{}-{port}", family.to_lowercase()) };
        let endpoint = |address: IpAddr| json!({"addresses": [address.to_string()], "conditions": {"ready": true}});
        let slice = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": family,
            "metadata": {"name": name, "namespace": NAMESPACE,
                "labels": {"kubernetes.io/service-name": API, MANAGER_LABEL: MANAGER}},
            "endpoints": addresses.into_iter().map(endpoint).collect::<Vec<_>>(),
            "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
        });
        slices.insert(name, slice);
    }
    slices
}

/// The same as Endpoints, for clients that know no slices.
fn endpoints(slices: &BTreeMap<String, Value>) -> Value {
    let subset = |slice: &Value| {
        let addresses = slice["endpoints"].as_array().into_iter().flatten();
        let addresses: Vec<Value> = addresses.map(|one| json!({"ip": one["addresses"][0]})).collect();
        json!({"addresses": addresses, "ports": slice["ports"]})
    };
    json!({
        "apiVersion": "v1", "kind": "Endpoints",
        "metadata": {"name": API, "namespace": NAMESPACE, "labels": {SKIP_MIRROR: "true"}},
        "subsets": slices.values().map(subset).collect::<Vec<_>>(),
    })
}

/// The writes that make the slices in `view` those that are wanted, and the Endpoints like them. If no address is known, what is there
/// is left.
fn reconcile(view: &View, wanted: &BTreeMap<String, Value>) -> Vec<Write> {
    if wanted.is_empty() || view.get("namespaces", "", NAMESPACE).is_none() {
        return Vec::new();
    }
    let mut writes: Vec<Write> = wanted.iter().filter_map(|(name, slice)| put(view, SLICES, name, slice)).collect();
    writes.extend(put(view, ENDPOINTS, API, &endpoints(wanted)));
    let ours = view.list(SLICES, Some(NAMESPACE)).filter(|slice| slice.facet.label(MANAGER_LABEL) == Some(MANAGER));
    for slice in ours.filter(|slice| !wanted.contains_key(&*slice.key.name)) {
        let condition = Condition::Revision(slice.revision);
        writes.push(Write { key: slice.key.clone(), condition, change: Change::Delete });
    }
    writes
}

/// The write that makes the object what `value` says; `None` if it is so.
fn put(view: &View, resource: &str, name: &str, value: &Value) -> Option<Write> {
    let key = Key::new(resource, NAMESPACE, name);
    let body = api::kinds::body(resource, value).ok()?;
    let condition = match view.get_key(&key) {
        None => Condition::Absent,
        Some(known) if known.body().text == body.text => return None,
        Some(known) => Condition::Revision(known.revision),
    };
    Some(Write { key, condition, change: Change::Put(body) })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn write(member: &Member, writes: Vec<Write>) {
        let (actor, agent, note) = ("test".into(), "test".into(), "".into());
        let (cause, read, id) = (Revision(0), Revision(0), CommandId(rt::unique()));
        member.submit(Command { id, actor, agent, cause, read, note, writes }).await.expect("it is written");
    }

    fn at(addresses: &[&str]) -> BTreeMap<String, Value> {
        slices(addresses.iter().map(|address| address.parse().expect("an address")))
    }

    #[tokio::test]
    async fn slices_follow_the_members() {
        let member = Member::alone();
        assert!(reconcile(&member.view(), &at(&["10.0.0.1:6443"])).is_empty(), "there is no namespace yet");
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}});
        let change = Change::Put(api::kinds::body("namespaces", &namespace).expect("a body"));
        write(
            &member,
            vec![Write { key: Key::new("namespaces", "", "default"), condition: Condition::Absent, change }],
        )
        .await;
        let lists = [
            vec!["10.0.0.2:6443", "10.0.0.1:6443", "0.0.0.0:6443", "10.0.0.3:0"],
            vec!["10.0.0.1:6443", "10.0.0.1:7443", "[::1]:6443"],
            vec!["10.0.0.3:6443"],
        ];
        let want = [
            vec![("kubernetes", "10.0.0.1 10.0.0.2", 6443)],
            vec![
                ("kubernetes", "10.0.0.1", 6443),
                ("kubernetes-ipv4-7443", "10.0.0.1", 7443),
                ("kubernetes-ipv6-6443", "::1", 6443),
            ],
            vec![("kubernetes", "10.0.0.3", 6443)],
        ];
        for (list, want) in lists.iter().zip(want) {
            write(&member, reconcile(&member.view(), &at(list))).await;
            let view = member.view();
            assert!(reconcile(&view, &at(list)).is_empty(), "nothing is written twice");
            let shown = view.list(SLICES, None).map(|slice| {
                let value = slice.value();
                let endpoints = value["endpoints"].as_array().expect("a list").iter();
                let addresses: Vec<&str> = endpoints.filter_map(|one| one["addresses"][0].as_str()).collect();
                (slice.key.name.to_string(), addresses.join(" "), value["ports"][0]["port"].as_i64().expect("a port"))
            });
            let want: Vec<_> =
                want.into_iter().map(|(name, at, port)| (name.to_owned(), at.to_owned(), port)).collect();
            assert_eq!(shown.collect::<Vec<_>>(), want);
            let endpoints = view.get(ENDPOINTS, NAMESPACE, API).expect("Endpoints").value();
            assert_eq!(endpoints["metadata"]["labels"], json!({SKIP_MIRROR: "true"}));
            let subsets = endpoints["subsets"].as_array().expect("a list").iter();
            let told: Vec<_> = subsets
                .map(|subset| {
                    let addresses = subset["addresses"].as_array().expect("a list").iter();
                    let addresses: Vec<&str> = addresses.filter_map(|one| one["ip"].as_str()).collect();
                    (addresses.join(" "), subset["ports"][0]["port"].as_i64().expect("a port"))
                })
                .collect();
            assert_eq!(told, want.into_iter().map(|(_, at, port)| (at, port)).collect::<Vec<_>>());
        }
        assert!(reconcile(&member.view(), &at(&[])).is_empty(), "what is there is left");
    }
}
