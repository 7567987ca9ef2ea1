//! The audit policy (audit.k8s.io/v1 `Policy`): of which requests is what remembered. It decides from facts that are handed in, and
//! writes nothing.
use crate::attempt::Attempt;
use crate::codec::yaml;
use serde_json::Value;

/// How much of a request is remembered; each level includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    #[default]
    None,
    Metadata,
    /// With the body that was sent.
    Request,
    /// With the body that was answered too.
    RequestResponse,
}

/// When in a request's life an event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    RequestReceived,
    /// Of watches and streams: their headers are out.
    ResponseStarted,
    ResponseComplete,
    Panic,
}

/// What a rule looks at: who attempts what.
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts<'a> {
    pub user: &'a str,
    pub groups: &'a [Box<str>],
    pub attempt: Attempt<'a>,
}

/// Rules, the first that matches decides; what none matches is not remembered.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    rules: Vec<Rule>,
    omit_stages: Vec<Stage>,
}

#[derive(Clone, Debug, Default)]
struct Rule {
    level: Level,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<Resources>,
    namespaces: Vec<String>,
    paths: Vec<String>,
    omit_stages: Vec<Stage>,
}

#[derive(Clone, Debug)]
struct Resources {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
}

impl Level {
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Metadata, Self::Request, Self::RequestResponse]
            .into_iter()
            .find(|level| level.text() == text)
    }
}

impl Stage {
    const ALL: [Self; 4] = [Self::RequestReceived, Self::ResponseStarted, Self::ResponseComplete, Self::Panic];

    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

impl Policy {
    /// A policy as users write it, YAML or JSON.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &[u8]) -> Result<Self, String> {
        let value = yaml::parse(text).map_err(|status| status.message.clone())?.value;
        if value["apiVersion"] != "audit.k8s.io/v1" || value["kind"] != "Policy" {
            return Err("it must say apiVersion: audit.k8s.io/v1 and kind: Policy".into());
        }
        let rules = value["rules"].as_array().filter(|rules| !rules.is_empty()).ok_or("it has no rules")?;
        let read = |(at, rule): (usize, &Value)| Rule::read(rule).map_err(|why| format!("rules[{at}]: {why}"));
        let rules = rules.iter().enumerate().map(read).collect::<Result<_, _>>()?;
        Ok(Self { rules, omit_stages: stages(&value["omitStages"])? })
    }

    /// How much is remembered of a request, and whether at `stage`.
    #[must_use]
    pub fn level(&self, facts: &Facts<'_>, stage: Stage) -> Level {
        match self.rules.iter().find(|rule| rule.matches(facts)) {
            Some(rule) if !self.omit_stages.contains(&stage) && !rule.omit_stages.contains(&stage) => rule.level,
            _ => Level::None,
        }
    }
}

impl Rule {
    fn read(value: &Value) -> Result<Self, String> {
        let level = value["level"].as_str().and_then(Level::parse);
        let resources = value["resources"].as_array().into_iter().flatten().map(|one| {
            let group = one["group"].as_str().unwrap_or_default().to_owned();
            Ok(Resources { group, resources: texts(&one["resources"])?, names: texts(&one["resourceNames"])? })
        });
        let rule = Self {
            level: level.ok_or("level must be None, Metadata, Request or RequestResponse")?,
            users: texts(&value["users"])?,
            groups: texts(&value["userGroups"])?,
            verbs: texts(&value["verbs"])?,
            resources: resources.collect::<Result<_, String>>()?,
            namespaces: texts(&value["namespaces"])?,
            paths: texts(&value["nonResourceURLs"])?,
            omit_stages: stages(&value["omitStages"])?,
        };
        if !rule.paths.is_empty() && !(rule.resources.is_empty() && rule.namespaces.is_empty()) {
            return Err("a rule is of resources or of nonResourceURLs, not of both".into());
        }
        Ok(rule)
    }

    fn matches(&self, facts: &Facts<'_>) -> bool {
        let what = &facts.attempt;
        let among = |list: &[String], one: &str| list.is_empty() || list.iter().any(|known| known == one);
        let in_group = || {
            self.groups.is_empty() || self.groups.iter().any(|group| facts.groups.iter().any(|have| **have == **group))
        };
        if !(among(&self.users, facts.user) && in_group() && among(&self.verbs, what.verb)) {
            return false;
        }
        if !what.path.is_empty() {
            let listed = self.paths.iter().any(|path| path_matches(path, what.path));
            return listed || self.paths.is_empty() && self.resources.is_empty() && self.namespaces.is_empty();
        }
        let of_resource =
            || self.resources.is_empty() || self.resources.iter().any(|resources| resources.matches(what));
        self.paths.is_empty() && among(&self.namespaces, what.namespace) && of_resource()
    }
}

