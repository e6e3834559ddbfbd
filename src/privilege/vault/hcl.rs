//! Reader of policies: the part of HCL that policies use, and their JSON form. Bounded in depth.

use super::{Caps, Rule};

/// Nesting of values.
const DEPTH: usize = 32;
/// Rules of one policy.
const RULES: usize = 10_000;

/// Reads a policy in HCL or JSON.
///
/// # Errors
/// What is wrong and where.
pub fn parse(text: &str) -> Result<Vec<Rule>, String> {
    if text.trim_start().starts_with('{') {
        return json(text);
    }
    let mut p = Parser { rest: text, line: 1 };
    let mut out = Vec::new();
    while let Some(token) = p.next()? {
        match token {
            Token::Word(word) | Token::Text(word) => match p.next()? {
                // Anything that is set at the top (`name = "..."`) gives nothing.
                Some(Token::Mark('=')) => {
                    p.value(0)?;
                }
                Some(Token::Text(path)) if word == "path" => {
                    if out.len() >= RULES {
                        return Err("too many rules".into());
                    }
                    p.expect('{')?;
                    let body = p.object(1)?;
                    out.push(rule(&path, &body)?);
                }
                Some(Token::Mark('{')) => {
                    p.object(1)?;
                }
                _ => return Err(p.wrong("a setting or a block")),
            },
            Token::Mark(_) => return Err(p.wrong("a name")),
        }
    }
    Ok(out)
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
}

fn rule(path: &str, body: &[(String, Value)]) -> Result<Rule, String> {
    let mut out = Rule {
        path: path.strip_prefix('/').unwrap_or(path).to_owned(),
        caps: Caps::default(),
        limited: false,
        guarded: false,
    };
    for (name, value) in body {
        match (name.as_str(), value) {
            ("capabilities", Value::List(list)) => {
                for cap in list {
                    let Value::Text(word) = cap else {
                        return Err(format!("a capability of `{path}` is no text"));
                    };
                    let cap = Caps::of(word)
                        .ok_or_else(|| format!("`{word}` of `{path}` is no capability"))?;
                    out.caps = out.caps.or(cap);
                }
            }
            ("policy", Value::Text(word)) => {
                let caps = Caps::legacy(word)
                    .ok_or_else(|| format!("`{word}` of `{path}` is no legacy policy"))?;
                out.caps = out.caps.or(caps);
            }
            ("capabilities" | "policy", _) => {
                return Err(format!("`{name}` of `{path}` has a wrong type"));
            }
            ("allowed_parameters" | "denied_parameters" | "required_parameters", _) => {
                out.limited = true;
            }
            ("control_group" | "mfa_methods", _) => out.guarded = true,
            _ => {}
        }
    }
    Ok(out)
}

enum Token {
    Word(String),
    Text(String),
    Mark(char),
}

struct Parser<'a> {
    rest: &'a str,
    line: usize,
}

