//! Random requests with all their layers, from a small universe in which patterns often meet, and the
//! same request put to the evaluator.

use std::sync::Arc;

use serde_json::{Value, json};

use super::reference::World;
use crate::privilege::aws::action::{Level, catalogue};
use crate::privilege::aws::condition::{Context, Known, Seen};
use crate::privilege::aws::decide::{
    Action, Attached, Caller, CallerKind, Explanation, Layers, Level as Node, Program, Programs,
    Request, ResourcePolicy, Target, Verdict, decide, explain,
};
use crate::privilege::aws::tri::Tri;

/// A seeded generator (splitmix64): the same cases everywhere, for ever.
#[derive(Clone, Debug)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(n).unwrap()).unwrap()
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len())]
    }

    /// True in `percent` of a hundred cases.
    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }
}

pub const OWN: &str = "111122223333";
pub const OTHER: &str = "444455556666";
const USER: &str = "arn:aws:iam::111122223333:user/dev/ann";
const ROLE: &str = "arn:aws:iam::111122223333:role/app/worker";
const LINKED: &str =
    "arn:aws:iam::111122223333:role/aws-service-role/ecs.amazonaws.com/AWSServiceRoleForECS";

/// Actions with resources they are asked on.
const ASKED: &[(&str, &[&str])] = &[
    (
        "s3:GetObject",
        &[
            "arn:aws:s3:::logs/ann/a.txt",
            "arn:aws:s3:::logs/Ann/a+b.txt",
            "arn:aws:s3:::Data/x:y/z*",
            "arn:aws:s3:::data/red/k",
        ],
    ),
    ("s3:PutObject", &["arn:aws:s3:::logs/ann/a.txt", "arn:aws:s3:::data/red/k"]),
    ("s3:ListBucket", &["arn:aws:s3:::logs", "arn:aws:s3:::data"]),
    ("s3:ListAllMyBuckets", &["*"]),
    (
        "kms:Decrypt",
        &[
            "arn:aws:kms:eu-west-1:111122223333:key/1234abcd",
            "arn:aws:kms:eu-west-1:444455556666:key/1234abcd",
        ],
    ),
    (
        "sts:AssumeRole",
        &[
            "arn:aws:iam::111122223333:role/app/worker",
            "arn:aws:iam::111122223333:role/ops",
            "arn:aws:iam::444455556666:role/ops",
        ],
    ),
    (
        "iam:CreatePolicyVersion",
        &["arn:aws:iam::111122223333:policy/team", "arn:aws:iam::aws:policy/ReadOnlyAccess"],
    ),
    (
        "iam:PassRole",
        &[
            "arn:aws:iam::111122223333:role/ops",
            "arn:aws:iam::111122223333:role/aws-reserved/sso.amazonaws.com/x",
        ],
    ),
    (
        "iam:GetUser",
        &["arn:aws:iam::111122223333:user/dev/ann", "arn:aws:iam::111122223333:user/bob"],
    ),
    ("sqs:SendMessage", &["arn:aws:sqs:eu-west-1:111122223333:jobs"]),
    ("dynamodb:GetItem", &["arn:aws:dynamodb:eu-west-1:111122223333:table/red"]),
    ("ec2:RunInstances", &["arn:aws:ec2:eu-west-1:111122223333:instance/i-1"]),
    ("sts:GetCallerIdentity", &["*"]),
    ("nosuch:DoThing", &["arn:aws:nosuch:eu-west-1:111122223333:thing/x"]),
];

const ACTIONS: &[&str] = &[
    "*",
    "s3:*",
    "s3:Get*",
    "S3:get?bject",
    "s3:GetObject",
    "s3:PutObject",
    "s3:List*",
    "kms:*",
    "kms:Decrypt",
    "sts:AssumeRole",
    "sts:*",
    "iam:*",
    "iam:Pass*",
    "iam:CreatePolicy*",
    "sqs:*",
    "ec2:*",
    "nosuch:Do*",
    "dynamodb:*Item",
    "iam:Get*",
];
/// Wildcards in the service part.
const WIDE_ACTIONS: &[&str] = &["*:*", "s*:GetObject", "?3:*"];
/// The same, and patterns that are no actions; the peer refuses to read a policy with one of those.
const ODD_ACTIONS: &[&str] = &["*:*", "s*:GetObject", "s3", "s3:Get Object", "?3:*"];

