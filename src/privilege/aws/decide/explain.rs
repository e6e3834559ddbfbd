//! A decision with what it rests on: the statements that decide, the conditions that stay open, the
//! layers that allow nothing, and those that the inputs lack.

use super::program::{Line, Padding};
use super::{
    Attached, Caller, CallerKind, Layers, Request, ResourcePolicy, Verdict, Weighed, party,
    rcp_exempt, scp_exempt, special, weigh,
};
use crate::privilege::aws::document::Effect;
use crate::privilege::aws::tri::Tri;

/// Layer of a statement.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Own policies and those of groups.
    Identity,
    /// Permission boundary.
    Boundary,
    /// Session policy.
    Session,
    /// Service control policies of this node.
    Scp(String),
    /// Resource control policies of this node.
    Rcp(String),
    /// Resource policy or trust policy.
    Resource,
    /// Network endpoint.
    Endpoint,
}

impl std::fmt::Display for Layer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Identity => f.write_str("identity"),
            Self::Boundary => f.write_str("boundary"),
            Self::Session => f.write_str("session"),
            Self::Scp(node) => write!(f, "service control policies of {node}"),
            Self::Rcp(node) => write!(f, "resource control policies of {node}"),
            Self::Resource => f.write_str("resource"),
            Self::Endpoint => f.write_str("endpoint"),
        }
    }
}

/// A statement that decides, or would.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deciding {
    /// Layer.
    pub layer: Layer,
    /// Policy ARN or other identifier.
    pub policy: String,
    /// Version in force, when known.
    pub version: Option<String>,
    /// Place in the document, from 0.
    pub index: usize,
    /// Sid.
    pub sid: Option<String>,
    /// Deny, or Allow.
    pub deny: bool,
    /// Applies for certain; else it depends on what is open.
    pub certain: bool,
    /// Condition as compact JSON; empty when there is none.
    pub condition: String,
}

/// What stays open.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Open {
    /// Layer.
    pub layer: Layer,
    /// Policy.
    pub policy: String,
    /// Statement; `None` for a whole policy or level.
    pub index: Option<usize>,
    /// Lower-case context keys that would decide, sorted.
    pub keys: Vec<String>,
    /// What is not known, in words.
    pub why: String,
}

/// A decision with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// Verdict; always that of [`super::decide`].
    pub verdict: Verdict,
    /// Statements that decide, by layer and place.
    pub statements: Vec<Deciding>,
    /// What stays open; empty unless the verdict is conditional.
    pub open: Vec<Open>,
    /// Why nothing allows it, for a verdict without Deny statement.
    pub lacking: Vec<String>,
    /// Layers that the inputs do not have.
    pub not_supplied: Vec<&'static str>,
    /// A rule of the platform that no policy changes.
    pub fixed: Option<&'static str>,
}

/// Decides a request and says why.
#[must_use]
pub fn explain(request: &Request<'_>, layers: &Layers<'_>) -> Explanation {
    let mut out = Explanation {
        verdict: Verdict::Deny,
        statements: Vec::new(),
        open: Vec::new(),
        lacking: Vec::new(),
        not_supplied: not_supplied(request, layers),
        fixed: None,
    };
    if let Some((verdict, why)) = special::fixed(request) {
        out.verdict = verdict;
        out.fixed = Some(why);
        return out;
    }
    let weighed = weigh(request, layers);
    out.verdict = weighed.verdict();
    let mut walk = Walk { request, verdict: out.verdict, out: &mut out };
    walk.layers(layers);
    match out.verdict {
        Verdict::Deny => out.lacking = lacking(request, layers, &weighed),
        Verdict::Conditional => unknown_layers(request, layers, &weighed, &mut out.open),
        Verdict::Allow | Verdict::ExplicitDeny => {}
    }
    out.statements.sort();
    out.statements.dedup();
    out.open.sort();
    out.open.dedup();
    out
}

/// Layers that the inputs lack and that could change the verdict.
fn not_supplied(request: &Request<'_>, layers: &Layers<'_>) -> Vec<&'static str> {
    let mut out = Vec::new();
    if layers.scps.is_none() && scp_exempt(&request.caller) != Tri::T {
        out.push("service control policies");
    }
    if layers.rcps.is_none() && rcp_exempt(request) != Tri::T {
        out.push("resource control policies");
    }
    if matches!(layers.resource, ResourcePolicy::NotSupplied) && request.target.arn.is_some() {
        out.push("resource policy");
    }
    out
}

struct Walk<'w> {
    request: &'w Request<'w>,
    verdict: Verdict,
    out: &'w mut Explanation,
}

