use std::path::Path;

use super::*;

/// What a file with these sinks is; `DIR` is a folder with a secret.
fn open(text: &str) -> Result<Vec<Sink>, String> {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("secret", "a-secret-of-some-length\n");
    write("short", "secret\n");
    write("not-pem", "hello");
    let text = text.replace("DIR", folder.path().to_str().unwrap());
    write("sinks.toml", &text);
    Sink::open(&folder.path().join("sinks.toml")).map_err(|error| error.to_string())
}

const WEBHOOK: &str = "[[sink]]\nname = 'mes'\nkind = 'webhook'\nurl = 'https://mes.example/a?token=hush'\nsecret_file = 'DIR/secret'\n";
const MQTT: &str = "[[sink]]\nname = 'plc'\nkind = 'mqtt'\nurl = 'mqtt://broker'\ntopic = 'plant/{line}/{event}'\n";

#[test]
fn sinks_are_read_with_their_filters() {
    let folder =
        "[[sink]]\nname = 'files'\nkind = 'folder'\npath = '/srv/clip-in'\nmax_age_hours = 2\n";
    let filters = "lines = ['bolts']\nevents = ['inspection', 'drift']\ndecisions = ['ng']\n";
    let sinks = open(&format!("{WEBHOOK}{filters}{MQTT}version = 3\n{folder}")).unwrap();
    let kinds: Vec<_> = sinks
        .iter()
        .map(|sink| (sink.name(), sink.kind(), sink.max_age.as_secs()))
        .collect();
    let day = 86_400;
    assert_eq!(
        kinds,
        [
            ("mes", "webhook", 3 * day),
            ("plc", "mqtt", 3 * day),
            ("files", "folder", day / 12)
        ]
    );
    let mes = &sinks[0].interest;
    assert!(mes.wants("bolts", Occasion::Inspection, Some("ng")));
    assert!(!mes.wants("bolts", Occasion::Verdict, None));
    assert!(
        sinks[1]
            .interest
            .wants("any", Occasion::VerdictUndone, None)
    );
    let shown = format!("{sinks:?}");
    assert!(
        !shown.contains("a-secret") && !shown.contains("hush"),
        "{shown}"
    );
    assert!(open("").unwrap().is_empty());
}

#[test]
fn errors_name_the_sink_and_the_field_and_no_secret() {
    let long = MQTT.repeat(17);
    for (text, expected) in [
        ("[[sink]]\nname = 'a'\n", "line 1: missing field `kind`"),
        (
            "[[sink]]\nname = 'a'\nkind = 'fax'\n",
            "line 3: unknown variant `fax`",
        ),
        (
            &format!("{WEBHOOK}colour = 'red'\n"),
            "line 6: unknown field `colour`",
        ),
        (
            &format!("{WEBHOOK}topic = 'a'\n"),
            "sink \"mes\": topic has no meaning for this kind",
        ),
        (
            &WEBHOOK.replace("mes'", "m e s'"),
            "name: 1 to 64 letters, digits",
        ),
        (
            &format!("{MQTT}{MQTT}"),
            "sink \"plc\": the name is used twice",
        ),
        (&long, "17 sinks; at most 16"),
        (
            &WEBHOOK.replace("https", "ftp"),
            "url: write http:// or https:// with a host",
        ),
        (
            &WEBHOOK.replace("https://", "https://me:hush@"),
            "url: credentials are not allowed",
        ),
        (
            &WEBHOOK.replace("DIR/secret", "DIR/missing"),
            "secret_file: cannot read",
        ),
        (
            &WEBHOOK.replace("DIR/secret", "DIR/short"),
            "at least 16 bytes",
        ),
        (
            &format!("{WEBHOOK}ca_file = 'DIR/not-pem'\n"),
            "it contains no PEM certificate",
        ),
        (
            &format!("{WEBHOOK}events = ['inspections']\n"),
            "events: \"inspections\" is none of inspection, verdict, verdict_undone, drift",
        ),
        (
            &format!("{WEBHOOK}decisions = ['NG']\n"),
            "decisions: \"NG\" is none of",
        ),
        (&format!("{WEBHOOK}lines = []\n"), "lines: an empty list"),
        (
            &format!("{WEBHOOK}max_age_hours = 0\n"),
            "max_age_hours: from 1",
        ),
        (
            &MQTT.replace("plant/", "plant/#/"),
            "topic: one without '+' and '#'",
        ),
        (
            &MQTT.replace("{line}", "{station}"),
            "topic: only {line} and {event}",
        ),
        (&format!("{MQTT}version = 4\n"), "version: 3"),
        (
            &format!("{MQTT}password_file = 'DIR/secret'\n"),
            "password_file: user is missing",
        ),
        (
            &format!("{MQTT}ca_file = 'DIR/not-pem'\n"),
            "for mqtts:// only",
        ),
        (
            &format!(
                "{}ca_file = 'DIR/not-pem'\n",
                MQTT.replace("mqtt:", "mqtts:")
            ),
            "not-pem: it contains no PEM certificate",
        ),
        (
            &format!(
                "{}key_file = 'DIR/secret'\n",
                MQTT.replace("mqtt:", "mqtts:")
            ),
            "give both or neither",
        ),
        (
            "[[sink]]\nname = 'files'\nkind = 'folder'\n",
            "path is missing",
        ),
    ] {
        let error = open(text).unwrap_err();
        assert!(error.contains(expected), "{error}, and not {expected}");
        assert!(!error.contains("hush"), "{error}");
    }
    let missing = Sink::open(Path::new("/nowhere/sinks.toml")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read /nowhere"));
}
