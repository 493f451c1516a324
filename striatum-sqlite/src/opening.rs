//! What the bodies of a row begin with: the same bytes, but for the number of each event in its run.

use itoa::Buffer;

/// The beginning that bodies share: so many bytes, the number of the event in its run, so many bytes more. What these bytes say is
/// not known here. Where both are none nothing is shared, the number neither.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    /// How many bytes stand before the number.
    pub(crate) lead: usize,
    /// How many bytes behind it are the same.
    pub(crate) trail: usize,
}

impl Opening {
    /// The longest that bodies share of which the first has that number in its run.
    pub(crate) fn of<'b>(version: u64, bodies: impl Iterator<Item = &'b [u8]> + Clone) -> Self {
        Self::found(version, bodies).unwrap_or_default()
    }

    fn found<'b>(version: u64, mut bodies: impl Iterator<Item = &'b [u8]> + Clone) -> Option<Self> {
        let (first, second) = (bodies.next()?, bodies.clone().next()?);
        // The numbers themselves may begin alike.
        let digits =
            alike(Buffer::new().format(version).as_bytes(), Buffer::new().format(version + 1).as_bytes());
        let lead = alike(first, second).checked_sub(digits)?;
        let (before, behind) = first.split_at(lead);
        let behind = behind.strip_prefix(Buffer::new().format(version).as_bytes())?;
        let trail = bodies.zip(version + 1..).try_fold(behind.len(), |trail, (body, number)| {
            let body = body.strip_prefix(before)?.strip_prefix(Buffer::new().format(number).as_bytes())?;
            Some(alike(&behind[..trail], body))
        })?;
        Some(Self { lead, trail })
    }

    /// How many bytes of the body of an event with that number it is.
    pub(crate) fn len(self, number: u64) -> usize {
        match self {
            Self { lead: 0, trail: 0 } => 0,
            Self { lead, trail } => lead + Buffer::new().format(number).len() + trail,
        }
    }

    /// The bytes before and behind the number of a body that has them, which tells that number.
    pub(crate) fn parts(self, first: &[u8], version: u64) -> Option<[&[u8]; 2]> {
        let (before, behind) = first.split_at_checked(self.lead)?;
        match self {
            Self { lead: 0, trail: 0 } => Some([&[]; 2]),
            Self { trail, .. } => {
                Some([before, behind.strip_prefix(Buffer::new().format(version).as_bytes())?.get(..trail)?])
            }
        }
    }
}

/// How many bytes two begin with that are the same.
fn alike(one: &[u8], other: &[u8]) -> usize {
    const STEP: usize = 32;
    let steps = one.as_chunks::<STEP>().0.iter().zip(other.as_chunks::<STEP>().0);
    let from = steps.take_while(|(one, other)| one == other).count() * STEP;
    from + one[from..].iter().zip(&other[from..]).take_while(|(one, other)| one == other).count()
}
