use crate::record::TimeSpan;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::ExposeSecret as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

/// A server that answers every connection with these bytes, and keeps what it was told.
async fn server(answer: &'static str, then: Then) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&heard);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let keep = Arc::clone(&keep);
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut buffer = vec![0; 65_536];
                while !complete(&request) {
                    match socket.read(&mut buffer).await {
                        Ok(0) | Err(_) => break,
                        Ok(read) => request.extend_from_slice(&buffer[..read]),
                    }
                }
                keep.lock().unwrap().push(String::from_utf8_lossy(&request).into_owned());
                let _gone = socket.write_all(answer.as_bytes()).await;
                match then {
                    Then::Close => {}
                    Then::Hang => tokio::time::sleep(Duration::from_mins(1)).await,
                    Then::Pour => while socket.write_all(&[b'x'; 8_192]).await.is_ok() {},
                }
            });
        }
    });
    (url, heard)
}

#[derive(Clone, Copy)]
enum Then {
    Close,
    Hang,
    Pour,
}

fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned))
        .map_or(0, |length| length.parse().unwrap());
    body.len() >= length
}

fn options(url: &str, dialect: Dialect) -> HttpOptions {
    HttpOptions {
        urls: vec![url.to_owned().into()],
        dialect,
        auth: Auth::Bearer(secret()),
        timeout: Duration::from_millis(800),
        ca_file: None,
    }
}

async fn attempt(url: &str, dialect: Dialect) -> AttemptResult {
    attempt_as(Auth::Bearer(secret()), url, dialect).await
}

async fn attempt_as(auth: Auth, url: &str, dialect: Dialect) -> AttemptResult {
    // Training systems take requests, the others alerts.
    let event = examples().remove(if matches!(dialect, Dialect::Training(_)) { 3 } else { 0 });
    let receiver = HttpReceiver::new(&HttpOptions { auth, ..options(url, dialect) }).unwrap();
    let mut conversation = Conversation::on();
    let attempt = receiver.deliver(&outgoing(event), &mut conversation).await;
    assert_leaks_no_secret(&attempt, &conversation);
    assert!(!conversation.lines().is_empty());
    attempt
}

#[tokio::test]
async fn every_status_is_success_final_or_tried_again() {
    use AttemptReason as R;
    let retry = |reason, detail: &str, after| AttemptResult::Retry { reason, detail: detail.to_owned(), after };
    let failed = |reason, detail: &str| AttemptResult::Failed { reason, detail: detail.to_owned() };
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", AttemptResult::delivered()),
        ("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n", AttemptResult::delivered()),
        ("HTTP/1.1 204 No Content\r\n\r\n", AttemptResult::delivered()),
        (
            "HTTP/1.1 301 Moved\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n",
            failed(R::Refused, "HTTP 301: redirects are not followed"),
        ),
        ("HTTP/1.1 400 Bad\r\ncontent-length: 0\r\n\r\n", failed(R::Refused, "HTTP 400")),
        ("HTTP/1.1 401 No\r\ncontent-length: 0\r\n\r\n", failed(R::Unauthorized, "HTTP 401")),
        ("HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n", failed(R::Unauthorized, "HTTP 403")),
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", failed(R::Refused, "HTTP 404")),
        ("HTTP/1.1 408 Slow\r\ncontent-length: 0\r\n\r\n", retry(R::Timeout, "HTTP 408", None)),
        ("HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n", failed(R::Gone, "HTTP 410")),
        ("HTTP/1.1 425 Early\r\ncontent-length: 0\r\n\r\n", retry(R::Timeout, "HTTP 425", None)),
        (
            "HTTP/1.1 429 Slow\r\nretry-after: 120\r\ncontent-length: 0\r\n\r\n",
            retry(R::RateLimited, "HTTP 429", Some(TimeSpan::minutes(2))),
        ),
        (
            "HTTP/1.1 503 Later\r\nretry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\ncontent-length: 0\r\n\r\n",
            retry(R::ServerError, "HTTP 503", Some(TimeSpan::ZERO)),
        ),
        ("HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n", retry(R::ServerError, "HTTP 500", None)),
        ("HTTP/1.1 502 Oh\r\ncontent-length: 0\r\n\r\n", retry(R::ServerError, "HTTP 502", None)),
    ] {
        let (url, heard) = server(answer, Then::Close).await;
        let keys = Keys(vec![signing_secret()]);
        assert_eq!(attempt(&url, Dialect::Webhook(keys)).await, expected, "{answer}");
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1, "one request, whatever the answer");
        assert!(heard[0].contains("webhook-id: 00000000-0000-0000-0000-000000000007"), "{}", heard[0]);
    }
}

