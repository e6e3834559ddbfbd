//! The catalogue of IAM actions, embedded, and the sets of actions that patterns stand for.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

pub use super::set::ActionSet;
use crate::facts::Text;
use crate::privilege::glob;
use crate::privilege::memo::Memo;

/// Access level that the service reference states for an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// List.
    List,
    /// Read.
    Read,
    /// Write.
    Write,
    /// Tagging.
    Tagging,
    /// Permissions management.
    Permissions,
}

/// A resource type and the template of its ARNs, in the form that resource matching needs.
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// Service field of the ARN, lower case; may differ from the prefix of the action.
    pub arn_service: String,
    /// The six parts of the template with `*` for every placeholder but partition and account,
    /// which stay `${Partition}` and `${Account}`.
    pub parts: [String; 6],
}

/// The actions of all services, in the order of lower-case `service:action`.
#[derive(Debug)]
pub struct Catalogue {
    names: Vec<Text>,
    keys: Vec<Text>,
    /// Places of the keys. It is never walked through.
    places: HashMap<Text, u32>,
    levels: Vec<Level>,
    /// Services in the order of their names, with the indexes of their actions.
    services: Vec<(Text, Range<usize>)>,
    /// Place of each action's service in `services`.
    service_of_action: Vec<u16>,
    types: Vec<ResourceType>,
    /// Few for most of them, so they are listed and are no sets.
    actions_of_type: Vec<Vec<u32>>,
    types_of_action: Vec<Box<[u16]>>,
    types_of_service: BTreeMap<String, Vec<u16>>,
    wildcard_only: ActionSet,
    every: ActionSet,
}

const ACTIONS: &str = include_str!("../../../rules/privilege/aws_actions.csv");
const TYPES: &str = include_str!("../../../rules/privilege/aws_resource_types.csv");

/// The embedded catalogue.
pub fn catalogue() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(Catalogue::load)
}

impl Catalogue {
    fn load() -> Self {
        let mut types = Vec::new();
        let mut type_ids = BTreeMap::new();
        let mut types_of_service: BTreeMap<String, Vec<u16>> = BTreeMap::new();
        for row in csv::Reader::from_reader(TYPES.as_bytes()).records().flatten() {
            let [service, name, template] = [0, 1, 2].map(|i| row.get(i).unwrap_or_default());
            let Ok(id) = u16::try_from(types.len()) else { break };
            let parts = template_parts(template);
            let arn_service = parts.get(2).map(|s| s.to_ascii_lowercase()).unwrap_or_default();
            types_of_service.entry(arn_service.clone()).or_default().push(id);
            type_ids.insert(format!("{service}/{name}"), id);
            types.push(ResourceType { arn_service, parts });
        }
        let mut rows: Vec<(Text, Text, Level, usize)> = Vec::new();
        let mut lists: Vec<Vec<u16>> = Vec::new();
        let (mut name, mut key) = (String::new(), String::new());
        for row in csv::Reader::from_reader(ACTIONS.as_bytes()).records().flatten() {
            let [service, level, of, names] = [0, 1, 2, 3].map(|i| row.get(i).unwrap_or_default());
            let level = match level {
                "L" => Level::List,
                "R" => Level::Read,
                "T" => Level::Tagging,
                "P" => Level::Permissions,
                _ => Level::Write,
            };
            let of: Vec<u16> = of
                .split('|')
                .filter_map(|t| type_ids.get(&format!("{service}/{t}")).copied())
                .collect();
            for action in names.split(' ') {
                name.clear();
                name.extend([service, ":", action]);
                key.clone_from(&name);
                key.make_ascii_lowercase();
                rows.push((key.as_str().into(), name.as_str().into(), level, lists.len()));
            }
            lists.push(of);
        }
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.dedup_by(|a, b| a.0 == b.0);
        let n = rows.len();
        let mut out = Self {
            names: Vec::with_capacity(n),
            keys: Vec::with_capacity(n),
            places: HashMap::with_capacity(n),
            levels: Vec::with_capacity(n),
            services: Vec::new(),
            service_of_action: Vec::with_capacity(n),
            actions_of_type: vec![Vec::new(); types.len()],
            types,
            types_of_action: Vec::with_capacity(n),
            types_of_service,
            wildcard_only: ActionSet::new(),
            every: ActionSet::below(n),
        };
        for (id, (key, name, level, list)) in rows.into_iter().enumerate() {
            let of = lists.get(list).map_or(&[][..], Vec::as_slice);
            let service = key.split(':').next().unwrap_or_default();
            match out.services.last_mut() {
                Some((last, range)) if **last == *service => range.end = id + 1,
                _ => out.services.push((service.into(), id..id + 1)),
            }
            if of.is_empty() {
                out.wildcard_only.insert(id);
            }
            for t in of {
                if let (Some(list), Ok(id)) =
                    (out.actions_of_type.get_mut(usize::from(*t)), u32::try_from(id))
                {
                    list.push(id);
                }
            }
            out.names.push(name);
            if let Ok(place) = u32::try_from(id) {
                out.places.insert(key.clone(), place);
            }
            out.keys.push(key);
            out.levels.push(level);
            out.types_of_action.push(of.into());
        }
        // The order of `service:action` is not that of services: `-` is before `:`.
        out.services.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        out.service_of_action = vec![0; n];
        for (place, (_, range)) in (0u16..).zip(&out.services) {
            if let Some(slots) = out.service_of_action.get_mut(range.clone()) {
                slots.fill(place);
            }
        }
        out
    }

