//! Policy documents: parsing, compilation and evaluation never panic, whatever the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use overstay::facts::Time;
use overstay::privilege::aws::arn::Home;
use overstay::privilege::aws::document::{Document, compact_json, url_decoded};
use overstay::privilege::aws::evaluate::{Bound, Boundary, Compiler, Rights, Subject, SubjectKind};

fuzz_target!(|text: &str| {
    let text = compact_json(&url_decoded(text));
    let document = Document::parse(&text);
    let _ = document.time_bounds();
    let home = Home { partition: "aws".into(), account: "111122223333".into() };
    let policy = Compiler::default().compile(&document, &home);
    let subject = Subject {
        organisation: None,
        arn: "arn:aws:iam::111122223333:user/me".into(),
        kind: SubjectKind::User,
        home,
        name: "me".into(),
        unique_id: None,
        tags: Vec::new(),
        as_of: Time::from_secs(1_780_000_000),
    };
    let bound = Bound::new(&policy, &subject);
    let rights = Rights::new(vec![bound.clone()], Boundary::Known(bound));
    let _ = rights.decide(0, "arn:aws:s3:::a/b", &subject);
});
