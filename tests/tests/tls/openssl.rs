//! What somebody else's TLS sees of a hub.

use std::process::{Command, Stdio};

use dictwire_tests::programs::is_missing;

use super::Hub;

fn s_client(hub: &Hub, more: &[&str]) -> (bool, String) {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-connect", &hub.hub.address, "-CAfile", &hub.files.path("ca.pem")]);
    command.args(more).stdin(Stdio::null());
    let output = command.output().unwrap();
    let told =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    (output.status.success(), told)
}

#[test]
fn openssl_sees_tls_1_3_and_no_application_data() {
    if is_missing("openssl", Command::new("openssl").arg("version")) {
        return;
    }
    let hub = Hub::new();
    // With -msg each record is told. Standard input is at its end, so it says goodbye right after the handshake.
    let (success, told) = s_client(&hub, &["-msg", "-verify_return_error"]);
    assert!(success, "{told}");
    assert!(told.contains("New, TLSv1.3, Cipher is TLS_"), "{told}");
    assert!(told.contains("Verification: OK"), "{told}");
    assert!(!told.contains("<<< TLS 1.3, ApplicationData"), "{told}");
    let received =
        |told: &str| told.lines().any(|line| line.starts_with("<<<") && line.contains("Handshake"));
    assert!(received(&told), "the records are told: {told}");
    // Nothing to resume later is given out.
    assert!(!told.contains("NewSessionTicket"), "{told}");
    for older in ["-tls1_2", "-tls1_1"] {
        let (success, told) = s_client(&hub, &[older]);
        assert!(!success && !told.contains("Cipher is TLS_"), "{told}");
    }
    // Whoever wants another protocol, as a browser does, does not get as far as this one.
    let (success, told) = s_client(&hub, &["-alpn", "h2,http/1.1"]);
    assert!(!success && told.contains("no application protocol"), "{told}");
    let (success, told) = s_client(&hub, &["-alpn", "dictwire"]);
    assert!(success && told.contains("ALPN protocol: dictwire"), "{told}");
}
