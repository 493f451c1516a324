//! The proxy by which agents reach named hosts: what passes, and what does not.

use striatum_sandbox::egress::{EgressErrorKind, Refusal};

use self::{
    client::{Client, Step},
    stage::{SECRET, Stage, impatient, limits, soon},
    table::{Becomes, Case},
    upstream::{contains, naive},
};

mod answers;
mod client;
mod stage;
mod table;
mod upstream;
#[cfg(target_os = "linux")]
mod walls;

/// In the place of a placeholder, where there is none to be swapped.
const SOME: &str = "striatum-placeholder-0123456789abcdef";

#[tokio::test]
async fn every_attempt_is_passed_or_refused_as_the_rules_say() {
    let cases = table::all(SOME, SECRET).len();
    assert!(cases >= 100, "{cases}");
    let mut wrong = Vec::new();
    for number in 0..cases {
        if let Err(why) = attempt(number).await {
            wrong.push(why);
        }
    }
    assert!(wrong.is_empty(), "{} of {cases}:\n{}", wrong.len(), wrong.join("\n"));
}

async fn attempt(number: usize) -> Result<(), String> {
    let stage = Stage::new().await;
    let proxy = stage.proxy(limits()).await;
    let case = table::all(&proxy.placeholder(), SECRET).swap_remove(number);
    let proxy = if case.is_slow { stage.proxy(impatient()).await } else { proxy };
    let mut client = Client::connect(proxy.address).await;
    let steps = filled(&stage, &case.steps);
    let walk = client.walk(&steps);
    let name = case.name;
    match case.becomes {
        Becomes::Passed(stays) | Becomes::Harmless(stays) => {
            let arrives = async { tokio::join!(walk, stage.log.has(&case.marker)) };
            tokio::select! {
                _ = soon(name, arrives) => {}
                refusal = proxy.records.refusal(), if matches!(case.becomes, Becomes::Passed(_)) => {
                    return Err(format!("{name}: refused, {refusal}"));
                }
            }
            drop((client, proxy));
            let arrived = soon("the end", stage.log.settled()).await;
            match contains(&arrived, stays.as_bytes()) {
                false => Ok(()),
                true => Err(format!("{name}: {stays:?} arrived as well")),
            }
        }
        Becomes::Refused(expected) => {
            let (_, refusal) = soon(name, async { tokio::join!(walk, proxy.records.refusal()) }).await;
            drop((client, proxy));
            let arrived = soon("the end", stage.log.settled()).await;
            if refusal != expected {
                return Err(format!("{name}: {refusal} and not {expected}"));
            }
            match !case.is_late && contains(&arrived, &case.marker) {
                true => Err(format!("{name}: it arrived all the same")),
                false => Ok(()),
            }
        }
    }
}

fn filled(stage: &Stage, steps: &[Step]) -> Vec<Step> {
    let fill = |step: &Step| match step {
        Step::Send(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Step::Send(stage.fill(text).into_bytes()),
            Err(_) => step.clone(),
        },
        step => step.clone(),
    };
    steps.iter().map(fill).collect()
}

#[tokio::test]
async fn every_attempt_that_is_refused_would_succeed_through_a_proxy_without_rules() {
    let proxy = naive().await;
    for Case { name, steps, marker, becomes, .. } in table::all(SOME, SECRET) {
        if let Becomes::Refused(_) = becomes {
            let stage = Stage::new().await;
            let mut client = Client::connect(([127, 0, 0, 1], proxy.port).into()).await;
            let steps = filled(&stage, &steps);
            let arrives = async { tokio::join!(client.walk(&steps), stage.log.has(&marker)) };
            soon(name, arrives).await;
        }
    }
}

#[test]
fn every_code_is_documented_with_its_remedy() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/errors.md"))
        .expect("a document");
    let refusals = Refusal::ALL.iter().map(|refusal| (refusal.code(), refusal.remedy()));
    let kinds = EgressErrorKind::ALL.iter().map(|kind| (kind.code(), kind.remedy()));
    for (code, remedy) in refusals.chain(kinds) {
        let is_row = |line: &&str| {
            line.starts_with(&format!("| `{code}` | ")) && line.ends_with(&format!(" | {remedy} |"))
        };
        assert!(document.lines().any(|line| is_row(&line)), "{code}: {remedy}");
    }
}
