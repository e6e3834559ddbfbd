//! The rules of section 5 read off the page: slow, recursive, on plain JSON, without sets, compiled
//! patterns or shared code. `None` is "unknown".

use std::collections::BTreeMap;

use serde_json::Value;

type Three = Option<bool>;

fn and(a: Three, b: Three) -> Three {
    match (a, b) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(a: Three, b: Three) -> Three {
    not(and(not(a), not(b)))
}

fn not(a: Three) -> Three {
    a.map(|x| !x)
}

fn every(items: impl Iterator<Item = Three>) -> Three {
    items.fold(Some(true), and)
}

fn some(items: impl Iterator<Item = Three>) -> Three {
    items.fold(Some(false), or)
}

/// What is known of context keys; a key that is not listed is unknown, an empty list says "absent".
pub type Keys = BTreeMap<String, Vec<String>>;

/// A request with all its layers.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub kind: &'static str,
    pub arn: String,
    pub account: String,
    pub session_name: Option<String>,
    pub unique_id: Option<String>,
    pub management: Three,
    pub action: String,
    pub wildcard_only: bool,
    pub level: &'static str,
    pub resource: String,
    pub resource_account: Option<String>,
    pub keys: Keys,
    pub identity: Vec<Option<Value>>,
    pub boundary: Option<Option<Value>>,
    pub session: Option<Vec<Value>>,
    pub scps: Option<Vec<(Three, Vec<Value>)>>,
    pub rcps: Option<Vec<(Three, Vec<Value>)>>,
    /// `None`: not supplied; `Some(None)`: there is none.
    pub policy: Option<Option<Value>>,
}

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Own,
    Organisation,
    Control,
    Resource,
}

/// A pattern as characters, each with "is a wildcard".
type Symbols = Vec<(char, bool)>;

fn symbols(text: &str) -> Symbols {
    text.chars().map(|c| (c, c == '*' || c == '?')).collect()
}

fn glob(p: &[(char, bool)], s: &[char], fold: bool) -> bool {
    match (p.split_first(), s.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((('*', true), rest)), _) => {
            glob(rest, s, fold) || s.split_first().is_some_and(|(_, tail)| glob(p, tail, fold))
        }
        (Some(_), None) => false,
        (Some((('?', true), rest)), Some((_, tail))) => glob(rest, tail, fold),
        (Some(((c, _), rest)), Some((d, tail))) => {
            (c == d || fold && c.eq_ignore_ascii_case(d)) && glob(rest, tail, fold)
        }
    }
}

fn plain_glob(p: &str, s: &str, fold: bool) -> bool {
    glob(&symbols(p), &s.chars().collect::<Vec<_>>(), fold)
}

