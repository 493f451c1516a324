use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::*;

#[derive(Serialize)]
enum Shape {
    Point,
    Named(u32),
    Pair(u8, String),
    Full { a: (), b: Option<bool>, name: char },
}

#[derive(Serialize)]
struct Whole {
    zebra: Vec<Shape>,
    numbers: [i64; 4],
    alpha: (u64, i8),
    keys: BTreeMap<Shape2, &'static str>,
}

#[derive(Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Shape2(String);

fn whole() -> Whole {
    let text = "quote \" backslash \\ line \n bell \u{7} delete \u{7f} é 😀 and a long plain tail behind it";
    Whole {
        zebra: vec![
            Shape::Point,
            Shape::Named(7),
            Shape::Pair(255, text.to_owned()),
            Shape::Full { a: (), b: None, name: '"' },
            Shape::Full { a: (), b: Some(true), name: 'x' },
        ],
        numbers: [0, -1, 999_999_999_999_999, -999_999_999_999_999],
        alpha: (10, i8::MIN),
        keys: ["b", "a", ""].map(|key| (Shape2(key.to_owned()), "x")).into(),
    }
}

#[test]
fn every_kind_of_value_is_written_as_the_reference_does() {
    let mut ours = b"before".to_vec();
    write(&whole(), &mut ours).unwrap();
    assert_eq!(
        String::from_utf8(ours).unwrap(),
        format!("before{}", serde_json::to_string(&whole()).unwrap())
    );
    assert!(write_in_order(&whole(), &mut Vec::new()).is_err(), "they are not declared in order");
    let Whole { zebra, numbers, alpha, keys } = whole();
    let parts = (zebra, numbers, alpha, keys);
    let mut ours = Vec::new();
    write_in_order(&parts, &mut ours).unwrap();
    assert_eq!(String::from_utf8(ours), String::from_utf8(serde_jcs::to_vec(&parts).unwrap()));
}

#[test]
fn what_is_to_be_escaped_is_found_wherever_it_stands() {
    for character in (0..=0x7f).filter_map(char::from_u32).chain(['\u{80}', 'é', '\u{ffff}', '😀']) {
        for before in 0..20 {
            let text = format!("{}{character}{}", "x".repeat(before), "y".repeat(20 - before));
            let mut ours = Vec::new();
            write(&text, &mut ours).unwrap();
            assert_eq!(String::from_utf8(ours).unwrap(), serde_json::to_string(&text).unwrap());
        }
    }
}

#[test]
fn what_is_unknown_here_is_left_to_the_reference() {
    let keys: BTreeMap<u8, f64> = [(1, 0.5)].into();
    for value in [json!([1.5, {"a": null}]), serde_json::to_value(&keys).unwrap()] {
        let mut ours = b"[".to_vec();
        write(&value, &mut ours).unwrap();
        assert_eq!(String::from_utf8(ours).unwrap(), format!("[{value}"));
        assert!(write_in_order(&value, &mut Vec::new()).is_err());
    }
    let mut ours = Vec::new();
    write(&keys, &mut ours).unwrap();
    assert_eq!(ours, b"{\"1\":0.5}");
    assert!(write_in_order(&json!({"ä": 1}), &mut Vec::new()).is_err());
    assert!(write_in_order(&u64::MAX, &mut Vec::new()).is_err());
}
