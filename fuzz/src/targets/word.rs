//! What stands in a word: quantities, names, times, paths, places in an object. Read, and printed again where that has a form.
use api::quantity::Quantity;
use api::revision::Millis;
use api::{jsonpath, name};
use apiserver::query::Parameters;
use apiserver::route;
use serde_json::json;

pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    quantity(text);
    for check in
        [name::subdomain, name::label, name::label_1035, name::path_segment, name::qualified, name::label_value]
    {
        let _ = check(text);
    }
    let made = name::generate(text, 7);
    assert!(made.len() <= name::generate(&"x".repeat(300), 7).len(), "a name that is made is short: {made:?}");
    let _ = name::config_key(text);
    if let Some(time) = Millis::parse(text) {
        assert_eq!(Millis::parse(&time.rfc3339_micro()).map(|again| again.0 / 1_000), Some(time.0 / 1_000));
    }
    let _ = route::parse(text);
    let _ = route::as_of(text);
    let _ = Parameters::parse(Some(text)).map(|query| query.signed("limit"));
    let mut value = json!({"a": {"b": [1, {"c": "d"}]}, "spec": {}});
    if jsonpath::understood(text) {
        let _ = jsonpath::find(text, &value);
        let _ = jsonpath::set(text, &mut value, json!(1));
    }
}

fn quantity(text: &str) {
    let Ok(amount) = Quantity::parse(text) else { return };
    let printed = amount.canonical();
    let again = Quantity::parse(&printed).expect("what is printed is a quantity");
    assert_eq!(again.canonical(), printed);
    let twice = amount.plus(amount);
    assert_eq!((twice.canonical(), twice.minus(twice).is_zero()), (amount.by(2).canonical(), true));
    let _ = (amount.thousandths(), amount.times(&again), amount.is_whole());
}