fn list(v: Option<&Value>) -> Vec<String> {
    let text = |v: &Value| match v {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    match v {
        Some(Value::Array(a)) => a.iter().map(text).collect(),
        Some(v) => vec![text(v)],
        None => Vec::new(),
    }
}

enum Put {
    Done(Symbols),
    Open(Symbols),
    Gone,
}

/// 5.2.6.
fn put(w: &World, text: &str, wild: bool) -> Put {
    let mut out = Vec::new();
    let mut open = false;
    let chars: Vec<char> = text.chars().collect();
    let mut i = 0;
    while i < chars.len() {
        if chars[i] == '$' && chars.get(i + 1) == Some(&'{') {
            let Some(end) = chars[i..].iter().position(|c| *c == '}') else {
                out.extend(chars[i..].iter().map(|c| (*c, false)));
                break;
            };
            let inside: String = chars[i + 2..i + end].iter().collect();
            i += end + 1;
            if ["*", "?", "$"].contains(&inside.as_str()) {
                out.extend(inside.chars().map(|c| (c, false)));
                continue;
            }
            let mut halves = inside.splitn(2, ',');
            let key = halves.next().unwrap().trim().to_lowercase();
            let default = halves.next().map(|d| d.trim().trim_matches('\'').to_owned());
            match (w.keys.get(&key).map(Vec::as_slice), default) {
                (Some([]), Some(d)) => out.extend(d.chars().map(|c| (c, false))),
                (Some([]), None) => return Put::Gone,
                (Some([one]), _) => out.extend(one.chars().map(|c| (c, false))),
                _ => {
                    open = true;
                    out.push(('*', true));
                }
            }
        } else {
            out.push((chars[i], wild && (chars[i] == '*' || chars[i] == '?')));
            i += 1;
        }
    }
    if open { Put::Open(out) } else { Put::Done(out) }
}

/// A variable without default that is absent or may be.
fn may_be_gone(w: &World, text: &str) -> bool {
    text.split("${").skip(1).any(|rest| {
        let inside = rest.split('}').next().unwrap();
        let key = inside.trim().to_lowercase();
        let absent = w.keys.get(&key).is_none_or(Vec::is_empty);
        !inside.contains(',') && !["*", "?", "$"].contains(&inside) && absent
    })
}

fn fits(w: &World, p: &str, s: &str, wild: bool, variables: bool, fold: bool) -> Three {
    let s: Vec<char> = s.chars().collect();
    if !variables {
        let p = if wild { symbols(p) } else { p.chars().map(|c| (c, false)).collect() };
        return Some(glob(&p, &s, fold));
    }
    match put(w, p, wild) {
        Put::Gone => Some(false),
        Put::Done(p) => Some(glob(&p, &s, fold)),
        Put::Open(p) => {
            if glob(&p, &s, fold) {
                None
            } else {
                Some(false)
            }
        }
    }
}

/// 5.2.1.
fn action_fits(p: &str, action: &str) -> bool {
    if p == "*" {
        return true;
    }
    let Some((service, name)) = p.split_once(':') else { return false };
    let (s, n) = action.split_once(':').unwrap();
    !p.contains(char::is_whitespace) && plain_glob(service, s, true) && plain_glob(name, n, true)
}

/// 5.2.3 and 5.2.4.
fn resource_fits(w: &World, p: &str, at: Where, variables: bool) -> Three {
    if !p.is_empty() && p.chars().all(|c| c == '*') {
        return Some(true);
    }
    if w.wildcard_only || w.resource == "*" {
        return Some(false);
    }
    let mut parts: Vec<&str> = p.splitn(6, ':').collect();
    let last = parts.last().copied().unwrap();
    if parts.len() < 6 {
        let padded = match at {
            Where::Own => true,
            Where::Organisation => last.ends_with('*'),
            Where::Control => false,
            Where::Resource => last.contains('*'),
        };
        if !padded {
            return Some(false);
        }
    }
    while parts.len() < 6 {
        parts.push("*");
    }
    let of: Vec<&str> = w.resource.splitn(6, ':').collect();
    if of.len() < 6 || (0..5).any(|i| !plain_glob(parts[i], of[i], true)) {
        return Some(false);
    }
    fits(w, parts[5], of[5], true, variables, false)
}

fn wild_product(p: &str) -> bool {
    let parts: Vec<&str> = p.splitn(6, ':').collect();
    if parts.len() < 6 || parts[2].eq_ignore_ascii_case("s3") {
        return false;
    }
    let Some((product, _)) = parts[5].split_once(['/', ':']) else { return false };
    product.contains(['*', '?']) && product.chars().any(|c| c != '*')
}

/// 5.2.5.
fn resources(w: &World, s: &Value, at: Where, variables: bool) -> Three {
    let deny = s["Effect"] == "Deny";
    let one = |p: &String, complement: bool| {
        let hit = resource_fits(w, p, at, variables);
        let tail = p.splitn(6, ':').nth(5).unwrap_or("");
        let open = (hit == Some(true) && deny && wild_product(p))
            || (complement && variables && hit == Some(false) && may_be_gone(w, tail));
        if open { None } else { hit }
    };
    if s.get("Resource").is_some() {
        some(list(s.get("Resource")).iter().map(|p| one(p, false)))
    } else if s.get("NotResource").is_some() {
        not(some(list(s.get("NotResource")).iter().map(|p| one(p, true))))
    } else {
        Some(true)
    }
}

const NEGATED: [&str; 8] = [
    "stringnotequals",
    "stringnotequalsignorecase",
    "stringnotlike",
    "arnnotequals",
    "arnnotlike",
    "numericnotequals",
    "datenotequals",
    "notipaddress",
];

/// `Err` = the policy value has the wrong type.
fn agrees(w: &World, op: &str, p: &str, v: &str, variables: bool) -> Result<Three, ()> {
    let variables = variables && p.contains("${");
    let number = |s: &str| s.parse::<f64>().map_err(|_| ());
    let filled = |p: &str| match put(w, p, true) {
        Put::Done(s) => Ok(Some(s.into_iter().map(|(c, _)| c).collect::<String>())),
        Put::Open(_) => Ok(None),
        Put::Gone => Err(Some(false)),
    };
    let order = |o: std::cmp::Ordering| {
        let name = op.trim_start_matches("numeric").trim_start_matches("date");
        match name {
            "equals" | "notequals" => o.is_eq(),
            "lessthan" => o.is_lt(),
            "lessthanequals" => o.is_le(),
            "greaterthan" => o.is_gt(),
            _ => o.is_ge(),
        }
    };
    match op {
        "stringequals" | "stringnotequals" | "binaryequals" => {
            return Ok(fits(w, p, v, false, variables, false));
        }
        "stringequalsignorecase" | "stringnotequalsignorecase" => {
            return Ok(fits(w, p, v, false, variables, true));
        }
        "stringlike" | "stringnotlike" => return Ok(fits(w, p, v, true, variables, false)),
        "arnequals" | "arnlike" | "arnnotequals" | "arnnotlike" if !variables => {
            if p.chars().all(|c| c == '*') {
                return Ok(Some(true));
            }
            let (a, b): (Vec<&str>, Vec<&str>) =
                (p.splitn(6, ':').collect(), v.splitn(6, ':').collect());
            if a.len() < 6 {
                return Err(());
            }
            return Ok(Some(b.len() == 6 && (0..6).all(|i| plain_glob(a[i], b[i], false))));
        }
        _ => {}
    }
    let p = if variables {
        match filled(p) {
            Err(gone) => return Ok(gone),
            Ok(None) => return Ok(None),
            Ok(Some(p)) => p,
        }
    } else {
        p.to_owned()
    };
    match op {
        _ if op.starts_with("numeric") => {
            let right = number(&p)?;
            Ok(Some(number(v).is_ok_and(|left| order(left.partial_cmp(&right).unwrap()))))
        }
        _ if op.starts_with("date") => {
            let Some(right) = instant(&p) else {
                // A date that nobody documents leaves it open; what is none is of the wrong type.
                let digits = p.trim_start_matches(['+', '-', ' ']).bytes().next();
                return if digits.is_some_and(|b| b.is_ascii_digit()) { Ok(None) } else { Err(()) };
            };
            Ok(Some(instant(v).is_some_and(|left| order(left.cmp(&right)))))
        }
        "bool" => match p.to_lowercase().as_str() {
            "true" | "false" => Ok(Some(v.eq_ignore_ascii_case(&p))),
            _ => Err(()),
        },
        "ipaddress" | "notipaddress" => {
            let (net, bits) = p.split_once('/').unwrap_or((&p, "32"));
            let octets = |s: &str| -> Option<u32> {
                let n: Vec<u32> = s
                    .split('.')
                    .map(|x| x.parse().ok().filter(|x| *x < 256))
                    .collect::<Option<_>>()?;
                (n.len() == 4).then(|| n.iter().fold(0, |a, b| a * 256 + b))
            };
            let net = octets(net).ok_or(())?;
            let bits: u32 = bits.parse().map_err(|_| ())?;
            if bits > 32 {
                return Err(());
            }
            let span = 1u64 << (32 - bits);
            Ok(Some(octets(v).is_some_and(|v| u64::from(v) / span == u64::from(net) / span)))
        }
        // The texts that need more are not made at random.
        _ => unreachable!("{op}"),
    }
}

/// The few spellings of times that occur here.
fn instant(s: &str) -> Option<i64> {
    if s.len() > 4
        && let Ok(n) = s.parse()
    {
        return Some(n);
    }
    let date: Vec<i64> = s.get(..10)?.split('-').map(|x| x.parse().ok()).collect::<Option<_>>()?;
    let [y, m, d] = date[..] else { return None };
    let rest: Vec<i64> = match s.get(10..) {
        Some("") => vec![0, 0, 0],
        Some(t) => t
            .strip_prefix('T')?
            .strip_suffix('Z')?
            .split(':')
            .map(|x| x.parse().ok())
            .collect::<Option<_>>()?,
        None => return None,
    };
    let before = |y: i64| 365 * y + y / 4 - y / 100 + y / 400;
    let leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
    let months = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days: i64 =
        before(y - 1) + months.iter().take(usize::try_from(m - 1).ok()?).sum::<i64>() + d;
    let epoch = before(1969) + 1;
    Some((days - epoch) * 86400 + rest[0] * 3600 + rest[1] * 60 + rest[2])
}

/// 5.3.
fn condition(w: &World, s: &Value, variables: bool) -> Three {
    let Some(Value::Object(operators)) = s.get("Condition") else { return Some(true) };
    every(operators.iter().flat_map(|(operator, keys)| {
        let keys = keys.as_object().unwrap();
        keys.iter().map(|(key, values)| clause(w, operator, key, &list(Some(values)), variables))
    }))
}

fn clause(w: &World, operator: &str, key: &str, values: &[String], variables: bool) -> Three {
    let operator = operator.to_lowercase();
    let (set, operator) = match operator.split_once(':') {
        Some((set, rest)) => (set, rest),
        None => ("", operator.as_str()),
    };
    let (base, if_exists) = match operator.strip_suffix("ifexists") {
        Some(base) => (base, true),
        None => (operator, false),
    };
    let known = w.keys.get(&key.to_lowercase())?;
    if base == "null" {
        let want = if known.is_empty() { "true" } else { "false" };
        return Some(values.iter().any(|v| v.eq_ignore_ascii_case(want)));
    }
    let negated = NEGATED.contains(&base);
    if known.is_empty() {
        return Some(match set {
            "forallvalues" => true,
            "foranyvalue" => false,
            _ => negated || if_exists,
        });
    }
    let on = |v: &String| {
        let mut each = values.iter().map(|p| match agrees(w, base, p, v, variables) {
            Err(()) => Some(false),
            Ok(t) if negated => not(t),
            Ok(t) => t,
        });
        if negated { each.fold(Some(true), and) } else { some(&mut each) }
    };
    match set {
        "forallvalues" => every(known.iter().map(on)),
        "foranyvalue" => some(known.iter().map(on)),
        _ if known.len() == 1 => on(&known[0]),
        _ => Some(false),
    }
}

/// 5.1.1: elements that do not belong make a document malformed.
fn malformed(doc: &Value) -> bool {
    doc.as_object().unwrap().keys().any(|k| !["Version", "Id", "Statement"].contains(&k.as_str()))
}

/// 5.4.1 without parties.
fn speaks(w: &World, doc: &Value, s: &Value, at: Where) -> Three {
    let variables = doc["Version"] == "2012-10-17" || malformed(doc);
    let action = match (s.get("Action"), s.get("NotAction")) {
        (Some(a), _) => list(Some(a)).iter().any(|p| action_fits(p, &w.action)),
        (_, n) => !list(n).iter().any(|p| action_fits(p, &w.action)),
    };
    let m = and(Some(action), and(resources(w, s, at, variables), condition(w, s, variables)));
    let doubt = malformed(doc) && s["Effect"] == "Allow";
    if doubt { and(m, None) } else { m }
}

fn statements<'a>(doc: &'a Value, effect: &'a str) -> impl Iterator<Item = &'a Value> {
    let all: Vec<&Value> = match &doc["Statement"] {
        Value::Array(a) => a.iter().collect(),
        one => vec![one],
    };
    all.into_iter().filter(move |s| s["Effect"] == effect)
}

/// 5.4.2.
fn layer<'a>(
    w: &World,
    docs: impl Iterator<Item = Option<&'a Value>>,
    effect: &str,
    at: Where,
) -> Three {
    some(docs.map(|doc| {
        doc.and_then(|doc| some(statements(doc, effect).map(|s| speaks(w, doc, s, at))))
    }))
}

