//! Several exports of one account: the latest says what is bound now, and the ones before are history.
//!
//! An export does not state when it was made. Where the settings state it of all exports of an account, or
//! their names carry a date (`2026-06-01.json`), these instants order them; else the newest date inside each does, which is the
//! earliest instant at which it can have been made. Where neither tells two apart they are both read, and
//! what they say differently of one policy is unknown (AWS semantics, 5.1.1 and 5.1.2).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::value::RawValue;

use super::account_of;
use super::authorization_details::AuthorizationDetails;
use crate::facts::time::parse_rfc3339;
use crate::facts::{
    BindingKind, Completeness, Facts, Quarantined, Role, RoleKind, Source, Text, Time, text,
};
use crate::ingest::fold::count_conflicts;
use crate::ingest::source::Adapter;

/// Limitation text of an export that a later one replaces.
pub const SUPERSEDED: &str =
    "a later export of the same account is given; bindings are read from that one";

/// Limitation text of exports of one account that differ and cannot be told apart in time.
pub const UNORDERED: &str = "another export of the same account is given, and nothing says which of the two \
     is the later; bindings are read from both, and a policy that differs is unknown";

/// Earliest instant at which an export can have been made, as far as it says itself.
fn inside(s: &Source) -> Option<Time> {
    s.collected_at.or(s.window_end).or(s.last_time)
}

/// The day in the name of a file, or of the folder around it: `2026-06-01` or `20260601`.
fn named_day(file: &str) -> Option<Time> {
    file.rsplit('/').find_map(|segment| {
        let digits: Vec<(usize, char)> =
            segment.char_indices().filter(|(_, c)| c.is_ascii_digit()).collect();
        digits.windows(8).find_map(|w| {
            let (first, last) = (w.first()?.0, w.last()?.0);
            let written = segment.get(first..=last)?;
            let part = |at: usize, n: usize| -> String {
                w.iter().skip(at).take(n).map(|(_, c)| *c).collect()
            };
            let day = format!("{}-{}-{}", part(0, 4), part(4, 2), part(6, 2));
            let plain = written.len() == 8 || written == day;
            // Digits around it make it a part of another number, such as an account.
            let alone = !segment.get(..first)?.ends_with(|c: char| c.is_ascii_digit())
                && !segment.get(last + 1..)?.starts_with(|c: char| c.is_ascii_digit());
            let century = written.starts_with("19") || written.starts_with("20");
            (plain && alone && century).then(|| parse_rfc3339(&format!("{day}T00:00:00Z")))?
        })
    })
}

/// What orders the exports of one account.
#[derive(Clone, Copy, Debug)]
struct Made {
    /// Earliest instant at which it can have been made.
    inside: Time,
    /// Instant that the settings or the name of the file state.
    named: Option<Time>,
    /// No page is missing.
    whole: bool,
}

impl Made {
    fn of(s: &Source) -> Option<Self> {
        let inside = inside(s)?;
        // A name older than the content (a day of leeway for time zones) dates something else.
        let named = named_day(&s.file).filter(|day| inside <= day.plus_secs(2 * 86_400));
        let named = s.collected_at.or(s.window_end).or(named);
        Some(Self { inside, named, whole: s.completeness == Completeness::Complete })
    }
}

/// `user`, `group` or `role`: exports may be limited to one of them.
fn kind(id: &str) -> &str {
    id.splitn(6, ':').nth(5).and_then(|r| r.split('/').next()).unwrap_or_default()
}

/// Exports that speak of one kind of principal of one account: source, account and kind.
type Part = (Text, Text, Text);

fn part(source: &Text, id: &str) -> Part {
    (source.clone(), text(account_of(id).unwrap_or_default()), text(kind(id)))
}

