//! Training systems: one templated call each, with an id that they recognise where they can, and how to ask about the run.
//!
//! Sources: the OpenAPI files and clients of Airflow 2.10 and 3.0, Kubeflow Pipelines 2 (v2beta1), Prefect 3, Dagster's
//! GraphQL client, GitHub's REST documentation, Argo Events' webhook source.
#![expect(clippy::indexing_slicing, reason = "a missing key of JSON is null, and objects made here take any key")]

use serde_json::{Value, json};
use uuid::Uuid;

use super::super::Outgoing;
use super::{DialectError, Request};
use crate::alert::EventKind;
use crate::retrain::RequestState;

/// A training system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Training {
    /// Airflow: a run of a DAG.
    Airflow {
        /// 2 or 3.
        version: u8,
        dag: String,
    },
    /// GitHub: a `repository_dispatch` event. It cannot recognise a repetition.
    GitHub {
        /// `owner/name`.
        repository: String,
        /// What workflows listen to.
        event_type: String,
    },
    /// Argo Events: its webhook source.
    Argo,
    /// Kubeflow Pipelines: a run. It cannot recognise a repetition; the run's name carries the id.
    Kubeflow {
        pipeline: String,
        /// Its version; the newest when none.
        version: Option<String>,
        /// The experiment; the default one when none.
        experiment: Option<String>,
    },
    /// Prefect: a flow run of a deployment.
    Prefect {
        /// The deployment's id.
        deployment: String,
    },
    /// Dagster: a run of a job, over GraphQL. The run's tags carry the id.
    Dagster {
        job: String,
        /// The code location.
        location: String,
        repository: String,
    },
}

const LAUNCH: &str = "mutation($executionParams: ExecutionParams!) { \
    launchPipelineExecution(executionParams: $executionParams) { __typename \
    ... on LaunchPipelineRunSuccess { run { runId } } ... on PythonError { message } } }";
const RUN: &str =
    "query($runId: ID!) { pipelineRunOrError(runId: $runId) { __typename ... on PipelineRun { status } } }";

/// What a training system calls a run: the same for the same request, however often it is asked.
fn run_id(request: Uuid) -> String {
    format!("driftd-{request}")
}