impl Parser<'_> {
    fn wrong(&self, wanted: &str) -> String {
        format!("line {}: not a policy, {wanted} is expected", self.line)
    }

    fn bump(&mut self, n: usize) {
        let (head, tail) = self.rest.split_at_checked(n).unwrap_or((self.rest, ""));
        self.line += head.bytes().filter(|b| *b == b'\n').count();
        self.rest = tail;
    }

    /// Skips blanks and comments.
    fn blanks(&mut self) -> Result<(), String> {
        loop {
            let blank = self.rest.len() - self.rest.trim_start().len();
            self.bump(blank);
            if self.rest.starts_with('#') || self.rest.starts_with("//") {
                self.bump(self.rest.find('\n').unwrap_or(self.rest.len()));
            } else if self.rest.starts_with("/*") {
                match self.rest.find("*/") {
                    Some(end) => self.bump(end + 2),
                    None => return Err(self.wrong("the end of a comment")),
                }
            } else {
                return Ok(());
            }
        }
    }

    fn next(&mut self) -> Result<Option<Token>, String> {
        self.blanks()?;
        let Some(c) = self.rest.chars().next() else { return Ok(None) };
        if c == '"' {
            return self.quoted().map(|s| Some(Token::Text(s)));
        }
        if self.rest.starts_with("<<") {
            return self.heredoc().map(|s| Some(Token::Text(s)));
        }
        if c.is_alphanumeric() || matches!(c, '_' | '-') {
            let end = self
                .rest
                .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.')))
                .unwrap_or(self.rest.len());
            let word = self.rest.get(..end).unwrap_or_default().to_owned();
            self.bump(end);
            return Ok(Some(Token::Word(word)));
        }
        self.bump(c.len_utf8());
        Ok(Some(Token::Mark(c)))
    }

    fn quoted(&mut self) -> Result<String, String> {
        let mut out = String::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((i, c)) = chars.next() {
            match c {
                '"' => {
                    self.bump(i + 1);
                    return Ok(out);
                }
                '\\' => match chars.next() {
                    Some((_, 'n')) => out.push('\n'),
                    Some((_, 't')) => out.push('\t'),
                    Some((_, c)) => out.push(c),
                    None => break,
                },
                c => out.push(c),
            }
        }
        Err(self.wrong("a closing quote"))
    }

    fn heredoc(&mut self) -> Result<String, String> {
        let end = self.rest.find('\n').ok_or_else(|| self.wrong("a text"))?;
        let mark = self.rest.get(2..end).unwrap_or_default().trim().trim_start_matches('-');
        let mark = mark.to_owned();
        let body = self.rest.get(end + 1..).unwrap_or_default();
        let mut at = end + 1;
        let mut out = String::new();
        for line in body.split_inclusive('\n') {
            at += line.len();
            if line.trim() == mark {
                self.bump(at);
                return Ok(out);
            }
            out.push_str(line);
        }
        Err(self.wrong("the end of a text"))
    }

    fn expect(&mut self, mark: char) -> Result<(), String> {
        match self.next()? {
            Some(Token::Mark(c)) if c == mark => Ok(()),
            _ => Err(self.wrong(&format!("`{mark}`"))),
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH {
            return Err(self.wrong("less nesting"));
        }
        match self.next()? {
            Some(Token::Text(s) | Token::Word(s)) => Ok(Value::Text(s)),
            Some(Token::Mark('[')) => {
                let mut list = Vec::new();
                loop {
                    self.blanks()?;
                    if self.rest.starts_with(']') {
                        self.bump(1);
                        return Ok(Value::List(list));
                    }
                    list.push(self.value(depth + 1)?);
                    self.blanks()?;
                    if self.rest.starts_with(',') {
                        self.bump(1);
                    } else if !self.rest.starts_with(']') {
                        return Err(self.wrong("`,` or `]`"));
                    }
                }
            }
            Some(Token::Mark('{')) => self.object(depth + 1).map(Value::Object),
            _ => Err(self.wrong("a value")),
        }
    }

    /// What is in braces; the opening one is read already.
    fn object(&mut self, depth: usize) -> Result<Vec<(String, Value)>, String> {
        if depth > DEPTH {
            return Err(self.wrong("less nesting"));
        }
        let mut out = Vec::new();
        loop {
            match self.next()? {
                Some(Token::Mark('}')) => return Ok(out),
                Some(Token::Mark(',')) => {}
                Some(Token::Word(name) | Token::Text(name)) => {
                    self.blanks()?;
                    if self.rest.starts_with('=') || self.rest.starts_with(':') {
                        self.bump(1);
                        out.push((name, self.value(depth + 1)?));
                    } else {
                        // A block, maybe with labels.
                        loop {
                            match self.next()? {
                                Some(Token::Text(_)) => {}
                                Some(Token::Mark('{')) => break,
                                _ => return Err(self.wrong("`=` or a block")),
                            }
                        }
                        let body = self.object(depth + 1)?;
                        out.push((name, Value::Object(body)));
                    }
                }
                _ => return Err(self.wrong("a setting or `}`")),
            }
        }
    }
}

fn json(text: &str) -> Result<Vec<Rule>, String> {
    let doc: serde_json::Value =
        serde_json::from_str(text).map_err(|e| format!("not a policy in JSON: {e}"))?;
    let paths = doc.get("path").ok_or("a policy in JSON has an object `path`")?;
    let mut out = Vec::new();
    // `path` is an object, or a list of objects as converters of HCL write it.
    let objects: Vec<&serde_json::Value> = match paths {
        serde_json::Value::Array(list) => list.iter().collect(),
        one => vec![one],
    };
    for object in objects {
        let map = object.as_object().ok_or("`path` is no object")?;
        for (path, body) in map {
            let bodies: Vec<&serde_json::Value> = match body {
                serde_json::Value::Array(list) => list.iter().collect(),
                one => vec![one],
            };
            for body in bodies {
                if out.len() >= RULES {
                    return Err("too many rules".into());
                }
                let Value::Object(body) = plain(body, 0)? else {
                    return Err(format!("`{path}` is no object"));
                };
                out.push(rule(path, &body)?);
            }
        }
    }
    Ok(out)
}

fn plain(v: &serde_json::Value, depth: usize) -> Result<Value, String> {
    if depth > DEPTH {
        return Err("too much nesting".into());
    }
    Ok(match v {
        serde_json::Value::String(s) => Value::Text(s.clone()),
        serde_json::Value::Array(list) => {
            Value::List(list.iter().map(|v| plain(v, depth + 1)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(map) => {
            let entry =
                |(k, v): (&String, &serde_json::Value)| Ok((k.clone(), plain(v, depth + 1)?));
            Value::Object(map.iter().map(entry).collect::<Result<_, String>>()?)
        }
        other => Value::Text(other.to_string()),
    })
}