#[tokio::test]
async fn servers_that_hang_break_off_or_never_end_cost_an_attempt_and_no_more() {
    let reason = |attempt: AttemptResult| match attempt {
        AttemptResult::Retry { reason, .. } => reason,
        other => panic!("{other:?}"),
    };
    let (url, _) = server("", Then::Hang).await;
    assert_eq!(reason(attempt(&url, Dialect::Slack).await), AttemptReason::Timeout, "no header ever");
    let (url, _) = server("HTTP/1.1 20", Then::Close).await;
    assert_eq!(reason(attempt(&url, Dialect::Slack).await), AttemptReason::Connect, "broken off");
    let (url, _) = server("HTTP/1.1 200 OK\r\n\r\n", Then::Pour).await;
    assert_eq!(
        attempt(&url, Dialect::Slack).await,
        AttemptResult::delivered(),
        "an endless body is not read to its end"
    );
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", nobody.local_addr().unwrap());
    drop(nobody);
    assert_eq!(reason(attempt(&url, Dialect::Teams).await), AttemptReason::Connect, "refused");
    let (url, _) = server("HTTP/1.1 200 OK\r\n\r\n", Then::Close).await;
    let tls = url.replace("http://", "https://");
    assert_ne!(reason(attempt(&tls, Dialect::Teams).await), AttemptReason::Delivered, "no TLS there");
}

#[tokio::test]
async fn no_dialect_shows_its_secrets_whatever_the_answer() {
    let template = Template { body: "{\"t\": {{ title }}}".into(), content_type: "application/json".into() };
    for answer in
        ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n", ""]
    {
        for dialect in [
            Dialect::Webhook(Keys(vec![signing_secret()])),
            Dialect::CloudEvents,
            Dialect::AlertmanagerWebhook,
            Dialect::Alertmanager,
            Dialect::Slack,
            Dialect::Teams,
            Dialect::PagerDuty { routing_key: secret() },
            Dialect::Opsgenie,
            Dialect::Template(template.clone()),
            Dialect::Training(Training::Airflow { version: 3, dag: "retrain".into() }),
            Dialect::Training(Training::GitHub { repository: "o/r".into(), event_type: "retrain".into() }),
            Dialect::Training(Training::Argo),
            Dialect::Training(Training::Kubeflow { pipeline: "p".into(), version: None, experiment: None }),
            Dialect::Training(Training::Prefect { deployment: "d".into() }),
            Dialect::Training(Training::Dagster { job: "j".into(), location: "l".into(), repository: "r".into() }),
        ] {
            let (url, heard) = server(answer, Then::Close).await;
            // The path is a secret, too, for those that have no other.
            let url = format!("{url}/{SECRET}");
            for auth in [
                Auth::None,
                Auth::Bearer(secret()),
                Auth::Basic("driftd".into(), secret()),
                Auth::Header("authorization", "GenieKey ", secret()),
            ] {
                attempt_as(auth, &url, dialect.clone()).await;
            }
            assert!(heard.lock().unwrap()[1].contains(SECRET), "the secret is sent, and not shown");
            let shown = format!("{:?}", options(&url, dialect));
            assert!(!shown.contains(SECRET), "{shown}");
        }
    }
}