    /// Number of actions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none (never, for the embedded one).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The empty set.
    #[must_use]
    pub fn none(&self) -> ActionSet {
        ActionSet::new()
    }

    /// The set of all actions.
    #[must_use]
    pub fn every(&self) -> ActionSet {
        self.every.clone()
    }

    /// Index of an action, without regard to case.
    #[must_use]
    pub fn id(&self, action: &str) -> Option<usize> {
        let wanted = if action.bytes().any(|b| b.is_ascii_uppercase()) {
            Cow::Owned(action.to_ascii_lowercase())
        } else {
            Cow::Borrowed(action)
        };
        self.places.get(&*wanted).map(|place| *place as usize)
    }

    /// Name of an action as the service reference writes it.
    #[must_use]
    pub fn name(&self, id: usize) -> &str {
        self.names.get(id).map_or("", |name| name)
    }

    /// Names of actions, shared with all who ask.
    #[must_use]
    pub fn texts(&self, ids: impl IntoIterator<Item = usize>) -> Vec<Text> {
        ids.into_iter().filter_map(|id| self.names.get(id)).cloned().collect()
    }

    /// Access level of an action.
    #[must_use]
    pub fn level(&self, id: usize) -> Level {
        self.levels.get(id).copied().unwrap_or(Level::Write)
    }

    /// Services (prefixes) and the indexes of their actions.
    pub fn services(&self) -> impl Iterator<Item = (&str, Range<usize>)> {
        self.services.iter().map(|(name, range)| (&**name, range.clone()))
    }

    /// Indexes of the actions of a service.
    #[must_use]
    pub fn service(&self, prefix: &str) -> Option<Range<usize>> {
        self.service_named(&prefix.to_ascii_lowercase())
    }

    /// As [`Self::service`], for a prefix in lower case.
    fn service_named(&self, prefix: &str) -> Option<Range<usize>> {
        let at = self.services.binary_search_by(|(name, _)| (**name).cmp(prefix)).ok()?;
        self.services.get(at).map(|(_, range)| range.clone())
    }

    /// Actions without a resource type: their request resource is `*`.
    #[must_use]
    pub fn wildcard_only(&self) -> &ActionSet {
        &self.wildcard_only
    }

    /// Resource types whose ARNs carry this service field, with their index.
    pub fn types_of_service<'a>(&'a self, arn_service: &'a str) -> impl Iterator<Item = u16> + 'a {
        // Most patterns name their service; only the others are tried on all of them.
        let named = !arn_service.contains(['*', '?']);
        let key = if named { arn_service.to_ascii_lowercase() } else { String::new() };
        let one = self.types_of_service.get(&key).filter(|_| named);
        let all = (!named).then_some(&self.types_of_service).into_iter().flatten();
        let tried = all.filter(move |(name, _)| glob::matches_ignore_case(arn_service, name));
        one.into_iter().chain(tried.map(|(_, ids)| ids)).flatten().copied()
    }

    /// The services that a set has an action of, with the indexes of all their actions, in the order
    /// of the catalogue. Takes time by what the set holds, not by the size of the catalogue.
    pub fn services_in<'a, 's>(
        &'a self,
        set: &'s ActionSet,
    ) -> impl Iterator<Item = (&'a str, Range<usize>)> + use<'a, 's> {
        let mut from = 0;
        std::iter::from_fn(move || {
            let first = set.next_from(from)?;
            let (name, range) = self.service_of(first)?;
            from = range.end;
            Some((name, range))
        })
    }

