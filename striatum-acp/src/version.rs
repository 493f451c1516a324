//! Versions, as far as they are compared.

use std::{fmt, num::ParseIntError, str::FromStr};

/// A version of three numbers; what follows them does not count.
///
/// ```
/// use striatum_acp::Version;
///
/// let version: Version = "v22.3.1-nightly".parse()?;
/// assert_eq!(version, Version::new(22, 3, 1));
/// assert!(version > "22".parse()?);
/// # Ok::<(), std::num::ParseIntError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version {
    major: u64,
    minor: u64,
    patch: u64,
}

impl Version {
    /// A version.
    pub const fn new(major: u64, minor: u64, patch: u64) -> Self {
        Self { major, minor, patch }
    }
}

impl FromStr for Version {
    type Err = ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim().trim_start_matches('v');
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let mut numbers = text.get(..end).unwrap_or_default().split('.');
        let mut next = || numbers.next().filter(|number| !number.is_empty()).map(str::parse);
        let major = next().unwrap_or_else(|| "".parse())?;
        Ok(Self { major, minor: next().unwrap_or(Ok(0))?, patch: next().unwrap_or(Ok(0))? })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_from_what_programs_print() {
        for (text, expected) in [
            ("0.100.0", Some(Version::new(0, 100, 0))),
            ("v22.23.3\n", Some(Version::new(22, 23, 3))),
            ("1.2", Some(Version::new(1, 2, 0))),
            ("1.2.3-beta.4", Some(Version::new(1, 2, 3))),
            ("1.2.3.4", Some(Version::new(1, 2, 3))),
            ("", None),
            ("latest", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(text.parse().ok(), expected, "{text:?}");
        }
        assert!(Version::new(0, 100, 0) > Version::new(0, 49, 9));
    }
}