/// How parties name the caller: itself, role, session, account.
fn names(w: &World, kind: &str, value: &str) -> [Three; 4] {
    let no = Some(false);
    let person = ["user", "role", "root"].contains(&w.kind);
    let arn_account = value.split(':').nth(4).unwrap_or("");
    match kind {
        _ if value == "*" && kind != "Service" && kind != "Federated" => [Some(true), no, no, no],
        "Service" => [Some(w.kind == "service" && w.arn.eq_ignore_ascii_case(value)), no, no, no],
        "Federated" => [Some(w.kind == "federated" && w.arn == value), no, no, no],
        _ if !person => [no; 4],
        _ if value == w.account || value.ends_with(":root") && arn_account == w.account => {
            [no, no, no, Some(true)]
        }
        _ if value.contains(":assumed-role/") => {
            let mut parts = value.splitn(3, '/');
            let role = parts.nth(1).unwrap_or("");
            let session = parts.next().unwrap_or("");
            if w.kind != "role" || arn_account != w.account || !w.arn.ends_with(&format!("/{role}"))
            {
                return [no; 4];
            }
            [no, no, w.session_name.as_ref().map(|s| s == session), no]
        }
        _ => {
            let same =
                Some(w.kind != "root" && (value == w.arn || Some(value) == w.unique_id.as_deref()));
            if w.kind == "role" { [no, same, no, no] } else { [same, no, no, no] }
        }
    }
}

