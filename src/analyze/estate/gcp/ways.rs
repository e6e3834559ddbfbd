//! Which permission opens which step (cloud semantics, section 7): every row of the table of dangerous
//! permissions that makes one identity another is in here; a test says of each other row why it is not.

use fixedbitset::FixedBitSet;

use crate::facts::{Text, text};
use crate::privilege::gcp::content::Lexicon;
use crate::privilege::gcp::meaning::{self, ACT_AS};

/// How a permission makes one identity another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Acts as the account at once.
    Becomes,
    /// Acts as the account if something is there that the inputs do not show.
    MayBecome,
    /// Runs code where an account is attached already; the service is the first word of the permission.
    Runs,
    /// Half of a pair.
    Half(Pair, Side),
    /// Decides whom a pool of federated identities lets in.
    Federates,
    /// The same for a pool of people of another identity provider.
    Workforce,
    /// Deploys as the account of Google's own APIs.
    Deploys,
    /// Reads the text of API keys, some of which may be bound to an account.
    ReadsKeys,
    /// Signs links to what a load balancer serves.
    SignsLinks,
    /// Meets or leaves the conditions of bindings on tags.
    Tags,
    /// Acts inside the clusters of the project, beside what RBAC allows there.
    Cluster(Inside),
}

/// Permissions that do nothing alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pair {
    /// `actAs`, and what runs as an account.
    Attach,
    /// Binding of API keys to an account, and the making of keys.
    Key,
}

/// Half of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// Held on an account or above it.
    Account,
    /// Makes something new in a container.
    Makes,
    /// Changes what is there: on one resource nothing new is made.
    Changes,
}

/// Where a right inside a cluster leads; the words name the junctions of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inside {
    /// Every right there.
    Administration,
    /// Any service account.
    Accounts,
    /// The service account of any pod that runs.
    Pods,
    /// Service accounts whose token is kept as a secret.
    Tokens,
}

impl Inside {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Administration, Self::Accounts, Self::Pods, Self::Tokens];

    /// Name of the junction in a cluster.
    pub fn word(self) -> &'static str {
        match self {
            Self::Administration => "administration",
            Self::Accounts => "accounts",
            Self::Pods => "pods",
            Self::Tokens => "tokens",
        }
    }

    /// What it makes of whoever holds it, in the clusters of a place.
    pub fn gains(self) -> &'static str {
        match self {
            Self::Administration => "rewrites what is admitted to",
            Self::Accounts => "acts as any service account of",
            Self::Pods => "acts as the service account of any pod in",
            Self::Tokens => "reads kept tokens of service accounts in",
        }
    }
}

/// A permission that opens a step.
#[derive(Clone, Debug)]
pub struct Power {
    /// What it opens.
    pub way: Way,
    /// The permission.
    pub permission: Text,
    /// Held for certain.
    pub certain: bool,
}

/// Permissions by which an identity acts as a service account on which, or above which, it holds them.
const BECOMES: [(&str, &str); 5] = [
    ("iam.serviceAccounts.getAccessToken", "takes access tokens of"),
    ("iam.serviceAccountKeys.create", "makes keys of"),
    ("iam.serviceAccounts.signJwt", "signs tokens as"),
    ("iam.serviceAccounts.signBlob", "signs tokens as"),
    ("iam.serviceAccounts.setIamPolicy", "lets itself act as"),
];

/// The same, if a second account, a disabled key or a party that takes the token is there.
const MAY: [(&str, &str); 4] = [
    ("iam.serviceAccounts.implicitDelegation", "may delegate through"),
    ("iam.serviceAccounts.getOpenIdToken", "takes identity tokens of"),
    ("iam.serviceAccountKeys.enable", "may enable a disabled key of"),
    ("storage.hmacKeys.create", "makes storage keys of"),
];

/// Code where an account already runs, by service.
const RUNS: [&[&str]; 6] = [
    &[
        "compute.instances.setMetadata",
        "compute.projects.setCommonInstanceMetadata",
        "compute.instances.osAdminLogin",
        "compute.instances.osLogin",
    ],
    &["run.jobs.runWithOverrides"],
    &["cloudbuild.builds.create", "cloudbuild.builds.update"],
    &["dataproc.jobs.create"],
    &["composer.environments.update"],
    &["clouddeploy.releases.create"],
];

/// Trust of a pool in a new issuer, or in more of an old one's identities.
const FEDERATES: [&str; 3] = [
    "iam.googleapis.com/workloadIdentityPoolProviders.update",
    "iam.googleapis.com/workloadIdentityPoolProviders.create",
    "iam.googleapis.com/workloadIdentityPools.setAttestationRules",
];

