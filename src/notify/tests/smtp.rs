use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;

/// How a mail server misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Fine,
    /// Says nothing, ever.
    Silent,
    /// Does not offer STARTTLS: as if somebody in between had taken it out.
    Stripped,
    /// 421 as its greeting.
    Busy,
    /// 450 for the recipient: greylisting.
    Greylisting,
    /// 550 for the recipient.
    NoSuchUser,
    /// Takes the mail, and the connection breaks before it says so.
    DropsAfterData,
}

async fn server(manner: Manner) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&mails);
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(converse(socket, manner, Arc::clone(&keep)));
        }
    });
    (port, mails)
}

async fn converse(socket: TcpStream, manner: Manner, mails: Arc<Mutex<Vec<String>>>) {
    let (read, mut write) = socket.into_split();
    let mut lines = BufReader::new(read).lines();
    if manner == Manner::Silent {
        tokio::time::sleep(Duration::from_mins(2)).await;
        return;
    }
    let greeting = if manner == Manner::Busy { "421 too busy\r\n" } else { "220 here\r\n" };
    let _gone = write.write_all(greeting.as_bytes()).await;
    while let Ok(Some(line)) = lines.next_line().await {
        let command = line.to_ascii_uppercase();
        let answer = match command.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => "250 here\r\n",
            "RCPT" => match manner {
                Manner::Greylisting => "450 greylisted, come back later\r\n",
                Manner::NoSuchUser => "550 no such user\r\n",
                _ => "250 ok\r\n",
            },
            "DATA" => {
                let _gone = write.write_all(b"354 go on\r\n").await;
                let mut mail = String::new();
                while let Ok(Some(line)) = lines.next_line().await {
                    if line == "." {
                        break;
                    }
                    mail.push_str(&line);
                    mail.push('\n');
                }
                mails.lock().unwrap().push(mail);
                if manner == Manner::DropsAfterData {
                    return;
                }
                "250 taken\r\n"
            }
            "QUIT" => "221 bye\r\n",
            _ => "250 ok\r\n",
        };
        let _gone = write.write_all(answer.as_bytes()).await;
    }
}

fn receiver(port: u16, protection: SmtpProtection) -> EmailReceiver {
    let credentials = (protection != SmtpProtection::None).then(|| ("driftd".to_owned(), secret()));
    EmailReceiver::new(&EmailOptions {
        from: "driftd@example.org".into(),
        to: vec!["owner@example.org".into()],
        transport: EmailTransport::Smtp(SmtpOptions {
            host: "127.0.0.1".into(),
            port,
            protection,
            ca_file: None,
            credentials,
        }),
    })
    .unwrap()
}

async fn attempt(port: u16, protection: SmtpProtection) -> AttemptResult {
    let mut conversation = Conversation::on();
    let receiver = receiver(port, protection);
    let message = outgoing(examples().remove(0));
    let sending = receiver.deliver(&message, &mut conversation);
    let attempt = tokio::time::timeout(Duration::from_secs(2), sending)
        .await
        .unwrap_or_else(|_| AttemptResult::retry(AttemptReason::Timeout, "the attempt took too long"));
    assert_leaks_no_secret(&attempt, &conversation);
    attempt
}

fn reason(attempt: &AttemptResult) -> (bool, AttemptReason) {
    match attempt {
        AttemptResult::Delivered { .. } => (false, AttemptReason::Delivered),
        AttemptResult::Retry { reason, .. } => (true, *reason),
        AttemptResult::Failed { reason, .. } => (false, *reason),
    }
}

#[tokio::test]
async fn what_a_mail_server_says_is_success_final_or_tried_again() {
    for (manner, protection, expected) in [
        (Manner::Fine, SmtpProtection::None, (false, AttemptReason::Delivered)),
        (Manner::Silent, SmtpProtection::None, (true, AttemptReason::Timeout)),
        (Manner::Busy, SmtpProtection::None, (true, AttemptReason::ServerError)),
        (Manner::Greylisting, SmtpProtection::None, (true, AttemptReason::ServerError)),
        (Manner::NoSuchUser, SmtpProtection::None, (false, AttemptReason::Refused)),
    ] {
        let (port, mails) = server(manner).await;
        let attempt = attempt(port, protection).await;
        assert_eq!(reason(&attempt), expected, "{attempt:?}");
        assert_eq!(mails.lock().unwrap().len(), usize::from(manner == Manner::Fine));
    }
}

#[tokio::test]
async fn without_starttls_nothing_is_sent_and_no_password_either() {
    let (port, mails) = server(Manner::Stripped).await;
    let attempt = attempt(port, SmtpProtection::Starttls).await;
    assert!(!matches!(attempt, AttemptResult::Delivered { .. }), "{attempt:?}");
    assert!(mails.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_mail_that_may_have_arrived_is_sent_again_under_the_same_id() {
    let (port, mails) = server(Manner::DropsAfterData).await;
    for _ in 0..2 {
        let attempt = attempt(port, SmtpProtection::None).await;
        assert!(matches!(attempt, AttemptResult::Retry { .. }), "{attempt:?}");
    }
    let mails = mails.lock().unwrap();
    let id = |mail: &String| mail.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
    assert_eq!(mails.len(), 2);
    assert!(id(&mails[0]).is_some() && id(&mails[0]) == id(&mails[1]));
}