fn parties(w: &World, s: &Value) -> [Three; 4] {
    let pairs = |v: &Value| -> Vec<(String, String)> {
        match v {
            Value::String(s) => vec![("AWS".to_owned(), s.clone())],
            Value::Object(m) => m
                .iter()
                .flat_map(|(k, v)| list(Some(v)).into_iter().map(|x| (k.clone(), x)))
                .collect(),
            _ => Vec::new(),
        }
    };
    let fold = |list: Vec<(String, String)>| {
        list.iter().fold([Some(false); 4], |acc, (k, v)| {
            let n = names(w, k, v);
            std::array::from_fn(|i| or(acc[i], n[i]))
        })
    };
    if let Some(n) = s.get("NotPrincipal") {
        // 5.4.8.
        let listed = some(fold(pairs(n)).into_iter());
        let bounded = s["Effect"] == "Deny" && w.boundary.is_some();
        return [
            if bounded { Some(true) } else { not(listed) },
            Some(false),
            Some(false),
            Some(false),
        ];
    }
    fold(pairs(&s["Principal"]))
}

/// 5.4.7.
fn fixed(w: &World) -> Option<&'static str> {
    let action = w.action.to_lowercase();
    let person = ["user", "role", "root"].contains(&w.kind);
    if action == "sts:getcalleridentity" {
        return Some("allow");
    }
    if w.kind == "root" && action == "sts:assumerole" {
        return Some("deny");
    }
    if w.wildcard_only {
        return None;
    }
    let parts: Vec<&str> = w.resource.splitn(6, ':').collect();
    if parts.len() < 6 {
        return None;
    }
    let changes = [
        "createpolicyversion",
        "deletepolicy",
        "deletepolicyversion",
        "setdefaultpolicyversion",
        "tagpolicy",
        "untagpolicy",
    ];
    let iam = action.strip_prefix("iam:");
    if iam.is_some_and(|a| changes.contains(&a)) && parts[2] == "iam" && parts[4] == "aws" {
        return Some("deny");
    }
    if !person {
        return None;
    }
    let alias = ["kms:createalias", "kms:updatealias", "kms:deletealias"];
    if alias.contains(&action.as_str()) && parts[5].starts_with("alias/aws/") {
        return Some("deny");
    }
    let writes = !["read", "list"].contains(&w.level);
    let care = ["createservicelinkedrole", "deleteservicelinkedrole", "updateroledescription"];
    let linked =
        parts[5].starts_with("role/aws-service-role/") && !iam.is_some_and(|a| care.contains(&a));
    if iam.is_some() && writes && (parts[5].starts_with("role/aws-reserved/") || linked) {
        return Some("deny");
    }
    None
}