impl Resources {
    fn matches(&self, what: &Attempt<'_>) -> bool {
        if self.group != what.group {
            return false;
        }
        let named = self.names.is_empty() || self.names.iter().any(|name| name == what.name);
        let full = if what.subresource.is_empty() {
            what.resource.to_owned()
        } else {
            format!("{}/{}", what.resource, what.subresource)
        };
        let resource = |pattern: &String| {
            *pattern == full
                || pattern == "*"
                || pattern.strip_suffix("/*").is_some_and(|of| of == what.resource && !what.subresource.is_empty())
                || pattern.strip_prefix("*/").is_some_and(|of| of == what.subresource && !of.is_empty())
        };
        named && (self.resources.is_empty() || self.resources.iter().any(resource))
    }
}

/// `*` alone is every path, at the end whatever follows.
fn path_matches(pattern: &str, path: &str) -> bool {
    pattern == path || pattern.strip_suffix('*').is_some_and(|head| path.starts_with(head))
}

fn texts(value: &Value) -> Result<Vec<String>, String> {
    let Some(list) = value.as_array() else {
        return if value.is_null() { Ok(Vec::new()) } else { Err(format!("{value} must be a list of texts")) };
    };
    list.iter().map(|text| text.as_str().map(str::to_owned).ok_or_else(|| format!("{text} must be a text"))).collect()
}

fn stages(value: &Value) -> Result<Vec<Stage>, String> {
    let known = |text: String| {
        let found = Stage::ALL.into_iter().find(|stage| stage.text() == text);
        found.ok_or_else(|| {
            format!("{text:?} is no stage; there are RequestReceived, ResponseStarted, ResponseComplete and Panic")
        })
    };
    texts(value)?.into_iter().map(known).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: ["system:kube-proxy"]
  verbs: [watch]
- level: RequestResponse
  resources: [{group: "", resources: ["pods", "pods/exec"]}]
- level: Metadata
  resources: [{group: "", resources: ["secrets"], resourceNames: ["a"]}, {group: apps}]
  namespaces: [kube-system, ""]
- level: Request
  resources: [{group: "", resources: ["*/status"]}]
- level: Metadata
  nonResourceURLs: ["/api*", "/version"]
- level: None
  userGroups: ["system:authenticated"]
  nonResourceURLs: ["/healthz"]
- level: Metadata
  userGroups: [auditors]
"#;

    /// Of `user verb group resource subresource namespace name`, `-` is empty; a path stands alone.
    fn level(policy: &Policy, text: &str) -> Level {
        let words: Vec<&str> = text.split(' ').map(|word| if word == "-" { "" } else { word }).collect();
        let groups = [Box::from("auditors")];
        let groups = if words[0] == "ann" { &groups[..] } else { &[] };
        let facts = match words[..] {
            [user, verb, path] => Facts { user, groups, attempt: Attempt { verb, path, ..Attempt::default() } },
            [user, verb, group, resource, subresource, namespace, name] => {
                let attempt = Attempt { verb, group, resource, subresource, namespace, name, ..Attempt::default() };
                Facts { user, groups, attempt }
            }
            _ => panic!("{text}"),
        };
        policy.level(&facts, Stage::ResponseComplete)
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let policy = Policy::parse(POLICY.as_bytes()).expect("a policy");
        let table = [
            ("system:kube-proxy watch - pods - - -", Level::None),
            ("system:kube-proxy list - pods - - -", Level::RequestResponse),
            ("bob create - pods exec a p", Level::RequestResponse),
            ("bob get - pods log a p", Level::None),
            ("bob get - secrets - kube-system a", Level::Metadata),
            ("bob get - secrets - kube-system b", Level::None),
            ("bob get - secrets - default a", Level::None),
            ("bob list apps deployments - - -", Level::Metadata),
            ("bob patch - nodes status - n", Level::Request),
            ("bob get /apis", Level::Metadata),
            ("bob get /version", Level::Metadata),
            ("bob get /livez", Level::None),
            ("ann get /livez", Level::Metadata),
            ("ann get batch jobs - x y", Level::Metadata),
        ];
        for (text, want) in table {
            assert_eq!(level(&policy, text), want, "{text}");
        }
        let facts =
            Facts { user: "bob", attempt: Attempt { verb: "get", path: "/apis", ..Attempt::default() }, groups: &[] };
        assert_eq!(policy.level(&facts, Stage::RequestReceived), Level::None, "the stage is left out");
    }

    #[test]
    fn a_bad_policy_says_what_is_wrong_and_where() {
        let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\n";
        let table = [
            ("kind: Policy", "it must say apiVersion"),
            (head, "it has no rules"),
            (&format!("{head}rules: [{{level: Meta}}]"), "rules[0]: level must be"),
            (&format!("{head}rules: [{{level: None, verbs: get}}]"), "rules[0]: \"get\" must be a list"),
            (&format!("{head}rules: [{{level: None, omitStages: [Early]}}]"), "rules[0]: \"Early\" is no stage"),
            (&format!("{head}rules: [{{level: None, namespaces: [a], nonResourceURLs: [/b]}}]"), "not of both"),
            ("{", ""),
        ];
        for (text, want) in table {
            let why = Policy::parse(text.as_bytes()).err().unwrap_or_else(|| panic!("{text} is a policy"));
            assert!(why.contains(want), "{text}: {why}");
        }
    }
}
