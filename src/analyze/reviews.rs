//! Access reviews against IAM state: when each entitlement was last reviewed, and whether it is still
//! bound after a decision to take it away (compliance, STD-010; NIST 800-53 AC-6(7)).

use std::collections::HashMap;

use super::index::Index;
use super::{scope, state};
use crate::facts::{Holding, Layer, Review, Text};

/// Fills the review columns of the holdings. Nothing is said without a source of reviews.
pub fn on_holdings(ix: &Index<'_>, holdings: &mut [Holding]) {
    if !ix.has_layer(Layer::Review) {
        return;
    }
    let mut of: HashMap<&str, Vec<&Review>> = HashMap::new();
    for r in &ix.facts.reviews {
        // What is decided after the as-of time is not known yet.
        if r.at.is_none_or(|t| t <= ix.as_of) {
            of.entry(r.principal_id.as_ref().unwrap_or(&r.principal)).or_default().push(r);
        }
    }
    let mut groups: HashMap<&str, Vec<&str>> = HashMap::new();
    for m in &ix.facts.memberships {
        groups.entry(&m.principal_id).or_default().push(&m.group_id);
    }
    let snapshots = state::snapshots(ix);
    for h in holdings {
        let own = of.get(&*h.principal_id).into_iter().flatten();
        let through = groups.get(&*h.principal_id).into_iter().flatten();
        let through = through.filter(|g| reaches(h, g)).filter_map(|g| of.get(*g)).flatten();
        let about: Vec<&Review> = own.chain(through).copied().filter(|r| concerns(r, h)).collect();
        h.reviewed = Some(!about.is_empty());
        // A review without a time may be the last one, or not: then nothing is known of the last.
        if about.iter().any(|r| r.at.is_none()) {
            continue;
        }
        let last = about.into_iter().max_by_key(|r| (r.at, strictness(&r.decision)));
        let Some((last, at)) = last.and_then(|r| Some((r, r.at?))) else { continue };
        h.reviewed_at = Some(at);
        h.review_decision = Some(last.decision.clone());
        h.review_age_days = Some(ix.as_of.days_since(at));
        let seen = ix.principal(&h.principal_id).and_then(|p| snapshots.get(&p.source_id));
        h.kept_after_review_days = seen.filter(|s| s.at > at).map(|s| s.at.days_since(at));
    }
}

/// Whether the holding reaches its principal through this group, by the group's name.
fn reaches(h: &Holding, group: &str) -> bool {
    let name = group.rsplit('/').next().unwrap_or(group);
    h.via.iter().any(|v| v.strip_prefix("group:") == Some(name))
}

/// A review of the same privilege, by name or id, on the same scope or one around it.
fn concerns(r: &Review, h: &Holding) -> bool {
    if *r.privilege != *h.privilege && *r.privilege != *h.role_id {
        return false;
    }
    let Some(reviewed) = r.scope.as_deref() else { return true };
    let reviewed = scope::canonical(Some(&h.platform), reviewed);
    let held = scope::canonical(Some(&h.platform), &h.scope);
    scope::contains(&reviewed, &held)
}

/// Order of decisions, the strictest last.
fn strictness(decision: &Text) -> u8 {
    match &**decision {
        "remove" => 3,
        "move_to_jit" => 2,
        "narrow" => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::index::NoTiers;
    use crate::facts::identity::Resolution;
    use crate::facts::{Facts, Membership, Principal, Source, Time, text};
    use crate::settings::Settings;

    const ANN: &str = "arn:aws:iam::111122223333:user/ann";
    const ADMINS: &str = "arn:aws:iam::111122223333:group/ops/admins";

    fn day(d: i64) -> Time {
        Time::from_secs(d * 86_400)
    }

    fn review(who: &str, what: &str, decision: &str, at: Option<i64>) -> Review {
        Review {
            principal: text(who),
            principal_id: Some(text(who)),
            privilege: text(what),
            decision: text(decision),
            at: at.map(day),
            ..Review::default()
        }
    }

    fn holding(privilege: &str, via: &str) -> Holding {
        Holding {
            principal_id: text(ANN),
            platform: text("aws"),
            privilege: text(privilege),
            role_id: text(format!("arn:aws:iam::aws:policy/{privilege}")),
            scope: text("aws:111122223333"),
            via: vec![text(via)],
            ..Holding::default()
        }
    }

    fn judged(reviews: Vec<Review>, source: bool) -> Vec<Holding> {
        let state = Source {
            source_id: text("S1"),
            layer: Layer::State,
            collected_at: Some(day(100)),
            ..Source::default()
        };
        let of_reviews =
            Source { source_id: text("S2"), layer: Layer::Review, ..Source::default() };
        let facts = Facts {
            sources: if source { vec![state, of_reviews] } else { vec![state] },
            principals: vec![Principal {
                principal_id: text(ANN),
                source_id: text("S1"),
                inventoried: true,
                ..Principal::default()
            }],
            memberships: vec![Membership {
                principal_id: text(ANN),
                group_id: text(ADMINS),
                ..Membership::default()
            }],
            reviews,
            ..Facts::default()
        };
        let (settings, resolution) = (Settings::defaults(), Resolution::default());
        let ix = Index::new(&facts, &settings, &resolution, day(110), &NoTiers);
        let mut out = vec![holding("Direct", "attached"), holding("ByGroup", "group:admins")];
        on_holdings(&ix, &mut out);
        out
    }

    type Seen<'a> = (Option<bool>, Option<&'a str>, Option<i64>, Option<i64>);

    fn seen(h: &Holding) -> Seen<'_> {
        let decision = h.review_decision.as_deref();
        (h.reviewed, decision, h.review_age_days, h.kept_after_review_days)
    }

    #[test]
    fn the_last_review_counts_and_the_strictest_of_one_time() {
        let got = judged(
            vec![
                review(ANN, "Direct", "remove", Some(10)),
                review(ANN, "Direct", "keep", Some(60)),
                review(ANN, "arn:aws:iam::aws:policy/Direct", "move_to_jit", Some(60)),
                review(ANN, "Direct", "remove", Some(120)),
                review(ADMINS, "ByGroup", "keep", Some(90)),
            ],
            true,
        );
        assert_eq!(seen(&got[0]), (Some(true), Some("move_to_jit"), Some(50), Some(40)));
        assert_eq!(seen(&got[1]), (Some(true), Some("keep"), Some(20), Some(10)));
    }

    /// A review of somebody else, of another scope, after the snapshot, without time, and no source.
    #[test]
    fn what_is_not_known_stays_so() {
        let elsewhere =
            Review { scope: Some(text("999988887777")), ..review(ANN, "Direct", "keep", Some(60)) };
        let got = judged(vec![elsewhere, review("bob", "ByGroup", "keep", Some(60))], true);
        assert_eq!(seen(&got[0]), (Some(false), None, None, None));
        assert_eq!(seen(&got[1]), (Some(false), None, None, None));
        let got = judged(
            vec![review(ANN, "Direct", "remove", Some(105)), review(ANN, "ByGroup", "keep", None)],
            true,
        );
        assert_eq!(seen(&got[0]), (Some(true), Some("remove"), Some(5), None));
        assert_eq!(seen(&got[1]), (Some(true), None, None, None));
        let got = judged(vec![review(ANN, "Direct", "remove", Some(50))], false);
        assert_eq!(seen(&got[0]), (None, None, None, None));
    }
}