    /// As [`Self::services_in`], in the order of the names of the services.
    pub fn services_by_name(&self, set: &ActionSet) -> Vec<(&Text, Range<usize>)> {
        let mut places = Vec::new();
        let mut from = 0;
        while let Some(place) =
            set.next_from(from).and_then(|first| self.service_of_action.get(first).copied())
        {
            let Some((_, range)) = self.services.get(usize::from(place)) else { break };
            from = range.end;
            places.push(place);
        }
        places.sort_unstable();
        let of = places.into_iter().filter_map(|p| self.services.get(usize::from(p)));
        of.map(|(name, range)| (name, range.clone())).collect()
    }

    /// Service of an action: prefix and indexes of its actions.
    #[must_use]
    pub fn service_of(&self, id: usize) -> Option<(&str, Range<usize>)> {
        let place = self.service_of_action.get(id)?;
        let (name, range) = self.services.get(usize::from(*place))?;
        Some((name, range.clone()))
    }

    /// A resource type.
    #[must_use]
    pub fn resource_type(&self, id: u16) -> Option<&ResourceType> {
        self.types.get(usize::from(id))
    }

    /// Actions that take this resource type.
    pub fn actions_of_type(&self, id: u16) -> impl Iterator<Item = usize> + '_ {
        self.actions_of_type.get(usize::from(id)).into_iter().flatten().map(|id| *id as usize)
    }

    /// Resource types of an action.
    #[must_use]
    pub fn types_of_action(&self, id: usize) -> &[u16] {
        self.types_of_action.get(id).map_or(&[], |list| list)
    }

    /// Actions that one pattern stands for (5.2.1). A pattern without `:` that is not `*`, or with
    /// white space, stands for none.
    #[must_use]
    pub fn expand(&self, pattern: &str) -> ActionSet {
        let mut set = self.none();
        if pattern == "*" {
            return self.every();
        }
        let Some((service, action)) = pattern.split_once(':') else { return set };
        if pattern.contains(char::is_whitespace) {
            return set;
        }
        let (service, action) = (service.to_ascii_lowercase(), action.to_ascii_lowercase());
        if service.contains(['*', '?']) {
            for (name, range) in &self.services {
                if glob::matches(&service, name) {
                    self.expand_in(&action, range.clone(), &mut set);
                }
            }
        } else if let Some(range) = self.service_named(&service) {
            self.expand_in(&action, range, &mut set);
        }
        set
    }

    /// Actions that may be meant by one that the catalogue does not know, the nearest first: of the same
    /// service or one spelt nearly so, spelt nearly alike; else of other services, with the same name.
    #[must_use]
    pub fn similar(&self, action: &str) -> Vec<&str> {
        let action = action.to_ascii_lowercase();
        let Some((service, name)) = action.split_once(':').filter(|_| action.len() <= LONGEST)
        else {
            return Vec::new();
        };
        let mut found: Vec<(usize, usize)> = Vec::new();
        for (prefix, range) in &self.services {
            let away = if **prefix == *service { 0 } else { distance(prefix, service, 2) };
            if away > 2 || (away > 0 && self.service_named(service).is_some()) {
                continue;
            }
            let most = (name.len() / 4).clamp(1, 3);
            for id in range.clone() {
                let key = self.keys.get(id).map_or("", |key| tail(key));
                let far = distance(key, name, most);
                if far <= most {
                    found.push((away + far, id));
                }
            }
        }
        if found.is_empty() {
            let keys = self.keys.iter().enumerate().filter(|(_, key)| tail(key) == name);
            found.extend(keys.map(|(id, _)| (0, id)));
        }
        found.sort_unstable();
        found.into_iter().take(SIMILAR).map(|(_, id)| self.name(id)).collect()
    }

    fn expand_in(&self, action: &str, range: Range<usize>, set: &mut ActionSet) {
        if action == "*" {
            set.insert_range(range);
            return;
        }
        let Some(keys) = self.keys.get(range.clone()) else { return };
        if !action.contains(['*', '?']) {
            let hit = keys.binary_search_by(|k| tail(k).cmp(action));
            if let Ok(at) = hit {
                set.insert(range.start + at);
            }
            return;
        }
        for (offset, key) in keys.iter().enumerate() {
            if glob::matches(action, tail(key)) {
                set.insert(range.start + offset);
            }
        }
    }
}

/// Whether a pattern takes in an action, which need not be in the catalogue (5.2.1).
#[must_use]
pub fn pattern_covers(pattern: &str, action: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (Some((service, name)), Some((of, called))) =
        (pattern.split_once(':'), action.split_once(':'))
    else {
        return false;
    };
    !pattern.contains(char::is_whitespace)
        && glob::matches_ignore_case(service, of)
        && glob::matches_ignore_case(name, called)
}

