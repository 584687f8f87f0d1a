//! Mistakes as they are shown, without secrets.

use super::*;

#[test]
fn values_are_shown_without_their_secrets() {
    let cases = [
        ("kafka.security.password", "\"hunter2\"", "\"*******\""),
        ("http.tokens[0].role", "\"viewer\"", "\"viewer\""),
        ("http.tokens[0].token", "\"hunter2\"", "\"*******\""),
        ("kafka.security.token.file", "\"/run/token\"", "\"/run/token\""),
        ("postgres.url", "\"postgres://u:pw@h/d\"", "\"postgres://u:**@h/d\""),
        ("http.external_url", "\"https://d.example/x\"", "\"https://d.example/x\""),
        ("receivers.hook.url", "\"https://hooks.example/T0/B0/xyz\"", "\"https://hooks.example/...\""),
        ("receivers.hook.url", "\"https://hooks.example\"", "\"https://hooks.example\""),
        ("receivers.a.urls", "[\"http://a:1/x\", \"http://b:2\"]", "[\"http://a:1/...\", \"http://b:2\"]"),
        ("receivers.owner.to", "[\"o@example.org\"]", "[\"o@example.org\"]"),
        ("postgres.url", "\"postgres://u:p@ss:w@rd@h/d\"", "\"postgres://u:*********@h/d\""),
        ("postgres.url", "\"postgres://u:p/a?b@c@h/d\"", "\"postgres://u:*******@h/d\""),
        (
            "postgres.url",
            "\"postgres://u@h:5432/d?application_name=a@b\"",
            "\"postgres://u@h:5432/d?application_name=a@b\"",
        ),
        ("http.external_url", "\"http://h:8080/x@2\"", "\"http://h:8080/x@2\""),
        ("http.external_url", "\"http://u:8080@h/x\"", "\"http://u:****@h/x\""),
        ("receivers.ntfy.body", "\"{\\\"key\\\": \\\"K3Y\\\"}\"", "(a template of 20 bytes, not shown)"),
        ("receivers.ntfy.body", "\"\"\"{\n\"key\": \"K3Y\"}\"\"\"", "(a template of 21 bytes, not shown)"),
        ("kafka.properties.sasl.oauthbearer.config", "\"principal=K3Y\"", "(not shown)"),
        ("kafka.properties.sasl.oauthbearer.assertion.private.key.pem", "\"K3Y\"", "(not shown)"),
        ("kafka.properties.ssl.keystore", "\"123456789012345678901234\"", "(not shown)"),
        ("kafka.properties.client.rack", "\"eu-1a\"", "\"eu-1a\""),
        ("kafka.properties.fetch.min.bytes", "100", "100"),
        ("kafka.properties.enable.sparse.connections", "false", "false"),
    ];
    for (key, value, expected) in cases {
        assert_eq!(shown(key, value), expected);
    }
}

#[test]
fn lines_are_shown_without_their_secrets() {
    let cases = [
        ("password = \"hunter2\"", "password = \"*******\""),
        ("password = \"hunter2", "password = \"*******"),
        ("\"sasl.password\" = 'hunter2' # x", "\"sasl.password\" = '*******' # x"),
        ("password = { file = \"/run/p\" }", "password = { file = \"/run/p\" }"),
        ("secret = { vault = \"x\" }", "secret = { vault = \"*\" }"),
        ("url = \"postgres://u:pw@h/d\"", "url = \"postgres://u:**@h/d\""),
        ("url = \"postgres://u@h:5432/d\"", "url = \"postgres://u@h:5432/d\""),
        ("brokers = \"a:1\"", "brokers = \"a:1\""),
        ("url = \"postgres://u:p@w@h/d\"", "url = \"postgres://u:***@h/d\""),
        ("body = '{\"k\": \"K3Y\"}'", "body = '************'"),
        ("\"x.private.key.pem\" = \"K3Y\"", "\"x.private.key.pem\" = \"***\""),
        ("api_key = \"K3Y\"", "api_key = \"***\""),
    ];
    for (line, shown) in cases {
        assert_eq!(masked(line), shown);
    }
}
