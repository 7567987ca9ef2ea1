//! One rule of a role (a PolicyRule): what it allows, and whether it covers another. It never asks whose it is.
use crate::limits::RULE_PARTS_MAX;
use serde_json::{Value, json};

/// What a role allows: verbs on resources, or on paths that are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    pub verbs: Vec<Box<str>>,
    pub groups: Vec<Box<str>>,
    pub resources: Vec<Box<str>>,
    /// Empty: all of them.
    pub names: Vec<Box<str>>,
    pub paths: Vec<Box<str>>,
}

const ALL: &str = "*";

fn has(list: &[Box<str>], text: &str) -> bool {
    list.iter().any(|known| &**known == text)
}

fn has_or_all(list: &[Box<str>], text: &str) -> bool {
    list.iter().any(|known| &**known == ALL || &**known == text)
}

impl Rule {
    /// The rule that `value` (of a Role's `rules`) says.
    #[must_use]
    pub fn of(value: &Value) -> Self {
        let list = |member: &str| {
            let list = value.get(member).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(Into::into).collect()
        };
        Self {
            verbs: list("verbs"),
            groups: list("apiGroups"),
            resources: list("resources"),
            names: list("resourceNames"),
            paths: list("nonResourceURLs"),
        }
    }

    /// The rules of a Role or ClusterRole.
    #[must_use]
    pub fn all_of(role: &Value) -> Vec<Self> {
        role.get("rules").and_then(Value::as_array).into_iter().flatten().map(Self::of).collect()
    }

    /// As a role holds it.
    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut value = json!({ "verbs": self.verbs });
        let members = [
            ("apiGroups", &self.groups),
            ("resources", &self.resources),
            ("resourceNames", &self.names),
            ("nonResourceURLs", &self.paths),
        ];
        for (member, list) in members.into_iter().filter(|(_, list)| !list.is_empty()) {
            value[member] = json!(list);
        }
        value
    }

    /// Whether it allows `verb` on a resource. `subresource` and `name` may be empty.
    #[must_use]
    pub fn allows(&self, verb: &str, group: &str, resource: &str, subresource: &str, name: &str) -> bool {
        has_or_all(&self.verbs, verb)
            && has_or_all(&self.groups, group)
            && self.resources.iter().any(|known| matches(known, resource, subresource))
            && (self.names.is_empty() || has(&self.names, name))
    }

    /// Whether it allows `verb` on a path that is no resource.
    #[must_use]
    pub fn allows_path(&self, verb: &str, path: &str) -> bool {
        has_or_all(&self.verbs, verb) && self.paths.iter().any(|known| path_covers(known, path))
    }

    /// Whether it allows all that `other` does. May say no of what only together with other rules it would.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let all = |mine: &[Box<str>], theirs: &[Box<str>]| has(mine, ALL) || theirs.iter().all(|text| has(mine, text));
        let resource = |text: &str| {
            let sub = text.split_once('/').map(|(_, sub)| sub);
            has_or_all(&self.resources, text)
                || sub.is_some_and(|sub| self.resources.iter().any(|known| known.strip_prefix("*/") == Some(sub)))
        };
        let names = match other.names.is_empty() {
            true => self.names.is_empty(),
            false => self.names.is_empty() || other.names.iter().all(|name| has(&self.names, name)),
        };
        all(&self.verbs, &other.verbs)
            && all(&self.groups, &other.groups)
            && names
            && other.resources.iter().all(|text| resource(text))
            && other.paths.iter().all(|path| self.paths.iter().any(|known| path_covers(known, path)))
    }

    /// It in parts of one verb, group, resource and name, or one verb and path; whole where that were too many.
    #[must_use]
    pub fn parts(&self) -> Vec<Self> {
        let counts = [&self.verbs, &self.groups, &self.resources].map(|list| list.len());
        let of_resources = counts.into_iter().chain([self.names.len().max(1)]).try_fold(1_usize, usize::checked_mul);
        let count = of_resources.and_then(|count| count.checked_add(self.paths.len().checked_mul(self.verbs.len())?));
        if count.is_none_or(|count| count > RULE_PARTS_MAX) {
            return vec![self.clone()];
        }
        let mut parts = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let part = Self {
                        verbs: vec![verb.clone()],
                        groups: vec![group.clone()],
                        resources: vec![resource.clone()],
                        ..Self::default()
                    };
                    parts.extend(self.names.iter().map(|name| Self { names: vec![name.clone()], ..part.clone() }));
                    if self.names.is_empty() {
                        parts.push(part);
                    }
                }
            }
        }
        for path in &self.paths {
            parts.extend(self.verbs.iter().map(|verb| Self {
                verbs: vec![verb.clone()],
                paths: vec![path.clone()],
                ..Self::default()
            }));
        }
        parts
    }

    /// As Kubernetes shows it to who may not grant it.
    #[must_use]
    pub fn shown(&self) -> String {
        let lists = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.paths),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        let shown = lists.into_iter().filter(|(_, list)| !list.is_empty()).map(|(name, list)| {
            let quoted: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
            format!("{name}:[{}]", quoted.join(" "))
        });
        format!("{{{}}}", shown.collect::<Vec<_>>().join(", "))
    }

    /// Its group, resource and name if it has one of each (or no name) and nothing else.
    fn simple(&self) -> Option<(&str, &str, Option<&str>)> {
        match (&self.groups[..], &self.resources[..], &self.names[..], self.paths.is_empty()) {
            ([group], [resource], [], true) => Some((group, resource, None)),
            ([group], [resource], [name], true) => Some((group, resource, Some(name))),
            _ => None,
        }
    }
}

