use crate::ingest::driver::ingest_bytes;
use crate::settings::Settings;

#[test]
fn hostile_rows_are_quarantined_and_counted() {
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    for content in [
        "rolname,rolvaliduntil,rolcanlogin\na,never ever,t\nb,,perhaps\nc,,t,extra\nd,,t\n"
            .to_owned(),
        "nspname,owner,nspacl\nfin,o,\"{a=r\"\nfin,o,\"{\\\"\"\nfin,o,{}\n".to_owned(),
        format!(
            "{{\"rolname\":\"a\",\"rolvaliduntil\":null,\"rolcanlogin\":true}}\n{{\"rolname\":{deep}}}\n"
        ),
        format!("rolname,rolvaliduntil,rolcanlogin\n{},,t\n", "x".repeat(2_000_000)),
    ] {
        let found = ingest_bytes("export", content.as_bytes(), &Settings::defaults()).unwrap();
        let s = &found.facts.sources[0];
        assert!(s.format.starts_with("postgres-"), "{}", s.format);
        assert_eq!(s.records, s.accepted + s.quarantined, "a record was lost");
        assert!(s.quarantined > 0 || content.len() > 1_000_000);
        assert_eq!(i64::try_from(found.facts.quarantine.len()).unwrap(), s.quarantined);
    }
}
