use super::*;

fn read(text: &str) -> Result<Option<Report>, String> {
    verdict_from_front_matter(text).map_err(|e| match e {
        ReportError::Malformed { .. } => "malformed".to_owned(),
        other => other.to_string(),
    })
}

fn findings_of(yaml: &str) -> Vec<String> {
    let text = format!("---\nverdict: accept\nfindings: {yaml}\n---\n");
    read(&text).expect(yaml).expect(yaml).findings
}

#[test]
fn every_verdict_has_its_word() {
    for verdict in Verdict::ALL {
        let report =
            read(&format!("---\nverdict: {verdict}\n---\n")).expect("it is read").expect("a verdict");
        assert_eq!(report.verdict, Some(verdict));
        let json = format!("{{\"verdict\":\"{verdict}\"}}");
        assert_eq!(Report::from_json(json.as_bytes()).expect("it is read").verdict, Some(verdict));
    }
}

#[test]
fn another_word_is_refused_with_the_words_that_there_are() {
    for word in ["Accept", "accepted", "needs-revision", "true", "42", "''"] {
        let refused = read(&format!("---\nverdict: {word}\n---\n")).expect_err(word);
        assert!(refused.ends_with("is not a verdict (accept, accept_with_findings, needs_revision, reject)"));
    }
    let long = format!("{{\"verdict\":\"{}\"}}", "x".repeat(10_000));
    assert!(Report::from_json(long.as_bytes()).expect_err("no verdict").to_string().len() < 200);
}

#[test]
fn a_text_without_a_verdict_says_none() {
    for text in [
        "",
        "# Review\n",
        "text\n---\nverdict: accept\n---\n",
        " ---\nverdict: accept\n---\n",
        "----\nverdict: accept\n----\n",
        "---\n---\n",
        "---\ntitle: A plan\n---\n",
        "---\nverdict:\n---\n",
        "---\n# nothing\n---\n",
    ] {
        assert_eq!(read(text), Ok(None), "{text:?}");
    }
}

#[test]
fn the_marks_may_come_from_any_editor() {
    for text in [
        "\u{feff}---\nverdict: reject\n---\n",
        "---\r\nverdict: reject\r\nother: [1, {a: b}]\r\n---\r\ntext",
        "---\nverdict: reject\n---",
        "--- \nverdict: reject\n---\t\n---\nverdict: accept\n---\n",
    ] {
        let report = read(text).expect(text).expect(text);
        assert_eq!(report.verdict, Some(Verdict::Reject), "{text:?}");
    }
}

#[test]
fn front_matter_that_is_not_closed_is_refused() {
    let unclosed = Err(ReportError::Unclosed.to_string());
    assert_eq!(read("---\nverdict: accept\n"), unclosed);
    assert_eq!(read("---"), unclosed);
    let long = format!("---\nverdict: accept\nnote: {}\n---\n", "x".repeat(2 << 20));
    assert_eq!(read(&long), unclosed);
    let short = format!("---\nverdict: accept\n---\n{}", "x\n".repeat(1 << 20));
    assert!(matches!(read(&short), Ok(Some(_))));
}

#[test]
fn findings_become_one_text_each() {
    let expect = |yaml: &str, texts: &[&str]| assert_eq!(findings_of(yaml), texts, "{yaml}");
    expect("", &[]);
    expect("[]", &[]);
    expect("One.", &["One."]);
    expect("|\n  One\n  more.\n", &["One\nmore."]);
    expect("[One., 404, true, '', null]", &["One.", "404", "true"]);
    expect("\n- {severity: high, title: Leak, detail: fd 3}", &["[high] Leak: fd 3"]);
    expect("\n- {detail: fd 3, title: Leak}\n- Two.", &["Leak: fd 3", "Two."]);
    expect("\n- {title: Leak, file: a.rs, line: 3}", &["Leak (file: a.rs) (line: 3)"]);
    expect("{title: Leak}", &["Leak"]);
}

