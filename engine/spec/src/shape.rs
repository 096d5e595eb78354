//! Compares a JSON value with the generated JSON Schema and reports every difference, each with its path.
//!
//! serde stops at the first error; this walk does not. It knows the subset of JSON Schema that schemars writes
//! for this crate, so the Rust types stay the one source.

use serde_json::{Map, Value};

use crate::problem::{Code, Problem, did_you_mean};

/// A schema and the definitions that its references point to.
pub(crate) struct Shape<'a> {
    root: &'a Value,
}

impl<'a> Shape<'a> {
    pub(crate) fn new(root: &'a Value) -> Self {
        Self { root }
    }

    /// Everything in `value` that does not fit.
    pub(crate) fn check(&self, value: &Value) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.walk(self.root, value, "", &mut problems);
        problems
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        match schema.get("$ref").and_then(Value::as_str) {
            Some(reference) => self.root.pointer(reference.trim_start_matches('#')).unwrap_or(schema),
            None => schema,
        }
    }

    fn walk(&self, schema: &'a Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
            // Only `Option<T>` makes this: T or null.
            if !value.is_null()
                && let Some(inner) = choices.iter().find(|c| c.get("type").and_then(Value::as_str) != Some("null"))
            {
                self.walk(inner, value, path, problems);
            }
            return;
        }
        if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
            let texts: Vec<&str> = choices.iter().flat_map(constants).collect();
            if texts.is_empty() {
                self.variant(choices, value, path, problems);
            } else {
                one_of_texts(&texts, value, path, problems);
            }
            return;
        }
        let texts: Vec<&str> = constants(schema).collect();
        if !texts.is_empty() {
            one_of_texts(&texts, value, path, problems);
            return;
        }
        if !type_fits(schema, value) {
            problems.push(Problem::new(
                path,
                Code::InvalidValue,
                format!("expected {}, found {}", type_text(schema), describe(value)),
            ));
            return;
        }
        range(schema, value, path, problems);
        match value {
            Value::Object(fields) => self.object(schema, fields, path, problems),
            Value::Array(items) => {
                if let Some(item) = schema.get("items") {
                    for (index, value) in items.iter().enumerate() {
                        self.walk(item, value, &format!("{path}[{index}]"), problems);
                    }
                }
            }
            _ => {}
        }
    }

    fn object(&self, schema: &'a Value, fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
        for (name, value) in fields {
            let place = join(path, name);
            match properties.get(name) {
                Some(schema) => self.walk(schema, value, &place, problems),
                None => problems.push(
                    Problem::new(place, Code::UnknownField, format!("there is no field `{name}` here"))
                        .maybe_hint(did_you_mean(name, properties.keys().map(String::as_str))),
                ),
            }
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                let mut problem =
                    Problem::new(join(path, name), Code::MissingField, format!("the field `{name}` is missing"));
                problem.hint = properties[name].get("description").and_then(Value::as_str).map(str::to_owned);
                problems.push(problem);
            }
        }
    }

    /// An externally tagged enum: an object with exactly one of the variants' names.
    fn variant(&self, choices: &'a [Value], value: &Value, path: &str, problems: &mut Vec<Problem>) {
        let variants: Vec<(&str, &Value)> = choices
            .iter()
            .filter_map(|choice| choice.get("properties").and_then(Value::as_object)?.iter().next())
            .map(|(name, schema)| (name.as_str(), schema))
            .collect();
        let Some(fields) = value.as_object() else {
            problems.push(Problem::new(
                path,
                Code::InvalidValue,
                format!("expected an object with the step's name as its only field, found {}", describe(value)),
            ));
            return;
        };
        if fields.len() != 1 {
            problems.push(
                Problem::new(
                    path,
                    Code::InvalidValue,
                    format!("a step has exactly one field, its name; this one has {}", fields.len()),
                )
                .hint("write one object for each step: [{\"filter\": {…}}, {\"limit\": {…}}]"),
            );
        }
        for (name, value) in fields {
            match variants.iter().find(|(variant, _)| variant == name) {
                Some((_, schema)) => self.walk(schema, value, &join(path, name), problems),
                None => problems.push(
                    Problem::new(join(path, name), Code::UnknownStep, format!("there is no step `{name}`"))
                        .maybe_hint(did_you_mean(name, variants.iter().map(|(name, _)| *name))),
                ),
            }
        }
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// The texts that a schema of a unit enum allows.
fn constants(schema: &Value) -> impl Iterator<Item = &str> {
    let list = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
    list.chain(schema.get("const")).filter_map(Value::as_str)
}

fn one_of_texts(texts: &[&str], value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let found = value.as_str();
    if found.is_some_and(|text| texts.contains(&text)) {
        return;
    }
    problems.push(
        Problem::new(path, Code::InvalidValue, format!("{} is not one of the values allowed here", describe(value)))
            .maybe_hint(did_you_mean(found.unwrap_or(""), texts.iter().copied())),
    );
}

fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn type_fits(schema: &Value, value: &Value) -> bool {
    let types = types(schema);
    types.is_empty()
        || types.iter().any(|name| match *name {
            "null" => value.is_null(),
            "boolean" => value.is_boolean(),
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => false,
        })
}

fn type_text(schema: &Value) -> String {
    let names: Vec<&str> = types(schema)
        .into_iter()
        .filter(|name| *name != "null")
        .map(|name| match name {
            "boolean" => "true or false",
            "string" => "a text",
            "integer" => "a whole number",
            "number" => "a number",
            "array" => "a list",
            "object" => "an object",
            other => other,
        })
        .collect();
    names.join(" or ")
}

fn describe(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.chars().count() <= 40 => format!("the text `{text}`"),
        Value::String(_) => "a long text".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "an object".to_owned(),
    }
}

fn range(schema: &Value, value: &Value, path: &str, problems: &mut Vec<Problem>) {
    let Some(number) = value.as_f64() else { return };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    let (low, high) = (bound("minimum"), bound("maximum"));
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let text = match (low, high) {
            (Some(low), Some(high)) => format!("must lie between {low} and {high}"),
            (Some(low), None) => format!("must be at least {low}"),
            (_, high) => format!("must be at most {}", high.unwrap_or(f64::MAX)),
        };
        problems.push(Problem::new(path, Code::InvalidValue, format!("{value} is out of range: {text}")));
    }
}
