//! Rust files seen in two ways: code without comments and literals, and the string literals alone.

/// One Rust file.
#[derive(Debug)]
pub(crate) struct Source<'t> {
    pub(crate) path: &'t str,
    /// The text with comments and the insides of literals blanked; the lines are those of the text.
    pub(crate) code: String,
    pub(crate) literals: Vec<Literal>,
}

/// The inside of a string literal, as written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Literal {
    pub(crate) line: usize,
    pub(crate) text: String,
}

impl<'t> Source<'t> {
    pub(crate) fn new(path: &'t str, text: &str) -> Self {
        let mut scan =
            Scan { chars: text.chars().collect(), at: 0, line: 1, code: String::new(), literals: vec![] };
        scan.run();
        Self { path, code: scan.code, literals: scan.literals }
    }

    /// The lines on which `phrase` stands in the code; where it begins or ends with a letter, a whole word.
    pub(crate) fn lines_with(&self, phrase: &str) -> Vec<usize> {
        let found = occurrences(&self.code, phrase).map(|at| self.line_at(at));
        found.collect()
    }

    /// The line, from 1, of a byte position in the code.
    pub(crate) fn line_at(&self, position: usize) -> usize {
        1 + self.code[..position].matches('\n').count()
    }
}

/// The byte positions of `phrase` in `code` that do not cut a word in two.
pub(crate) fn occurrences<'c>(code: &'c str, phrase: &'c str) -> impl Iterator<Item = usize> + 'c {
    code.match_indices(phrase).map(|(at, _)| at).filter(move |at| {
        let cut =
            |left: Option<char>, right: Option<char>| left.is_some_and(is_word) && right.is_some_and(is_word);
        let (before, after) = (&code[..*at], &code[at + phrase.len()..]);
        !cut(before.chars().next_back(), phrase.chars().next())
            && !cut(phrase.chars().next_back(), after.chars().next())
    })
}

/// Whether a character can stand in an identifier.
pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

struct Scan {
    chars: Vec<char>,
    at: usize,
    line: usize,
    code: String,
    literals: Vec<Literal>,
}

impl Scan {
    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('/')) => self.line_comment(),
                ('/', Some('*')) => self.block_comment(),
                ('"', _) => self.string(),
                ('\'', Some('\\')) => self.escaped_char(),
                ('\'', Some(_)) if self.peek(2) == Some('\'') => {
                    self.keep();
                    self.blank();
                    self.keep();
                }
                _ => self.keep(),
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn keep(&mut self) {
        if let Some(c) = self.peek(0) {
            self.code.push(c);
            self.line += usize::from(c == '\n');
            self.at += 1;
        }
    }

    fn blank(&mut self) {
        if self.peek(0) == Some('\n') {
            self.keep();
        } else {
            self.code.push(' ');
            self.at += 1;
        }
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.blank();
        }
    }

    /// Block comments nest in Rust.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.chars.len() {
            let step = match (self.peek(0), self.peek(1)) {
                (Some('/'), Some('*')) => 1,
                (Some('*'), Some('/')) => -1,
                _ => 0,
            };
            depth += step;
            self.blank();
            if step != 0 {
                self.blank();
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        let hashes = self.raw_hashes();
        let line = self.line;
        self.keep();
        let start = self.at;
        while let Some(c) = self.peek(0) {
            match hashes {
                Some(hashes) if c == '"' && (1..=hashes).all(|n| self.peek(n) == Some('#')) => break,
                None if c == '"' => break,
                None if c == '\\' => self.blank(),
                _ => {}
            }
            if self.at < self.chars.len() {
                self.blank();
            }
        }
        self.literals.push(Literal { line, text: self.chars[start..self.at].iter().collect() });
        self.keep();
    }

    /// The number of `#` of the raw string that opens here, or `None` for an ordinary string.
    fn raw_hashes(&self) -> Option<usize> {
        let before = &self.chars[..self.at];
        let hashes = before.iter().rev().take_while(|c| **c == '#').count();
        let (mark, rest) = before[..before.len() - hashes].split_last()?;
        let rest = match rest.split_last() {
            Some(('b' | 'c', rest)) => rest,
            _ => rest,
        };
        (*mark == 'r' && !rest.last().is_some_and(|c| is_word(*c))).then_some(hashes)
    }

    fn escaped_char(&mut self) {
        self.keep();
        self.blank();
        self.blank();
        while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
            self.blank();
        }
        self.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        Source::new("a.rs", text).code
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_stay() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ \n */ d"), "a              \n    d");
        assert_eq!(code(r#"f("x\"y") + g"#), r#"f("    ") + g"#);
        assert_eq!(code("r#\"a\"b\"# c"), "r#\"   \"# c");
        assert_eq!(code(r#"br"\" d"#), r#"br" " d"#);
    }

    #[test]
    fn lifetimes_are_no_literals() {
        assert_eq!(code("&'a str, 'b', '\\'', '\"', x"), "&'a str, ' ', '  ', ' ', x");
    }

    #[test]
    fn literals_are_kept_with_their_lines() {
        let source = Source::new("a.rs", "f(\"one\");\ng(r\"two\")");
        let literal = |line, text: &str| Literal { line, text: text.to_owned() };
        assert_eq!(source.literals, [literal(1, "one"), literal(2, "two")]);
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        assert_eq!(code("f(\"ab\\"), "f(\"   ");
    }

    #[test]
    fn phrases_are_found_as_whole_words() {
        let source = Source::new("a.rs", "async fn f() {}\nfn asynchronous() {}\nx.await;\nx.awaited()");
        assert_eq!(source.lines_with("async"), [1]);
        assert_eq!(source.lines_with(".await"), [3]);
    }
}
