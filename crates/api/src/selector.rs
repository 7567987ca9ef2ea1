//! Label and field selectors: the grammar of query strings, and LabelSelector objects. It reads facets, never an object's JSON.
//!
//! `Labels::parse(&str)`, `Labels::of(&Value)` (a LabelSelector), `Labels::matches(&Facet)`, `Labels::matches_map(&Value)`;
//! `Fields::parse(&str, &[&str])`, `Fields::matches(&Key, &Facet)`, `Fields::exact(path)`.
use crate::facet::Facet;
use crate::key::Key;
use crate::name;
use crate::status::Status;
use serde_json::Value;

/// Requirements that must all hold. None of them: everything is selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    pub requirements: Vec<Requirement>,
    /// A selector object that was null selects nothing.
    pub nothing: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    pub key: Box<str>,
    pub operator: Operator,
    /// Sorted.
    pub values: Vec<Box<str>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    GreaterThan,
    LessThan,
}

impl Labels {
    /// Reads `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>3`.
    ///
    /// # Errors
    /// 400 with what was found and what was expected.
    pub fn parse(text: &str) -> Result<Self, Status> {
        let mut parser = Parser { tokens: tokens(text), at: 0 };
        let mut requirements = Vec::new();
        loop {
            match parser.peek() {
                Token::End if requirements.is_empty() => break,
                Token::Bang | Token::Word(_) => {
                    let wrong = |why: Status| bad(format!("unable to parse requirement: {}", why.message));
                    requirements.push(parser.requirement().map_err(wrong)?);
                }
                found => {
                    return Err(bad(format!("found '{}', expected: !, identifier, or 'end of string'", found.text())));
                }
            }
            match parser.next() {
                Token::End => break,
                Token::Comma if !matches!(parser.peek(), Token::Bang | Token::Word(_)) => {
                    return Err(bad(format!("found '{}', expected: identifier after ','", parser.peek().text())));
                }
                Token::Comma => {}
                found => return Err(bad(format!("found '{}', expected: ',' or 'end of string'", found.text()))),
            }
        }
        Ok(Self { requirements, nothing: false })
    }

    /// Reads a LabelSelector: `{"matchLabels": …, "matchExpressions": …}`. Null selects nothing, `{}` everything.
    ///
    /// # Errors
    /// 400 if an operator is unknown or has the wrong number of values.
    pub fn of(selector: &Value) -> Result<Self, Status> {
        let Some(members) = selector.as_object() else { return Ok(Self { requirements: Vec::new(), nothing: true }) };
        let mut requirements = Vec::new();
        for (key, value) in members.get("matchLabels").and_then(Value::as_object).into_iter().flatten() {
            requirements.push(Requirement::new(key, Operator::In, vec![value.as_str().unwrap_or_default().into()])?);
        }
        for expression in members.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
            let operator = match expression["operator"].as_str().unwrap_or_default() {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(bad(format!("\"{other}\" is not a valid label selector operator"))),
            };
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.filter_map(Value::as_str).map(Into::into).collect();
            requirements.push(Requirement::new(expression["key"].as_str().unwrap_or_default(), operator, values)?);
        }
        Ok(Self { requirements, nothing: false })
    }

    /// Equality with every member of a plain map, as Services and ReplicationControllers select.
    #[must_use]
    pub fn of_map(map: &Value) -> Self {
        let members = map.as_object().into_iter().flatten();
        let requirements = members.map(|(key, value)| Requirement {
            key: key.as_str().into(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or_default().into()],
        });
        Self { requirements: requirements.collect(), nothing: map.is_null() }
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    #[must_use]
    pub fn matches(&self, facet: &Facet) -> bool {
        !self.nothing && self.requirements.iter().all(|requirement| requirement.holds(facet.label(&requirement.key)))
    }

    /// As `matches`, of a JSON map of labels (a pod template's).
    #[must_use]
    pub fn matches_map(&self, labels: &Value) -> bool {
        let label = |key: &str| labels.get(key).and_then(Value::as_str);
        !self.nothing && self.requirements.iter().all(|requirement| requirement.holds(label(&requirement.key)))
    }
}