/// Takes out of the facts what older exports say of users, groups or roles that a later whole export
/// of the account lists too. What the later one lacks was removed: it stays as a principal that is
/// gone. Two exports of the same principals are two snapshots; pages of one never share a principal.
/// What exports of one time say differently is unknown.
pub fn supersede(facts: &mut Facts) {
    let made: BTreeMap<Text, Made> = facts
        .sources
        .iter()
        .filter(|s| &*s.format == AuthorizationDetails.format())
        .filter_map(|s| Some((s.source_id.clone(), Made::of(s)?)))
        .collect();
    let mut listed: BTreeMap<&Text, BTreeSet<&Text>> = BTreeMap::new();
    for p in facts.principals.iter().filter(|p| made.contains_key(&p.source_id)) {
        listed.entry(&p.principal_id).or_default().insert(&p.source_id);
    }
    // What a later source replaces; and principals of which no source is the last.
    let mut over: BTreeMap<Part, Replaced> = BTreeMap::new();
    let mut open: BTreeSet<Text> = BTreeSet::new();
    for (id, sources) in listed.iter().filter(|(_, sources)| sources.len() > 1) {
        let of: Vec<(&Text, Made)> =
            sources.iter().filter_map(|s| Some((*s, *made.get(*s)?))).collect();
        let (last, at) = latest(&of);
        if last.len() > 1 {
            open.insert((*id).clone());
        }
        let whole = of.iter().any(|(s, m)| m.whole && last.contains(s));
        let dated = of.iter().all(|(_, m)| m.named.is_some());
        for (s, m) in of.iter().filter(|(s, _)| whole && !last.contains(s)) {
            let shown = m.named.filter(|_| dated);
            over.insert(part(s, id), Replaced { at, shown });
        }
    }
    if !over.is_empty() {
        replace(facts, &over);
    }
    let mut unordered = differing_bindings(facts, &made, &open);
    unordered.extend(reconcile(facts, &made));
    for s in facts.sources.iter_mut().filter(|s| unordered.contains(&s.source_id)) {
        s.limitation.get_or_insert_with(|| text(UNORDERED));
    }
}

/// What a later export says of a part of another.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    /// Instant of the later one.
    at: Time,
    /// Instant of the older one, where both are stated: only then it is known when something was still bound
    /// and when no more.
    shown: Option<Time>,
}

/// The sources that none of the others is later than, and their instant.
fn latest<'s>(of: &[(&'s Text, Made)]) -> (Vec<&'s Text>, Time) {
    let all_named = of.iter().all(|(_, m)| m.named.is_some());
    let at = |m: &Made| (m.named.filter(|_| all_named), m.inside);
    let now = of.iter().map(|(_, m)| at(m)).max().unwrap_or((None, Time::from_micros(0)));
    let last = of.iter().filter(|(_, m)| at(m) == now).map(|(s, _)| *s).collect();
    (last, now.0.unwrap_or(now.1))
}

/// Sources that bind these principals, which they share, to different policies.
fn differing_bindings(
    facts: &Facts,
    made: &BTreeMap<Text, Made>,
    of: &BTreeSet<Text>,
) -> BTreeSet<Text> {
    let mut bound: BTreeMap<&Text, BTreeMap<&Text, BTreeSet<&Text>>> = BTreeMap::new();
    for p in facts.principals.iter().filter(|p| of.contains(&p.principal_id)) {
        if made.contains_key(&p.source_id) {
            bound.entry(&p.principal_id).or_default().entry(&p.source_id).or_default();
        }
    }
    for e in &facts.entitlements {
        let sources = bound.get_mut(&e.principal_id);
        if let Some(list) = sources.and_then(|s| s.get_mut(&e.source_id)) {
            list.insert(&e.role_id);
        }
    }
    let mut out = BTreeSet::new();
    for sources in bound.values() {
        let mut lists = sources.values();
        let first = lists.next();
        if lists.any(|list| Some(list) != first) {
            out.extend(sources.keys().map(|s| (*s).clone()));
        }
    }
    out
}

