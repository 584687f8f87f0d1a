//! `type = "email"`.

use std::path::PathBuf;

use crate::config::section::Section;
use crate::notify::{EmailOptions, EmailTransport, SmtpOptions, SmtpProtection};

pub(super) fn read(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<EmailOptions> {
    let from = section.required("from", "the address of the sender");
    let to: Vec<String> = section.strings("to").unwrap_or_default().into_iter().map(|(text, _)| text).collect();
    if to.is_empty() {
        section.add(section.mistake("to", "needs at least one address"));
    }
    for address in from.iter().chain(&to) {
        if let Err(error) = crate::notify::check_mailbox(address) {
            section.add(
                section.mistake(if from.as_ref() == Some(address) { "from" } else { "to" }, error.to_string()),
            );
        }
    }
    let directory = section.string("directory");
    let smtp = section.section("smtp");
    let transport = match (directory, smtp.is_there()) {
        (Some(_), true) => {
            section.add(section.mistake("directory", "cannot be combined with `smtp`"));
            None
        }
        (Some(directory), false) => Some(EmailTransport::Directory(PathBuf::from(directory))),
        (None, false) => {
            section.add(section.mistake("smtp", "is missing: a mail server, or a `directory` to write mails to"));
            None
        }
        (None, true) => server(&smtp, warnings).map(EmailTransport::Smtp),
    };
    Some(EmailOptions { from: from?, to, transport: transport? })
}

fn server(section: &Section<'_>, warnings: &mut Vec<String>) -> Option<SmtpOptions> {
    let host = section.required("host", "the name of the mail server");
    let protection = section.choice(
        "tls",
        SmtpProtection::Starttls,
        &[("tls", SmtpProtection::Tls), ("starttls", SmtpProtection::Starttls), ("none", SmtpProtection::None)],
    );
    let usual = match protection {
        SmtpProtection::Tls => 465,
        SmtpProtection::Starttls => 587,
        SmtpProtection::None => 25,
    };
    let port = u16::try_from(section.integer("port", usual, 1..=65_535)).unwrap_or(587);
    let username = section.string("username");
    let password = section.secret("password", warnings);
    let ca_file = section.file("ca_file");
    if username.is_some() != section.has("password") {
        let together = if username.is_some() { ("username", "password") } else { ("password", "username") };
        section.add(section.mistake(together.0, format!("needs `{}`", together.1)));
    }
    if protection == SmtpProtection::None && username.is_some() {
        section.add(
            section.mistake("tls", "`none` would send the password unencrypted").hint("use `tls = \"starttls\"`"),
        );
    }
    section.finish();
    Some(SmtpOptions { host: host?, port, protection, ca_file, credentials: username.zip(password) })
}
