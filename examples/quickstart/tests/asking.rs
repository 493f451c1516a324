//! Questions, budgets, doubts and escalations: what a person is asked, and the command that answers.

use rustix::process::Signal;
use serde_json::json;

use crate::{
    place::{Place, git, run},
    site::{DILIGENT, Site, expect_words},
};

#[test]
fn a_question_outlives_its_agent_and_the_program_and_its_answer_goes_to_the_next_agent() {
    let place = Place::new();
    let heard = place.path("heard");
    let asks = format!(
        "cat > {heard}\ngrep -q Blanks {heard} || [ $STRIATUM_JOB != a ] || \
         {{ echo '{{\"ask\": \"Tabs or blanks?\"}}' > $STRIATUM_REPORT; exit 0; }}\n{DILIGENT}",
        heard = heard.display()
    );
    let site = Site::new(&asks, |_| {});
    let mut crashing = site.begin();
    crashing.env("STRIATUM_CRASH_AT", "ask.after");
    assert_eq!(run(crashing).signal, Some(Signal::ABORT.as_raw()));
    let asked = run(site.begin()).expect_code(3);
    let id = asked.run();
    let help = format!("waits: {} answer {id} 1 TEXT", site.again());
    expect_words(&asked, &["a: awaiting_input", "question 1: Tabs or blanks?", &help]);
    expect_words(&site.say(&["show", &id]).expect_code(0), &["question 1: Tabs or blanks?", &help]);
    site.say(&["answer", &id, "2", "Blanks."]).expect_error("question_unknown", &["2"]);
    let done = site.say(&["answer", &id, "1", "Blanks."]).expect_code(0);
    expect_words(
        &done,
        &["attempt 1, grant 1: asked after", "attempt 1, grant 2: done after", ": completed, "],
    );
    assert_eq!(site.history().count("question.asked"), 1);
    site.place.assert_tidy(&site.repository, "answered");
}

/// The last job writes over what was judged.
fn deviating() -> Site {
    let script = format!("{DILIGENT}[ $STRIATUM_JOB != later ] || echo other > out/a.md\n");
    Site::new(&script, |document| document["require_judged_delivery"] = json!(true))
}

#[test]
fn what_was_not_judged_is_delivered_when_a_person_accepts_it() {
    let site = deviating();
    let held = run(site.begin()).expect_code(3);
    let id = held.run();
    let help = format!("waits: {} settle {id} 1 accept|reject", site.again());
    expect_words(&held, &["notice[delivery_withheld]", "escalation 1: ", "out/a.md of a: judged ", &help]);
    site.say(&["settle", &id, "2", "accept"]).expect_error("escalation_unknown", &["2"]);
    let done = site.say(&["settle", &id, "1", "accept", "--reason", "it is better"]).expect_code(0);
    expect_words(&done, &["delivered on striatum/site at "]);
    assert_eq!(git(&site.repository, &["show", "striatum/site:out/a.md"]), "other\n");

    let unsound = site.say(&["compromise", &id, "--reason", "it was not better"]).expect_code(0);
    expect_words(&unsound, &[": compromised, "]);
}

#[test]
fn what_a_person_rejects_is_not_delivered_and_the_next_command_begins_another_run() {
    let site = deviating();
    let id = run(site.begin()).expect_code(3).run();
    site.say(&["settle", &id, "1", "reject"]).expect_code(1);
    let branches = git(&site.repository, &["branch", "--list", "striatum/site"]);
    assert_eq!((branches.as_str(), site.history().count("run.delivered")), ("", 0));
    assert_ne!(run(site.begin()).expect_code(3).run(), id);
}

#[test]
fn a_spent_budget_says_how_to_grant_more() {
    let usage = format!("{DILIGENT}echo '{{\"usage\": {{\"turns\": 2}}}}' > $STRIATUM_REPORT\n");
    let site = Site::new(&usage, |document| document["budget"] = json!({"turns": 3}));
    let spent = run(site.begin()).expect_code(3);
    let id = spent.run();
    let help = format!("grant as much again: {} pause {id} --resume | settle {id} 1", site.again());
    expect_words(&spent, &["notice[budget_spent]", "running, paused, ", "used: 4 turns (budget 3)", &help]);
    site.say(&["pause", &id, "--resume"]).expect_code(0);
    expect_words(&run(site.begin()).expect_code(0), &["used: 6 turns"]);

    let raised = site.say(&["escalate", &id, "look at this", "--job", "a"]).expect_code(0);
    expect_words(&raised, &["escalation 2: somebody asks for help", "  look at this"]);
}

#[test]
fn a_reviewer_of_the_authors_family_is_named_with_the_author() {
    let model = format!("{DILIGENT}echo '{{\"model\": \"claude-'$STRIATUM_JOB'\"}}' > $STRIATUM_REPORT\n");
    let site = Site::new(&model, |_| {});
    let blocked = run(site.begin()).expect_code(3);
    let id = blocked.run();
    let help =
        format!("waits: {} resolve {id} r resume | continue | override --reason TEXT | cancel", site.again());
    expect_words(&blocked, &["claude-r judges what claude-a made in a", "of the family anthropic", &help]);
    let done = site.say(&["resolve", &id, "r", "override", "--reason", "there is no other"]).expect_code(0);
    expect_words(&done, &["└─ later: completed"]);
}
