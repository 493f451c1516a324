//! What was found, in sentences.

use crate::{
    args::Args,
    report::{Audit, Chain, Report},
};

/// What was found in each chain, and what to do next.
pub(crate) fn findings(report: &Report, args: &Args) -> String {
    let mut text = String::new();
    for chain in &report.chains {
        line(&mut text, &describe(chain));
    }
    if report.sound {
        line(&mut text, "Sound.");
    } else if report.chains.iter().any(|chain| !chain.is_sound()) {
        line(&mut text, "NOT SOUND.");
    }
    let heads = report.chains.iter().filter_map(|chain| Some((chain, chain.head.as_ref()?)));
    if report.sound && report.chains.iter().any(|chain| chain.events > 0) {
        line(
            &mut text,
            "\nA store cannot notice that its end was cut off together with its own note of it. Write each head down where\n\
             nobody who can write the store can change it, and later ask for it:",
        );
        for (chain, head) in heads {
            line(
                &mut text,
                &format!("  verify {} --chain {} --expect {head}", args.path.display(), chain.chain),
            );
        }
    }
    text
}

/// Why nothing more can be said.
pub(crate) fn problem(report: &Report) -> String {
    report.problem.as_ref().map_or_else(String::new, |problem| {
        format!("verify: {}\ncode: {}\nwhat to do: {}\n", problem.message, problem.code, problem.remedy)
    })
}

fn describe(chain: &Chain) -> String {
    let mut text = String::new();
    let label = if chain.label.is_empty() { String::new() } else { format!(" ({})", chain.label) };
    line(&mut text, &format!("chain {}{label}", chain.chain));
    match &chain.fault {
        None => digests(&mut text, chain),
        Some(fault) => {
            line(&mut text, &format!("  First bad sequence number: {} ({})", fault.seq, fault.code));
            line(&mut text, &format!("  Found: {}.", fault.found));
            line(&mut text, &format!("  That means: {}.", fault.meaning));
            line(&mut text, &format!("  What to do: {}.", fault.remedy));
            line(
                &mut text,
                &match chain.events {
                    0 => "  No event before it was found sound.".to_owned(),
                    1 => format!("  Event 1 is sound{}.", span(chain)),
                    events => format!("  Events 1 to {events} are sound{}.", span(chain)),
                },
            );
        }
    }
    if let Some(audit) = &chain.audit {
        audited(&mut text, audit);
    }
    if let Some(head) = &chain.head {
        line(&mut text, &format!("  Head: {head}"));
    }
    text
}

fn digests(text: &mut String, chain: &Chain) {
    line(text, &format!("  {}{}.", count(chain.events, "event"), span(chain)));
    if chain.head.is_some() {
        line(
            text,
            "  Digests: sound. Each event gives its digest and follows the one before it; the head names the last.",
        );
    }
    if let (Some(expected), Some(_)) = (&chain.expected, &chain.head) {
        line(text, &format!("  Expectation: met. The chain contains {expected}."));
    }
}

fn audited(text: &mut String, audit: &Audit) {
    let state = if audit.damage == 0 && audit.unaccounted == 0 { "sound" } else { "NOT SOUND" };
    let runs = count(audit.runs, "run");
    let folded = match audit.folded {
        0 => "none was folded into its state, for which --blobs is needed".to_owned(),
        n if n == audit.runs => "all were folded into their state and compared with the index".to_owned(),
        n => format!("{n} of them were folded into their state and compared with the index"),
    };
    line(text, &format!("  Audit: {state}. {runs} read; {folded}."));
    if audit.unaccounted > 0 {
        let events = count(audit.unaccounted, "event");
        line(
            text,
            &format!("  - {events} belong to no run that the index lists: rows of the index are gone."),
        );
    }
    for finding in &audit.findings {
        let kind = if finding.damage { "damage" } else { "note" };
        let place = finding.seq.map_or_else(String::new, |seq| format!(", event {seq}"));
        line(text, &format!("  - {kind} {}: run {}{place}: {}.", finding.code, finding.run, finding.found));
        line(text, &format!("    What to do: {}.", finding.advice));
    }
    if audit.omitted > 0 {
        line(text, &format!("  - {} more.", audit.omitted));
    }
}

fn span(chain: &Chain) -> String {
    match (&chain.first_at, &chain.last_at) {
        (Some(first), Some(last)) => format!(", from {first} to {last}"),
        _ => String::new(),
    }
}

fn count(number: u64, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}
