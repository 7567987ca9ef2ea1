//! The parts of `api` that are still on their way: each answers for what it can and refuses the rest.
pub mod selector {
    use api::facet::Facet;
    use api::key::Key;
    use api::kind::Kind;
    use api::status::Status;
    use serde_json::Value;

    #[derive(Clone, Debug, Default)]
    pub struct LabelSelector(Vec<(String, String)>);
    #[derive(Clone, Debug, Default)]
    pub struct FieldSelector(Vec<(String, String)>);

    fn pairs(text: &str) -> Result<Vec<(String, String)>, Status> {
        text.split(',')
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                let (key, value) = part
                    .split_once('=')
                    .ok_or_else(|| Status::bad_request(format!("selector {part:?} is not understood yet")))?;
                Ok((key.trim().to_owned(), value.trim_start_matches('=').trim().to_owned()))
            })
            .collect()
    }

    impl LabelSelector {
        pub fn parse(text: &str) -> Result<Self, Status> {
            pairs(text).map(Self)
        }
        pub fn from_value(value: &Value) -> Result<Self, Status> {
            let labels = value["matchLabels"].as_object().into_iter().flatten();
            Ok(Self(labels.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned())).collect()))
        }
        pub fn matches(&self, facet: &Facet) -> bool {
            self.0.iter().all(|(key, value)| facet.label(key) == Some(value))
        }
    }

    impl FieldSelector {
        pub fn parse(text: &str, _: &Kind) -> Result<Self, Status> {
            pairs(text).map(Self)
        }
        pub fn exact(&self, path: &str) -> Option<&str> {
            self.0.iter().find(|(known, _)| known == path).map(|(_, value)| value.as_str())
        }
        pub fn matches(&self, key: &Key, facet: &Facet) -> bool {
            self.0.iter().all(|(path, value)| match path.as_str() {
                "metadata.name" => *key.name == **value,
                "metadata.namespace" => *key.namespace == **value,
                path => facet.field(path).unwrap_or_default() == value,
            })
        }
    }
}

pub mod table {
    use api::kind::Kind;
    use api::revision::Millis;
    use serde_json::{Value, json};

    pub fn columns(_: &Kind) -> Value {
        json!([{"name": "Name", "type": "string", "format": "name", "description": "", "priority": 0},
            {"name": "Age", "type": "string", "format": "", "description": "", "priority": 0}])
    }

    pub fn cells(_: &Kind, value: &Value, _: Millis) -> Value {
        json!([value["metadata"]["name"], value["metadata"]["creationTimestamp"]])
    }
}

pub mod yaml {
    use api::status::Status;
    use serde_json::Value;

    pub fn encode(_: &Value) -> Result<String, Status> {
        Err(Status::new(406, "NotAcceptable", "YAML is not written yet"))
    }
}

pub mod openapi {
    use api::kinds::set::Kinds;
    use serde_json::{Value, json};

    pub fn index(_: &Kinds) -> Value {
        json!({"paths": {}})
    }
    pub fn document(_: &Kinds, _: &str, _: &str) -> Option<Value> {
        None
    }
}

pub fn from_crd(_: &serde_json::Value) -> Result<Vec<api::kind::Kind>, api::status::Status> {
    Err(api::status::Status::new(501, "NotImplemented", "definitions are not served yet"))
}