/// The source of people who sign in from another identity provider.
const WORKFORCE: [&str; 1] = ["iam.googleapis.com/workforcePoolProviders.update"];

/// Deployments run as the account of Google's own APIs, an editor unless somebody took that away.
const DEPLOYS: [&str; 2] =
    ["deploymentmanager.deployments.create", "deploymentmanager.deployments.update"];

/// Text of API keys, under the name of today and that of before 2021.
const READS_KEYS: [&str; 2] = ["apikeys.keys.getKeyString", "serviceusage.apiKeys.list"];

/// Making of API keys; bound to an account only together with [`BINDS_KEYS`].
const MAKES_KEYS: [&str; 2] = ["apikeys.keys.create", "serviceusage.apiKeys.create"];

/// Binding of API keys to an account.
pub const BINDS_KEYS: &str = "iam.serviceAccountApiKeyBindings.create";

/// Keys that sign links to what backends of load balancers serve.
const SIGNS_LINKS: [&str; 2] =
    ["compute.backendBuckets.addSignedUrlKey", "compute.backendServices.addSignedUrlKey"];

/// Tags, where conditions of bindings ask for them.
const TAGS: [&str; 3] = [
    "resourcemanager.tagValueBindings.create",
    "compute.instances.createTagBinding",
    "storage.buckets.createTagBinding",
];

/// Rights inside clusters that lead to their service accounts. IAM allows them beside RBAC (4.1).
const CLUSTER: [(Inside, &[&str]); 4] = [
    (Inside::Administration, &["container.mutatingWebhookConfigurations.create"]),
    (
        Inside::Accounts,
        &[
            "container.serviceAccounts.createToken",
            "container.pods.create",
            "container.deployments.create",
            "container.deployments.update",
            "container.daemonSets.create",
        ],
    ),
    (Inside::Pods, &["container.pods.exec", "container.pods.attach", "container.nodes.proxy"]),
    (Inside::Tokens, &["container.secrets.get", "container.secrets.list"]),
];

/// What a permission does to an account, in words.
pub fn verb(permission: &str) -> Option<&'static str> {
    BECOMES.iter().chain(&MAY).find(|(n, _)| *n == permission).map(|(_, v)| *v)
}

/// Steps that a set of permissions opens: of each way the first, certain before possible.
pub fn powers(lexicon: &Lexicon, certain: &FixedBitSet, possible: &FixedBitSet) -> Vec<Power> {
    let mut out: Vec<Power> = Vec::new();
    let mut first = |way: Way, names: &mut dyn Iterator<Item = &str>| {
        let held: Vec<(&str, usize)> = names.filter_map(|n| Some((n, lexicon.known(n)?))).collect();
        let sure = held.iter().find(|(_, id)| certain.contains(*id));
        let found = sure.or_else(|| held.iter().find(|(_, id)| possible.contains(*id)));
        if let Some((name, _)) = found {
            out.push(Power { way, permission: text(name), certain: sure.is_some() });
        }
    };
    first(Way::Becomes, &mut BECOMES.iter().map(|(n, _)| *n));
    first(Way::MayBecome, &mut MAY.iter().map(|(n, _)| *n));
    for service in RUNS {
        first(Way::Runs, &mut service.iter().copied());
    }
    first(Way::Half(Pair::Attach, Side::Account), &mut [ACT_AS].into_iter());
    let halves = meaning::table().iter().filter(|(_, row)| row.needs_act_as);
    first(Way::Half(Pair::Attach, Side::Makes), &mut halves.clone().map(|(n, _)| n.as_str()));
    let mut changes = halves.map(|(n, _)| n.as_str()).filter(|n| !n.ends_with(".create"));
    first(Way::Half(Pair::Attach, Side::Changes), &mut changes);
    first(Way::Half(Pair::Key, Side::Account), &mut [BINDS_KEYS].into_iter());
    first(Way::Half(Pair::Key, Side::Makes), &mut MAKES_KEYS.iter().copied());
    first(Way::Federates, &mut FEDERATES.iter().copied());
    first(Way::Workforce, &mut WORKFORCE.iter().copied());
    first(Way::Deploys, &mut DEPLOYS.iter().copied());
    first(Way::ReadsKeys, &mut READS_KEYS.iter().copied());
    first(Way::SignsLinks, &mut SIGNS_LINKS.iter().copied());
    first(Way::Tags, &mut TAGS.iter().copied());
    for (inside, names) in CLUSTER {
        first(Way::Cluster(inside), &mut names.iter().copied());
    }
    out
}
