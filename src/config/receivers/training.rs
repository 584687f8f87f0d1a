//! Training systems.

use super::ReceiverKind;
use crate::config::section::Section;
use crate::notify::Training;

pub(super) fn read(section: &Section<'_>, kind: ReceiverKind) -> Option<Training> {
    match kind {
        ReceiverKind::Airflow => {
            let version = section.choice("version", 3, &[("2", 2), ("3", 3)]);
            Some(Training::Airflow { version, dag: path_part(section, "dag", "the DAG for retraining")? })
        }
        ReceiverKind::GitHub => {
            let repository = section.required("repository", "`owner/name`");
            let event_type = section.string("event_type").unwrap_or_else(|| "driftd-retraining".to_owned());
            let repository = repository?;
            let parts: Vec<&str> = repository.split('/').collect();
            if parts.len() != 2 || parts.iter().any(|part| !is_path_part(part)) {
                section.add(section.mistake("repository", format!("`{repository}` is not `owner/name`")));
                return None;
            }
            Some(Training::GitHub { repository, event_type })
        }
        ReceiverKind::Kubeflow => {
            let pipeline = section.required("pipeline", "the pipeline ID");
            let version = section.string("pipeline_version");
            let experiment = section.string("experiment");
            Some(Training::Kubeflow { pipeline: pipeline?, version, experiment })
        }
        ReceiverKind::Prefect => {
            Some(Training::Prefect { deployment: path_part(section, "deployment", "the deployment ID")? })
        }
        ReceiverKind::Dagster => {
            let job = section.required("job", "the job for retraining");
            let location = section.required("location", "the code location of the job");
            let repository = section.string("repository").unwrap_or_else(|| "__repository__".to_owned());
            Some(Training::Dagster { job: job?, location: location?, repository })
        }
        _ => Some(Training::Argo),
    }
}

fn is_path_part(text: &str) -> bool {
    let allowed = |character: char| character.is_ascii_alphanumeric() || "-_.".contains(character);
    !text.is_empty() && text.chars().all(allowed) && !text.chars().all(|character| character == '.')
}

/// A name that becomes a part of a URL's path.
fn path_part(section: &Section<'_>, key: &'static str, what: &str) -> Option<String> {
    let name = section.required(key, what)?;
    if !is_path_part(&name) {
        section.add(section.mistake(key, "may have letters, digits, `-`, `_` and `.` only"));
        return None;
    }
    Some(name)
}
