//! Binary payloads and frames around JSON that are known by their first bytes: so that what arrives is named as what it is.

/// What the payload is, and what to do, when it begins as a known frame or format does.
#[must_use]
pub(crate) fn frame_of(payload: &[u8]) -> Option<String> {
    if let [0, a, b, c, d, rest @ ..] = payload {
        let schema = u32::from_be_bytes([*a, *b, *c, *d]);
        let inner = match rest.iter().find(|byte| !byte.is_ascii_whitespace()) {
            Some(b'{') => "JSON",
            _ => "Avro or Protobuf",
        };
        return Some(format!(
            "the message is {inner} behind the frame of a schema registry (a zero byte and the schema id {schema}), which is not read\n\
             hint: let the producer use a plain JSON serializer, or let a stream processor write plain JSON to another topic"
        ));
    }
    let (magic, what, hint) = MAGIC.iter().find(|(magic, ..)| payload.starts_with(magic))?;
    debug_assert!(!magic.is_empty(), "an empty magic would match everything");
    Some(format!("the message is {what}, which is not read; it is expected to be JSON\nhint: {hint}"))
}

const PLAIN: &str = "let the producer write plain JSON";
const COMPRESSED: &str = "let the producer compress with compression.type instead of in the value";

const MAGIC: [(&[u8], &str, &str); 20] = [
    (b"\x1f\x8b", "compressed with gzip", COMPRESSED),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd", COMPRESSED),
    (b"\x04\x22\x4d\x18", "compressed with LZ4", COMPRESSED),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with Snappy", COMPRESSED),
    (b"\x82SNAPPY\x00", "compressed with Snappy", COMPRESSED),
    (b"Obj\x01", "an Avro file", PLAIN),
    (b"PAR1", "a Parquet file", PLAIN),
    (b"ARROW1", "an Arrow file", PLAIN),
    (b"\xff\xff\xff\xff", "an Arrow stream", PLAIN),
    (b"\xc3\x01", "Avro with a single-object header", PLAIN),
    (b"\x03\x00", "behind the frame of AWS Glue's schema registry", PLAIN),
    (b"\x03\x05", "behind the frame of AWS Glue's schema registry", PLAIN),
    (b"\xac\xed\x00\x05", "a serialized Java object", PLAIN),
    (b"\x80\x03", "a pickled Python object", PLAIN),
    (b"\x80\x04", "a pickled Python object", PLAIN),
    (b"\x80\x05", "a pickled Python object", PLAIN),
    (b"PK\x03\x04", "a ZIP archive", PLAIN),
    (b"BZh", "compressed with bzip2", COMPRESSED),
    (b"\xff\xfe", "UTF-16", "JSON is written in UTF-8"),
    (b"\xfe\xff", "UTF-16", "JSON is written in UTF-8"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_and_formats_are_named() {
        let registry = frame_of(b"\0\0\0\0\x07{\"a\":1}").unwrap();
        assert!(
            registry.contains("JSON behind the frame of a schema registry") && registry.contains("schema id 7"),
            "{registry}"
        );
        assert!(frame_of(b"\0\0\0\x01\0\x02ab").unwrap().contains("Avro or Protobuf"));
        assert!(frame_of(b"\x1f\x8b\x08\0").unwrap().contains("gzip"));
        assert_eq!(frame_of(b"{\"a\":1}"), None);
        assert_eq!(frame_of(b""), None);
        assert_eq!(frame_of(b"\0{"), None);
    }
}
