//! `driftd migrate`

use super::{CliError, Context, say, tell, with_store};

pub(super) fn run(context: &Context) -> Result<(), CliError> {
    with_store(context, async |store, _| {
        store.migrate().await?;
        let (version, _) = store.schema_version().await?;
        tell(&serde_json::json!({ "schema": version }), || say("schema is up to date"))
    })
}
