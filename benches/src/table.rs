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

    /// A figure with its ratio, and what that should be.
    pub(crate) fn row(&mut self, what: &str, figure: String, ratio: f64, wanted: &str) {
        self.rows.push([what.to_owned(), figure, format!("{ratio:.2}"), wanted.to_owned()]);
    }

    /// A figure that is wanted as such.
    pub(crate) fn plain(&mut self, what: &str, figure: String, wanted: &str) {
        self.rows.push([what.to_owned(), figure, String::new(), wanted.to_owned()]);
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