/// 5.4.3 to 5.4.6.
pub fn decide(w: &World) -> &'static str {
    if let Some(v) = fixed(w) {
        return v;
    }
    let person = ["user", "role", "root"].contains(&w.kind);
    let own = |docs: &[Option<Value>], effect: &str| {
        layer(w, docs.iter().map(Option::as_ref), effect, Where::Own)
    };
    let org = |docs: &[Value], effect: &str, at| layer(w, docs.iter().map(Some), effect, at);
    let root = w.kind == "root";
    let identity = if root { Some(true) } else { own(&w.identity, "Allow") };
    let mut denied = if root { Some(false) } else { own(&w.identity, "Deny") };
    let boundary = match &w.boundary {
        Some(b) => {
            denied = or(denied, own(std::slice::from_ref(b), "Deny"));
            own(std::slice::from_ref(b), "Allow")
        }
        None => Some(true),
    };
    let session = match &w.session {
        Some(s) => {
            denied = or(denied, layer(w, s.iter().map(Some), "Deny", Where::Own));
            layer(w, s.iter().map(Some), "Allow", Where::Own)
        }
        None => Some(true),
    };
    let linked = w.kind == "role" && w.arn.contains(":role/aws-service-role/");
    let mut ceiling = Some(true);
    let free = if !person || linked { Some(true) } else { w.management };
    for (applies, docs) in w.scps.iter().flatten() {
        let bites = and(*applies, not(free));
        ceiling = and(ceiling, or(org(docs, "Allow", Where::Organisation), not(bites)));
        denied = or(denied, and(org(docs, "Deny", Where::Organisation), bites));
    }
    let service = w.action.split(':').next().unwrap().to_lowercase();
    let list = include_str!("../../../../../rules/privilege/aws_rcp_services.csv");
    let listed = list.lines().any(|row| row.starts_with(&format!("{service},")));
    let retires = w.action.eq_ignore_ascii_case("kms:RetireGrant");
    let covered = Some(listed && !retires && !linked);
    for (applies, docs) in w.rcps.iter().flatten() {
        denied = or(denied, and(org(docs, "Deny", Where::Control), and(*applies, covered)));
    }
    let no = Some(false);
    let mut named = [no; 4];
    match &w.policy {
        None => named[3] = None,
        Some(None) => {}
        Some(Some(doc)) => {
            for s in statements(doc, "Allow") {
                let m = speaks(w, doc, s, Where::Resource);
                let n = parties(w, s);
                named = std::array::from_fn(|i| or(named[i], and(m, n[i])));
            }
            for s in statements(doc, "Deny") {
                let hit = some(parties(w, s).into_iter());
                denied = or(denied, and(hit, speaks(w, doc, s, Where::Resource)));
            }
        }
    }
    let [itself, role, in_session, account] = named;
    let mine = and(identity, and(boundary, session));
    let tail = if w.wildcard_only { "" } else { w.resource.splitn(6, ':').nth(5).unwrap_or("") };
    let assume = ["sts:assumerole", "sts:tagsession", "sts:setsourceidentity"];
    let consent = assume.contains(&w.action.to_lowercase().as_str()) && tail.starts_with("role/")
        || service == "kms" && tail.starts_with("key/");
    let same = {
        let direct = if w.policy.is_some() {
            or(in_session, and(or(itself, and(role, boundary)), session))
        } else {
            no
        };
        or(direct, if consent { and(mine, account) } else { mine })
    };
    let cross = and(some(named.into_iter()), mine);
    let grant = if !person {
        itself
    } else {
        match w.resource_account.as_ref().map(|a| *a == w.account || a == "aws") {
            Some(true) => same,
            Some(false) => cross,
            None if same == cross => same,
            None => None,
        }
    };
    if denied == Some(true) {
        return "explicit";
    }
    match and(grant, ceiling) {
        Some(false) => "deny",
        Some(true) if denied == Some(false) => "allow",
        _ => "conditional",
    }
}
