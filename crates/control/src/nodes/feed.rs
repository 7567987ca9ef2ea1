//! What of a view concerns one node, and what of that has changed. Pure: views and keys in, what to say out.
//! It speaks of keys, not of steps: whatever happened in between, the node is told how its objects are now.
use crate::nodes::named::by_pod;
use api::key::Key;
use api::object::Object;
use api::revision::Revision;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::view::View;

pub(crate) const PODS: &str = "pods";
pub(crate) const NODES: &str = "nodes";
pub(crate) const VOLUMES: &str = "persistentvolumes";
/// What concerns every node, whole. Of the nodes each is told of itself alone: all of all would be work by the square.
pub(crate) const SHARED: [&str; 2] = ["services", "endpointslices.discovery.k8s.io"];
/// What concerns a node if one of its pods names it.
pub(crate) const NAMED: [&str; 4] = ["configmaps", "secrets", "persistentvolumeclaims", VOLUMES];

/// What one node is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Say {
    Set(Arc<Object>),
    Gone(Key),
}

/// What one node has been told.
#[derive(Debug)]
pub(crate) struct Feed {
    node: String,
    /// The objects it holds, as of which revision.
    held: BTreeMap<Key, Revision>,
    /// What each of its pods names.
    named: BTreeMap<Key, BTreeSet<Key>>,
    /// How many of its pods name it.
    counts: BTreeMap<Key, usize>,
}

impl Feed {
    pub(crate) fn new(node: &str) -> Self {
        Self { node: node.to_owned(), held: BTreeMap::new(), named: BTreeMap::new(), counts: BTreeMap::new() }
    }

    /// Everything that concerns the node.
    pub(crate) fn full(&mut self, view: &View) -> Vec<Say> {
        *self = Self::new(&self.node);
        let mine: Vec<Key> = view.list_by_field(PODS, "spec.nodeName", &self.node).map(|pod| pod.key.clone()).collect();
        let shared = SHARED.iter().flat_map(|resource| view.list(resource, None)).map(|object| object.key.clone());
        let itself = [Key::new(NODES, "", &self.node)];
        let keys: BTreeSet<Key> = shared.chain(mine).chain(itself).collect();
        self.changed(view, keys)
    }

    /// The node already holds what concerned it at an earlier revision; `since` are the keys that have changed since then.
    pub(crate) fn resume(&mut self, view: &View, since: BTreeSet<Key>) -> Vec<Say> {
        // What has not changed it holds: as if it had been told.
        drop(self.full(view));
        let mut say = Vec::new();
        let mut again = BTreeSet::new();
        for key in since {
            if self.held.remove(&key).is_none() {
                // The name of a Secret that no pod here names, or of another node, is none of this node's business.
                let other = &*key.resource == NODES && *key.name != *self.node;
                if !other && !NAMED.contains(&&*key.resource) {
                    say.push(Say::Gone(key));
                }
                continue;
            }
            // A pod that is new to the node may name what it has never seen.
            for named in self.named.get(&key).into_iter().flatten() {
                self.held.remove(named);
                again.insert(named.clone());
            }
            again.insert(key);
        }
        say.extend(self.changed(view, again));
        say
    }

    /// What to say after the objects at `keys` have changed, whatever they were. What a pod names goes before the pod.
    pub(crate) fn changed(&mut self, view: &View, keys: BTreeSet<Key>) -> Vec<Say> {
        let (mut sets, mut pods, mut gone) = (Vec::new(), Vec::new(), Vec::new());
        let mut asked = keys;
        while let Some(key) = asked.pop_first() {
            let object = view.get_key(&key).filter(|object| self.concerns(object));
            if &*key.resource == PODS {
                asked.extend(self.name(&key, object));
            } else if let Some(object) = object.filter(|object| &*object.key.resource == "persistentvolumeclaims") {
                // A claim leads on to its volume.
                asked.extend(self.name(&key, Some(object)));
            } else if &*key.resource == "persistentvolumeclaims" {
                asked.extend(self.name(&key, None));
            }
            match object {
                None if self.held.remove(&key).is_some() => gone.push(Say::Gone(key)),
                Some(object) if self.held.get(&key).is_none_or(|held| *held < object.revision) => {
                    self.held.insert(key.clone(), object.revision);
                    if &*key.resource == PODS { &mut pods } else { &mut sets }.push(Say::Set(object.clone()));
                }
                None | Some(_) => {}
            }
        }
        sets.append(&mut pods);
        sets.append(&mut gone);
        sets
    }