/// Takes out what later sources replace. Bindings that the later one lacks stay as history, where the instants
/// of both are stated: they ended between the two (grants model, 4.7).
fn replace(facts: &mut Facts, over: &BTreeMap<Part, Replaced>) {
    let now: BTreeSet<Text> = facts
        .principals
        .iter()
        .filter(|p| !over.contains_key(&part(&p.source_id, &p.principal_id)))
        .map(|p| p.principal_id.clone())
        .collect();
    facts.principals.retain_mut(|p| match over.get(&part(&p.source_id, &p.principal_id)) {
        None => true,
        Some(_) if now.contains(&p.principal_id) => false,
        Some(later) => {
            p.inventoried = false;
            p.deleted_at = p.deleted_at.or(Some(later.at));
            true
        }
    });
    let sight = sights(facts, over);
    let current = |source: &Text, id: &Text| !over.contains_key(&part(source, id));
    facts.entitlements.retain_mut(|e| {
        let seen = sight.get(&e.entitlement_id);
        let Some(later) = over.get(&part(&e.source_id, &e.principal_id)) else {
            e.first_seen = e.first_seen.or(seen.map(|s| s.first));
            return true;
        };
        let Some(seen) = seen.filter(|s| s.gone && later.shown == Some(s.last)) else {
            return false;
        };
        (e.first_seen, e.last_seen) = (Some(seen.first), Some(seen.last));
        (e.unbound_at_lo, e.unbound_at_hi) = (Some(seen.last), Some(later.at));
        true
    });
    facts.trusts.retain(|t| current(&t.source_id, &t.principal_id));
    facts.memberships.retain(|m| current(&m.source_id, &m.principal_id));
    let old: BTreeSet<&Text> = over.keys().map(|(s, ..)| s).collect();
    for s in facts.sources.iter_mut().filter(|s| old.contains(&s.source_id)) {
        s.limitation.get_or_insert_with(|| text(SUPERSEDED));
    }
}

/// When older exports showed a binding.
#[derive(Clone, Copy, Debug)]
struct Sight {
    first: Time,
    last: Time,
    /// No export of now shows it.
    gone: bool,
}

/// Sights of the bindings in replaced exports whose instants are stated, by id. Of boundaries only the present
/// one counts.
fn sights(facts: &Facts, over: &BTreeMap<Part, Replaced>) -> BTreeMap<Text, Sight> {
    let mut out: BTreeMap<Text, Sight> = BTreeMap::new();
    let mut now: BTreeSet<&Text> = BTreeSet::new();
    for e in facts.entitlements.iter().filter(|e| e.binding_kind == BindingKind::Active) {
        let Some(later) = over.get(&part(&e.source_id, &e.principal_id)) else {
            now.insert(&e.entitlement_id);
            continue;
        };
        let Some(at) = later.shown else { continue };
        let sight = Sight { first: at, last: at, gone: true };
        let slot = out.entry(e.entitlement_id.clone()).or_insert(sight);
        (slot.first, slot.last) = (slot.first.min(at), slot.last.max(at));
    }
    for (id, sight) in &mut out {
        sight.gone = !now.contains(id);
    }
    out
}

