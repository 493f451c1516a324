//! What the model says: a change is drafted, sent back once, drafted again, accepted and finished.

use serde_json::{Value, json};
use striatum_testkit::llm::{Conversation, Reply};

/// The titles of the jobs, with which their prompts begin.
const DRAFT: &str = "# Draft the change";
const REVIEW: &str = "# Review the change";
const APPLY: &str = "# Finish the accepted change";

/// Plays every part of the reviewed change.
pub(crate) fn reviewed_change(conversation: &Conversation) -> Reply {
    if let Some(schema) = &conversation.schema {
        return aside(schema);
    }
    let results = |title| conversation.results_since(title);
    if let Some(done) = results(DRAFT) {
        let again = conversation.turns.iter().any(|turn| format!("{turn:?}").contains("This is attempt 2"));
        let greeting = if again { "Good morning, everybody" } else { "hello" };
        // Some agents overwrite nothing that they have not read.
        let must_read = again && conversation.tools.iter().any(|tool| tool.is("read_file"));
        let done = match (must_read, done) {
            (true, 0) => return read(conversation, "src/greeting.txt"),
            (true, done) => done - 1,
            (false, done) => done,
        };
        return match done {
            0 => write(conversation, "src/greeting.txt", greeting),
            1 => publish(conversation, "change_note", &format!("The greeting is now: {greeting}")),
            2 => record(conversation, "complete_work", &json!({})),
            _ => Reply::say("The change is drafted."),
        };
    }
    if let Some(done) = results(REVIEW) {
        let revised = conversation.turns.iter().any(|turn| format!("{turn:?}").contains("draft, attempt 2"));
        let (verdict, finding) = match revised {
            false => ("needs_revision", "A greeting begins with a capital letter and greets somebody."),
            true => ("accept_with_findings", "It could name the time of day."),
        };
        return match done {
            0 => publish(conversation, "review", finding),
            1 => record(
                conversation,
                "submit_review",
                &json!({"verdict": verdict, "findings": [{"title": finding}]}),
            ),
            _ => Reply::say("The change is judged."),
        };
    }
    if let Some(done) = results(APPLY) {
        return match done {
            0 => write(conversation, "docs/code_change/SUMMARY.md", "The greeting greets everybody."),
            1 => record(conversation, "complete_work", &json!({})),
            _ => Reply::say("The change is finished."),
        };
    }
    Reply::say("A reviewed change")
}

/// Whether this is the second request that belongs to a job.
pub(crate) fn is_after_first_step(conversation: &Conversation) -> bool {
    [DRAFT, REVIEW, APPLY].into_iter().any(|title| conversation.results_since(title) == Some(1))
}

/// Answers a question that an agent has on the side: codex has its model judge what it is about to do.
fn aside(schema: &Value) -> Reply {
    let judges = schema.pointer("/properties/outcome").is_some();
    Reply::say(
        if judges {
            json!({"outcome": "allow", "rationale": "It is what was asked for."})
        } else {
            json!({})
        }
        .to_string(),
    )
}

/// The same, but the first word of every draft is another.
pub(crate) fn at_first(
    first: impl Fn(usize) -> Option<Reply> + Send + Sync,
) -> impl Fn(&Conversation) -> Reply + Send + Sync {
    let asked = std::sync::atomic::AtomicUsize::new(0);
    move |conversation| {
        if conversation.results_since(DRAFT) != Some(0) || conversation.tools.is_empty() {
            return reviewed_change(conversation);
        }
        let nth = asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        first(nth).unwrap_or_else(|| reviewed_change(conversation))
    }
}

fn publish(conversation: &Conversation, name: &str, text: &str) -> Reply {
    record(conversation, "publish_artifact", &json!({"name": name, "text": format!("{text}\n")}))
}

/// Calls a tool of the grant: by its name, or by a line of program where the agent has its model write programs.
fn record(conversation: &Conversation, tool: &str, arguments: &Value) -> Reply {
    let code =
        format!("async function main() {{\n  return await tools.mcp_striatum.{tool}({arguments});\n}}");
    conversation.call(&[(tool, arguments.clone()), ("run_typescript", json!({"code": code}))])
}

/// A file under the name by which agents know it.
fn named(conversation: &Conversation, path: &str) -> String {
    folder(conversation).map_or_else(|| path.to_owned(), |folder| format!("{folder}/{path}"))
}

/// Reads a file with a tool of the agent's own.
fn read(conversation: &Conversation, path: &str) -> Reply {
    let file = named(conversation, path);
    conversation.call(&[("read_file", json!({"file_path": file, "path": file, "absolute_path": file}))])
}

/// Writes a file with a tool of the agent's own.
fn write(conversation: &Conversation, path: &str, text: &str) -> Reply {
    let file = named(conversation, path);
    let shell = format!("mkdir -p $(dirname {path}) && echo '{text}' > {path}");
    let text = format!("{text}\n");
    // Each agent has names of its own for the same things, and takes those that it knows.
    let whole = json!({"file_path": file, "filePath": file, "path": file, "content": text});
    conversation.call(&[
        ("Write", whole.clone()),
        ("write_file", whole.clone()),
        ("write_text_file", whole.clone()),
        ("write", whole),
        // Beside it there is a tool that makes files, but no folders.
        ("bash", json!({"command": shell, "description": "Write a file"})),
        ("exec_command", json!({"cmd": shell})),
        ("shell_command", json!({"command": shell})),
        ("shell", json!({"command": ["bash", "-lc", shell]})),
    ])
}

/// The folder that the agent works in, as it tells its model.
fn folder(conversation: &Conversation) -> Option<String> {
    let said = conversation.turns.iter().map(|turn| match turn {
        striatum_testkit::llm::Turn::Said(text) | striatum_testkit::llm::Turn::Result(text) => text.as_str(),
    });
    let words = [
        "orking directory: ",
        "orking directory is `",
        "orking in the directory: ",
        "Workspace Directories:**\n  - ",
        "Absolute path: ",
        "<cwd>",
    ];
    [conversation.instructions.as_str()].into_iter().chain(said).find_map(|text| {
        words.iter().find_map(|word| {
            let (_, rest) = text.split_once(word)?;
            let end = rest.find(['\n', '<', ' ', '`']).unwrap_or(rest.len());
            rest.get(..end).map(|path| path.trim_end_matches('.').to_owned())
        })
    })
}