const RESOURCES: &[&str] = &[
    "*",
    "arn:aws:s3:::*",
    "arn:aws:s3:::logs/*",
    "arn:aws:s3:::logs",
    "arn:aws:s3:::data/*",
    "arn:aws:s3:::D?ta/*",
    "arn:aws:s3:::logs/${aws:username}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team}/*",
    "arn:aws:s3:::data/${aws:PrincipalTag/team, 'red'}/*",
    "arn:aws:s3:::*/z${*}",
    "arn:aws:s3:::logs/*/a+b.txt",
    "arn:aws:kms:*:111122223333:key/*",
    "arn:aws:kms:*:*:key/*",
    "arn:*:iam::111122223333:role/*",
    "arn:aws:iam::*:role/ops",
    "arn:aws:iam::*:*",
    "arn:aws:iam::111122223333:user/dev/${aws:username}",
    "arn:AWS:SQS:eu-*:*:jobs",
    "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}",
    "arn:aws:ec2:*:*:instance/*",
    "arn:aws:nosuch:*:*:thing/?",
];
/// Short patterns and wildcards in the product part.
const ODD_RESOURCES: &[&str] = &[
    "arn:aws:s3*",
    "arn:aws:iam::*",
    "arn:aws:iam",
    "arn:aws:iam::*:us*r/dev/ann",
    "arn:aws:iam::*:ro?e/*",
    "**",
];

const PARTIES: &[(&str, &str)] = &[
    ("AWS", "*"),
    ("AWS", "111122223333"),
    ("AWS", "arn:aws:iam::111122223333:root"),
    ("AWS", "arn:aws:iam::444455556666:root"),
    ("AWS", USER),
    ("AWS", ROLE),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/worker/s1"),
    ("AWS", "arn:aws:sts::111122223333:assumed-role/worker/s2"),
    ("AWS", "arn:aws:iam::111122223333:user/bob"),
    ("Service", "lambda.amazonaws.com"),
    ("Service", "ec2.amazonaws.com"),
];

/// Keys with values they may have; an empty list says that it may be absent.
const KEYS: &[(&str, &[&[&str]])] = &[
    ("aws:username", &[&["ann"], &["Ann"], &[]]),
    ("aws:principaltag/team", &[&["red"], &["blue"], &["r*"], &[]]),
    ("aws:sourceip", &[&["10.1.2.3"], &["192.168.1.1"], &[]]),
    ("aws:currenttime", &[&["2026-06-01T00:00:00Z"], &["2027-06-01T12:30:00Z"]]),
    ("aws:multifactorauthpresent", &[&["true"], &["false"], &[]]),
    ("aws:multifactorauthage", &[&["30"], &["4000"], &[]]),
    ("aws:principalarn", &[&[USER], &[ROLE]]),
    ("aws:tagkeys", &[&["team"], &["team", "env"], &["cost"], &[]]),
    ("s3:prefix", &[&["ann"], &["a*"], &[]]),
];