/// Where exports give a policy different documents, that of the latest counts. Where none is the latest
/// (or one export has it twice) all their statements are kept, each in doubt. The sources of these.
fn reconcile(facts: &mut Facts, made: &BTreeMap<Text, Made>) -> BTreeSet<Text> {
    let mut first: HashMap<&Text, usize> = HashMap::new();
    let mut more: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (i, r) in facts.roles.iter().enumerate() {
        let mine = matches!(r.kind, RoleKind::InlinePolicy | RoleKind::ManagedPolicy)
            && r.document.is_some()
            && made.contains_key(&r.source_id);
        if !mine {
            continue;
        }
        let known = *first.entry(&r.role_id).or_insert(i);
        if known != i {
            more.entry(known).or_default().push(i);
        }
    }
    let mut out = BTreeSet::new();
    let (mut conflicts, mut gone) = (Vec::new(), BTreeSet::new());
    for (known, others) in more {
        let rows: Vec<(usize, &Role)> = std::iter::once(known)
            .chain(others)
            .filter_map(|i| Some((i, facts.roles.get(i)?)))
            .collect();
        if rows.windows(2).all(|w| matches!(w, [(_, a), (_, b)] if a.document == b.document)) {
            continue;
        }
        let of: Vec<(&Text, Made)> = rows
            .iter()
            .filter_map(|(_, r)| Some((&r.source_id, *made.get(&r.source_id)?)))
            .collect();
        let (last, _) = latest(&of);
        let (kept, old): (Vec<_>, Vec<_>) =
            rows.iter().partition(|(_, r)| last.contains(&&r.source_id));
        gone.extend(old.iter().map(|(i, _)| *i));
        let texts: BTreeSet<&str> =
            kept.iter().filter_map(|(_, r)| r.document.as_deref()).collect();
        if texts.len() < 2 {
            continue;
        }
        let document = text(in_doubt(texts.into_iter()));
        let why = text("one time, different documents of one policy; which holds is unknown");
        conflicts.extend(kept.iter().skip(1).map(|(_, r)| Quarantined {
            source_id: r.source_id.clone(),
            source_ref: r.source_ref.clone(),
            reason: why.clone(),
        }));
        out.extend(kept.iter().map(|(_, r)| r.source_id.clone()));
        let places: Vec<usize> = kept.iter().map(|(i, _)| *i).collect();
        for i in places {
            if let Some(r) = facts.roles.get_mut(i) {
                r.document = Some(document.clone());
                r.malformed = Some(why.clone());
            }
        }
    }
    let mut place = 0;
    facts.roles.retain(|_| {
        place += 1;
        !gone.contains(&(place - 1))
    });
    count_conflicts(facts, conflicts);
    out
}

