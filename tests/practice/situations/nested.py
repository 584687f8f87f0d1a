"""Nested columns in every format: leaves by their paths, the rest by name."""
import uuid

from inputs import *
from trial import OK, situation


@situation()
def structs_maps_and_lists_of_structs(t):
    """Parquet and Arrow hold structs in structs, a struct that is null, a map, a list of structs, a list of texts, a union, a column of type null, bytes and intervals.

    Right: leaves of structs are compared under their path; the rest is named as not compared with its type. Everything else is compared; nothing crashes.
    """
    rng = np.random.default_rng(6)
    n = 1000

    def table():
        outer = [None if i % 10 == 0 else dict(inner=dict(score=float(rng.normal()), tags=["a"]), country=str(rng.choice(["de", "fr"]))) for i in range(n)]
        columns = dict(
            x=pa.array(rng.normal(0, 1, n)), outer=pa.array(outer), map=pa.array([[("k", 1.0)]] * n, pa.map_(pa.string(), pa.float64())),
            items=pa.array([[dict(price=1.0)]] * n), words=pa.array([["a", "b"]] * n), nothing=pa.nulls(n), blob=pa.array([rng.bytes(8) for _ in range(n)]),
        )
        return columns

    rest = ("map", "items", "words", "blob")
    for name in ("base", "win"):
        columns = table()
        parquet(name + ".parquet", columns)
        columns["span"] = pa.array([pa.MonthDayNano([1, 2, 3])] * n, pa.month_day_nano_interval())
        columns["union"] = pa.UnionArray.from_sparse(pa.array([0, 1] * (n // 2), pa.int8()), [pa.array(range(n)), pa.array(["a"] * n)])
        arrow(name + ".arrow", columns)
    for kind in ("parquet", "arrow"):
        r = t.compare(f"base.{kind}", f"win.{kind}")
        t.same(r, "x", "outer.inner.score", "outer.country")
        t.expect(r.side("outer.country").get("null", 0) + r.side("outer.country").get("missing", 0) == n // 10, f"{kind}: the null struct has no country", r.side("outer.country"))
        for column in (*rest, *(("span", "union") if kind == "arrow" else ())):
            t.expect(r.noted(column), f"{kind}: {column} is named as not compared", r.notes)
    monitor("m.toml", "score:numeric:outer.inner.score", "country:categorical:outer.country", learn=1)
    for kind in ("parquet", "arrow"):
        columns = dict(table(), ts=pa.array([clock(i, 250) for i in range(n)]))
        (parquet if kind == "parquet" else arrow)(f"log.{kind}", columns)
        r = t.replay("m.toml", f"log.{kind}")
        t.expect(r.exit == OK and r.verdicts("score")[-1:] == ["ok"], f"{kind}: a monitor reads the leaves by their paths", f"{r} {r.text[:200]}")


@situation()
def nested_segments_versions_filters_and_times(t):
    """A topic archived as Parquet has the event time, the version, a filter and a segment inside of structs.

    Right: as in JSON: the same windows, versions, segments and filtered records.
    """
    rng = np.random.default_rng(7)
    n = 1500
    rows = [dict(meta=dict(ts=clock(i, 300), model=dict(name="a" if i % 5 else "b", version=1 + i % 2)), features=dict(x=float(rng.normal()), geo=dict(country=str(rng.choice(["de", "fr"]))))) for i in range(n)]
    jsonl("log.jsonl", rows)
    table = pa.Table.from_pylist(rows)
    pq.write_table(table, "log.parquet")
    arrow("log.arrow", table)
    monitor("m.toml", "x:numeric:features.x", time="meta.ts", learn=1, source='version = "meta.model.version"\n', where='"meta.model.name" = "a"',
            segments='[[segments]]\nname = "country"\npath = "features.geo.country"\n')
    answers = {}
    for log in ("log.jsonl", "log.parquet", "log.arrow"):
        r = t.replay("m.toml", log)
        answers[log] = (r.records, sorted({(w["version"], w["segment"]) for w in r.monitor.get("windows", [])}))
        t.expect(r.records.get("filtered") == n // 5 and len(answers[log][1]) == 6, f"{log}: a fifth is filtered, 2 versions, 2 segments", f"{r} {r.text[:200]}")
    t.expect(len({str(a) for a in answers.values()}) == 1, "the formats agree", answers)


@situation()
def flat_column_named_like_a_path(t):
    """A flattened export has the column features.income; an archive has a struct features{income} and also a flat column income with other values.

    Right: the path features.income finds the flattened column, and in the archive the leaf of the struct, not income.
    """
    rng = np.random.default_rng(8)
    n = 1500
    income = rng.gamma(4, 9000, n)
    times = [clock(i, 300) for i in range(n)]
    jsonl("log.jsonl", [dict(ts=a, income=1.0, features=dict(income=float(v))) for a, v in zip(times, income)])
    parquet("archive.parquet", {"ts": pa.array(times), "income": pa.array([1.0] * n), "features": pa.array([dict(income=float(v)) for v in income])})
    flat = pd.DataFrame({"ts": times, "income": 1.0, "features.income": income})
    parquet("flat.parquet", flat)
    csv("flat.csv", flat)
    monitor("m.toml", "income:numeric:features.income")
    for train in ("log.jsonl", "archive.parquet", "flat.parquet", "flat.csv"):
        for log in ("log.jsonl", "archive.parquet", "flat.parquet", "flat.csv"):
            r = t.replay("m.toml", log, "--baseline", train)
            t.expect(r.exit == OK and set(r.verdicts("income")) == {"ok"}, f"{log} with {train}: 5 windows ok", f"{r} {r.text[:150]}")


@situation()
def nested_on_one_side_and_flat_on_the_other(t):
    """Training data are flat, with the columns features.income and features.plan; the window is nested JSON or an archive with structs. And the other way round.

    Right: the same columns: no drift.
    """
    rng = np.random.default_rng(11)
    n = 800

    def save(name):
        income, plan = rng.gamma(4, 9000, n), rng.choice(["a", "b"], n)
        flat = pd.DataFrame({"features.income": income, "features.plan": plan})
        parquet(name + "_flat.parquet", flat)
        csv(name + "_flat.csv", flat)
        rows = [dict(features=dict(income=float(a), plan=str(b))) for a, b in zip(income, plan)]
        jsonl(name + "_nested.jsonl", rows)
        pq.write_table(pa.Table.from_pylist(rows), name + "_nested.parquet")

    save("base")
    save("win")
    for one in ("flat.csv", "flat.parquet", "nested.jsonl", "nested.parquet"):
        for two in ("flat.csv", "flat.parquet", "nested.jsonl", "nested.parquet"):
            t.same(t.compare(f"base_{one}", f"win_{two}"), "features.income", "features.plan")


@situation()
def map_with_a_key_for_each_record(t):
    """A JSON record holds an object whose keys are ids: {"seen": {"u17": 1, "u99": 3}}; thousands of keys in all.

    Right: not a column for each id: the other columns are compared and `seen` is named; or refused with `seen` named.
    """
    rng = np.random.default_rng(13)
    for name in ("base", "win"):
        jsonl(name + ".jsonl", [dict(x=float(rng.normal()), seen={f"u{int(u)}": 1 for u in rng.integers(0, 10**6, 3)}) for _ in range(1500)])
    r = t.compare("base.jsonl", "win.jsonl")
    read = r.exit == OK and r.of("x") == "ok" and len(r.columns) < 20 and r.says(r"\bseen\b")
    t.expect(read or r.refused(r"\bseen\b"), "x is compared, and seen is named", f"{str(r)[:200]} {len(r.columns)} columns {r.text[-200:]}")


@situation("pandas Period, Interval and UUID; extension types of Arrow")
def extension_types(t):
    """Parquet and Arrow with a UUID, a Period, an Interval, a boolean of 8 bits, a tensor, JSON as extension type, sparse and nullable integers.

    Right: the plain columns are compared; each other one is compared or named in a note. No crash.
    """
    rng = np.random.default_rng(15)
    n = 500

    def table():
        arrays = dict(
            x=pa.array(rng.normal(0, 1, n)), uuid=pa.array([uuid.UUID(bytes=rng.bytes(16)).bytes for _ in range(n)], pa.uuid()),
            flag=pa.ExtensionArray.from_storage(pa.bool8(), pa.array(rng.integers(0, 2, n).astype("int8"))),
            tensor=pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), (2, 2)), pa.array([[1.0, 2.0, 3.0, 4.0]] * n, pa.list_(pa.float32(), 4))),
            doc=pa.ExtensionArray.from_storage(pa.json_(), pa.array(['{"a": 1}', '{"a": 2}'] * (n // 2))),
        )
        frame = pd.DataFrame(dict(period=pd.period_range("2026-01", periods=n, freq="h"), span=pd.interval_range(0, n, n), nullable=pd.array(rng.integers(0, 9, n), "Int8")))
        extra = pa.Table.from_pandas(frame, preserve_index=False)
        return dict(arrays, **{c: extra.column(c).combine_chunks() for c in extra.column_names})

    for name in ("base", "win"):
        parquet(name + ".parquet", table())
        arrow(name + ".arrow", table())
    for kind in ("parquet", "arrow"):
        r = t.compare(f"base.{kind}", f"win.{kind}")
        t.expect(r.of("x") == "ok" and r.of("nullable") == "ok", f"{kind}: x and nullable are compared", f"{r} {r.text[-200:]}")
        for column in ("uuid", "flag", "tensor", "doc", "period", "span"):
            seen = any(c == column or c.startswith(column + ".") for c in r.columns) or r.noted(column)
            t.expect(seen, f"{kind}: {column} is compared or named", r.notes)
        t.expect(r.of("uuid") not in ("drift", "warn"), f"{kind}: an id is not drift", r)
