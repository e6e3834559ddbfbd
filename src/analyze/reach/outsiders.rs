//! What keeps an outside party out whatever a statement lets in: Deny statements of the same policy and
//! of the resource control policies above (AWS semantics, 5.4.3, 5.4.4, 5.4.6, 5.4.8).
//!
//! A party counts as shut out when one Deny statement takes in the party, every action and every resource
//! that the Allow statement gives, and its condition holds for everybody outside. A condition whose
//! values name what is not ours is undecided: the party may be among those.

use std::collections::BTreeMap;

use crate::analyze::organisation::Organisation;
use crate::facts::{Facts, GuardrailKind, Role};
use crate::privilege::aws::arn;
use crate::privilege::aws::condition::{Condition, Context, Known};
use crate::privilege::aws::decide::under_resource_policies;
use crate::privilege::aws::document::{Document, Effect, Party, Patterns, Statement};
use crate::privilege::aws::tri::Tri;
use crate::privilege::glob;

/// A Deny statement that may shut a party out.
#[derive(Clone, Copy, Debug)]
pub struct Deny<'a> {
    /// Statement.
    pub statement: &'a Statement,
    /// Policy variables are substituted.
    pub variables: bool,
    /// A resource control policy, and whether it lies above the resource's account.
    pub above: Option<Tri>,
}

/// What an Allow statement opens to one party.
#[derive(Clone, Debug)]
pub struct Opening<'a> {
    /// Kind of the party, as `trust_facts` words it.
    pub kind: &'a str,
    /// The party as written.
    pub party: &'a str,
    /// Patterns of actions that count.
    pub actions: Vec<String>,
    /// Patterns of resources.
    pub resources: Vec<String>,
}

/// Who is ours.
pub struct Home<'a> {
    /// Whether an account is ours.
    pub account: &'a dyn Fn(&str) -> bool,
    /// Whether an organisation is ours; `None` = the inputs describe none.
    pub organisation: &'a dyn Fn(&str) -> Option<bool>,
}

/// Actions by which somebody becomes a role.
pub const ASSUME: [&str; 3] =
    ["sts:AssumeRole", "sts:AssumeRoleWithSAML", "sts:AssumeRoleWithWebIdentity"];

/// Starts of context keys that say who or where the caller is. An undecided Deny that asks anything else
/// (encryption, transport) lets whoever complies in.
const ABOUT_CALLER: [&str; 6] = [
    "aws:principal",
    "aws:source",
    "aws:userid",
    "aws:multifactorauth",
    "aws:vpcsource",
    "sts:externalid",
];

/// Whether the party is shut out: `T` by some Deny for certain, `U` only under conditions about the
/// caller that the inputs do not decide, `F` not.
pub fn shut<'d>(
    home: &Home<'_>,
    opening: &Opening<'_>,
    denies: impl IntoIterator<Item = Deny<'d>>,
) -> Tri {
    Tri::any(denies.into_iter().map(|d| one(home, opening, d)))
}

fn one(home: &Home<'_>, opening: &Opening<'_>, deny: Deny<'_>) -> Tri {
    let s = deny.statement;
    let reach = deny.above.is_none() || opening.actions.iter().all(|a| under_resource_policies(a));
    if !reach
        || !opening.actions.iter().all(|a| denies_action(&s.actions, a))
        || !opening.resources.iter().all(|r| denies_resource(s.resources.as_ref(), r, deny.above))
    {
        return Tri::F;
    }
    let addressed = addressed(home, opening, &s.parties);
    if !addressed.possible() {
        return Tri::F;
    }
    let mut holds = addressed.and(deny.above.unwrap_or(Tri::T));
    if s.doubtful {
        holds = holds.and(Tri::U);
    }
    if s.condition.is_empty() {
        return holds;
    }
    let met = outside_meets(home, opening, &s.condition, deny.variables);
    let about = |key: &String| ABOUT_CALLER.iter().any(|start| key.starts_with(start));
    match met {
        Tri::U => {
            let asked = s
                .condition
                .undecided(&Stranger::new(home, opening, &s.condition, None), deny.variables);
            if asked.iter().all(about) { holds.and(Tri::U) } else { Tri::F }
        }
        met => holds.and(met),
    }
}

fn denies_action(denied: &Patterns, action: &str) -> bool {
    if denied.negate {
        !denied.list.iter().any(|d| glob::overlaps_ignore_case(d, action))
    } else {
        denied.list.iter().any(|d| glob::contains_ignore_case(d, action))
    }
}