/// Longest text that is compared with the names of actions; the longest of those has 70 characters.
const LONGEST: usize = 128;
/// Most similar actions that are told.
const SIMILAR: usize = 3;

/// Letters to add, drop or change to make one name of the other; when that is more than `most`, some
/// number above it.
fn distance(a: &str, b: &str, most: usize) -> usize {
    if a.len().abs_diff(b.len()) > most {
        return most + 1;
    }
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut left = i + 1;
        let mut above = i;
        let mut next = vec![left];
        for (y, up) in b.bytes().zip(row.iter().skip(1)) {
            left = (above + usize::from(x != y)).min(up + 1).min(left + 1);
            above = *up;
            next.push(left);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

fn tail(key: &str) -> &str {
    key.split_once(':').map_or(key, |(_, t)| t)
}

/// Splits a template and turns its placeholders into `*`, except partition and account.
fn template_parts(template: &str) -> [String; 6] {
    let mut text = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("${") {
        text.push_str(before);
        let Some((name, tail)) = after.split_once('}') else { break };
        match name {
            "Partition" | "Account" => {
                text.push_str("${");
                text.push_str(name);
                text.push('}');
            }
            _ => text.push('*'),
        }
        rest = tail;
    }
    text.push_str(rest);
    let mut parts = text.splitn(6, ':').map(str::to_owned);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}

/// Expansion of patterns and lists of patterns, remembered: real exports repeat them.
#[derive(Debug, Default)]
pub struct Expander {
    lists: Memo<(bool, Vec<String>), Arc<ActionSet>>,
    patterns: Memo<String, Arc<ActionSet>>,
}

impl Expander {
    /// Actions of a list of patterns: any of them, or with `negate` none of them (5.2.2).
    pub fn list(&self, patterns: &[String], negate: bool) -> Arc<ActionSet> {
        let mut key: Vec<String> = patterns.iter().map(|p| p.to_ascii_lowercase()).collect();
        key.sort_unstable();
        key.dedup();
        self.lists
            .get_or((negate, key), |(negate, patterns)| Arc::new(self.expanded(patterns, *negate)))
    }

    fn expanded(&self, patterns: &[String], negate: bool) -> ActionSet {
        let mut set = catalogue().none();
        for pattern in patterns {
            if !pattern.contains(['*', '?']) {
                // One action at most: not worth a set of its own.
                if let Some(id) = catalogue().id(pattern) {
                    set.insert(id);
                }
                continue;
            }
            let one = self.patterns.get_or(pattern.clone(), |p| Arc::new(catalogue().expand(p)));
            set.union_with(&one);
        }
        if negate {
            let mut rest = catalogue().every();
            rest.difference_with(&set);
            set = rest;
        }
        set.shrink();
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_is_whole() {
        let c = catalogue();
        assert_eq!(c.len(), 20_455);
        assert_eq!(c.services().count(), 445);
        assert_eq!(c.types.len(), 2_167);
        assert_eq!(c.wildcard_only().count_ones(..), 6_329);
        assert_eq!(c.level(c.id("iam:PassRole").unwrap()), Level::Permissions);
        assert_eq!(c.name(c.id("S3:getobject").unwrap()), "s3:GetObject");
    }

    /// 5.2.1: case, both wildcards, wildcards in the service, and what matches nothing.
    #[test]
    fn patterns_expand() {
        let c = catalogue();
        let n = |p: &str| c.expand(p).count_ones(..);
        assert_eq!(n("*"), c.len());
        assert_eq!(n("*:*"), c.len());
        assert_eq!(n("iam:?ttachUserPolicy"), 1);
        assert_eq!(n("IAM:Attach*"), 3);
        assert_eq!(n("IAM:*"), c.service("iam").unwrap().len());
        assert!(n("s*:GetObject") >= 1);
        assert_eq!(n("s3"), 0);
        assert_eq!(n("s3:Get Object"), 0);
        assert_eq!(n(" s3:GetObject"), 0);
        assert_eq!(n("nosuch:*"), 0);
        assert_eq!(n(""), 0);
    }

    #[test]
    fn services_of_a_set() {
        let c = catalogue();
        let in_set = |set: &ActionSet| -> Vec<String> {
            c.services_in(set).map(|(name, _)| name.to_owned()).collect()
        };
        let mut all: Vec<(&str, Range<usize>)> = c.services().collect();
        all.sort_by_key(|(_, range)| range.start);
        let all: Vec<String> = all.into_iter().map(|(name, _)| name.to_owned()).collect();
        assert_eq!(in_set(&c.every()), all);
        let by_name = |set: &ActionSet| -> Vec<String> {
            c.services_by_name(set).into_iter().map(|(name, _)| name.to_string()).collect()
        };
        let mut named = all.clone();
        named.sort();
        assert_ne!(named, all, "the two orders differ");
        assert_eq!(by_name(&c.every()), named);
        assert_eq!(by_name(&c.none()), Vec::<String>::new());
        assert_eq!(in_set(&c.none()), Vec::<String>::new());
        assert_eq!(in_set(&ActionSet::new()), Vec::<String>::new());
        let mut small = ActionSet::new();
        small.insert(2);
        assert_eq!(in_set(&small), all[..1]);
        let mut last = c.none();
        last.insert(c.len() - 1);
        last.union_with(&c.expand("s3:Get*"));
        assert_eq!(in_set(&last), ["s3".to_owned(), all[all.len() - 1].clone()]);
    }

    #[test]
    fn similar_actions_are_of_the_same_service_first() {
        let c = catalogue();
        assert_eq!(c.similar("s3:GetObjet").first(), Some(&"s3:GetObject"));
        assert_eq!(c.similar("S3:getobjectt").first(), Some(&"s3:GetObject"));
        assert_eq!(c.similar("iam:PasRole"), ["iam:PassRole"]);
        assert_eq!(c.similar("ima:PassRole"), ["iam:PassRole"]);
        assert_eq!(c.similar("s3:RunInstances"), ["ec2:RunInstances"]);
        for none in ["s3:Zzzzzzzzzzzz", "nosuch:Thing", "x", "", ":", "é:é"] {
            assert_eq!(c.similar(none), Vec::<&str>::new(), "{none}");
        }
        // Whatever is asked takes no more time than names are long.
        assert_eq!(c.similar(&format!("s3:{}", "a".repeat(1 << 20))), Vec::<&str>::new());
    }

    proptest::proptest! {
        #[test]
        fn distances_are_those_of_the_whole_table(a in "[ab]{0,6}", b in "[ab]{0,6}") {
            fn slow(a: &[u8], b: &[u8]) -> usize {
                match (a, b) {
                    ([], rest) | (rest, []) => rest.len(),
                    ([x, a1 @ ..], [y, b1 @ ..]) => (slow(a1, b1) + usize::from(x != y))
                        .min(slow(a1, b) + 1)
                        .min(slow(a, b1) + 1),
                }
            }
            let exact = slow(a.as_bytes(), b.as_bytes());
            for most in 0..4 {
                let got = distance(&a, &b, most);
                proptest::prop_assert!(got == exact || (got > most && exact > most));
            }
        }
    }

    #[test]
    fn types_of_a_service_by_name_and_by_pattern() {
        let c = catalogue();
        let ids = |service: &str| -> Vec<u16> { c.types_of_service(service).collect() };
        let every: usize = c.types_of_service.values().map(Vec::len).sum();
        assert_eq!(ids("*").len(), every);
        assert_eq!(ids("S3"), ids("s3"));
        let two: usize =
            c.types_of_service.iter().filter(|(n, _)| n.len() == 2).map(|(_, ids)| ids.len()).sum();
        assert_eq!(ids("??").len(), two);
        assert!(!ids("s3").is_empty() && ids("nosuch").is_empty() && ids("").is_empty());
    }

    /// 5.2.2.
    #[test]
    fn not_action_is_the_rest() {
        let e = Expander::default();
        let s3 = catalogue().service("s3").unwrap().len();
        let rest = e.list(&["s3:*".into()], true);
        assert_eq!(rest.count_ones(..), catalogue().len() - s3);
        assert_eq!(e.list(&["nosuch:*".into()], true).count_ones(..), catalogue().len());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn expansion_agrees_with_a_scan(service in "(s3|iam|s\\*|\\*|ec\\?)", action in "[GgPe*?]{0,3}[a-z*?]{0,4}\\*?") {
            let pattern = format!("{service}:{action}");
            let c = catalogue();
            let fast = c.expand(&pattern);
            for id in 0..c.len() {
                let (s, a) = c.name(id).split_once(':').unwrap();
                let slow = glob::matches_ignore_case(&service, s) && glob::matches_ignore_case(&action, a);
                proptest::prop_assert_eq!(fast.contains(id), slow);
            }
        }
    }
}
