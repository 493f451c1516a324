//! Real programs behind real walls, which reach hosts by the proxy alone.

use striatum_core::sandbox::{Mount, Sandbox as _};
use striatum_sandbox::egress::Egress;
use striatum_testkit::git;

use super::{
    stage::{SECRET, Stage, limits, soon},
    table::basic,
};
use crate::support::{Place, exit, rest, shell, stdout, walls};

/// A shell script of an agent behind walls, and what it printed. It is `None` where the host has no walls.
async fn run(test: &str, stage: &Stage, script: &str) -> Option<String> {
    let sandbox = walls(test).await?;
    let proxy = stage.proxy(limits()).await;
    let mut place = Place::new();
    let trust = place.path().join("egress.pem");
    proxy.egress.write_trust(&trust).expect("a file of certificates");
    place.spec.mounts.push(Mount::read(&trust));
    let mut session = sandbox.open(&place.spec).await.expect("a session");

    let mut exec = shell(&stage.fill(script)).listening(Egress::listen("egress"));
    exec.env = proxy.egress.variables(&trust);
    let mut process = session.spawn(&exec).await.expect("a process");
    let listener = process.take_listener("egress").expect("a listener");
    let serving = proxy.egress.serve(listener).expect("it is served");
    let output = rest(stdout(&mut process)).await;
    exit(&mut process).await;
    drop(serving);
    session.close().await.expect("it ends");
    assert!(!output.contains(SECRET), "the secret came in: {output}");
    Some(output)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn curl_reaches_what_is_allowed_and_nothing_else() {
    let stage = Stage::new().await;
    let script = r#"
        say() { printf '%s=' "$1"; shift; curl -sS -o /dev/null -w '%{http_code}\n' "$@" 2>&1; }
        say inspected https://inspected.test:{tls}/open
        say spliced https://spliced.test:{tls}/
        say plain http://plain.test:{plain}/open
        say path https://inspected.test:{tls}/closed
        say host https://evil.test:{tls}/
        say swapped -u "me:$TOKEN" https://secret.test:{tls}/
        say misplaced -H "X-Note: $TOKEN" https://secret.test:{tls}/
        say direct --noproxy '*' --max-time 5 https://127.0.0.1:{tls}/
    "#;
    let Some(output) = run("curl_reaches_what_is_allowed_and_nothing_else", &stage, script).await else {
        return;
    };
    for line in ["inspected=200", "spliced=200", "plain=200", "path=403", "swapped=200", "misplaced=403"] {
        assert!(output.lines().any(|other| other == line), "{line}: {output}");
    }
    for refused in ["host=", "direct="] {
        let line = output.lines().find(|line| line.starts_with(refused)).unwrap_or_default();
        assert!(!line.ends_with("=200"), "{line}");
    }
    soon("the secret", stage.log.has(basic("me", SECRET).as_bytes())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn git_clones_with_a_placeholder_for_a_password() {
    let stage = Stage::new().await;
    let origin = stage.files.path().join("origin");
    let call = |arguments: &[&str]| {
        let output = git::call(&origin, "Ada").args(arguments).output().expect("git runs");
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    std::fs::create_dir(&origin).expect("a folder");
    call(&["init", "-q", "-b", "main"]);
    std::fs::write(origin.join("file"), "what was committed\n").expect("a file");
    call(&["add", "-A"]);
    call(&["commit", "-q", "-m", "begin"]);
    // Without a program at the server git fetches files.
    call(&["update-server-info"]);

    let script = r#"
        exec 2>&1
        export GIT_TERMINAL_PROMPT=0
        git clone -q "https://me:$TOKEN@secret.test:{tls}/git/origin/.git" with && cat with/file
        git clone -q "https://me:wrong@secret.test:{tls}/git/origin/.git" without || echo refused
    "#;
    let Some(output) = run("git_clones_with_a_placeholder_for_a_password", &stage, script).await else {
        return;
    };
    assert!(output.contains("what was committed"), "{output}");
    assert!(output.contains("refused"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_programs_find_the_proxy_and_trust_it() {
    let stage = Stage::new().await;
    let script = r#"
        exec 2>&1
        python3 -c 'import urllib.request; print("python", urllib.request.urlopen("https://inspected.test:{tls}/open").status)'
        npm ping --fetch-retries 0 --fetch-timeout 10000 --registry https://spliced.test:{tls}/ && echo npm 0
        npm ping --fetch-retries 0 --fetch-timeout 10000 --registry https://other.test:{tls}/ && echo npm inside 0
    "#;
    let Some(output) = run("other_programs_find_the_proxy_and_trust_it", &stage, script).await else {
        return;
    };
    for (program, said) in [("python3", "python 200"), ("npm", "npm 0"), ("npm", "npm inside 0")] {
        let absent = output.contains(&format!("{program}: not found"))
            || output.contains(&format!("{program}: command not found"));
        assert!(absent || output.lines().any(|line| line == said), "{said}: {output}");
    }
}