/// A short pattern is filled up in the policy of a resource only where it holds a `*`, in a resource
/// control policy never (5.2.3).
fn denies_resource(denied: Option<&Patterns>, resource: &str, above: Option<Tri>) -> bool {
    let Some(denied) = denied else { return true };
    let whole = |p: &str| arn::is_any(p) || p.splitn(6, ':').count() == 6;
    let counts = |p: &&String| whole(p) || (above.is_none() && p.contains('*'));
    let mut list = denied.list.iter().filter(counts);
    if denied.negate {
        !list.any(|d| arn::overlaps(&arn::widen_variables(d), resource))
    } else {
        list.any(|d| !d.contains("${") && !arn::wild_product(d) && arn::contains(d, resource))
    }
}

/// Account of a party: of an ARN, or the digits of an account.
fn account_of(party: &str) -> Option<&str> {
    if party.len() == 12 && party.bytes().all(|b| b.is_ascii_digit()) {
        return Some(party);
    }
    party.split(':').nth(4).filter(|a| !a.is_empty())
}

/// A party that stands for a whole account.
fn is_account(party: &str) -> bool {
    account_of(party) == Some(party) || party.ends_with(":root")
}

/// Whether a Deny statement is about the party.
fn addressed(home: &Home<'_>, opening: &Opening<'_>, parties: &[Party]) -> Tri {
    let of_aws = matches!(opening.kind, "account" | "principal" | "any" | "deleted");
    let names = |p: &Party| {
        let v = p.value.as_str();
        v == "*" && (of_aws || p.kind == "*")
            || v == opening.party
            || (of_aws
                && is_account(v)
                && account_of(v).is_some()
                && account_of(v) == account_of(opening.party))
    };
    let mut spared = parties.iter().filter(|p| p.negate).peekable();
    if spared.peek().is_none() {
        return Tri::from_bool(parties.iter().any(names));
    }
    // NotPrincipal: everybody but those listed (5.4.8).
    Tri::all(spared.map(|p| {
        let listed = account_of(&p.value);
        let plain = listed.is_some_and(|a| !a.contains(['*', '?']));
        match opening.kind {
            // Whoever is not ours is not listed, when all that are listed are ours.
            "any" => Tri::from_bool(plain && listed.is_some_and(|a| (home.account)(a))),
            _ if names(p) => Tri::F,
            "account" | "principal" if plain && listed != account_of(opening.party) => Tri::T,
            _ => Tri::U,
        }
    }))
}

/// Whether a condition holds for everybody outside whom the opening lets in.
fn outside_meets(
    home: &Home<'_>,
    opening: &Opening<'_>,
    condition: &Condition,
    variables: bool,
) -> Tri {
    let of_none = Stranger::new(home, opening, condition, None);
    let of_other = Stranger::new(home, opening, condition, Some("o-outside"));
    let (a, b) =
        (condition.evaluate(&of_none, variables), condition.evaluate(&of_other, variables));
    if a == b { a } else { Tri::U }
}

/// Somebody outside, as conditions see it.
struct Stranger {
    aws: bool,
    account: Known,
    arn: Known,
    organisation: Known,
    paths: Known,
}

impl Stranger {
    /// `organisation`: one that is not ours; `None` = the stranger is of none.
    fn new(
        home: &Home<'_>,
        opening: &Opening<'_>,
        condition: &Condition,
        organisation: Option<&str>,
    ) -> Self {
        let aws = matches!(opening.kind, "account" | "principal" | "any");
        let plain = |v: &str| !v.contains(['*', '?', '$']);
        let ours =
            |key: &str| condition.compared_with(key).iter().all(|v| plain(v) && (home.account)(v));
        let one = |v: &str| Known::Values(vec![v.to_owned()]);
        let account = match account_of(opening.party).filter(|a| plain(a)) {
            Some(account) => one(account),
            // Any account: it is none of those named only when these are all ours.
            None if opening.kind == "any" && ours("aws:principalaccount") => one("outside"),
            None => Known::Unknown,
        };
        let of_principal =
            opening.kind == "principal" && opening.party.contains(":iam::") && plain(opening.party);
        let known_organisation = |key: &str, value: String| {
            let ours = condition.compared_with(key).iter().all(|v| {
                let id = v.split('/').next().unwrap_or(v);
                plain(id) && (home.organisation)(id) == Some(true)
            });
            match organisation {
                _ if !ours => Known::Unknown,
                Some(_) => Known::Values(vec![value]),
                None => Known::Absent,
            }
        };
        let id = organisation.unwrap_or_default();
        Self {
            aws,
            account,
            arn: if of_principal { one(opening.party) } else { Known::Unknown },
            organisation: known_organisation("aws:principalorgid", id.to_owned()),
            paths: known_organisation("aws:principalorgpaths", format!("{id}/r-outside/")),
        }
    }
}

