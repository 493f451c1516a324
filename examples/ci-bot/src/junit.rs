//! The panel as a report that CI systems show: one case for each reviewer.

use std::fmt::Write as _;

use striatum::core::run::{JobStatus, Verdict};

use crate::verdict::{Panel, Seat};

/// The report, as JUnit XML.
pub(crate) fn report(panel: &Panel) -> String {
    let (mut cases, mut failures, mut errors, mut skipped) = (String::new(), 0, 0, 0);
    for seat in &panel.seats {
        let (name, command) = (escaped(&seat.name), escaped(&seat.command));
        let said = escaped(&seat.said);
        let inner = match (seat.vote, seat.status) {
            (Some(Verdict::Accept | Verdict::AcceptWithFindings), _) => said_of(seat, &said),
            (Some(vote), _) => {
                failures += 1;
                format!("<failure message=\"{vote}\">{said}</failure>")
            }
            // Enough others have accepted.
            (None, JobStatus::Canceled) => {
                skipped += 1;
                "<skipped message=\"enough others have spoken\"/>".to_owned()
            }
            (None, status) => {
                errors += 1;
                format!("<error message=\"no verdict: {status}\">{said}</error>")
            }
        };
        let seconds = seat.seconds;
        // Writing to a text does not fail.
        let _ = writeln!(
            cases,
            "  <testcase classname=\"{command}\" name=\"{name}\" time=\"{seconds:.3}\">{inner}</testcase>"
        );
    }
    let tests = panel.seats.len();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"ci-bot\" tests=\"{tests}\" failures=\"{failures}\" \
         errors=\"{errors}\" skipped=\"{skipped}\">\n{cases}</testsuite>\n"
    )
}

fn said_of(seat: &Seat, said: &str) -> String {
    if seat.said.is_empty() { String::new() } else { format!("<system-out>{said}</system-out>") }
}

/// The text as XML takes it: markup escaped, and what XML has no characters for left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(character),
            '\u{fffe}' | '\u{ffff}' => {}
            control if control.is_control() => {}
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_agent_writes_is_no_markup() {
        assert_eq!(escaped("<b a=\"x\">&\u{1b}[2J\n"), "&lt;b a=&quot;x&quot;&gt;&amp;[2J\n");
    }
}
