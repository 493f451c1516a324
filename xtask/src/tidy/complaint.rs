//! What a rule has to say.

use std::fmt;

/// One broken rule at one place, with the way out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    path: String,
    line: usize,
    what: String,
    remedy: &'static str,
}

impl Complaint {
    /// A complaint about `path`; `line` counts from 1.
    pub(crate) fn new(path: &str, line: usize, what: impl Into<String>, remedy: &'static str) -> Self {
        Self { path: path.to_owned(), line, what: what.into(), remedy }
    }

    /// `path:line`, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.path, self.line)
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}\n    {}", self.path, self.line, self.what, self.remedy)
    }
}

/// The places of some complaints, in their order.
#[cfg(test)]
pub(crate) fn places(complaints: &[Complaint]) -> Vec<String> {
    complaints.iter().map(Complaint::place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_says_where_and_what_to_do() {
        let complaint = Complaint::new("a/b.rs", 7, "is wrong", "make it right");
        assert_eq!(complaint.to_string(), "a/b.rs:7: is wrong\n    make it right");
    }
}