impl Context for Stranger {
    fn get(&self, key: &str) -> Known {
        match key {
            _ if !self.aws => Known::Unknown,
            "aws:principalaccount" => self.account.clone(),
            "aws:principalarn" => self.arn.clone(),
            "aws:principalorgid" => self.organisation.clone(),
            "aws:principalorgpaths" => self.paths.clone(),
            "aws:principalisawsservice" => Known::Values(vec!["false".to_owned()]),
            // Only services set them (5.3.7).
            "aws:sourceaccount"
            | "aws:sourcearn"
            | "aws:sourceorgid"
            | "aws:sourceorgpaths"
            | "aws:principalservicename" => Known::Absent,
            _ => Known::Unknown,
        }
    }
}

/// Resource control policies by account, read once.
#[derive(Debug)]
pub struct Above<'f> {
    organisation: Organisation<'f>,
    documents: BTreeMap<&'f str, Document>,
    of_account: BTreeMap<String, Vec<(&'f str, Tri)>>,
}

impl<'f> Above<'f> {
    /// Reads the tree and the documents of its resource control policies.
    pub fn new(facts: &'f Facts, roles: &BTreeMap<&'f str, &'f Role>) -> Self {
        let rcps = facts.guardrails.iter().filter(|g| g.kind == GuardrailKind::Rcp);
        let documents = rcps
            .filter_map(|g| {
                let document = roles.get(&*g.role_id)?.document.as_ref()?;
                Some((&*g.role_id, Document::parse(document)))
            })
            .collect();
        Self { organisation: Organisation::new(facts), documents, of_account: BTreeMap::new() }
    }

    /// Deny statements above the resources of an account. The management account is free of them.
    pub fn denies(&mut self, account: &str) -> Vec<Deny<'_>> {
        if !self.of_account.contains_key(account) {
            let levels = if self.organisation.is_management(account) {
                Vec::new()
            } else {
                self.organisation.above(GuardrailKind::Rcp, account).unwrap_or_default()
            };
            let ids =
                levels.iter().flat_map(|l| l.policies.iter().map(|id| (*id, l.applies))).collect();
            self.of_account.insert(account.to_owned(), ids);
        }
        let ids = self.of_account.get(account).into_iter().flatten();
        let documents = ids.filter_map(|(id, applies)| Some((self.documents.get(id)?, *applies)));
        documents.flat_map(|(d, applies)| denies_of(d, Some(applies))).collect()
    }
}

