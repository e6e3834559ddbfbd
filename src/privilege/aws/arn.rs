//! Resources: matching one ARN, and how much of a resource type a list of patterns takes in.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::action::{ActionSet, catalogue};
use super::condition::Context;
use super::tri::Tri;
use super::variable;
use crate::privilege::glob;
use crate::privilege::memo::Memo;

/// Partition and account that placeholders of ARN templates stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Home {
    /// Partition (`aws`, `aws-cn`, `aws-us-gov`).
    pub partition: String,
    /// Account id.
    pub account: String,
}

impl Home {
    /// Partition and account of an ARN.
    #[must_use]
    pub fn of(arn: &str) -> Self {
        let mut parts = arn.splitn(6, ':').skip(1);
        let partition = parts.next().unwrap_or("aws").to_owned();
        Self { partition, account: parts.nth(2).unwrap_or_default().to_owned() }
    }
}

/// The six parts of an ARN or ARN pattern; patterns with fewer are padded with `*`.
fn six(text: &str) -> [&str; 6] {
    let mut parts = text.splitn(6, ':');
    std::array::from_fn(|_| parts.next().unwrap_or("*"))
}

/// Whether a pattern is nothing but `*`.
#[must_use]
pub fn is_any(pattern: &str) -> bool {
    !pattern.is_empty() && pattern.bytes().all(|b| b == b'*')
}

/// Whether a resource pattern matches a request resource (5.2.3, 5.2.4): the first five parts without
/// regard to case, the sixth with; a `*` never crosses the first five colons.
#[must_use]
pub fn matches(pattern: &str, resource: &str) -> bool {
    if is_any(pattern) {
        return true;
    }
    if resource == "*" {
        return false;
    }
    if resource.splitn(6, ':').count() < 6 {
        return false;
    }
    each(pattern, resource, glob::matches_ignore_case, glob::matches)
}

/// Whether every ARN that `inner` matches is matched by `outer` (sound, not complete).
#[must_use]
pub fn contains(outer: &str, inner: &str) -> bool {
    is_any(outer)
        || (!is_any(inner) && each(outer, inner, glob::contains_ignore_case, glob::contains))
}

/// Whether some ARN is matched by both patterns.
#[must_use]
pub fn overlaps(a: &str, b: &str) -> bool {
    is_any(a) || is_any(b) || each(a, b, glob::overlaps_ignore_case, glob::overlaps)
}

/// What both patterns match: one of them when it lies in the other, else one ARN in both (`true`) to
/// stand for the rest; `None` when nothing is in both, or when none was found.
#[must_use]
pub fn meet(a: &str, b: &str) -> Option<(String, bool)> {
    if contains(a, b) {
        return Some((b.to_owned(), false));
    }
    if contains(b, a) {
        return Some((a.to_owned(), false));
    }
    let (x, y) = (six(a), six(b));
    let fold = |p: u8, q: u8| p.eq_ignore_ascii_case(&q);
    let parts: Option<Vec<String>> = x
        .iter()
        .zip(y.iter())
        .enumerate()
        .map(
            |(i, (p, q))| {
                if i < 5 { glob::witness(p, q, fold) } else { glob::witness(p, q, |p, q| p == q) }
            },
        )
        .collect();
    Some((parts?.join(":"), true))
}

fn each(
    a: &str,
    b: &str,
    head: impl Fn(&str, &str) -> bool,
    tail: impl Fn(&str, &str) -> bool,
) -> bool {
    let (a, b) = (six(a), six(b));
    let mut pairs = a.iter().zip(b.iter());
    pairs.by_ref().take(5).all(|(x, y)| head(x, y)) && pairs.all(|(x, y)| tail(x, y))
}

/// The sixth part of a pattern whose first five take in ARNs with these first five parts.
#[must_use]
pub fn tail_under<'p>(pattern: &'p str, head: &str) -> Option<&'p str> {
    let [wanted @ .., tail] = six(pattern);
    let mut pairs = wanted.iter().zip(head.split(':'));
    pairs.all(|(p, part)| glob::matches_ignore_case(p, part)).then_some(tail)
}