#[test]
fn forbidden_addresses_and_credentials_in_urls_are_refused_before_anything_is_sent() {
    for url in [
        "http://169.254.169.254/latest",
        "http://2852039166/",
        "http://0251.0376.0251.0376/",
        "http://[::ffff:169.254.169.254]/",
        "http://user:secret@example.org/",
    ] {
        let error = HttpClient::new(url, Duration::from_secs(1), None).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
    assert!(HttpClient::new("http://127.0.0.1:1/", Duration::from_secs(1), None).is_ok());
}

#[tokio::test]
async fn a_graphql_answer_that_says_no_is_no_success() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 74\r\n\r\n{\"data\":{\"launchPipelineExecution\":{\"__typename\":\"PipelineNotFoundError\"}}}";
    let (url, _) = server(answer, Then::Close).await;
    let dagster = Training::Dagster { job: "j".into(), location: "l".into(), repository: "r".into() };
    let attempt = attempt(&url, Dialect::Training(dagster)).await;
    assert!(matches!(attempt, AttemptResult::Failed { reason: AttemptReason::Refused, .. }), "{attempt:?}");
}

#[test]
fn what_leads_to_the_daemons_own_listener_is_noticed() {
    let listener = "127.0.0.1:9464".parse().unwrap();
    for (url, own) in [
        ("http://127.0.0.1:9464/x", true),
        ("http://localhost:9464/", true),
        ("http://[::1]:9464/", true),
        ("http://127.0.0.1:9465/", false),
        ("http://10.0.0.1:9464/", false),
        ("http://LOCALHOST.:9464/", true),
        ("http://driftd.localhost:9464/", true),
        ("http://ip6-localhost:9464/", true),
        ("http://[::ffff:127.0.0.1]:9464/", true),
        ("https://drift.example.org/api/v1/mlflow", true),
        ("https://drift.example.org:8443/", false),
        ("https://hooks.example.org/", false),
    ] {
        let external = Some("https://drift.example.org");
        assert_eq!(options(url, Dialect::Slack).leads_to(listener, external), own, "{url}");
    }
    let below = |url| options(url, Dialect::Slack).leads_to(listener, Some("https://ops.example.org/driftd/"));
    assert!(below("https://ops.example.org/driftd/x") && !below("https://ops.example.org/other"));
}

/// Names that resolve as a test has it: to addresses that are never connected to, and to a server of the test.
#[tokio::test]
async fn a_name_is_connected_to_where_it_may_lead_and_nowhere_else() {
    let (url, heard) = server("HTTP/1.1 204 No Content\r\n\r\n", Then::Close).await;
    let port = url.rsplit(':').next().unwrap().split('/').next().unwrap().to_owned();
    let client = |name: &str, addresses: &'static [&'static str]| {
        let lookup: crate::notify::http::NameLookup = Arc::new(move |_| {
            let found = addresses.iter().map(|text| std::net::SocketAddr::new(text.parse().unwrap(), 0)).collect();
            Box::pin(async move { Ok(found) })
        });
        let resolver = crate::notify::http::GuardedResolver::with(lookup);
        let url = format!("http://{name}:{port}/hook");
        HttpClient::resolving(&url, Duration::from_secs(2), None, resolver).unwrap()
    };
    for (name, addresses) in [
        ("hooks.example.org", &["169.254.169.254"][..]),
        ("hooks.example.org", &["100.100.100.200", "fd00:ec2::254", "168.63.129.16", "192.0.0.192"]),
        ("hooks.example.org", &["64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::1", "::169.254.169.254", "fd20:ce::254"]),
        // A name from elsewhere that leads to services of this machine.
        ("hooks.example.org", &["127.0.0.1", "::1", "::ffff:127.0.0.1", "2002:7f00:1::1"]),
        ("localhost", &["169.254.169.254"]),
    ] {
        let client = client(name, addresses);
        let refused = client.connects().await.unwrap_err();
        assert!(refused.to_string().contains("forbidden addresses"), "{name}: {refused}");
        let error = client.explain(client.post().send().await.unwrap_err());
        assert_eq!(error.reason, AttemptReason::Forbidden, "{name}: {error}");
    }
    assert!(heard.lock().unwrap().is_empty());
    // The one address of several that may be connected to is.
    let client = client("localhost", &["169.254.169.254", "100.100.100.200", "127.0.0.1"]);
    client.connects().await.unwrap();
    assert_eq!(client.post().send().await.unwrap().status(), 204);
}

