//! Anything else, by a template: minijinja over the documented event, with bounded work and no files.

use minijinja::{Environment, UndefinedBehavior};
use serde_json::Value;
use uuid::Uuid;

use super::super::{Outgoing, examples};
use super::{DialectError, Request};
use crate::escape::plain;

/// Instructions a rendering may take; a loop over all alerts and columns of a large event takes some ten thousand.
const FUEL: u64 = 500_000;

/// A body made by a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// The template; the event's `type`, `timestamp` and `data` are its variables, with `id`, `title` and `text`.
    pub body: String,
    /// What the body is.
    pub content_type: String,
}

/// Why a template does not make a body of an event.
#[derive(Debug, thiserror::Error)]
pub enum TemplateError {
    /// It is no template, or asks for something that is not there.
    #[error("the template cannot be rendered: {0:#}")]
    NotRendered(#[from] minijinja::Error),
    /// What it makes is not what it says it is.
    #[error("the template does not give JSON: {0}\nhint: put values in with the filter: {{{{ title | tojson }}}}")]
    NotJson(#[source] serde_json::Error),
}

impl Template {
    /// Renders an example of each event.
    ///
    /// # Errors
    /// When one cannot be rendered or is not what the content type says.
    pub fn check(&self) -> Result<(), TemplateError> {
        for event in examples() {
            let message = Outgoing { id: Uuid::nil(), subject: Uuid::nil(), body: event };
            let rendered = self.render(&message)?;
            if self.is_json() {
                serde_json::from_str::<Value>(&rendered).map_err(TemplateError::NotJson)?;
            }
        }
        Ok(())
    }

    fn is_json(&self) -> bool {
        self.content_type.starts_with("application/json")
    }

    fn render(&self, message: &Outgoing) -> Result<String, TemplateError> {
        let mut environment = Environment::new();
        environment.set_fuel(Some(FUEL));
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        // In JSON every value is escaped by itself; elsewhere names from data are made plain.
        let json = self.is_json();
        environment.set_auto_escape_callback(move |_| {
            if json { minijinja::AutoEscape::Json } else { minijinja::AutoEscape::None }
        });
        let mut context = message.body.clone();
        if let Value::Object(context) = &mut context {
            let told =
                super::super::words::Readable::read(&message.body).map(super::super::words::Readable::for_people);
            let title = told.as_ref().map(super::super::words::Readable::title).unwrap_or_default();
            let text = told.as_ref().map(super::super::words::text_of).unwrap_or_default();
            if !json {
                context.values_mut().for_each(plain_texts);
            }
            context.insert("id".to_owned(), message.id.to_string().into());
            context.insert("title".to_owned(), title.into());
            // Of several lines, its names are plain already.
            context.insert("text".to_owned(), text.into());
        }
        let context = minijinja::Value::from(minijinja::value::Serde(&context));
        Ok(environment.render_named_str("body", &self.body, context)?)
    }

    pub(super) fn request(&self, message: &Outgoing) -> Result<Request, DialectError> {
        let body = self.render(message)?;
        let mut request = Request::json(None, &Value::Null);
        request.headers = vec![("content-type", self.content_type.clone())];
        request.headers.push(("idempotency-key", message.id.to_string()));
        request.body = Some(body);
        Ok(request)
    }
}

/// Names and values as they may stand in a text.
fn plain_texts(value: &mut Value) {
    match value {
        Value::String(text) => *text = plain(text),
        Value::Array(values) => values.iter_mut().for_each(plain_texts),
        Value::Object(values) => values.values_mut().for_each(plain_texts),
        _ => {}
    }
}