/// Operators with a key and policy values, as JSON.
const CLAUSES: &[(&str, &str, &str)] = &[
    ("StringEquals", "aws:username", r#""ann""#),
    ("StringEquals", "AWS:UserName", r#"["bob","ann"]"#),
    ("StringNotEquals", "aws:username", r#"["ann","bob"]"#),
    ("StringEqualsIgnoreCase", "aws:username", r#""ANN""#),
    ("StringNotEqualsIgnoreCase", "aws:username", r#""ANN""#),
    ("StringLike", "aws:username", r#""a*""#),
    ("StringNotLike", "aws:username", r#"["A??","x"]"#),
    ("StringLikeIfExists", "aws:PrincipalTag/Team", r#""r?d""#),
    ("StringEqualsIfExists", "aws:PrincipalTag/team", r#""red""#),
    ("StringNotEqualsIfExists", "aws:PrincipalTag/team", r#""red""#),
    ("StringEquals", "s3:prefix", r#""${aws:username}""#),
    ("StringLike", "s3:prefix", r#"["${aws:username}*","${*}"]"#),
    ("StringEquals", "s3:prefix", r#""${aws:PrincipalTag/team, 'ann'}""#),
    ("IpAddress", "aws:SourceIp", r#"["10.0.0.0/8","172.16.0.0/12"]"#),
    ("NotIpAddress", "aws:SourceIp", r#""10.0.0.0/8""#),
    ("IpAddressIfExists", "aws:SourceIp", r#""192.168.1.1""#),
    ("DateLessThan", "aws:CurrentTime", r#""2027-01-01T00:00:00Z""#),
    ("DateGreaterThan", "aws:CurrentTime", r#""2026-06-01T00:00:00Z""#),
    (
        "DateGreaterThanEquals",
        "aws:CurrentTime",
        r#"["2028-01-01T00:00:00Z","2026-06-01T00:00:00Z"]"#,
    ),
    ("DateEquals", "aws:CurrentTime", r#""2026-06-01T00:00:00Z""#),
    ("Bool", "aws:MultiFactorAuthPresent", r#""true""#),
    ("Bool", "aws:MultiFactorAuthPresent", "false"),
    ("BoolIfExists", "aws:MultiFactorAuthPresent", r#""False""#),
    ("Null", "aws:MultiFactorAuthPresent", r#""true""#),
    ("Null", "aws:PrincipalTag/team", r#""false""#),
    ("NumericLessThan", "aws:MultiFactorAuthAge", "3600"),
    ("NumericGreaterThanEquals", "aws:MultiFactorAuthAge", r#""30""#),
    ("NumericNotEquals", "aws:MultiFactorAuthAge", r#"["30","31"]"#),
    ("NumericLessThanEqualsIfExists", "aws:MultiFactorAuthAge", r#""30""#),
    ("ArnLike", "aws:PrincipalArn", r#""arn:aws:iam::*:user/*""#),
    ("ArnNotLike", "aws:PrincipalArn", r#""arn:aws:iam::111122223333:role/*""#),
    ("ArnEquals", "aws:PrincipalArn", r#""arn:aws:iam::111122223333:*/ann""#),
    ("ForAllValues:StringEquals", "aws:TagKeys", r#"["team","env"]"#),
    ("ForAnyValue:StringEquals", "aws:TagKeys", r#"["team"]"#),
    ("ForAnyValue:StringNotEquals", "aws:TagKeys", r#""team""#),
    ("ForAllValues:StringLike", "aws:TagKeys", r#""t*""#),
    ("StringEquals", "aws:TagKeys", r#""team""#),
];
/// Values of a wrong type, and times as seconds.
const ODD_CLAUSES: &[(&str, &str, &str)] = &[
    // A date in no documented form never matches to the peer; here it is undecided.
    ("DateNotEquals", "aws:CurrentTime", r#""2026-07-01T00:00:00+0000""#),
    ("DateNotEquals", "aws:CurrentTime", r#""soon""#),
    ("NumericEquals", "aws:MultiFactorAuthAge", r#""many""#),
    ("NumericNotEquals", "aws:MultiFactorAuthAge", r#"["many","30"]"#),
    ("DateLessThan", "aws:CurrentTime", "1811808000"),
    ("Bool", "aws:MultiFactorAuthPresent", r#""yes""#),
    ("ArnLike", "aws:PrincipalArn", r#""arn:aws:iam""#),
    ("NotIpAddress", "aws:SourceIp", r#""10.0.0.0/33""#),
];

/// What the universe may hold.
#[derive(Clone, Copy, Debug)]
pub struct Flavour {
    /// Percent of choices out of the odd lists.
    pub odd: usize,
    /// Percent of keys that stay unknown.
    pub unknown: usize,
    /// Only what can be put to the peer.
    pub peer: bool,
}

fn statement(r: &mut Rng, f: Flavour, deny: usize, parties: bool) -> Value {
    let mut s = serde_json::Map::new();
    s.insert("Effect".into(), if r.chance(deny) { "Deny" } else { "Allow" }.into());
    let odd = |r: &mut Rng, usual: &[&'static str], odd: &[&'static str]| {
        let from = if r.chance(f.odd) { odd } else { usual };
        (*r.pick(from)).to_owned()
    };
    let many = |r: &mut Rng, usual: &[&'static str], strange: &[&'static str]| -> Value {
        let n = 1 + r.below(3);
        let list: Vec<String> = (0..n).map(|_| odd(r, usual, strange)).collect();
        if n == 1 { list[0].clone().into() } else { list.into() }
    };
    let key = if r.chance(12) { "NotAction" } else { "Action" };
    s.insert(key.into(), many(r, ACTIONS, if f.peer { WIDE_ACTIONS } else { ODD_ACTIONS }));
    let key = if r.chance(12) { "NotResource" } else { "Resource" };
    let wide = r.chance(35);
    s.insert(key.into(), if wide { "*".into() } else { many(r, RESOURCES, ODD_RESOURCES) });
    if parties {
        let key = if r.chance(12) { "NotPrincipal" } else { "Principal" };
        let mut named = serde_json::Map::new();
        for _ in 0..=r.below(2) {
            let (kind, who) = *r.pick(PARTIES);
            let list = named.entry(kind).or_insert_with(|| json!([])).as_array_mut().unwrap();
            list.push(who.into());
        }
        let star = key == "Principal" && r.chance(15);
        s.insert(key.into(), if star { "*".into() } else { named.into() });
    }
    if r.chance(40) {
        let mut block = serde_json::Map::new();
        for _ in 0..=r.below(2) {
            let odd = if f.peer { &ODD_CLAUSES[1..] } else { ODD_CLAUSES };
            let from = if r.chance(f.odd) { odd } else { CLAUSES };
            let (operator, key, values) = *r.pick(from);
            let keys = block.entry(operator).or_insert_with(|| json!({}));
            keys.as_object_mut().unwrap().insert(key.into(), serde_json::from_str(values).unwrap());
        }
        s.insert("Condition".into(), block.into());
    }
    s.into()
}

fn document(r: &mut Rng, f: Flavour, deny: usize, parties: bool) -> Value {
    let n = 1 + r.below(3);
    let mut list: Vec<Value> = (0..n).map(|_| statement(r, f, deny, parties)).collect();
    let version = if r.chance(f.odd / 2) { "2008-10-17" } else { "2012-10-17" };
    let body = if n == 1 && r.chance(30) { list.remove(0) } else { Value::Array(list) };
    let mut doc = json!({"Version": version, "Statement": body});
    if !f.peer && r.chance(3) {
        doc["Nonsense"] = 1.into();
    }
    doc
}

fn full() -> Value {
    json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}})
}

fn control(r: &mut Rng, f: Flavour, resource: bool) -> Vec<(Option<bool>, Vec<Value>)> {
    let levels = 1 + r.below(2);
    (0..levels)
        .map(|_| {
            let mut docs = Vec::new();
            if resource || r.chance(75) {
                docs.push(full());
            }
            if r.chance(60) || docs.is_empty() {
                docs.push(document(r, f, if resource { 100 } else { 60 }, false));
            }
            let applies = if !f.peer && r.chance(10) { None } else { Some(true) };
            (applies, docs)
        })
        .collect()
}

/// One set of layers without a request.
pub fn layers(r: &mut Rng, f: Flavour) -> World {
    let kinds: &[(&str, &str)] = if f.peer {
        &[
            ("user", USER),
            ("role", ROLE),
            ("user", USER),
            ("role", ROLE),
            ("service", "lambda.amazonaws.com"),
        ]
    } else {
        &[
            ("user", USER),
            ("role", ROLE),
            ("user", USER),
            ("role", ROLE),
            ("role", LINKED),
            ("root", "arn:aws:iam::111122223333:root"),
            ("service", "lambda.amazonaws.com"),
        ]
    };
    let (kind, arn) = *r.pick(kinds);
    let person = kind != "service";
    let account = if person { OWN } else { "" };
    let n = r.below(3);
    let mut identity: Vec<Option<Value>> =
        (0..n).map(|_| Some(document(r, f, 25, false))).collect();
    if r.chance(30) {
        identity.push(Some(full()));
    }
    if !f.peer && r.chance(2) {
        identity.push(None);
    }
    if !person {
        identity.clear();
    }
    let policy = match r.below(10) {
        0..=3 if f.peer => Some(None),
        0..=1 => Some(None),
        2..=3 => None,
        _ => Some(Some(document(r, f, 20, true))),
    };
    World {
        kind,
        arn: arn.to_owned(),
        account: account.to_owned(),
        session_name: (kind == "role" && (f.peer || r.chance(70))).then(|| "s1".to_owned()),
        management: match r.below(20) {
            0 if !f.peer => Some(true),
            1 if !f.peer => None,
            _ => Some(false),
        },
        boundary: (person && kind != "root" && r.chance(30))
            .then(|| Some(document(r, f, 15, false))),
        session: (kind == "role" && r.chance(20)).then(|| vec![document(r, f, 15, false)]),
        scps: (person && r.chance(30)).then(|| control(r, f, false)),
        rcps: r.chance(20).then(|| control(r, f, true)),
        identity,
        policy,
        ..World::default()
    }
}

/// Puts a random request into the layers.
pub fn ask(r: &mut Rng, f: Flavour, w: &mut World) {
    let asked = if f.peer { &ASKED[..ASKED.len() - 1] } else { ASKED };
    // Half of the requests are about objects, where most patterns are.
    let (action, resources) = if r.chance(40) { &asked[r.below(3)] } else { r.pick(asked) };
    w.action = (*action).to_owned();
    w.resource = (*r.pick(resources)).to_owned();
    let id = catalogue().id(action);
    w.wildcard_only = id.is_some_and(|id| catalogue().wildcard_only().contains(id));
    w.level = match id.map(|id| catalogue().level(id)) {
        Some(Level::List) => "list",
        Some(Level::Read) => "read",
        _ => "write",
    };
    let stated = w.resource.split(':').nth(4).unwrap_or_default();
    w.resource_account = match stated {
        "" if !f.peer && r.chance(5) => None,
        "" if r.chance(20) => Some(OTHER.to_owned()),
        "" => Some(OWN.to_owned()),
        a => Some(a.to_owned()),
    };
    w.keys.clear();
    for (key, values) in KEYS {
        if !r.chance(f.unknown) {
            let value = r.pick(values).iter().map(|v| (*v).to_owned()).collect();
            w.keys.insert((*key).to_owned(), value);
        }
    }
}

/// A completion of everything unknown among the keys.
pub fn complete(r: &mut Rng, w: &World) -> World {
    let mut out = w.clone();
    for (key, values) in KEYS {
        let value = r.pick(values).iter().map(|v| (*v).to_owned()).collect();
        out.keys.entry((*key).to_owned()).or_insert(value);
    }
    out
}

/// The layers of a [`World`], compiled.
#[derive(Debug)]
pub struct Built {
    identity: Vec<Option<Arc<Program>>>,
    boundary: Option<Option<Arc<Program>>>,
    session: Option<Vec<Arc<Program>>>,
    scps: Option<Vec<(Tri, Vec<Arc<Program>>)>>,
    rcps: Option<Vec<(Tri, Vec<Arc<Program>>)>>,
    policy: Option<Option<Arc<Program>>>,
}

fn tri(t: Option<bool>) -> Tri {
    t.map_or(Tri::U, Tri::from_bool)
}

type Tree<'a> = Vec<(Tri, Vec<Attached<'a>>)>;

fn attached(list: &[(Tri, Vec<Arc<Program>>)]) -> Tree<'_> {
    fn one(p: &Arc<Program>) -> Attached<'_> {
        Attached { id: "policy", version: None, program: Some(p.as_ref()) }
    }
    list.iter().map(|(applies, docs)| (*applies, docs.iter().map(one).collect())).collect()
}

fn nodes<'a>(tree: &'a [(Tri, Vec<Attached<'a>>)]) -> Vec<Node<'a>> {
    tree.iter().map(|(a, d)| Node { id: "node", policies: d, applies: *a }).collect()
}

impl Built {
    pub fn new(w: &World, programs: &mut Programs) -> Self {
        let mut of = |v: &Value| programs.of(&v.to_string());
        let mut tree = |list: &Option<Vec<(Option<bool>, Vec<Value>)>>| {
            list.as_ref().map(|l| {
                l.iter().map(|(a, docs)| (tri(*a), docs.iter().map(&mut of).collect())).collect()
            })
        };
        let (scps, rcps) = (tree(&w.scps), tree(&w.rcps));
        Self {
            scps,
            rcps,
            identity: w.identity.iter().map(|d| d.as_ref().map(&mut of)).collect(),
            boundary: w.boundary.as_ref().map(|b| b.as_ref().map(&mut of)),
            session: w.session.as_ref().map(|s| s.iter().map(&mut of).collect()),
            policy: w.policy.as_ref().map(|p| p.as_ref().map(&mut of)),
        }
    }

    /// Hands the layers to a function.
    pub fn with<T>(&self, f: impl FnOnce(&Layers<'_>) -> T) -> T {
        fn one(p: Option<&Arc<Program>>) -> Attached<'_> {
            Attached { id: "policy", version: None, program: p.map(Arc::as_ref) }
        }
        let identity: Vec<Attached<'_>> = self.identity.iter().map(|p| one(p.as_ref())).collect();
        let session: Option<Vec<Attached<'_>>> =
            self.session.as_ref().map(|s| s.iter().map(|p| one(Some(p))).collect());
        let scps = self.scps.as_deref().map(attached);
        let rcps = self.rcps.as_deref().map(attached);
        let (scps, rcps) = (scps.as_deref().map(nodes), rcps.as_deref().map(nodes));
        f(&Layers {
            identity: &identity,
            boundary: self.boundary.as_ref().map(|b| one(b.as_ref())),
            session: session.as_deref(),
            scps: scps.as_deref(),
            rcps: rcps.as_deref(),
            resource: match &self.policy {
                None => ResourcePolicy::NotSupplied,
                Some(None) => ResourcePolicy::Absent,
                Some(p) => ResourcePolicy::Policy(one(p.as_ref())),
            },
            endpoint: None,
        })
    }
}

impl Context for World {
    fn get(&self, key: &str) -> Known {
        self.look(key).known()
    }

    fn look<'s>(&'s self, key: &str) -> Seen<'s> {
        match self.keys.get(key).map(Vec::as_slice) {
            None => Seen::Unknown,
            Some([]) => Seen::Absent,
            Some([one]) => Seen::One(one.into()),
            Some(many) => Seen::Many(many.into()),
        }
    }
}

/// The request of a [`World`].
pub fn request(w: &World) -> Request<'_> {
    let kind = match w.kind {
        "user" => CallerKind::User,
        "role" => CallerKind::Role,
        "root" => CallerKind::Root,
        "service" => CallerKind::Service,
        _ => CallerKind::Federated,
    };
    let action = Action::new(&w.action);
    Request {
        caller: Caller {
            kind,
            arn: &w.arn,
            account: &w.account,
            session: w.session_name.as_deref(),
            unique_id: w.unique_id.as_deref(),
            management: tri(w.management),
            bounded: w.boundary.is_some(),
        },
        target: Target::new(&action, &w.resource),
        action,
        resource_account: w.resource_account.as_deref(),
        resource_management: Tri::F,
        context: w,
    }
}

/// Verdict as the reference words it.
pub fn word(v: Verdict) -> &'static str {
    match v {
        Verdict::Allow => "allow",
        Verdict::Conditional => "conditional",
        Verdict::Deny => "deny",
        Verdict::ExplicitDeny => "explicit",
    }
}

/// The evaluator's verdict.
pub fn ours(w: &World, built: &Built) -> &'static str {
    built.with(|l| word(decide(&request(w), l)))
}

/// The evaluator's reasons.
pub fn reasons(w: &World, built: &Built) -> Explanation {
    built.with(|l| explain(&request(w), l))
}