impl Requirement {
    fn new(key: &str, operator: Operator, mut values: Vec<Box<str>>) -> Result<Self, Status> {
        if let Some(problem) = name::qualified(key).first() {
            return Err(bad(format!("key: Invalid value: \"{key}\": {problem}")));
        }
        let count = values.len();
        match operator {
            Operator::In | Operator::NotIn if count == 0 => {
                return Err(bad("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"));
            }
            Operator::Exists | Operator::DoesNotExist if count > 0 => {
                return Err(bad("values: Invalid value: values set must be empty for exists and does not exist"));
            }
            Operator::GreaterThan | Operator::LessThan => {
                if values.first().is_none_or(|value| value.parse::<i64>().is_err()) {
                    return Err(bad(
                        "values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer",
                    ));
                }
            }
            _ => {}
        }
        for (at, value) in values.iter().enumerate() {
            if let Some(problem) = name::label_value(value).first() {
                return Err(bad(format!("values[{at}][{key}]: Invalid value: \"{value}\": {problem}")));
            }
        }
        values.sort();
        Ok(Self { key: key.into(), operator, values })
    }

    /// Whether it holds of a label with this value, or of its absence.
    #[must_use]
    pub fn holds(&self, label: Option<&str>) -> bool {
        let listed = |value: &str| self.values.binary_search_by(|known| (**known).cmp(value)).is_ok();
        let compared = |value: Option<&str>, way: fn(i64, i64) -> bool| {
            let limit = self.values.first().and_then(|limit| limit.parse().ok());
            value.and_then(|value| value.parse().ok()).zip(limit).is_some_and(|(value, limit)| way(value, limit))
        };
        match self.operator {
            Operator::In => label.is_some_and(listed),
            Operator::NotIn => !label.is_some_and(listed),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
            Operator::GreaterThan => compared(label, |value, limit| value > limit),
            Operator::LessThan => compared(label, |value, limit| value < limit),
        }
    }
}

/// Terms `path=value`, `path==value`, `path!=value` that must all hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    pub terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    pub path: Box<str>,
    pub value: Box<str>,
    pub equal: bool,
}

impl Fields {
    /// `known`: the paths this kind offers beside `metadata.name` and `metadata.namespace` (`facet::fields::paths`, `Kind::selectable`).
    ///
    /// # Errors
    /// 400 if a term is malformed or names an unknown path.
    pub fn parse(text: &str, known: &[&str]) -> Result<Self, Status> {
        let mut terms = Vec::new();
        for part in split_terms(text) {
            let term = term(part)?;
            if !matches!(&*term.path, "metadata.name" | "metadata.namespace") && !known.contains(&&*term.path) {
                return Err(bad(if known.is_empty() {
                    format!(
                        "\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                        term.path
                    )
                } else {
                    format!("field label not supported: {}", term.path)
                }));
            }
            terms.push(term);
        }
        Ok(Self { terms })
    }

    /// An absent field reads as empty text.
    #[must_use]
    pub fn matches(&self, key: &Key, facet: &Facet) -> bool {
        self.terms.iter().all(|term| {
            let value = match &*term.path {
                "metadata.name" => &*key.name,
                "metadata.namespace" => &*key.namespace,
                path => facet.field(path).unwrap_or_default(),
            };
            (value == &*term.value) == term.equal
        })
    }

    /// The value `path` must have, if a term demands one: what an index can be asked for.
    #[must_use]
    pub fn exact(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|term| term.equal && &*term.path == path).map(|term| &*term.value)
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }
}

/// Splits at commas that no backslash escapes.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

fn term(part: &str) -> Result<Term, Status> {
    let at =
        part.find(['=', '!']).ok_or_else(|| bad(format!("invalid selector: '{part}'; can't understand '{part}'")))?;
    let (path, rest) = part.split_at(at);
    let (equal, value) = if let Some(value) = rest.strip_prefix("!=") {
        (false, value)
    } else if let Some(value) = rest.strip_prefix("==").or_else(|| rest.strip_prefix('=')) {
        (true, value)
    } else {
        return Err(bad(format!("invalid selector: '{part}'; can't understand '{part}'")));
    };
    let (mut plain, mut escaped) = (String::with_capacity(value.len()), false);
    for c in value.chars() {
        match c {
            ',' | '=' | '\\' if escaped => plain.push(c),
            _ if escaped => return Err(bad(format!("invalid field selector: invalid escape sequence: \\{c}"))),
            '\\' => {
                escaped = true;
                continue;
            }
            '=' => return Err(bad(format!("invalid field selector: unescaped = in {value}"))),
            _ => plain.push(c),
        }
        escaped = false;
    }
    Ok(Term { path: path.into(), value: plain.into(), equal })
}

