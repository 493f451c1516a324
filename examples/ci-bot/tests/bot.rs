//! Real runs of the program, with agents that are shell scripts.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// A repository with a branch that changes a file.
struct Site {
    folder: TempDir,
}

/// How a run of the bot ended.
struct Said {
    code: Option<i32>,
    xml: String,
    summary: String,
}

impl Site {
    fn new() -> Self {
        let site = Self { folder: TempDir::new().unwrap() };
        fs::create_dir(site.repository()).unwrap();
        site.git(&["init", "-q", "-b", "main"]);
        site.commit("greet.sh", "echo hello\n");
        site.git(&["switch", "-q", "-c", "feature"]);
        site.commit("greet.sh", "echo \"hello, $1\"\n");
        site
    }

    fn repository(&self) -> PathBuf {
        self.folder.path().join("repository")
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn commit(&self, name: &str, text: &str) {
        fs::write(self.repository().join(name), text).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", "change"]);
    }

    fn git(&self, args: &[&str]) {
        let status = striatum_testkit::git::call(&self.repository(), "Ada").args(args).status().unwrap();
        assert!(status.success(), "git {args:?}");
    }

    /// An agent that does what the script says, having noted down that it was called.
    fn agent(&self, name: &str, script: &str) -> String {
        let file = self.path(name);
        let calls = self.path("calls");
        fs::write(&file, format!("cat > /dev/null\necho {name} >> {}\n{script}", calls.display())).unwrap();
        format!("sh {}", file.display())
    }

    /// One that gives this verdict.
    fn reviewer(&self, name: &str, verdict: &str) -> String {
        self.agent(name, &judging(verdict))
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        let mut calls: Vec<String> = calls.lines().map(str::to_owned).collect();
        calls.sort();
        calls
    }

    fn bot(&self, more: &[&str], reviewers: &[String]) -> Said {
        let junit = self.path("review.xml");
        let mut command = Command::new(env!("CARGO_BIN_EXE_ci-bot"));
        command.arg("--repo").arg(self.repository()).arg("--data").arg(self.path("data"));
        command.arg("--junit").arg(&junit).args(more);
        for reviewer in reviewers {
            command.arg("--reviewer").arg(reviewer);
        }
        let output = command.output().unwrap();
        let xml = fs::read_to_string(&junit).unwrap_or_default();
        let _ = fs::remove_file(&junit);
        Said {
            code: output.status.code(),
            xml,
            summary: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Looks at the change, and gives this verdict.
fn judging(verdict: &str) -> String {
    let text = format!("---\\nverdict: {verdict}\\nfindings:\\n  - it is <fine> & so on\\n---\\nseen\\n");
    format!(
        "grep -q 'hello, ' .ci-bot-review/change.diff || exit 9\nmkdir -p .ci-bot-review\n\
         printf -- '{text}' > .ci-bot-review/$STRIATUM_JOB.md\n"
    )
}

#[track_caller]
fn expect(said: &Said, code: i32, words: &[&str]) {
    assert_eq!(said.code, Some(code), "{}\n{}", said.summary, said.xml);
    for word in words {
        assert!(
            said.xml.contains(word) || said.summary.contains(word),
            "{word:?}: {}{}",
            said.summary,
            said.xml
        );
    }
}

#[test]
fn enough_who_accept_pass_the_branch() {
    let site = Site::new();
    let reviewers =
        [site.reviewer("a", "accept"), site.reviewer("b", "accept"), site.reviewer("c", "needs_revision")];
    let said = site.bot(&[], &reviewers);
    expect(&said, 0, &["accepted: 2 of 3 have to accept", "tests=\"3\"", "it is &lt;fine&gt; &amp; so on"]);
    let again = site.bot(&[], &reviewers);
    expect(&again, 0, &["accepted"]);
    let calls = site.calls();
    assert!(calls.iter().filter(|call| *call == "a").count() == 1, "it was judged already: {calls:?}");

    // Another commit is another question.
    site.commit("greet.sh", "echo \"hello, ${1:-world}\"\n");
    expect(&site.bot(&[], &reviewers), 0, &["accepted"]);
    assert!(site.calls().len() > calls.len());
}

#[test]
fn too_many_who_object_stop_it() {
    let site = Site::new();
    let reviewers =
        [site.reviewer("a", "needs_revision"), site.reviewer("b", "reject"), site.reviewer("c", "accept")];
    let said = site.bot(&["--quorum", "2"], &reviewers);
    expect(
        &said,
        1,
        &["rejected: 2 of 3", "<failure message=\"needs_revision\">", "<failure message=\"reject\">"],
    );
}

#[test]
fn agents_that_fail_leave_it_open_and_are_asked_anew_the_next_time() {
    let site = Site::new();
    let mended = site.path("mended");
    let script = format!("[ -e {} ] || exit 3\n{}", mended.display(), judging("accept"));
    let reviewers = [site.agent("a", &script)];
    expect(&site.bot(&[], &reviewers), 2, &["could not tell", "<error message=\"no verdict: failed\">"]);
    fs::write(&mended, "").unwrap();
    expect(&site.bot(&[], &reviewers), 0, &["accepted: 1 of 1"]);
}

#[test]
fn a_bot_that_was_killed_goes_on_where_it_was() {
    let site = Site::new();
    let (once, pid) = (site.path("once"), site.path("bot.pid"));
    let (once, pid) = (once.display(), pid.display());
    // The agent kills whoever runs it, the first time.
    let script =
        format!("[ -e {once} ] || {{ : > {once}; kill -9 $(cat {pid}); exit 1; }}\n{}", judging("accept"));
    let reviewers = [site.agent("a", &script)];
    // The bot writes its pid nowhere: the shell that becomes it does.
    let mut command = Command::new("sh");
    command.args(["-c", &format!("echo $$ > {pid}; exec \"$@\""), "sh"]);
    command.arg(env!("CARGO_BIN_EXE_ci-bot")).arg("--repo").arg(site.repository());
    command.arg("--data").arg(site.path("data")).arg("--reviewer").arg(&reviewers[0]);
    let killed = command.output().unwrap();
    assert_eq!(killed.status.code(), None, "{}", String::from_utf8_lossy(&killed.stderr));
    expect(&site.bot(&[], &reviewers), 0, &["accepted: 1 of 1"]);
}

#[test]
fn a_branch_without_a_change_and_a_revision_that_is_not_there_are_told() {
    let site = Site::new();
    let reviewers = [site.reviewer("a", "accept")];
    expect(&site.bot(&["--against", "HEAD"], &reviewers), 2, &["there is nothing to judge"]);
    expect(&site.bot(&["--against", "nowhere"], &reviewers), 2, &["git cannot compare HEAD with nowhere"]);
    assert!(site.calls().is_empty());
}
