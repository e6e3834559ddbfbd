//! Rows of tables as JSON values.

use polars::prelude::{AnyValue, DataFrame, PolarsResult, TimeUnit};
use serde_json::{Map, Value};

/// One cell as JSON. Times are RFC 3339; a number JSON cannot hold is null.
#[must_use]
pub fn cell(value: &AnyValue<'_>) -> Value {
    match value {
        AnyValue::Null => Value::Null,
        AnyValue::Boolean(b) => Value::from(*b),
        AnyValue::String(s) => Value::from(*s),
        AnyValue::StringOwned(s) => Value::from(s.as_str()),
        AnyValue::Int64(i) => Value::from(*i),
        AnyValue::Int32(i) => Value::from(*i),
        AnyValue::UInt32(i) => Value::from(*i),
        AnyValue::UInt64(i) => Value::from(*i),
        AnyValue::Float64(f) => Value::from(*f),
        AnyValue::Datetime(t, TimeUnit::Microseconds, _)
        | AnyValue::DatetimeOwned(t, TimeUnit::Microseconds, _) => {
            Value::from(super::Time::from_micros(*t).to_rfc3339())
        }
        AnyValue::List(items) => Value::Array(items.iter().map(|v| cell(&v)).collect()),
        other => Value::from(other.to_string()),
    }
}

/// The rows of a frame as JSON objects, in order.
///
/// # Errors
/// When the frame is not sound.
pub fn rows(frame: &DataFrame) -> PolarsResult<Vec<Value>> {
    let names: Vec<String> = frame.get_column_names().iter().map(ToString::to_string).collect();
    (0..frame.height())
        .map(|row| {
            let mut object = Map::new();
            for (name, column) in names.iter().zip(frame.columns()) {
                object.insert(name.clone(), cell(&column.get(row)?));
            }
            Ok(Value::Object(object))
        })
        .collect()
}
