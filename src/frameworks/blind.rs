//! Blind spots: what no input of ours shows. They are printed in every report, so that a gap in the
//! method never reads as a result.

use crate::report::view::NotAssessed;

/// Controls about which no input says anything.
const NO_INPUT: &[(&str, &[&str], &str)] = &[
    ("owasp-nhi-2025", &["NHI2:2025"], "where secrets leak to is not in any input"),
    (
        "owasp-asi-2026",
        &["ASI01", "ASI05", "ASI06"],
        "goals, memory and code execution of agents are not in any input",
    ),
    ("csa-maestro-2025", &["L1"], "foundation models are not in any input"),
];

/// Controls of which the inputs show single aspects only.
const ASPECTS: &[(&str, &[&str])] = &[
    (
        "owasp-nhi-2025",
        &["NHI3:2025", "NHI4:2025", "NHI6:2025", "NHI8:2025", "NHI9:2025", "NHI10:2025"],
    ),
    ("owasp-asi-2026", &["ASI02", "ASI04", "ASI07", "ASI08", "ASI09", "ASI10"]),
    ("csa-maestro-2025", &["L2", "L3", "L7"]),
];

/// Why a control cannot be assessed at all; `None` when it can be, at least in part.
#[must_use]
pub fn no_input(framework: &str, control: &str) -> Option<&'static str> {
    NO_INPUT
        .iter()
        .find(|(f, ids, _)| *f == framework && ids.contains(&control))
        .map(|(_, _, why)| *why)
}

/// Whether the control is listed although no rule may map it.
#[must_use]
pub fn listed(framework: &str, control: &str) -> bool {
    no_input(framework, control).is_some()
        || ASPECTS.iter().any(|(f, ids)| *f == framework && ids.contains(&control))
}

/// The blind spots as the report prints them.
#[must_use]
pub fn blind_spots() -> Vec<NotAssessed> {
    let mut out = Vec::new();
    for (framework, ids, why) in NO_INPUT {
        for id in *ids {
            out.push(spot(title(framework, id), format!("not assessed: {why}")));
        }
    }
    for (framework, ids) in ASPECTS {
        out.push(spot(
            format!("{}: {}", name(framework), ids.join(", ")),
            "assessed in single aspects only: the inputs show privileges, grants, tasks and use"
                .to_owned(),
        ));
    }
    for (what, why) in WORDING {
        out.push(spot((*what).to_owned(), (*why).to_owned()));
    }
    out
}

/// Limits of what a conclusion may say.
const WORDING: &[(&str, &str)] = &[
    (
        "NIST SP 800-53 and NIST CSF 2.0",
        "controls such as AC-6 and PR.AA-05 concern the whole organisation: exceptions can be noted, or none in the assessed aspects; no control is declared satisfied",
    ),
    (
        "NIST SP 800-207",
        "it has tenets, not controls: evidence is consistent or not consistent with a tenet",
    ),
    ("NIST AI RMF 1.0", "its subcategories are outcomes: findings are indicators of them"),
];

fn spot(what: String, why: String) -> NotAssessed {
    NotAssessed { kind: "blind_spot".to_owned(), what, why, remedy: None, items: 0 }
}

fn name(framework: &str) -> &str {
    super::catalogue(framework).map_or(framework, |c| c.name.as_str())
}

fn title(framework: &str, id: &str) -> String {
    let heading = super::catalogue(framework).and_then(|c| c.control(id)).map(|c| c.heading());
    format!("{}: {id} {}", name(framework), heading.unwrap_or_default()).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frameworks::catalogue;

    #[test]
    fn every_blind_spot_resolves() {
        for (framework, ids) in
            NO_INPUT.iter().map(|(f, i, _)| (f, i)).chain(ASPECTS.iter().map(|(f, i)| (f, i)))
        {
            for id in *ids {
                assert!(catalogue(framework).unwrap().control(id).is_some(), "{framework} {id}");
                assert!(listed(framework, id));
            }
        }
        assert!(no_input("owasp-nhi-2025", "NHI2:2025").is_some());
        assert!(no_input("owasp-nhi-2025", "NHI5:2025").is_none());
        assert!(!listed("owasp-nhi-2025", "NHI5:2025"));
    }

    #[test]
    fn the_report_names_each_control_without_input() {
        let spots = blind_spots();
        for id in ["NHI2:2025", "ASI01", "ASI05", "ASI06", "L1"] {
            assert!(spots.iter().any(|s| s.what.contains(id) && s.why.starts_with("not assessed")));
        }
        assert!(spots.iter().all(|s| s.kind == "blind_spot" && !s.why.is_empty()));
    }
}
