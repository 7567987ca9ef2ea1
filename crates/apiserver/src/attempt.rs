//! What a request attempts, read from where its path leads and from its field selector. It does not say whether somebody may.
use crate::route::Target;
use api::attempt::Attempt;

/// `verb` on the target. `fields`: what its field selector demands; a name there is as good as one in the path.
#[must_use]
pub fn of<'a>(target: &'a Target, verb: &'a str, fields: &'a [(String, String)]) -> Attempt<'a> {
    let named = fields.iter().find(|(path, value)| path == "metadata.name" && valid(value));
    let name = match target.name.as_str() {
        "" if matches!(verb, "list" | "watch") => named.map_or("", |(_, name)| name),
        name => name,
    };
    // A namespace is in itself: so a Role in it can allow to read it.
    let itself = target.group.is_empty() && target.resource == "namespaces";
    Attempt {
        verb,
        group: &target.group,
        resource: &target.resource,
        subresource: &target.subresource,
        namespace: if itself { &target.name } else { &target.namespace },
        name,
        path: "",
        fields,
    }
}

fn valid(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '%'])
}

/// The terms of a field selector that demand a value. What is written with escapes is not looked into, which only ever allows less.
#[must_use]
pub fn demanded(selector: Option<&str>) -> Vec<(String, String)> {
    let terms = selector.unwrap_or_default().split(',').filter(|term| !term.contains(['\\', '!']));
    let terms = terms.filter_map(|term| term.split_once("==").or_else(|| term.split_once('=')));
    terms.map(|(path, value)| (path.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selected_name_is_a_name_where_one_reads_many() {
        let fields = demanded(Some("metadata.name=x,spec.nodeName==n1,status.phase!=Failed"));
        let target = Target { resource: "pods".into(), namespace: "a".into(), ..Target::default() };
        let list = of(&target, "list", &fields);
        assert_eq!((list.name, list.demands("spec.nodeName"), list.demands("status.phase")), ("x", Some("n1"), None));
        assert_eq!(of(&target, "deletecollection", &fields).name, "");
        let odd = demanded(Some(r"metadata.name=a\,b,metadata.name=../x"));
        assert_eq!(of(&target, "list", &odd).name, "");
        let itself = Target { resource: "namespaces".into(), name: "a".into(), ..Target::default() };
        assert_eq!(of(&itself, "get", &[]).namespace, "a");
    }
}
