//! In which lines of a YAML document the members stand that it has twice. It reads lines, not values, and is sure of block style only:
//! in flow style it names the last line that has the member.

/// Line (from 1) and name of each of `duplicates`, which are paths as the reader tells them.
#[must_use]
pub fn twice(document: &[u8], duplicates: &[String]) -> Vec<(usize, String)> {
    let text = String::from_utf8_lossy(document);
    let mut seen = in_blocks(&text);
    let mut found = Vec::new();
    for path in duplicates {
        let name = path.rsplit(['.', ']']).next().unwrap_or(path);
        let at = seen.iter().position(|(_, key)| key == name);
        let line = at.map(|at| seen.remove(at).0).unwrap_or_else(|| last(&text, name));
        found.push((line, name.to_owned()));
    }
    found
}

fn last(text: &str, name: &str) -> usize {
    let lines = text.lines().enumerate();
    lines.filter(|(_, line)| line.contains(name) && line.contains(':')).last().map_or(1, |(at, _)| at + 1)
}

/// Members that a block has twice: where the second stands.
fn in_blocks(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    // Open blocks: how far they are set in, and the members seen.
    let mut blocks: Vec<(usize, Vec<String>)> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut rest = line.trim_start_matches(' ');
        if rest.is_empty() || rest.starts_with('#') {
            continue;
        }
        let mut indent = line.len() - rest.len();
        while let Some(item) = rest.strip_prefix("- ") {
            // A new item is a new block, whatever the one before it had.
            blocks.retain(|(known, _)| *known <= indent);
            let inner = item.trim_start_matches(' ');
            indent += rest.len() - inner.len();
            rest = inner;
        }
        blocks.retain(|(known, _)| *known <= indent);
        let Some(name) = key(rest) else { continue };
        match blocks.last_mut().filter(|(known, _)| *known == indent) {
            Some((_, names)) if names.contains(&name) => found.push((at + 1, name)),
            Some((_, names)) => names.push(name),
            None => blocks.push((indent, vec![name])),
        }
    }
    found
}

fn key(text: &str) -> Option<String> {
    let (name, after) = text.split_once(':')?;
    let name = name.trim().trim_matches(['"', '\'']);
    ((after.is_empty() || after.starts_with(' ')) && !name.starts_with(['{', '['])).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::twice;

    #[test]
    fn the_second_is_named_by_its_line() {
        let text = "\napiVersion: v1\nspec:\n  foo: a\n  ports:\n  - name: x\n    port: 1\n  - name: y\n    name: z\n  foo: b\n";
        let told = twice(text.as_bytes(), &["spec.ports[1].name".into(), "spec.foo".into()]);
        assert_eq!(told, [(9, "name".to_owned()), (10, "foo".to_owned())]);
        assert_eq!(twice(b"{\"a\": 1,\n\"a\": 2}", &["a".into()]), [(2, "a".to_owned())]);
    }
}
