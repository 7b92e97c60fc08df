use super::*;

const HOUR: u64 = 3600;

fn at(hours: u64) -> Timestamp {
    Timestamp::from_seconds(1_795_392_000 + hours * HOUR).expect("a time")
}

fn pair(region: &str) -> Pair {
    Pair { account_id: "123456789012".to_owned(), region: region.to_owned() }
}

fn described(content: &str) -> Result<Document, PairError> {
    Ok(Document { json: content.into(), unreadable_prefix_lists: Vec::new(), counts: BTreeMap::new() })
}

fn denied() -> Result<Document, PairError> {
    Err(PairError { code: "UnauthorizedOperation".to_owned(), message: "no".to_owned() })
}

fn written(plan: Plan) -> NewSnapshot {
    match plan {
        Plan::Write(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

#[test]
fn ids_are_times_and_sort_by_them() {
    let id = SnapshotId(at(6));
    assert_eq!(id.to_string(), "2026-11-23T06-00-00Z");
    assert_eq!("2026-11-23T06-00-00Z".parse(), Ok(id));
    for text in [
        "",
        "2026-11-23T06:00:00Z",
        "2026-11-23T6-00-00Z",
        "2026-02-30T00-00-00Z",
        "latest.json",
        "+2026-11-23T06-00-00Z",
    ] {
        assert_eq!(text.parse::<SnapshotId>(), Err(ParseSnapshotIdError), "{text}");
    }
}

#[test]
fn the_snapshot_in_force_is_the_last_one_before() {
    let ids = [1, 3, 5].map(|hours| SnapshotId(at(hours)));
    let in_force = |hours| in_force(&ids, at(hours)).map(|id| id.0).collect::<Vec<_>>();
    assert_eq!(in_force(0), [at(1), at(3), at(5)], "the earliest one for older data");
    assert_eq!(in_force(1), [at(1), at(3), at(5)]);
    assert_eq!(in_force(4), [at(3), at(1), at(5)]);
    assert_eq!(in_force(9), [at(5), at(3), at(1)]);
    assert_eq!(super::in_force(&[], at(0)).count(), 0);
}

#[test]
fn a_first_snapshot_has_all_documents() {
    let results = vec![(pair("us-east-1"), described("{}\n")), (pair("eu-west-1"), described("[]\n"))];
    let snapshot = written(plan(at(0), None, results));
    assert_eq!(snapshot.id, SnapshotId(at(0)));
    let json = String::from_utf8(snapshot.manifest.to_json()).expect("UTF-8");
    let expected = r#"{
  "schema": "flowsentry/topology-snapshot/v1",
  "created_at": "2026-11-23T00:00:00Z",
  "complete": true,
  "pairs": [
    {
      "account_id": "123456789012",
      "region": "eu-west-1",
      "file": {
        "name": "123456789012-eu-west-1.json",
        "sha256": "37517e5f3dc66819f61f5a7bb8ace1921282415f10551d2defa5c3eb0985b570",
        "bytes": 3
      },
      "stale_since": null,
      "error": null
    },"#;
    assert!(json.starts_with(expected), "{json}");
    assert_eq!(Manifest::parse(json.as_bytes()).expect("valid"), snapshot.manifest);
    let file = snapshot.manifest.files().next().expect("a file");
    assert!(file.verify(b"[]\n").is_ok() && file.verify(b"{}\n").is_err());
    assert_eq!(snapshot.documents["123456789012-us-east-1.json"], b"{}\n");
}

#[test]
fn an_unchanged_network_needs_no_snapshot_for_a_week() {
    let results = || vec![(pair("us-east-1"), described("{}"))];
    let first = written(plan(at(0), None, results()));
    let next = |hours| plan(at(hours), Some((first.id, &first.manifest)), results());
    assert_eq!(next(1), Plan::Unchanged);
    assert_eq!(next(7 * 24 - 1), Plan::Unchanged);
    assert_eq!(written(next(7 * 24)).id, SnapshotId(at(7 * 24)));
    let changed = vec![(pair("us-east-1"), described("{ }"))];
    assert_eq!(written(plan(at(1), Some((first.id, &first.manifest)), changed)).documents.len(), 1);
}

#[test]
fn a_failed_pair_keeps_its_document_and_says_since_when() {
    let both = vec![(pair("eu-west-1"), described("1")), (pair("us-east-1"), described("2"))];
    let first = written(plan(at(0), None, both));
    let failing = || vec![(pair("eu-west-1"), denied()), (pair("us-east-1"), described("2"))];
    let second = written(plan(at(1), Some((first.id, &first.manifest)), failing()));
    assert_eq!(second.kept, [FileEntry::new("123456789012-eu-west-1.json".to_owned(), b"1")]);
    let stale: Vec<&Entry> = second.manifest.stale().collect();
    assert_eq!(stale[0].stale_since.as_deref(), Some("2026-11-23T01:00:00Z"));
    assert_eq!(stale[0].error.as_deref(), Some("UnauthorizedOperation"));
    assert!(!second.manifest.complete && stale.len() == 1);
    assert_eq!(plan(at(2), Some((second.id, &second.manifest)), failing()), Plan::Unchanged, "still since then");
    let back = vec![(pair("eu-west-1"), described("1")), (pair("us-east-1"), described("2"))];
    let third = written(plan(at(3), Some((second.id, &second.manifest)), back));
    assert_eq!(third.manifest.pairs, first.manifest.pairs);
}

#[test]
fn a_pair_that_never_worked_has_no_document() {
    assert_eq!(plan(at(0), None, vec![(pair("us-east-1"), denied())]), Plan::Nothing);
    let results = vec![(pair("eu-west-1"), denied()), (pair("us-east-1"), described("2"))];
    let first = written(plan(at(0), None, results));
    assert_eq!(first.manifest.pairs[0].file, None);
    assert_eq!((first.manifest.files().count(), first.kept.len(), first.manifest.complete), (1, 0, false));
    let left = vec![(pair("us-east-1"), described("2"))];
    let second = written(plan(at(1), Some((first.id, &first.manifest)), left));
    assert_eq!(second.manifest.pairs.len(), 1, "a pair that is not configured any more drops out");
}

#[test]
fn hostile_manifests_are_rejected() {
    let manifest = written(plan(at(0), None, vec![(pair("us-east-1"), described("{}"))])).manifest;
    let with = |change: &dyn Fn(&mut Manifest)| {
        let mut changed = manifest.clone();
        change(&mut changed);
        Manifest::parse(&changed.to_json()).err().map(|error| error.to_string())
    };
    assert_eq!(with(&|_| {}), None);
    let other = with(&|manifest| manifest.schema = "flowsentry/topology-snapshot/v2".to_owned());
    assert_eq!(other.as_deref(), Some("invalid manifest: schema is not flowsentry/topology-snapshot/v1"));
    let path = |manifest: &mut Manifest| manifest.pairs[0].file.as_mut().expect("a file").name = "../x.json".to_owned();
    assert_eq!(
        with(&path).as_deref(),
        Some("invalid manifest: the document of 123456789012 us-east-1 has another name")
    );
    assert!(with(&|manifest| manifest.pairs[0].region = "../..".to_owned()).is_some());
    assert!(with(&|manifest| manifest.pairs = vec![manifest.pairs[0].clone(); 1001]).is_some());
    assert!(Manifest::parse(b"[]").is_err());
}

#[test]
fn pairs_without_a_document_and_stale_ones_come_first() {
    let entry = |region: &str, has_file: bool, stale_since: Option<&str>| Entry {
        account_id: "111111111111".to_owned(),
        region: region.to_owned(),
        file: has_file.then(|| FileEntry::new("x".to_owned(), b"{}")),
        stale_since: stale_since.map(str::to_owned),
        error: None,
        unreadable_prefix_lists: Vec::new(),
    };
    let (early, late) = (Some("2026-11-20T00:00:00Z"), Some("2026-11-21T00:00:00Z"));
    let pairs = vec![
        entry("a-a-1", true, None),
        entry("b-b-1", true, late),
        entry("c-c-1", true, early),
        entry("d-d-1", false, late),
    ];
    let mut regions: Vec<Pair> = pairs.iter().map(Entry::pair).collect();
    regions.push(Pair { account_id: "111111111111".to_owned(), region: "e-e-1".to_owned() });
    let (schema, created_at) = (SNAPSHOT_SCHEMA.to_owned(), "2026-11-22T00:00:00Z".to_owned());
    let manifest = Manifest { schema, created_at, complete: false, pairs };
    let need = needs(Some(&manifest));
    regions.sort_by_cached_key(|pair| need(pair));
    let order: Vec<&str> = regions.iter().map(|pair| &pair.region[..1]).collect();
    assert_eq!(order, ["d", "e", "c", "b", "a"]);
    assert_eq!(needs(None)(&regions[4]), Need::Missing);
}
