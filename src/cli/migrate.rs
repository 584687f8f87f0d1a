//! `driftd migrate`

use std::path::Path;

use super::{CliError, runtime, say, settings, tell};
use crate::app::store_options;
use crate::store::Store;

pub(super) fn run(path: &Path) -> Result<(), CliError> {
    let settings = settings(path)?;
    runtime()?.block_on(async {
        let store = Store::connect_lazily(&store_options(&settings.daemon))?;
        store.migrate().await?;
        let (version, _) = store.schema_version().await?;
        tell(&serde_json::json!({ "schema": version }), || say("the schema is up to date"))
    })
}