    fn concerns(&self, object: &Object) -> bool {
        match &*object.key.resource {
            PODS => object.facet.field("spec.nodeName") == Some(&*self.node),
            NODES => *object.key.name == *self.node,
            resource if SHARED.contains(&resource) => true,
            _ => self.counts.contains_key(&object.key),
        }
    }

    /// Notes what the pod or claim at `key` names now; gives the keys whose concern may have changed by that.
    fn name(&mut self, key: &Key, object: Option<&Arc<Object>>) -> BTreeSet<Key> {
        let now = object.map(|object| named_by(object)).unwrap_or_default();
        let before = self.named.remove(key).unwrap_or_default();
        for named in now.difference(&before) {
            *self.counts.entry(named.clone()).or_default() += 1;
        }
        for named in before.difference(&now) {
            if let Some(count) = self.counts.get_mut(named) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(named);
                }
            }
        }
        let touched = now.symmetric_difference(&before).cloned().collect();
        if !now.is_empty() {
            self.named.insert(key.clone(), now);
        }
        touched
    }
}

fn named_by(object: &Object) -> BTreeSet<Key> {
    let value = object.value();
    if &*object.key.resource == PODS {
        return by_pod(&value);
    }
    let volume = value.pointer("/spec/volumeName").and_then(serde_json::Value::as_str).filter(|name| !name.is_empty());
    volume.map(|name| Key::new(VOLUMES, "", name)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::command::{Change, Command, CommandId, Condition, Entry, Write};
    use api::revision::Millis;
    use serde_json::{Value, json};
    use store::state::State;

    struct World {
        state: State,
        index: u64,
    }

    impl World {
        fn new() -> Self {
            Self { state: State::default(), index: 0 }
        }

        fn write(&mut self, resource: &str, namespace: &str, name: &str, value: Option<Value>) -> Key {
            self.index += 1;
            let key = Key::new(resource, namespace, name);
            let held = self.state.view().get_key(&key).is_some();
            let change = match value {
                None => Change::Delete,
                Some(mut value) => {
                    value["metadata"] = json!({"name": name, "namespace": namespace});
                    Change::Put(api::kinds::body(resource, &value).expect("a body"))
                }
            };
            let condition = if held { Condition::Exists } else { Condition::Absent };
            let writes = vec![Write { key: key.clone(), condition, change }];
            let nobody = || Box::<str>::from("");
            let (cause, read) = (Revision(0), Revision(0));
            let id = CommandId(u128::from(self.index));
            let command = Command { id, actor: nobody(), agent: nobody(), cause, read, note: nobody(), writes };
            let entry = Entry { time: Millis(self.index), epoch: 1, commands: vec![command] };
            store::apply::apply(&mut self.state, self.index, &entry);
            key
        }

        fn pod(&mut self, name: &str, node: &str, map: &str) -> Key {
            let volumes = json!([{"name": "v", "configMap": {"name": map}}]);
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": node, "volumes": volumes}});
            self.write("pods", "ns", name, Some(pod))
        }

        fn map(&mut self, name: &str, data: &str) -> Key {
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": data}});
            self.write("configmaps", "ns", name, Some(map))
        }
    }

    fn told(say: &[Say]) -> Vec<String> {
        let word = |say: &Say| match say {
            Say::Set(object) => format!("set {}", object.key),
            Say::Gone(key) => format!("gone {key}"),
        };
        say.iter().map(word).collect()
    }

    fn one(key: &Key) -> BTreeSet<Key> {
        BTreeSet::from([key.clone()])
    }

    #[test]
    fn of_the_nodes_each_is_told_of_itself_alone() {
        let mut world = World::new();
        let mut feed = Feed::new("n1");
        let node = || Some(json!({"apiVersion": "v1", "kind": "Node"}));
        let (mine, other) = (world.write(NODES, "", "n1", node()), world.write(NODES, "", "n2", node()));
        assert_eq!(told(&feed.full(&world.state.view())), ["set nodes/n1"]);
        let both = BTreeSet::from([mine.clone(), other.clone()]);
        assert_eq!(told(&feed.changed(&world.state.view(), both.clone())), Vec::<String>::new());
        assert_eq!(told(&feed.resume(&world.state.view(), both)), ["set nodes/n1"]);
        world.write(NODES, "", "n1", None);
        world.write(NODES, "", "n2", None);
        assert_eq!(told(&feed.changed(&world.state.view(), BTreeSet::from([mine, other]))), ["gone nodes/n1"]);
    }

    #[test]
    fn a_node_is_told_of_its_pods_and_what_they_name_and_no_more() {
        let mut world = World::new();
        world.map("used", "1");
        world.map("unused", "1");
        world.pod("mine", "n1", "used");
        world.pod("theirs", "n2", "unused");
        world.write("services", "ns", "s", Some(json!({"apiVersion": "v1", "kind": "Service"})));
        let mut feed = Feed::new("n1");
        let said = feed.full(&world.state.view());
        assert_eq!(told(&said), ["set configmaps/ns/used", "set services/ns/s", "set pods/ns/mine"]);
        // A change of what nobody here names is no news; one of what is named is.
        let unused = world.map("unused", "2");
        assert_eq!(feed.changed(&world.state.view(), one(&unused)), []);
        let used = world.map("used", "2");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&used))), ["set configmaps/ns/used"]);
        assert_eq!(feed.changed(&world.state.view(), one(&used)), [], "said once");
    }

    #[test]
    fn what_is_named_comes_before_the_pod_and_goes_with_the_last() {
        let mut world = World::new();
        let mut feed = Feed::new("n1");
        world.map("m", "1");
        let first = world.pod("a", "n1", "m");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&first))), ["set configmaps/ns/m", "set pods/ns/a"]);
        let second = world.pod("b", "n1", "m");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&second))), ["set pods/ns/b"]);
        world.write("pods", "ns", "a", None);
        assert_eq!(told(&feed.changed(&world.state.view(), one(&first))), ["gone pods/ns/a"]);
        world.write("pods", "ns", "b", None);
        assert_eq!(told(&feed.changed(&world.state.view(), one(&second))), ["gone pods/ns/b", "gone configmaps/ns/m"]);
    }

    #[test]
    fn a_map_that_comes_after_its_pod_is_told_of() {
        let mut world = World::new();
        let mut feed = Feed::new("n1");
        let pod = world.pod("a", "n1", "late");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&pod))), ["set pods/ns/a"]);
        let map = world.map("late", "1");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&map))), ["set configmaps/ns/late"]);
    }

    #[test]
    fn a_claim_leads_to_its_volume() {
        let mut world = World::new();
        let mut feed = Feed::new("n1");
        world.write(VOLUMES, "", "pv", Some(json!({"apiVersion": "v1", "kind": "PersistentVolume"})));
        let volumes = json!([{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}]);
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"nodeName": "n1", "volumes": volumes}});
        let pod = world.write("pods", "ns", "p", Some(pod));
        assert_eq!(told(&feed.changed(&world.state.view(), one(&pod))), ["set pods/ns/p"]);
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "spec": {"volumeName": "pv"}});
        let claim = world.write("persistentvolumeclaims", "ns", "c", Some(claim));
        let said = feed.changed(&world.state.view(), one(&claim));
        assert_eq!(told(&said), ["set persistentvolumeclaims/ns/c", "set persistentvolumes/pv"]);
    }

    #[test]
    fn after_a_pause_only_what_changed_is_said() {
        let mut world = World::new();
        world.map("m", "1");
        world.pod("kept", "n1", "m");
        let gone = world.pod("gone", "n1", "m");
        world.map("fresh", "1");
        world.write("pods", "ns", "gone", None);
        let new = world.pod("new", "n1", "fresh");
        let mut feed = Feed::new("n1");
        let said = feed.resume(&world.state.view(), BTreeSet::from([gone, new]));
        assert_eq!(told(&said), ["gone pods/ns/gone", "set configmaps/ns/fresh", "set pods/ns/new"]);
        // And from then on as ever.
        let map = world.map("m", "2");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&map))), ["set configmaps/ns/m"]);
    }

    #[test]
    fn a_pod_that_moves_away_goes() {
        let mut world = World::new();
        let mut feed = Feed::new("n1");
        let pod = world.pod("a", "n1", "m");
        feed.full(&world.state.view());
        world.pod("a", "n2", "m");
        assert_eq!(told(&feed.changed(&world.state.view(), one(&pod))), ["gone pods/ns/a"]);
    }
}
