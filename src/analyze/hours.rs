//! Hours of privilege that the sweep counts.

/// Seconds of privilege (tier T0 to T2) that were counted, each as proved and as open; what the metrics of
/// standing privilege are made of (grants model, section 5, metrics 6 and 8).
#[derive(Clone, Copy, Debug, Default)]
pub struct Hours {
    /// Bound in IAM, or by a valid credential of a broker.
    pub held: (i64, i64),
    /// Of these, without a grant in force.
    pub bare: (i64, i64),
    /// Of these, without a grant in force whose task ran.
    pub off_task: (i64, i64),
    /// Held time multiplied with the weights of scope and privilege, of every tier that is known.
    pub radius_s: i64,
    /// Combinations of principal, privilege and scope among these.
    pub lanes: i64,
    /// Principals that held something without a grant; that may have.
    pub standing: (i64, i64),
}

impl Hours {
    /// Adds those of another lane.
    pub fn add(&mut self, other: &Self) {
        let sum = |a: &mut (i64, i64), b: (i64, i64)| {
            *a = (a.0.saturating_add(b.0), a.1.saturating_add(b.1));
        };
        sum(&mut self.held, other.held);
        sum(&mut self.bare, other.bare);
        sum(&mut self.off_task, other.off_task);
        self.radius_s = self.radius_s.saturating_add(other.radius_s);
        self.lanes += i64::from(other.held != (0, 0));
    }
}
