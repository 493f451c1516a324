//! What waits for a person, and what answers it.

use serde_json::{Value, json};

use crate::{
    board::text,
    interface::{Failed, Interface},
};

/// Something that waits for a person: what it is, what may be typed, and where the answer goes.
pub(crate) struct Waiting {
    pub(crate) line: String,
    pub(crate) hint: &'static str,
    pub(crate) path: String,
    item: Value,
}

/// All that waits in the run at this path.
pub(crate) fn of(interface: &Interface, run: &str) -> Result<Vec<Waiting>, Failed> {
    let mut all = Vec::new();
    for (list, key, path, hint) in [
        ("questions", "question", "questions/{}/answer", "your answer"),
        ("escalations?open=true", "escalation", "escalations/{}/settle", "accept WHY | reject WHY"),
        (
            "checkpoints",
            "job",
            "jobs/{}/resolve",
            "continue WHAT YOU PUBLISH | resume | override WHY | cancel",
        ),
    ] {
        for item in interface.list(&format!("{run}/{list}"))? {
            let digest = item["text"]["digest"].as_str().or(item["reason"]["digest"].as_str());
            let words =
                digest.map(|digest| interface.ask(&format!("{run}/texts/{digest}"), None)).transpose()?;
            let words = text(&words.unwrap_or_default()["text"], 300);
            let about = ["job", "topic", "checkpoint", "title"].map(|key| text(&item[key], 60)).join(" ");
            let path = format!("{run}/{}", path.replace("{}", &text(&item[key], 200)));
            all.push(Waiting { line: format!("{key}: {about} {words}"), hint, path, item });
        }
    }
    Ok(all)
}

impl Waiting {
    /// What was typed, as what answers this.
    pub(crate) fn answer(&self, typed: &str) -> Value {
        let (word, rest) = typed.trim().split_once(' ').unwrap_or((typed.trim(), ""));
        let why = Some(rest).filter(|rest| !rest.is_empty());
        if self.item["question"].is_u64() {
            return json!({ "text": typed });
        }
        if self.item["escalation"].is_u64() {
            return json!({ "ruling": word, "reason": why });
        }
        if word != "continue" || why.is_none() {
            return json!({ "how": word, "reason": why });
        }
        let published = self.item["artifacts"].as_array().into_iter().flatten();
        let published: Value = published.map(|name| json!({ "name": name, "text": rest })).collect();
        json!({ "how": word, "artifacts": published })
    }
}