#[test]
fn hostile_yaml_is_refused_soon() {
    let bomb =
        "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nfindings: [*b,*b,*b,*b,*b,*b]\n";
    let deep = format!("findings: {}{}\n", "[".repeat(10_000), "]".repeat(10_000));
    let deep_block: String = (0..200).map(|n| format!("{}- \n", " ".repeat(n))).collect();
    let wide = format!("findings: [{}]\n", "a,".repeat(100_000));
    for yaml in [
        bomb.to_owned(),
        deep,
        format!("findings:\n{deep_block}"),
        wide,
        "- a\n- b\n".to_owned(),
        "just text\n".to_owned(),
        "a: b: c\n".to_owned(),
        "verdict: reject\n".to_owned(),
        "findings: {<<: {title: x}, <<: *y}\n".to_owned(),
    ] {
        let text = format!("---\nverdict: accept\n{yaml}---\n");
        assert_eq!(read(&text), Err("malformed".to_owned()), "{:.60}", yaml);
    }
}

#[test]
fn a_report_in_json_says_all_that_it_says() {
    let json = br#"{"verdict":"needs_revision","findings":["a",{"title":"b","severity":"low"}],"extra":[1],
        "agent":{"name":"codex","version":"1.2.3","home":"/x"},"model":"gpt-5","failure":"no network",
        "usage":{"input_tokens":900,"turns":3,"mood":"fine"}}"#;
    let report = Report::from_json(json).expect("it is read");
    let expected = Report {
        verdict: Some(Verdict::NeedsRevision),
        findings: vec!["a".to_owned(), "[low] b".to_owned()],
        agent: AgentIdentity {
            name: Some("codex".to_owned()),
            version: Some("1.2.3".to_owned()),
            model: Some("gpt-5".to_owned()),
        },
        failure: Some("no network".to_owned()),
        ask: None,
        of: None,
        answer: None,
        resume: None,
        usage: Usage { input_tokens: Some(900), turns: Some(3), ..Usage::default() },
    };
    assert_eq!(report, expected);
    assert_eq!(Report::from_json(b"\xef\xbb\xbf{}").expect("it is read"), Report::default());
}

#[test]
fn who_asks_says_something_and_neither_judges_nor_fails() {
    let asks = Report::from_json(br#"{"ask":"Which one?","resume":"talk-1","model":"gpt-5"}"#);
    let asks = asks.expect("it is read");
    assert_eq!((asks.ask.as_deref(), asks.resume.as_deref()), (Some("Which one?"), Some("talk-1")));
    for json in [r#"{"ask":""}"#, r#"{"ask":" \n"}"#] {
        assert!(matches!(Report::from_json(json.as_bytes()), Err(ReportError::EmptyQuestion)), "{json}");
    }
    for json in [r#"{"ask":"?","verdict":"accept"}"#, r#"{"ask":"?","failure":"no"}"#] {
        assert!(matches!(Report::from_json(json.as_bytes()), Err(ReportError::AsksAndEnds)), "{json}");
    }
}

#[test]
fn what_is_no_report_in_json_is_refused() {
    for bytes in [
        &b""[..],
        b"[]",
        b"[\"accept\"]",
        b" \"accept\"",
        b"{",
        b"{\"verdict\":1}",
        b"\xff",
        b"{} {}",
        b"{\"model\":{}}",
        b"{\"ask\":true}",
        b"{\"usage\":{\"turns\":-1}}",
    ] {
        assert!(matches!(Report::from_json(bytes), Err(ReportError::Malformed { .. })), "{bytes:?}");
    }
    let deep = format!("{{\"findings\":{}{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(matches!(Report::from_json(deep.as_bytes()), Err(ReportError::Malformed { .. })));
    let long = vec![b' '; MAX_BYTES + 1];
    assert!(matches!(Report::from_json(&long), Err(ReportError::TooLarge)));
}