impl Training {
    /// The name it has in the configuration.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Airflow { .. } => "airflow",
            Self::GitHub { .. } => "github",
            Self::Argo => "argo",
            Self::Kubeflow { .. } => "kubeflow",
            Self::Prefect { .. } => "prefect",
            Self::Dagster { .. } => "dagster",
        }
    }

    pub(super) fn request(&self, message: &Outgoing) -> Result<Request, DialectError> {
        // Alerts are nothing that a training system runs.
        if message.body["type"] != EventKind::RetrainingRequested.as_str() {
            return Err(DialectError::NotForThis);
        }
        let data = &message.body["data"];
        let id = run_id(message.subject);
        let note = format!("driftd: {}", data["reason"].as_str().unwrap_or_default());
        Ok(match self {
            Self::Airflow { version, dag } => {
                let (path, mut body) = match version {
                    2 => (format!("/api/v1/dags/{dag}/dagRuns"), json!({})),
                    // The key is required, and null is a value of it.
                    _ => (format!("/api/v2/dags/{dag}/dagRuns"), json!({ "logical_date": null })),
                };
                body["dag_run_id"] = id.into();
                body["conf"] = data.clone();
                body["note"] = note.into();
                // A run of that id is there already: it was asked before.
                Request { also_success: vec![409], ..Request::json(Some(path), &body) }
            }
            Self::GitHub { repository, event_type } => {
                // At most ten keys at the top.
                let payload = json!({ "request_id": message.subject, "retraining": data });
                let body = json!({ "event_type": event_type, "client_payload": payload });
                let mut request = Request::json(Some(format!("/repos/{repository}/dispatches")), &body);
                request.headers.push(("accept", "application/vnd.github+json".to_owned()));
                request.headers.push(("x-github-api-version", "2022-11-28".to_owned()));
                request
            }
            Self::Argo => {
                let mut request = Request::json(None, &message.body);
                request.headers.push(("idempotency-key", message.subject.to_string()));
                request
            }
            Self::Kubeflow { pipeline, version, experiment } => {
                let mut reference = json!({ "pipeline_id": pipeline });
                if let Some(version) = version {
                    reference["pipeline_version_id"] = version.clone().into();
                }
                let mut body = json!({
                    "display_name": id,
                    "description": note,
                    "pipeline_version_reference": reference,
                    "runtime_config": { "parameters": { "driftd_request": data } },
                });
                if let Some(experiment) = experiment {
                    body["experiment_id"] = experiment.clone().into();
                }
                Request::json(Some("/apis/v2beta1/runs".to_owned()), &body)
            }
            Self::Prefect { deployment } => {
                let body = json!({
                    "name": id,
                    "idempotency_key": id,
                    "parameters": { "driftd_request": data },
                    "tags": ["driftd"],
                });
                Request::json(Some(format!("/deployments/{deployment}/create_flow_run")), &body)
            }
            Self::Dagster { job, location, repository } => {
                let params = json!({
                    "selector": { "pipelineName": job, "repositoryLocationName": location, "repositoryName": repository },
                    "runConfigData": { "ops": {} },
                    "executionMetadata": { "tags": [
                        { "key": "driftd/request", "value": message.subject },
                        { "key": "driftd/event", "value": data.to_string() },
                    ] },
                });
                Request::json(None, &json!({ "query": LAUNCH, "variables": { "executionParams": params } }))
            }
        })
    }

    pub(super) fn reference(&self, message: &Outgoing, answer: &Value) -> Option<String> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self {
            Self::Airflow { .. } => Some(run_id(message.subject)),
            Self::Kubeflow { .. } => text(&answer["run_id"]),
            Self::Prefect { .. } => text(&answer["id"]),
            Self::Dagster { .. } => text(&answer["data"]["launchPipelineExecution"]["run"]["runId"]),
            Self::GitHub { .. } | Self::Argo => None,
        }
    }

    /// Why a request was not taken although the status says that it arrived: GraphQL answers mistakes so.
    pub(super) fn refused(&self, answer: &Value) -> Option<String> {
        let Self::Dagster { .. } = self else { return None };
        let launched = &answer["data"]["launchPipelineExecution"];
        match launched["__typename"].as_str() {
            Some("LaunchRunSuccess" | "LaunchPipelineRunSuccess") => None,
            Some(other) => Some(format!("Dagster says {other}")),
            None => Some("Dagster did not launch a run".to_owned()),
        }
    }

    pub(super) fn poll(&self, reference: &str) -> Option<Request> {
        match self {
            Self::Airflow { version, dag } => {
                let api = if *version == 2 { 1 } else { 2 };
                Some(Request::get(format!("/api/v{api}/dags/{dag}/dagRuns/{reference}")))
            }
            Self::Kubeflow { .. } => Some(Request::get(format!("/apis/v2beta1/runs/{reference}"))),
            Self::Prefect { .. } => Some(Request::get(format!("/flow_runs/{reference}"))),
            Self::Dagster { .. } => {
                Some(Request::json(None, &json!({ "query": RUN, "variables": { "runId": reference } })))
            }
            Self::GitHub { .. } | Self::Argo => None,
        }
    }

    pub(super) fn polled(&self, answer: &Value) -> Option<RequestState> {
        let state = match self {
            Self::Airflow { .. } | Self::Kubeflow { .. } => &answer["state"],
            Self::Prefect { .. } => &answer["state"]["type"],
            Self::Dagster { .. } => &answer["data"]["pipelineRunOrError"]["status"],
            Self::GitHub { .. } | Self::Argo => return None,
        };
        match state.as_str()?.to_ascii_lowercase().as_str() {
            "running" | "started" | "starting" => Some(RequestState::Running),
            "success" | "succeeded" | "completed" => Some(RequestState::Succeeded),
            "failed" | "failure" | "crashed" | "canceled" | "cancelled" | "skipped" => Some(RequestState::Failed),
            _ => None,
        }
    }
}