/// `*`, `pods`, `pods/log`, `*/scale`: whether it means the resource.
fn matches(known: &str, resource: &str, subresource: &str) -> bool {
    if known == ALL {
        return true;
    }
    if subresource.is_empty() {
        return known == resource;
    }
    known.split_once('/').is_some_and(|(of, sub)| sub == subresource && (of == ALL || of == resource))
}

/// Whether a path of a rule, which may end with `*`, covers another or a request's.
fn path_covers(known: &str, path: &str) -> bool {
    known == ALL || known == path || known.ends_with('*') && path.starts_with(known.trim_end_matches('*'))
}

/// What of `wanted` the rules `have` do not cover, in parts.
#[must_use]
pub fn missing(have: &[Rule], wanted: &[Rule]) -> Vec<Rule> {
    let parts = wanted.iter().flat_map(Rule::parts);
    parts.filter(|part| !have.iter().any(|rule| rule.covers(part))).collect()
}

/// Fewer rules that say the same: the verbs of one group, resource and name together.
#[must_use]
pub fn compact(rules: &[Rule]) -> Vec<Rule> {
    let mut compacted: Vec<Rule> = Vec::new();
    for rule in rules {
        let known = rule.simple().and_then(|of| compacted.iter_mut().find(|known| known.simple() == Some(of)));
        let Some(known) = known else {
            compacted.push(rule.clone());
            continue;
        };
        for verb in &rule.verbs {
            if !has(&known.verbs, verb) {
                known.verbs.push(verb.clone());
            }
        }
    }
    compacted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        let lists: Vec<Vec<Box<str>>> =
            text.split(' ')
                .map(|list| {
                    if list == "." { Vec::new() } else { list.split(',').map(|w| w.trim_matches('-').into()).collect() }
                })
                .collect();
        let list = |at: usize| lists.get(at).cloned().unwrap_or_default();
        Rule { verbs: list(0), groups: list(1), resources: list(2), names: list(3), paths: list(4) }
    }

    #[test]
    fn a_rule_allows_what_it_says() {
        let table = [
            ("get - pods", "get  pods  x", true),
            ("get - pods", "get  pods log x", false),
            ("get - pods", "list  pods  ", false),
            ("get apps pods", "get  pods  x", false),
            ("get - pods/log", "get  pods log x", true),
            ("get - pods/log", "get  pods  x", false),
            ("get - */scale", "get  pods scale x", true),
            ("get - */scale", "get  pods  x", false),
            ("get - *", "get  pods log x", true),
            ("* * *", "bind rbac clusterroles  x", true),
            ("get - pods a,b", "get  pods  b", true),
            ("get - pods a,b", "get  pods  c", false),
            ("list - pods a", "list  pods  ", false),
        ];
        for (of, asked, may) in table {
            let words: Vec<&str> = asked.split(' ').collect();
            assert_eq!(rule(of).allows(words[0], words[1], words[2], words[3], words[4]), may, "{of}: {asked}");
        }
        let paths = rule("get . . . /api/*,/version");
        assert!(paths.allows_path("get", "/api/v1") && paths.allows_path("get", "/version"));
        assert!(!paths.allows_path("get", "/version/x") && !paths.allows_path("post", "/version"));
        assert!(rule("get . . . *").allows_path("get", "/x") && !rule("get * *").allows_path("get", "/x"));
    }

    #[test]
    fn what_is_missing_is_named_in_parts_and_shown_together() {
        let have = [rule("get,list - pods"), rule("* - */scale"), rule("get - secrets a"), rule("get . . . /a/*")];
        let wanted = [
            rule("get,list,watch,delete - pods"),
            rule("update - things/scale,things/status"),
            rule("get - secrets a,b"),
            rule("get - secrets"),
            rule("get . . . /a/b,/c"),
        ];
        let left = compact(&missing(&have, &wanted));
        let shown: Vec<String> = left.iter().map(Rule::shown).collect();
        let want = [
            r#"{APIGroups:[""], Resources:["pods"], Verbs:["watch" "delete"]}"#,
            r#"{APIGroups:[""], Resources:["things/status"], Verbs:["update"]}"#,
            r#"{APIGroups:[""], Resources:["secrets"], ResourceNames:["b"], Verbs:["get"]}"#,
            r#"{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}"#,
            r#"{NonResourceURLs:["/c"], Verbs:["get"]}"#,
        ];
        assert_eq!(shown, want);
    }

    #[test]
    fn a_rule_of_too_many_parts_stays_whole() {
        let many = |what: &str| (0..100).map(|n| format!("{what}{n}").into()).collect::<Vec<Box<str>>>();
        let rule =
            Rule { verbs: many("v"), groups: many("g"), resources: many("r"), names: many("n"), ..Rule::default() };
        assert_eq!(rule.parts().len(), 1);
        assert!(missing(&[self::rule("* * *")], std::slice::from_ref(&rule)).is_empty());
        assert_eq!(missing(&[self::rule("* * r1")], std::slice::from_ref(&rule)).len(), 1);
    }
}