/// A wildcard inside the product part, before the first `/` or `:` of the sixth part, which AWS
/// documents as incorrect: it counts for Allow and is undecided for Deny (5.2.3).
#[must_use]
pub fn wild_product(pattern: &str) -> bool {
    let [_, _, service, .., tail] = six(pattern);
    // Names of buckets stand where other services have the product.
    if service.eq_ignore_ascii_case("s3") {
        return false;
    }
    tail.split_once(['/', ':'])
        .is_some_and(|(product, _)| !is_any(product) && product.contains(['*', '?']))
}

/// Replaces policy variables by `*`, for questions about sets of resources.
#[must_use]
pub fn widen_variables(pattern: &str) -> Cow<'_, str> {
    if !pattern.contains("${") {
        return Cow::Borrowed(pattern);
    }
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        out.push('*');
        rest = after.split_once('}').map_or("", |(_, t)| t);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// How much of the catalogue's actions a list of resource patterns takes in (5.5).
#[derive(Clone, Debug)]
pub struct Spread {
    /// Actions with at least one resource type that is taken in whole.
    pub any_whole: ActionSet,
    /// Actions all of whose resource types are taken in whole.
    pub every_whole: ActionSet,
    /// Actions with at least one resource type that is touched.
    pub touched: ActionSet,
    /// A literal `*` is among the patterns: everything is taken in.
    pub everything: bool,
}

/// Resource types, each with whether it is taken in whole.
type Types = Arc<[(u16, bool)]>;

/// Computes and remembers [`Spread`]s.
#[derive(Debug, Default)]
pub struct Spreader {
    lists: Memo<(Home, Vec<String>), Arc<Spread>>,
    /// Resource types that one pattern touches, and whether it takes in the whole type.
    patterns: Memo<(Home, String), Types>,
    /// By the resource types a list touches: many lists touch the same.
    types: Memo<Option<BTreeMap<u16, bool>>, Arc<Spread>>,
}

impl Spreader {
    /// Spread of a list of patterns for principals of this partition and account.
    pub fn list(&self, home: &Home, patterns: &[String]) -> Arc<Spread> {
        let mut key = patterns.to_vec();
        key.sort_unstable();
        key.dedup();
        self.lists.get_or((home.clone(), key), |(home, patterns)| {
            self.types.get_or(self.touched_types(home, patterns), |whole| {
                Arc::new(spread_of(whole.as_ref()))
            })
        })
    }

    /// Resource types that patterns touch, and whether one of them takes in the whole type; `None` for
    /// everything.
    fn touched_types(&self, home: &Home, patterns: &[String]) -> Option<BTreeMap<u16, bool>> {
        if patterns.iter().any(|p| is_any(p)) {
            return None;
        }
        let mut whole: BTreeMap<u16, bool> = BTreeMap::new();
        for pattern in patterns {
            // Most patterns of the provider's policies are of any account: what they touch is the same in all.
            let any_account = matches!(six(&widen_variables(pattern)), [.., "*", _]);
            let account = if any_account { "" } else { home.account.as_str() };
            let home_of = Home { partition: home.partition.clone(), account: account.to_owned() };
            let known =
                self.patterns.get_or((home_of, pattern.clone()), |_| types_of(home, pattern));
            for (id, takes_all) in known.iter() {
                *whole.entry(*id).or_insert(false) |= takes_all;
            }
        }
        Some(whole)
    }
}

/// Resource types that a pattern touches, and whether it takes in the whole type.
fn types_of(home: &Home, pattern: &str) -> Types {
    let c = catalogue();
    let wide = widen_variables(pattern);
    let variable = matches!(wide, Cow::Owned(_));
    let mine = six(&wide);
    let [_, _, service, _, _, asked] = &mine;
    let mut out = Vec::new();
    for id in c.types_of_service(service) {
        let Some(kind) = c.resource_type(id) else { continue };
        let template = kind.parts.each_ref().map(|p| match p.as_str() {
            "${Partition}" => home.partition.as_str(),
            "${Account}" => home.account.as_str(),
            other => other,
        });
        if !both(&mine, &template, glob::overlaps_ignore_case, glob::overlaps) {
            continue;
        }
        // The name of a bucket has no `/`: `bucket/key` is an object and never a bucket.
        let [.., name] = &template;
        let literal = asked.split(['*', '?']).next().unwrap_or_default();
        if service.eq_ignore_ascii_case("s3") && is_any(name) && literal.contains('/') {
            continue;
        }
        let takes_all =
            !variable && both(&mine, &template, glob::contains_ignore_case, glob::contains);
        out.push((id, takes_all));
    }
    out.into()
}

