//! One thing that an operator can do: the same by HTTP and as an MCP tool.
//!
//! An operation is said once, with its input and output as types. From that come the route, the tool, their JSON schemas, the OpenAPI
//! document, and what the audit chain notes.

use std::{fmt, sync::Arc};

use axum::http::Method;
use futures_util::future::BoxFuture;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use striatum_core::id::{CommandId, RunId};

use super::{
    caller::Caller,
    desk::{Desk, Made},
    problem::{Fault, Problem},
};
use crate::authority::Capability;

/// What a request that changes something may say besides its input.
const REQUEST_ID: &str = "request_id";

/// A request that passed authority, to whoever performs the operation.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) desk: Arc<Desk>,
    pub(super) caller: Caller,
    /// The id of the command that it becomes: repeated under it, it is done once.
    pub(super) id: CommandId,
}

/// What came of an operation.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) answer: Value,
    /// What it made; nothing for one that only reads.
    pub(super) made: Option<Made>,
}

type Perform = Box<dyn Fn(Request, Value) -> BoxFuture<'static, Result<Done, Problem>> + Send + Sync>;

/// One thing that an operator can do.
pub(super) struct Operation {
    /// The name of the tool, and the `operationId`.
    pub(super) name: &'static str,
    pub(super) method: Method,
    /// The path, with `{names}` of keys of the input.
    pub(super) path: &'static str,
    pub(super) capability: Capability,
    pub(super) summary: &'static str,
    /// Whether it is offered as a tool too. Tokens are not: they would stand in the context of a model.
    pub(super) is_tool: bool,
    pub(super) input: Map<String, Value>,
    pub(super) output: Map<String, Value>,
    perform: Perform,
}

impl fmt::Debug for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation")
            .field("name", &self.name)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl Operation {
    /// An operation that only reads.
    pub(super) fn reads<I, O, F>(
        name: &'static str,
        path: &'static str,
        summary: &'static str,
        perform: fn(Request, I) -> F,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<O, Problem>> + Send + 'static,
    {
        Self {
            name,
            method: Method::GET,
            path,
            capability: Capability::Read,
            summary,
            is_tool: true,
            input: schema::<I>(),
            output: schema::<O>(),
            perform: Box::new(move |request, input| {
                Box::pin(async move {
                    let output = perform(request, read(input)?).await?;
                    Ok(Done { answer: written(&output)?, made: None })
                })
            }),
        }
    }

    /// An operation that changes something.
    pub(super) fn changes<I, O, F>(
        name: &'static str,
        path: &'static str,
        capability: Capability,
        summary: &'static str,
        perform: fn(Request, I) -> F,
    ) -> Self
    where
        I: DeserializeOwned + JsonSchema + Send + 'static,
        O: Serialize + JsonSchema,
        F: Future<Output = Result<(O, Made), Problem>> + Send + 'static,
    {
        let mut input = schema::<I>();
        if let Some(Value::Object(keys)) = input.get_mut("properties") {
            keys.insert(REQUEST_ID.to_owned(), request_id());
        } else {
            input.insert("properties".to_owned(), serde_json::json!({ REQUEST_ID: request_id() }));
        }
        Self {
            name,
            method: Method::POST,
            path,
            capability,
            summary,
            is_tool: true,
            input,
            output: schema::<O>(),
            perform: Box::new(move |request, input| {
                Box::pin(async move {
                    let (output, made) = perform(request, read(input)?).await?;
                    Ok(Done { answer: written(&output)?, made: Some(made) })
                })
            }),
        }
    }

    /// The same with another capability than it would have.
    pub(super) fn needs(self, capability: Capability) -> Self {
        Self { capability, ..self }
    }

    /// The same, but not offered as a tool.
    pub(super) fn hidden_from_tools(self) -> Self {
        Self { is_tool: false, ..self }
    }

    /// Whether it changes something.
    pub(super) fn is_change(&self) -> bool {
        self.method != Method::GET
    }

    /// The keys of the input that stand in the path.
    pub(super) fn path_keys(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }

    /// Performs it. The input is one object, whatever parts of a request it came in.
    pub(super) async fn perform(&self, request: Request, input: Value) -> Result<Done, Problem> {
        (self.perform)(request, input).await
    }

    /// A text from a path or a query as the value that the input wants there.
    pub(super) fn value_of(&self, key: &str, text: &str) -> Value {
        let wants = self.input.get("properties").and_then(|keys| keys.get(key)?.get("type"));
        let wants = |kind: &str| match wants {
            Some(Value::String(one)) => one == kind,
            Some(Value::Array(several)) => several.iter().any(|one| one == kind),
            _ => false,
        };
        if wants("integer")
            && let Ok(number) = text.parse::<u64>()
        {
            return number.into();
        }
        if wants("boolean")
            && let Ok(flag) = text.parse::<bool>()
        {
            return flag.into();
        }
        if wants("array") {
            return text.split(',').filter(|word| !word.is_empty()).map(Value::from).collect();
        }
        text.into()
    }
}

/// Takes the id of the request out of its input, or mints one.
pub(super) fn take_id(input: &mut Value) -> Result<CommandId, Problem> {
    match input.as_object_mut().and_then(|input| input.remove(REQUEST_ID)) {
        None | Some(Value::Null) => Ok(CommandId::from_bytes(bits()?)),
        Some(given) => {
            let wrong = || Problem::new(Fault::Invalid, "request_id is not 32 lower-case hexadecimal digits");
            given.as_str().and_then(|text| text.parse().ok()).ok_or_else(wrong)
        }
    }
}

/// 128 random bits.
pub(crate) fn bits() -> Result<[u8; 16], Problem> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| Problem::new(Fault::Defect, format!("the host gives no random bytes: {error}")))?;
    Ok(bits)
}

/// The run that an input is about, for the audit.
pub(super) fn run_of(input: &Value) -> Option<RunId> {
    input.get("run")?.as_str()?.parse().ok()
}

fn request_id() -> Value {
    serde_json::json!({
        "description": "Names this request, 32 lower-case hexadecimal digits drawn at random. Sent again under the same id with \
                        the same content it changes nothing and gets the first answer.",
        "type": "string",
        "pattern": "^[0-9a-f]{32}$",
    })
}

fn schema<T: JsonSchema>() -> Map<String, Value> {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    let schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
    let mut schema = match schema.to_value() {
        Value::Object(schema) => schema,
        // `true`: anything.
        _ => Map::new(),
    };
    schema.remove("$schema");
    schema.remove("title");
    schema
}

fn read<I: DeserializeOwned>(input: Value) -> Result<I, Problem> {
    serde_json::from_value(input).map_err(|error| Problem::new(Fault::Invalid, error.to_string()))
}

fn written<O: Serialize>(output: &O) -> Result<Value, Problem> {
    serde_json::to_value(output).map_err(|error| Problem::new(Fault::Defect, error.to_string()))
}