fn bad(message: impl Into<String>) -> Status {
    Status::bad_request(message)
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(Box<str>),
    Bang,
    Comma,
    Open,
    Close,
    Equal(&'static str),
    NotEqual,
    Greater,
    Less,
    End,
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Self::Word(word) => word,
            Self::Bang => "!",
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::Equal(text) => text,
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
            Self::End => "",
        }
    }
}

fn tokens(text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let mut followed = |by: char| chars.next_if_eq(&by).is_some();
        out.push(match c {
            ' ' | '\t' | '\r' | '\n' => continue,
            ',' => Token::Comma,
            '(' => Token::Open,
            ')' => Token::Close,
            '>' => Token::Greater,
            '<' => Token::Less,
            '!' if followed('=') => Token::NotEqual,
            '!' => Token::Bang,
            '=' if followed('=') => Token::Equal("=="),
            '=' => Token::Equal("="),
            _ => {
                let mut word = String::from(c);
                while let Some(c) =
                    chars.next_if(|c| !matches!(c, ' ' | '\t' | '\r' | '\n' | ',' | '(' | ')' | '>' | '<' | '!' | '='))
                {
                    word.push(c);
                }
                Token::Word(word.into())
            }
        });
    }
    out
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Token {
        self.tokens.get(self.at).cloned().unwrap_or(Token::End)
    }

    fn next(&mut self) -> Token {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn requirement(&mut self) -> Result<Requirement, Status> {
        let absent = self.peek() == Token::Bang;
        if absent {
            self.next();
        }
        let key = match self.next() {
            Token::Word(key) => key,
            found => return Err(bad(format!("found '{}', expected: identifier", found.text()))),
        };
        if absent {
            return Requirement::new(&key, Operator::DoesNotExist, Vec::new());
        }
        match self.peek() {
            Token::End | Token::Comma => Requirement::new(&key, Operator::Exists, Vec::new()),
            Token::Equal(_) => self.one(&key, Operator::In),
            Token::NotEqual => self.one(&key, Operator::NotIn),
            Token::Greater => self.one(&key, Operator::GreaterThan),
            Token::Less => self.one(&key, Operator::LessThan),
            Token::Word(word) if &*word == "in" => self.many(&key, Operator::In),
            Token::Word(word) if &*word == "notin" => self.many(&key, Operator::NotIn),
            found => {
                let text = found.text();
                Err(bad(format!("found '{text}', expected: in, notin, =, ==, !=, gt, lt")))
            }
        }
    }

    fn one(&mut self, key: &str, operator: Operator) -> Result<Requirement, Status> {
        self.next();
        let value = match self.peek() {
            Token::Word(value) => {
                self.next();
                value
            }
            // `a=` asks for an empty value.
            Token::End | Token::Comma => "".into(),
            found => return Err(bad(format!("found '{}', expected: identifier", found.text()))),
        };
        Requirement::new(key, operator, vec![value])
    }

    fn many(&mut self, key: &str, operator: Operator) -> Result<Requirement, Status> {
        self.next();
        if self.next() != Token::Open {
            self.at -= 1;
            return Err(bad(format!("found '{}', expected: '('", self.peek().text())));
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Token::Word(value) => {
                    values.push(value);
                    match self.next() {
                        Token::Comma if self.peek() == Token::Close => values.push("".into()),
                        Token::Comma => {}
                        Token::Close => break,
                        found => return Err(bad(format!("found '{}', expected: ',' or ')'", found.text()))),
                    }
                }
                Token::Comma => values.push("".into()),
                Token::Close => break,
                found => return Err(bad(format!("found '{}', expected: ',', ')' or identifier", found.text()))),
            }
        }
        if values.is_empty() {
            values.push("".into());
        }
        Requirement::new(key, operator, values)
    }
}

#[cfg(test)]
mod tests;
