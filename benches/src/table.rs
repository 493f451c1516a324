//! Tables for people, in Markdown.

/// Rows of a figure, what it is compared with, and what is aimed at.
#[derive(Debug)]
pub(crate) struct Table {
    rows: Vec<[String; 4]>,
}

impl Table {
    pub(crate) fn new(title: &str) -> Self {
        Self { rows: vec![[title.to_owned(), "figure".into(), "ratio".into(), "wanted".into()]] }
    }

    /// A figure that others are compared with.
    pub(crate) fn base(&mut self, what: &str, figure: String) {
        self.rows.push([what.to_owned(), figure, String::new(), String::new()]);
    }

    /// A figure with its ratio, and what that should be: `≥ 0.6`, say.
    pub(crate) fn row(&mut self, what: &str, figure: String, ratio: f64, wanted: &str) {
        self.rows.push([what.to_owned(), figure, format!("{ratio:.2}"), judged(wanted, Some(ratio))]);
    }

    /// A figure that is wanted as such, in the same unit.
    pub(crate) fn plain(&mut self, what: &str, figure: String, wanted: &str) {
        let wanted = judged(wanted, number(&figure));
        self.rows.push([what.to_owned(), figure, String::new(), wanted]);
    }

    pub(crate) fn print(&self) {
        let width = |column: usize| self.rows.iter().map(|row| row[column].chars().count()).max();
        let widths: [usize; 4] = std::array::from_fn(|column| width(column).unwrap_or(0));
        for (number, row) in self.rows.iter().enumerate() {
            let [what, figure, ratio, wanted] = row;
            let [a, b, c, d] = widths;
            println!("| {what:a$} | {figure:>b$} | {ratio:>c$} | {wanted:d$} |");
            if number == 0 {
                println!("|-{0:-<a$}-|-{0:-<b$}:|-{0:-<c$}:|-{0:-<d$}-|", "");
            }
        }
        println!();
    }
}

/// What is wanted, and whether it is so.
fn judged(wanted: &str, found: Option<f64>) -> String {
    let bound = wanted.split_once(' ').and_then(|(sign, bound)| Some((sign, number(bound)?)));
    let is_met = match (bound, found) {
        (Some(("≥", bound)), Some(found)) => found >= bound,
        (Some(("≤", bound)), Some(found)) => found <= bound,
        (Some(("<", bound)), Some(found)) => found < bound,
        _ => return wanted.to_owned(),
    };
    format!("{wanted}: {}", if is_met { "met" } else { "missed" })
}

/// The number that a text begins with.
fn number(text: &str) -> Option<f64> {
    let end = text.find(|it: char| !matches!(it, '0'..='9' | '.' | ',')).unwrap_or(text.len());
    text[..end].replace(',', "").parse().ok()
}

/// `1,234,567/s`
pub(crate) fn per_second(rate: f64) -> String {
    format!("{}/s", thousands(rate))
}

/// A number without decimals, its thousands apart.
pub(crate) fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_what_is_wanted() {
        for (wanted, found, expected) in [
            ("≥ 0.6", Some(0.6), "≥ 0.6: met"),
            ("≥ 300,000/s", number("124,044/s"), "≥ 300,000/s: missed"),
            ("≤ 1.1 × empty", Some(1.3), "≤ 1.1 × empty: missed"),
            ("< 0.8 ms", number("0.79 ms"), "< 0.8 ms: met"),
            ("< 0.8 ms", number("0.80 ms"), "< 0.8 ms: missed"),
            ("≤ 10", number("2"), "≤ 10: met"),
            ("constant", number("0.1 MB"), "constant"),
            ("", Some(1.0), ""),
        ] {
            assert_eq!(judged(wanted, found), expected);
        }
    }
}