fn spread_of(whole: Option<&BTreeMap<u16, bool>>) -> Spread {
    let c = catalogue();
    let Some(whole) = whole else {
        let all = c.every();
        return Spread {
            any_whole: all.clone(),
            every_whole: all.clone(),
            touched: all,
            everything: true,
        };
    };
    let mut out =
        Spread { any_whole: c.none(), every_whole: c.none(), touched: c.none(), everything: false };
    for (id, is_whole) in whole {
        out.touched.extend(c.actions_of_type(*id));
        if *is_whole {
            out.any_whole.extend(c.actions_of_type(*id));
        }
    }
    let every = |action: &usize| {
        let of = c.types_of_action(*action);
        of.iter().all(|t| whole.get(t).copied().unwrap_or(false))
    };
    out.every_whole.extend(out.any_whole.ones().filter(every));
    // Mostly a pattern takes in the whole of what it touches, or of nothing.
    if out.any_whole == out.touched {
        out.any_whole.clone_from(&out.touched);
    }
    if out.every_whole == out.any_whole {
        out.every_whole.clone_from(&out.any_whole);
    }
    out
}

fn both(
    a: &[&str; 6],
    b: &[&str; 6],
    head: impl Fn(&str, &str) -> bool,
    tail: impl Fn(&str, &str) -> bool,
) -> bool {
    let mut pairs = a.iter().zip(b.iter());
    pairs.by_ref().take(5).all(|(x, y)| head(x, y)) && pairs.all(|(x, y)| tail(x, y))
}

/// Whether a pattern with policy variables matches a resource (5.2.6). Variables count in the sixth
/// part only; a pattern whose variable is known to be absent matches nothing.
pub fn matches_with(pattern: &str, resource: &str, context: &dyn Context) -> Tri {
    if !pattern.contains("${") {
        return Tri::from_bool(matches(pattern, resource));
    }
    let Some((head, tail)) = split_tail(pattern) else { return Tri::F };
    let Some((resource_head, resource_tail)) = split_tail(resource) else { return Tri::F };
    let mut pairs = head.split(':').zip(resource_head.split(':'));
    if !pairs.all(|(a, b)| glob::matches_ignore_case(a, b)) {
        return Tri::F;
    }
    variable::fill(tail, context, true).matches(resource_tail)
}

