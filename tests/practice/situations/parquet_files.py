"""Parquet and Arrow: nested columns, codecs, encodings."""
from inputs import *
from trial import OK, situation

NESTED = r"nested|struct"


@situation("confluentinc/kafka-connect-storage-cloud")
def topic_archived_with_nested_columns(t):
    """A connector has archived JSON messages with a struct column features{income, country}; the monitor's path is features.income.

    Right: read as in JSON; or an error that says that nested columns are not read. Never an alert that the column is missing.
    """
    rng = np.random.default_rng(31)
    rows = [dict(ts=clock(i, 300), features=dict(income=float(rng.gamma(4, 9000)), country=str(rng.choice(["de", "fr"])))) for i in range(1200)]
    jsonl("log.jsonl", rows)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, "log.parquet")
    arrow("log.arrow", table)
    monitor("m.toml", "income:numeric:features.income", "country:categorical:features.country")
    base = t.replay("m.toml", "log.jsonl", "--baseline", "log.jsonl")
    t.expect(base.exit == OK and base.verdicts("income") == ["ok"] * 4 and base.verdicts("country") == ["ok"] * 4, "JSON: 4 windows ok", base)
    for log, train in (("log.parquet", "log.parquet"), ("log.parquet", "log.jsonl"), ("log.jsonl", "log.parquet"), ("log.arrow", "log.arrow")):
        r = t.replay("m.toml", log, "--baseline", train)
        read = r.exit == OK and r.verdicts("income") == ["ok"] * 4 and r.verdicts("country") == ["ok"] * 4
        t.expect(read or r.refused(NESTED), f"{log} with the baseline of {train}: as in JSON, or refused as nested", r)
        t.expect(not r.monitor.get("alerts"), f"{log} with the baseline of {train}: no alert", r)
    for log in ("log.parquet", "log.arrow"):
        t.same_or_refused(t.compare(log, "log.jsonl"), ("features.income", "features.country"), NESTED)


@situation("duckdb/duckdb #4104")
def codecs_of_parquet(t):
    """Training data come with each codec of Parquet, and with the newer pages and encodings.

    Right: each is read, or refused with the name of the codec; never as a damaged file.
    """
    rng = np.random.default_rng(33)
    n = 1000

    def frame():
        return pd.DataFrame(dict(x=rng.normal(0, 1, n), c=rng.choice(["a", "b"], n), i=rng.integers(0, 50, n)))

    parquet("base.parquet", frame())
    for codec in ("none", "snappy", "gzip", "zstd", "lz4", "brotli"):
        parquet(codec + ".parquet", frame(), compression=codec)
    parquet("pages2.parquet", frame(), data_page_version="2.0", use_byte_stream_split=["x"], use_dictionary=["c"], compression="zstd")
    parquet("delta.parquet", frame(), use_dictionary=False, column_encoding=dict(x="PLAIN", c="DELTA_BYTE_ARRAY", i="DELTA_BINARY_PACKED"))
    for name in ("none", "snappy", "gzip", "zstd", "pages2", "delta", "lz4", "brotli"):
        r = t.compare("base.parquet", name + ".parquet")
        t.same_or_refused(r, ("x", "c", "i"), rf"\b{name}\b.*(codec|compress)|(codec|compress).*\b{name}\b")
        t.silent(r, "no doubt about the file", r"is it complete", r"named after what it is")
    for name in ("none", "snappy", "gzip", "zstd", "pages2", "delta"):
        t.same(t.compare("base.parquet", name + ".parquet"), "x", "c", "i")