/// The statements of several documents, each with an element that no statement has, which puts what it
/// says in doubt (5.1.1).
fn in_doubt<'a>(documents: impl Iterator<Item = &'a str>) -> String {
    let mut out: BTreeSet<String> = BTreeSet::new();
    for document in documents {
        let read: Option<BTreeMap<String, &RawValue>> = serde_json::from_str(document).ok();
        let statement = read.as_ref().and_then(|keys| keys.get("Statement"));
        let list: Vec<&RawValue> = match statement {
            None => Vec::new(),
            Some(raw) => serde_json::from_str(raw.get()).unwrap_or_else(|_| vec![*raw]),
        };
        if list.is_empty() {
            // What cannot be seen may be anything.
            out.insert("null".to_owned());
        }
        out.extend(list.iter().map(|raw| match raw.get().strip_prefix('{') {
            Some("}") | None => "null".to_owned(),
            Some(rest) => format!("{{\"InOneOfSeveralExports\":true,{rest}"),
        }));
    }
    let list: Vec<String> = out.into_iter().collect();
    format!(r#"{{"Version":"2012-10-17","Statement":[{}]}}"#, list.join(","))
}

#[cfg(test)]
mod tests {
    use crate::facts::Facts;
    use crate::ingest::ingest;
    use crate::settings::Settings;

    fn user(name: &str, policies: &[&str], day: &str) -> String {
        let attached: Vec<String> = policies
            .iter()
            .map(|p| format!(r#"{{"PolicyName":"{p}","PolicyArn":"arn:aws:iam::1:policy/{p}"}}"#))
            .collect();
        format!(
            r#"{{"UserName":"{name}","Arn":"arn:aws:iam::1:user/{name}","CreateDate":"{day}","AttachedManagedPolicies":[{}]}}"#,
            attached.join(",")
        )
    }

    fn export(users: &[String], truncated: bool) -> String {
        let role = r#"{"RoleName":"r","Arn":"arn:aws:iam::1:role/r","AttachedManagedPolicies":[{"PolicyName":"R","PolicyArn":"arn:aws:iam::1:policy/R"}]}"#;
        let roles = if users.len() > 1 { role } else { "" };
        format!(
            r#"{{"UserDetailList":[{}],"RoleDetailList":[{roles}],"IsTruncated":{truncated}}}"#,
            users.join(",")
        )
    }

    fn read(old: &str, new: &str) -> Facts {
        let dir = tempfile::tempdir().unwrap();
        // The later export sorts first: the order of files must not matter.
        std::fs::create_dir(dir.path().join("a")).unwrap();
        std::fs::write(dir.path().join("a/now.json"), new).unwrap();
        std::fs::write(dir.path().join("then.json"), old).unwrap();
        ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap().facts
    }

    #[test]
    fn the_latest_export_says_what_is_bound() {
        let (then, now) = ("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z");
        let old = export(&[user("ann", &["A", "B"], then), user("bob", &["A"], then)], false);
        let new = export(&[user("ann", &["A"], now)], false);
        let f = read(&old, &new);
        let mut bound: Vec<_> =
            f.entitlements.iter().map(|e| (&*e.principal_id, &*e.privilege)).collect();
        bound.sort_unstable();
        // The later export lists no roles, so the role of the earlier one still stands.
        assert_eq!(bound, [("arn:aws:iam::1:role/r", "R"), ("arn:aws:iam::1:user/ann", "A")]);
        let bob = f.principals.iter().find(|p| p.principal_id.ends_with("/bob")).unwrap();
        assert!(!bob.inventoried && bob.deleted_at.is_some());
        let limits: Vec<_> = f.sources.iter().map(|s| s.limitation.as_deref()).collect();
        assert_eq!(limits, [None, Some(super::SUPERSEDED)]);
        // A later export that is not whole proves no removal.
        let f = read(&old, &export(&[user("ann", &["A"], now)], true));
        assert!(f.entitlements.iter().any(|e| &*e.privilege == "B"));
    }

    fn read_all(files: &[(&str, String)]) -> Facts {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            std::fs::write(dir.path().join(name), content).unwrap();
        }
        ingest(&[dir.path().to_path_buf()], &Settings::defaults()).unwrap().facts
    }

    /// An export of one account says nothing of another.
    #[test]
    fn a_later_export_replaces_its_own_account_only() {
        let other =
            user("eve", &["A"], "2026-01-01T00:00:00Z").replace("iam::1:user", "iam::2:user");
        let old = export(&[user("ann", &["A"], "2026-01-01T00:00:00Z"), other], false);
        let new = export(&[user("ann", &["B"], "2026-02-01T00:00:00Z")], false);
        let f = read_all(&[("a.json", old), ("b.json", new)]);
        let eve = f.principals.iter().find(|p| p.principal_id.ends_with("/eve")).unwrap();
        assert!(eve.inventoried && eve.deleted_at.is_none());
        let of = |name: &str| -> Vec<String> {
            let held = f.entitlements.iter().filter(|e| e.principal_id.ends_with(name));
            held.map(|e| e.privilege.to_string()).collect()
        };
        assert_eq!((of("/eve"), of("/ann")), (vec!["A".to_owned()], vec!["B".to_owned()]));
    }

    /// What dated exports show no more ended between the last that shows it and the latest.
    #[test]
    fn dated_exports_are_a_history() {
        let of =
            |policies: &[&str]| export(&[user("ann", policies, "2026-01-01T00:00:00Z")], false);
        let files = [
            ("2026-05-01.json", of(&["A", "B", "C"])),
            ("2026-05-15.json", of(&["A", "B"])),
            ("2026-06-01.json", of(&["A"])),
        ];
        let day = |d: &str| crate::facts::time::parse_rfc3339(&format!("2026-{d}T00:00:00Z"));
        let f = read_all(&files);
        let mut told: Vec<_> = f
            .entitlements
            .iter()
            .map(|e| (&*e.privilege, e.first_seen, e.unbound_at_lo, e.unbound_at_hi))
            .collect();
        told.sort_unstable();
        let (may, mid, june) = (day("05-01"), day("05-15"), day("06-01"));
        assert_eq!(told, [("A", may, None, None), ("B", may, mid, june), ("C", may, may, june)]);
        // Without dates the order may be known, when it ended is not.
        let f = read(&files[0].1.replace("2026-01-01", "2025-01-01"), &files[2].1);
        assert!(f.entitlements.iter().all(|e| &*e.privilege == "A" && e.unbound_at_hi.is_none()));
    }

    /// Names that carry a date order the exports; the newest date inside is only a lower bound.
    #[test]
    fn dated_names_order_exports() {
        let old = export(
            &[
                user("ann", &["A"], "2026-01-01T00:00:00Z"),
                user("tmp", &[], "2026-05-30T00:00:00Z"),
            ],
            false,
        );
        let new = export(&[user("ann", &["B"], "2026-01-01T00:00:00Z")], false);
        let bound = |files: &[(&str, String)]| -> Vec<String> {
            let f = read_all(files);
            let held = f.entitlements.iter().filter(|e| e.principal_id.ends_with("/ann"));
            let held = held.filter(|e| e.unbound_at_hi.is_none());
            held.map(|e| e.privilege.to_string()).collect()
        };
        let dated = [("2026-05-31.json", old.clone()), ("2026-06-01.json", new.clone())];
        assert_eq!(bound(&dated), ["B"]);
        // A name older than what the export shows dates something else.
        let dated = [("iam-20240531.json", old.clone()), ("iam-20240601.json", new.clone())];
        assert_eq!(bound(&dated), ["A"]);
        // One undated name leaves only what is inside.
        assert_eq!(bound(&[("2026-05-31.json", old), ("now.json", new)]), ["A"]);
        for (name, day) in [
            ("x/2026-06-01.json", Some("2026-06-01")),
            ("2026-06-01/x.json", Some("2026-06-01")),
            ("gaad_20260601T0102.json", Some("2026-06-01")),
            ("111122223333_iam.json", None),
            ("202606011.json", None),
            ("2026-6-01.json", None),
            ("2026-13-01.json", None),
            ("\u{e9}2026\u{e9}06\u{e9}01.json", None),
        ] {
            assert_eq!(super::named_day(name).map(|t| t.to_date()).as_deref(), day, "{name}");
        }
    }

    /// Two exports that nothing orders: what they say differently of a policy is unknown, whichever file
    /// comes first, and that is reported.
    #[test]
    fn exports_of_one_time_leave_a_difference_open() {
        let with = |action: &str| {
            format!(
                r#"{{"UserDetailList":[{{"UserName":"x","Arn":"arn:aws:iam::1:user/x","CreateDate":"2026-01-01T00:00:00Z","UserPolicyList":[{{"PolicyName":"p","PolicyDocument":{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"{action}","Resource":"*"}}]}}}}]}}],"IsTruncated":false}}"#
            )
        };
        let both = |a: &str, b: &str| read_all(&[("a.json", with(a)), ("b.json", with(b))]);
        let f = both("*", "s3:*");
        let documents: Vec<_> = f.roles.iter().map(|r| r.document.as_deref().unwrap()).collect();
        assert!(documents.iter().all(|d| *d == documents[0]), "{documents:?}");
        let read = crate::privilege::aws::document::Document::parse(documents[0]);
        assert!(read.malformed.is_some() && read.statements.iter().all(|s| s.doubtful));
        assert_eq!(read.statements.len(), 2);
        assert!(f.sources.iter().all(|s| s.limitation.as_deref() == Some(super::UNORDERED)));
        assert_eq!(f.sources.iter().map(|s| s.conflicting_duplicates).sum::<i64>(), 1);
        assert_eq!(both("s3:*", "*").roles[0].document, f.roles[0].document);
        let same = both("s3:*", "s3:*");
        assert!(same.roles.iter().all(|r| r.malformed.is_none()));
        assert!(same.sources.iter().all(|s| s.limitation.is_none()));
        // The same user twice in one export.
        let one = with("*");
        let (head, tail) = (one.trim_end_matches(r#"],"IsTruncated":false}"#), with("s3:*"));
        let second = tail.trim_start_matches(r#"{"UserDetailList":["#);
        let f = read_all(&[("a.json", format!("{head},{second}"))]);
        assert_eq!(f.roles.len(), 2);
        assert!(f.roles.iter().all(|r| r.malformed.is_some()));
    }
}