/// Whatever a receiver sends back of what it was sent is shown and stored without its secrets.
#[tokio::test]
async fn what_a_receiver_echoes_is_shown_without_secrets() {
    let echo = |secret: &str| {
        let body = format!(
            "{{\"id\":\"{secret}\",\"dag_run_id\":\"{secret}\",\"headers\":{{\"authorization\":\"Bearer {secret}\"}}}}"
        );
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        &*Box::leak(answer.into_boxed_str())
    };
    let base64 = |text: &str| base64::Engine::encode(&base64::engine::general_purpose::STANDARD, text);
    for form in [
        SECRET.to_owned(),
        base64(&format!("driftd:{SECRET}")),
        signing_secret().expose_secret().to_owned(),
        base64(SECRET),
    ] {
        for dialect in [
            Dialect::Webhook(Keys(vec![signing_secret()])),
            Dialect::Template(Template { body: "{{ title }}".into(), content_type: "text/plain".into() }),
            Dialect::PagerDuty { routing_key: secret() },
            Dialect::Training(Training::Airflow { version: 3, dag: "retrain".into() }),
            Dialect::Training(Training::Prefect { deployment: "d".into() }),
        ] {
            let (url, _) = server(echo(&form), Then::Close).await;
            // A bearer's token is never sent as a password is.
            let basic = form == base64(&format!("driftd:{SECRET}"));
            let auths = [Auth::Basic("driftd".into(), secret()), Auth::Bearer(secret())];
            for auth in auths.into_iter().take(if basic { 1 } else { 2 }) {
                attempt_as(auth, &format!("{url}/{SECRET}"), dialect.clone()).await;
            }
        }
    }
}

#[tokio::test]
async fn a_training_system_is_asked_how_a_run_goes() {
    let airflow = || Dialect::Training(Training::Airflow { version: 3, dag: "retrain".into() });
    let state = crate::retrain::RequestState::Succeeded;
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 19\r\n\r\n{\"state\":\"success\"}", Ok(Some(state))),
        ("HTTP/1.1 200 OK\r\ncontent-length: 18\r\n\r\n{\"state\":\"queued\"}", Ok(None)),
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\noops", Ok(None)),
        ("HTTP/1.1 404 No\r\ncontent-length: 0\r\n\r\n", Err("HTTP 404".to_owned())),
    ] {
        let (url, heard) = server(answer, Then::Close).await;
        let receiver = HttpReceiver::new(&options(&url, airflow())).unwrap();
        assert_eq!(receiver.poll("driftd-1").await.map_err(|error| error.to_string()), expected);
        let heard = heard.lock().unwrap();
        assert!(heard[0].starts_with("GET /hook/api/v2/dags/retrain/dagRuns/driftd-1 "), "{}", heard[0]);
    }
    let (url, heard) = server("", Then::Close).await;
    let github = Training::GitHub { repository: "o/r".into(), event_type: "e".into() };
    let receiver = HttpReceiver::new(&options(&url, Dialect::Training(github))).unwrap();
    assert_eq!(receiver.poll("x").await.unwrap(), None);
    assert!(heard.lock().unwrap().is_empty(), "it cannot be asked");
}