/// The first five parts, and the sixth; `None` when there are fewer.
#[must_use]
pub fn split_tail(text: &str) -> Option<(&str, &str)> {
    let (at, _) = text.match_indices(':').nth(4)?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privilege::aws::condition::Known;

    fn home() -> Home {
        Home { partition: "aws".into(), account: "111122223333".into() }
    }

    fn spread(patterns: &[&str]) -> Arc<Spread> {
        let list: Vec<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
        Spreader::default().list(&home(), &list)
    }

    fn has(set: &ActionSet, action: &str) -> bool {
        set.contains(catalogue().id(action).unwrap())
    }

    /// 5.2.3: parts, case, padding.
    #[test]
    fn one_resource() {
        assert!(matches("arn:AWS:s3:::Bucket/*", "arn:aws:s3:::Bucket/x:y/z"));
        assert!(!matches("arn:aws:s3:::bucket/*", "arn:aws:s3:::Bucket/x"));
        assert!(matches("arn:aws:iam::*", "arn:aws:iam::1:role/x"));
        assert!(matches("arn:aws:s3*", "arn:aws:s3:::b"));
        assert!(!matches("arn:aws:*", "notanarn"));
        assert!(!matches("arn:*:role/x", "arn:aws:iam::1:role/x"), "a run never crosses a colon");
    }

    /// 5.2.4.
    #[test]
    fn wildcard_only_needs_a_literal_star() {
        assert!(matches("*", "*"));
        assert!(!matches("arn:aws:ec2:*:*:*", "*"));
        assert!(!has(&spread(&["arn:aws:s3:::*"]).touched, "s3:ListAllMyBuckets"));
        assert!(has(&spread(&["arn:aws:s3:::*", "**"]).any_whole, "s3:ListAllMyBuckets"));
    }

    /// 5.5, and defect 2 of the peers: patterns that only look narrow.
    #[test]
    fn whole_types() {
        for p in ["*", "**", "arn:*", "arn:aws:iam::*:user/*", "arn:aws:iam::111122223333:user/*"] {
            assert!(has(&spread(&[p]).any_whole, "iam:CreateAccessKey"), "{p}");
        }
        for p in ["arn:aws:iam::999988887777:user/*", "arn:aws-cn:iam::*:user/*", "arn:aws:s3:::*"]
        {
            assert!(!has(&spread(&[p]).touched, "iam:CreateAccessKey"), "{p}");
        }
        let narrow = spread(&["arn:aws:iam::*:user/dev-*"]);
        assert!(has(&narrow.touched, "iam:CreateAccessKey"));
        assert!(!has(&narrow.any_whole, "iam:CreateAccessKey"));
        let own = spread(&["arn:aws:iam::*:user/${aws:username}"]);
        assert!(has(&own.touched, "iam:CreateAccessKey"));
        assert!(!has(&own.any_whole, "iam:CreateAccessKey"));
        assert!(has(&spread(&["arn:aws:s3:::*"]).any_whole, "s3:GetObject"));
        assert!(!has(&spread(&["arn:aws:s3:::*"]).every_whole, "s3:GetObject"));
        assert!(!has(&spread(&["arn:aws:s3:::b/*"]).any_whole, "s3:GetObject"));
    }

    struct Keys;
    impl Context for Keys {
        fn get(&self, key: &str) -> Known {
            match key {
                "aws:username" => Known::Values(vec!["a*".into()]),
                "aws:principaltag/team" => Known::Absent,
                _ => Known::Unknown,
            }
        }
    }

    /// 5.2.6: values are literal, defaults, absence.
    #[test]
    fn variables() {
        let m = |p: &str, r: &str| matches_with(p, r, &Keys);
        assert_eq!(m("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/a*/k"), Tri::T);
        assert_eq!(m("arn:aws:s3:::b/${aws:username}/*", "arn:aws:s3:::b/ax/k"), Tri::F);
        assert_eq!(m("arn:aws:s3:::${aws:PrincipalTag/team}", "arn:aws:s3:::b"), Tri::F);
        assert_eq!(m("arn:aws:s3:::${aws:PrincipalTag/team, 'b'}", "arn:aws:s3:::b"), Tri::T);
        assert_eq!(m("arn:aws:s3:::${s3:x}", "arn:aws:s3:::b"), Tri::U);
        assert_eq!(m("arn:aws:s3:::q${s3:x}", "arn:aws:s3:::b"), Tri::F);
        assert_eq!(m("arn:aws:s3:::${*}", "arn:aws:s3:::*"), Tri::T);
        assert_eq!(m("arn:aws:s3:::${*}", "arn:aws:s3:::b"), Tri::F);
        assert_eq!(m("arn:aws:s3:::${*}", "arn:aws:s3:::\u{E000}"), Tri::F, "no stand-ins");
        assert_eq!(m("arn:aws:s3:::${$}{x", "arn:aws:s3:::${x"), Tri::T);
        assert_eq!(m("arn:aws:iam::${aws:username}:user/x", "arn:aws:iam::1:user/x"), Tri::F);
    }

    #[test]
    fn product_wildcards() {
        assert!(wild_product("arn:aws:iam::1:us*r/x"));
        assert!(!wild_product("arn:aws:iam::1:user/*"));
        assert!(!wild_product("arn:aws:s3:::logs-*/x"));
    }

    proptest::proptest! {
        /// Containment never claims more than matching shows.
        #[test]
        fn containment_is_sound(outer in "arn:aws:(s3|iam|\\*):[a*]{0,1}:[1*]{0,1}:[ab/*?]{0,4}",
                                inner in "arn:aws:(s3|iam|\\*):[a*]{0,1}:[1*]{0,1}:[ab/*?]{0,4}",
                                subject in "arn:aws:(s3|iam):a?:1?:[ab/]{0,4}") {
            if contains(&outer, &inner) && matches(&inner, &subject) {
                proptest::prop_assert!(matches(&outer, &subject));
            }
            if matches(&outer, &subject) && matches(&inner, &subject) {
                proptest::prop_assert!(overlaps(&outer, &inner));
            }
        }
    }
}