impl Walk<'_> {
    fn layers(&mut self, layers: &Layers<'_>) {
        let root = self.request.caller.kind == CallerKind::Root;
        if !root {
            self.policies(&Layer::Identity, layers.identity, Padding::Always, Tri::T);
        }
        let of = std::slice::from_ref;
        if let Some(b) = &layers.boundary {
            self.policies(&Layer::Boundary, of(b), Padding::Always, Tri::T);
        }
        self.policies(&Layer::Session, layers.session.unwrap_or_default(), Padding::Always, Tri::T);
        let exempt = scp_exempt(&self.request.caller);
        for l in layers.scps.unwrap_or_default() {
            let layer = Layer::Scp(l.id.to_owned());
            self.policies(&layer, l.policies, Padding::TrailingStar, l.applies.and(!exempt));
        }
        let exempt = rcp_exempt(self.request);
        for l in layers.rcps.unwrap_or_default() {
            let layer = Layer::Rcp(l.id.to_owned());
            self.policies(&layer, l.policies, Padding::Never, l.applies.and(!exempt));
        }
        if let ResourcePolicy::Policy(p) = &layers.resource {
            self.policies(&Layer::Resource, of(p), Padding::AnyStar, Tri::T);
        }
        if let Some(e) = &layers.endpoint {
            self.policies(&Layer::Endpoint, of(e), Padding::Always, Tri::T);
        }
    }

    fn policies(&mut self, layer: &Layer, list: &[Attached<'_>], padding: Padding, limit: Tri) {
        if limit == Tri::F {
            return;
        }
        for policy in list {
            let Some(program) = policy.program else {
                self.open(layer, policy, None, (Vec::new(), "its document is not in the inputs"));
                continue;
            };
            for line in &program.lines {
                let r = self.request;
                let mut m = line.speaks(&r.action, &r.target, padding, r.context);
                if *layer == Layer::Resource {
                    m = m.and(party::of(line, &r.caller).any());
                }
                self.line(layer, policy, line, m.and(limit));
            }
        }
    }

    fn line(&mut self, layer: &Layer, policy: &Attached<'_>, line: &Line, m: Tri) {
        let deny = line.effect == Effect::Deny;
        let shown = match self.verdict {
            Verdict::ExplicitDeny => deny && m == Tri::T,
            Verdict::Allow => !deny && m == Tri::T,
            Verdict::Conditional => m.possible(),
            Verdict::Deny => !deny && m.possible(),
        };
        // Resource control policies only deny: what they allow is nothing that decides.
        if !shown || (!deny && matches!(layer, Layer::Rcp(_))) {
            return;
        }
        self.out.statements.push(Deciding {
            layer: layer.clone(),
            policy: policy.id.to_owned(),
            version: policy.version.map(str::to_owned),
            index: line.index,
            sid: line.sid.clone(),
            deny,
            certain: m == Tri::T,
            condition: line.condition_text.clone(),
        });
        if m == Tri::U && self.verdict == Verdict::Conditional {
            let mut keys = line.condition.undecided(self.request.context, line.variables);
            keys.extend(line.open_variables(self.request.context));
            keys.sort_unstable();
            keys.dedup();
            let why = if line.doubtful {
                "the statement cannot be read in full"
            } else if !keys.is_empty() {
                "depends on context that the inputs do not give"
            } else if line.wild_product() {
                "a wildcard stands where the type of resource belongs"
            } else if *layer == Layer::Resource {
                "whether it names the caller depends on the session"
            } else {
                "whether it applies depends on the organisation's tree or on an absent variable"
            };
            self.open(layer, policy, Some(line.index), (keys, why));
        }
    }

    fn open(
        &mut self,
        layer: &Layer,
        policy: &Attached<'_>,
        index: Option<usize>,
        (keys, why): (Vec<String>, &str),
    ) {
        if self.verdict == Verdict::Conditional {
            let (layer, policy) = (layer.clone(), policy.id.to_owned());
            self.out.open.push(Open { layer, policy, index, keys, why: why.to_owned() });
        }
    }
}

/// Layers that themselves are undecided.
fn unknown_layers(request: &Request<'_>, layers: &Layers<'_>, w: &Weighed, out: &mut Vec<Open>) {
    let mut note = |layer: Layer, policy: &str, why: &str| {
        let (policy, why) = (policy.to_owned(), why.to_owned());
        out.push(Open { layer, policy, index: None, keys: Vec::new(), why });
    };
    if matches!(layers.resource, ResourcePolicy::NotSupplied)
        && (w.needs_consent || w.same_account != Tri::T)
    {
        note(Layer::Resource, "", "the resource must agree, and its policy is not in the inputs");
    }
    if w.same_account == Tri::U && request.caller.kind.has_account() {
        note(Layer::Resource, "", "the account of the resource is not known");
    }
    let exempt = scp_exempt(&request.caller);
    for l in layers.scps.unwrap_or_default() {
        if exempt == Tri::U {
            note(Layer::Scp(l.id.to_owned()), "", "whether the account is the management account");
        } else if l.applies == Tri::U && exempt == Tri::F {
            note(Layer::Scp(l.id.to_owned()), "", "whether it lies above the account");
        }
    }
}

fn lacking(request: &Request<'_>, layers: &Layers<'_>, w: &Weighed) -> Vec<String> {
    let mut out = Vec::new();
    let Caller { kind, .. } = request.caller;
    if w.grant == Tri::F {
        if !kind.has_account() {
            out.push("the policy of the resource does not name it".to_owned());
        } else {
            if w.identity == Tri::F {
                out.push("no policy of the identity allows it".to_owned());
            }
            let consent = w.needs_consent || w.same_account == Tri::F;
            if consent && w.consent.named.any() == Tri::F {
                out.push("the policy of the resource does not allow it".to_owned());
            }
        }
        if w.boundary == Tri::F {
            out.push("the permission boundary does not allow it".to_owned());
        }
        if w.session == Tri::F {
            out.push("the session policy does not allow it".to_owned());
        }
    }
    if w.ceiling == Tri::F {
        for level in layers.scps.unwrap_or_default() {
            let s = super::all(request, level.policies, Padding::TrailingStar);
            if s.allow == Tri::F && level.applies == Tri::T {
                out.push(format!("no service control policy of {} allows it", level.id));
            }
        }
        if layers.endpoint.is_some_and(|e| super::one(request, &e, Padding::Always).allow == Tri::F)
        {
            out.push("the policy of the endpoint does not allow it".to_owned());
        }
    }
    if out.is_empty() {
        out.push("no combination of the layers allows it".to_owned());
    }
    out
}