/// Deny statements of a document.
pub fn denies_of(document: &Document, above: Option<Tri>) -> impl Iterator<Item = Deny<'_>> {
    let variables = document.variables;
    let denies = document.statements.iter().filter(|s| s.effect == Effect::Deny);
    denies.map(move |statement| Deny { statement, variables, above })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "111122223333";
    const THEIRS: &str = "999988887777";

    /// Whether a Deny statement shuts out the party of an Allow of `s3:GetObject` on objects of a bucket.
    fn shuts(kind: &str, party: &str, deny: &str) -> Tri {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":{deny}}}"#);
        let document = Document::parse(&text);
        assert!(document.malformed.is_none(), "{deny}");
        let home = Home { account: &|a| a == OURS, organisation: &|o| Some(o == "o-ours") };
        let opening = Opening {
            kind,
            party,
            actions: vec!["s3:GetObject".into()],
            resources: vec!["arn:aws:s3:::b/*".into()],
        };
        shut(&home, &opening, denies_of(&document, None))
    }

    fn deny(principal: &str, rest: &str) -> String {
        format!(r#"{{"Effect":"Deny",{principal}{rest}}}"#)
    }

    const ALL: &str = r#","Action":"s3:*","Resource":"*""#;

    #[test]
    fn parties() {
        use Tri::{F, T, U};
        let root = format!("arn:aws:iam::{THEIRS}:root");
        let role = format!("arn:aws:iam::{THEIRS}:role/x");
        let aws = |v: &str| format!(r#""Principal":{{"AWS":"{v}"}}"#);
        let not = |v: &str| format!(r#""NotPrincipal":{{"AWS":"{v}"}}"#);
        for (kind, party, who, want) in [
            ("account", THEIRS, aws(&root), T),
            ("account", root.as_str(), aws(THEIRS), T),
            ("principal", role.as_str(), aws(&root), T),
            ("principal", role.as_str(), aws(&role), T),
            ("account", root.as_str(), aws(&role), F),
            ("any", "*", aws(THEIRS), F),
            ("any", "*", r#""Principal":"*""#.into(), T),
            ("any", "*", aws("*"), T),
            ("service", "lambda.amazonaws.com", aws("*"), F),
            ("service", "lambda.amazonaws.com", r#""Principal":"*""#.into(), T),
            ("account", THEIRS, not(OURS), T),
            ("any", "*", not(OURS), T),
            ("any", "*", not(THEIRS), F),
            ("account", THEIRS, not(&root), F),
            ("account", THEIRS, not(&role), U),
            ("principal", role.as_str(), not(&role), F),
        ] {
            assert_eq!(shuts(kind, party, &deny(&who, ALL)), want, "{kind} {party} {who}");
        }
    }

    #[test]
    fn actions_and_resources() {
        let all = r#""Principal":"*""#;
        for (rest, want) in [
            (r#","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*""#, Tri::T),
            (r#","Action":"*","Resource":"*""#, Tri::T),
            (r#","NotAction":"s3:Put*","Resource":"*""#, Tri::T),
            (r#","Action":"s3:*","NotResource":"arn:aws:s3:::c/*""#, Tri::T),
            (r#","Action":"s3:PutObject","Resource":"*""#, Tri::F),
            (r#","NotAction":"s3:Get*","Resource":"*""#, Tri::F),
            (r#","Action":"s3:*","Resource":"arn:aws:s3:::b/private/*""#, Tri::F),
            (r#","Action":"s3:*","NotResource":"arn:aws:s3:::b/public/*""#, Tri::F),
        ] {
            assert_eq!(shuts("any", "*", &deny(all, rest)), want, "{rest}");
        }
    }

    #[test]
    fn conditions() {
        use Tri::{F, T, U};
        let of = |condition: &str| {
            deny(r#""Principal":"*""#, &format!(r#"{ALL},"Condition":{condition}"#))
        };
        for (kind, party, condition, want) in [
            ("any", "*", r#"{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}"#, T),
            (
                "account",
                THEIRS,
                r#"{"StringNotEquals":{"aws:PrincipalAccount":"111122223333"}}"#,
                T,
            ),
            // The party is spared, or may be among those spared.
            (
                "account",
                THEIRS,
                r#"{"StringNotEquals":{"aws:PrincipalAccount":["111122223333","999988887777"]}}"#,
                F,
            ),
            (
                "any",
                "*",
                r#"{"StringNotEquals":{"aws:PrincipalAccount":["111122223333","999988887777"]}}"#,
                U,
            ),
            (
                "any",
                "*",
                r#"{"StringNotEqualsIfExists":{"aws:PrincipalOrgID":"o-ours"},"BoolIfExists":{"aws:PrincipalIsAWSService":"false"}}"#,
                T,
            ),
            ("account", THEIRS, r#"{"StringNotEquals":{"aws:PrincipalOrgID":"o-ours"}}"#, T),
            (
                "account",
                THEIRS,
                r#"{"StringNotEquals":{"aws:PrincipalOrgID":["o-ours","o-partner"]}}"#,
                U,
            ),
            (
                "account",
                THEIRS,
                r#"{"ForAnyValue:StringNotLike":{"aws:PrincipalOrgPaths":"o-ours/*"}}"#,
                U,
            ),
            ("account", THEIRS, r#"{"StringEquals":{"aws:PrincipalAccount":"111122223333"}}"#, F),
            ("account", THEIRS, r#"{"NotIpAddress":{"aws:SourceIp":"203.0.113.0/24"}}"#, U),
            // Whoever uses TLS is let in.
            ("any", "*", r#"{"Bool":{"aws:SecureTransport":"false"}}"#, F),
            (
                "principal",
                "arn:aws:iam::999988887777:role/x",
                r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/x"}}"#,
                F,
            ),
            (
                "principal",
                "arn:aws:iam::999988887777:role/x",
                r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/y"}}"#,
                T,
            ),
            (
                "account",
                THEIRS,
                r#"{"ArnNotLike":{"aws:PrincipalArn":"arn:aws:iam::999988887777:role/y"}}"#,
                U,
            ),
        ] {
            assert_eq!(shuts(kind, party, &of(condition)), want, "{kind} {condition}");
        }
    }
}
