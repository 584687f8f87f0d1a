"""What cannot be read is said, with its reason, and is not learned from."""
import decimal

from inputs import *
from trial import CONFIGURATION, GONE, OK, situation

TYPE = r"wrong type|not (a|of) |no (valid )?(value|number)|boolean|\btext\b|cannot be read|numeric"


def hours(n, an_hour=300):
    return [clock(i, an_hour) for i in range(n)]


@situation()
def column_of_the_wrong_type_in_all_records(t):
    """A monitor learns its baseline; income comes as text, "50000"; country comes as an object, tags as an array, embedding as text.

    Right: the text names each column and says that its values are of the wrong type; nothing is learned from them in silence.
    """
    rng = np.random.default_rng(1)
    n = 1800
    rows = [dict(ts=a, ok=float(rng.normal()), income=str(int(rng.normal(5e4, 9e3))), country=dict(code="de"), tags=["a", "b"], vector="0.1,0.2") for a in hours(n)]
    jsonl("log.jsonl", rows)
    pq.write_table(pa.Table.from_pylist(rows), "log.parquet")
    for column in ("income:numeric", "country:categorical", "tags:categorical", "vector:embedding", "income:boolean"):
        monitor("m.toml", column, "ok:numeric", learn=2)
        for log in ("log.jsonl", "log.parquet"):
            r = t.replay("m.toml", log)
            t.expect(r.says(rf"\b{column.split(':')[0]}\b", TYPE + r"|object|array|list|struct"), f"{column} over {log}: says what cannot be read", f"exit {r.exit} {r.text[:300]}")


@situation()
def hardly_any_value(t):
    """Training data hold 2 numbers in 5,000 rows of a column, the rest is null, text or NaN.

    Right: the baseline is refused for the column, or the text says that it rests on 2 values; never a silent verdict.
    """
    rng = np.random.default_rng(2)
    n = 5000
    monitor("m.toml", "x:numeric", "y:numeric", length="1h")
    jsonl("log.jsonl", [dict(ts=a, x=float(rng.normal()), y=float(rng.normal())) for a in hours(1200)])
    for name, filler in (("null", None), ("text", "n/a"), ("nan", float("nan"))):
        jsonl(f"{name}.jsonl", [dict(x=float(rng.normal()) if i in (7, 99) else filler, y=float(rng.normal())) for i in range(n)])
        r = t.replay("m.toml", "log.jsonl", "--baseline", f"{name}.jsonl")
        t.expect(r.says(r"`?\bx\b`?", r"hardly|only 2|too few|few values|\b2 (valid )?values|\b2 of 5,?000|no baseline|not enough|refused|at least \d+"), f"{name}: says that x has hardly a value", f"exit {r.exit} {r.text[:300]}")
        r = t.compare(f"{name}.jsonl", "log.jsonl", "--column", "x:numeric")
        # Nearly all missing against all there is a change that is found without a look at the two values.
        t.expect(r.exit != OK, f"{name}: compare does not say that nothing moved", r)


@situation("aws/sagemaker-python-sdk #2629")
def filter_that_lets_nothing_through(t):
    """`where` names a value in another case, a value of another type, a path that is not there, or the right one.

    Right: where nothing passes, the text says that `where` filtered all records, names the path, and shows values it saw. No verdict.
    """
    rng = np.random.default_rng(3)
    n = 1200
    d = pd.DataFrame(dict(ts=hours(n), x=rng.normal(0, 1, n), model=rng.choice(["credit-score", "fraud"], n, p=[0.8, 0.2]), live=rng.random(n) < 0.9, stage=rng.integers(1, 3, n)))
    every_format("log", d)
    wheres = dict(value='model = "credit_score"', case='model = "Credit-Score"', path='"model.name" = "credit-score"', type='stage = "one"', boolean='live = "yes"')
    monitor("right.toml", "x:numeric", learn=1, where='model = "credit-score"')
    for name, where in wheres.items():
        monitor(name + ".toml", "x:numeric", learn=1, where=where)
    for kind in ("jsonl", "parquet", "csv"):
        r = t.replay("right.toml", f"log.{kind}")
        t.expect(r.exit == OK and r.records.get("filtered") == (d.model == "fraud").sum(), f"right.toml over {kind}: the other model is filtered", r)
        for name in wheres:
            r = t.replay(name + ".toml", f"log.{kind}")
            path = dict(path=r"model\.name", type="stage", boolean="live").get(name, "model")
            seen = dict(path=GONE, type=r"\b[12]\b", boolean=r"\btrue\b").get(name, r"credit-score.*fraud|fraud.*credit-score|credit-score")
            t.expect(r.no_verdict and r.says(r"where|filter", rf"\b{path}\b", seen), f"{name}.toml over {kind}: says that `where` lets nothing through, and what it saw", f"exit {r.exit} {r.text[:300]}")


@situation()
def filter_written_as_a_number_or_boolean(t):
    """`where` is written with a TOML integer, boolean, float or list: stage = 1, live = true, share = 0.5, model = ["a", "b"].

    Right: taken as the value it is, with the same records as its text; or refused with the key and the spelling "1". A list is refused.
    """
    rng = np.random.default_rng(13)
    n = 900
    d = pd.DataFrame(dict(ts=hours(n), x=rng.normal(0, 1, n), stage=rng.integers(1, 3, n), live=rng.random(n) < 0.7, share=rng.choice([0.5, 0.25], n), model=rng.choice(["a", "b"], n)))
    every_format("log", d)
    for key, value, passing in (("stage", "1", d.stage == 1), ("live", "true", d.live), ("share", "0.5", d.share == 0.5)):
        monitor("number.toml", "x:numeric", learn=1, where=f"{key} = {value}")
        monitor("text.toml", "x:numeric", learn=1, where=f'{key} = "{value}"')
        for kind in ("jsonl", "parquet", "csv"):
            r = t.replay("text.toml", f"log.{kind}")
            t.expect(r.records.get("counted") == passing.sum(), f'{kind}, {key} = "{value}": {passing.sum()} records pass', r)
            r = t.replay("number.toml", f"log.{kind}")
            t.expect(r.records.get("counted") == passing.sum() or (r.exit == CONFIGURATION and r.says(rf"\b{key}\b", "text|quote|string")), f"{kind}, {key} = {value}: the same, or refused", f"{r} {r.text[:200]}")
    monitor("list.toml", "x:numeric", learn=1, where='model = ["a", "b"]')
    r = t.replay("list.toml", "log.jsonl")
    t.expect(r.exit == CONFIGURATION and r.says(r"\bmodel\b"), "a list is refused with its key", f"{r} {r.text[:200]}")


@situation()
def filter_on_two_values_of_which_one_never_occurs(t):
    """`where` has two conditions; the first holds for all records, the second for none.

    Right: the text names the second one.
    """
    rng = np.random.default_rng(4)
    d = pd.DataFrame(dict(ts=hours(900), x=rng.normal(0, 1, 900), model="a", stage="prod"))
    every_format("log", d)
    monitor("m.toml", "x:numeric", learn=1, where='model = "a"\nstage = "production"')
    for kind in ("jsonl", "parquet", "csv"):
        r = t.replay("m.toml", f"log.{kind}")
        t.expect(r.no_verdict and r.says(r"\bstage\b", r"\bprod\b"), f"{kind}: names stage and the value prod", r.text[:300])


@situation()
def some_records_are_rejected(t):
    """A tenth of the records has no time, null, an empty text, a date before the month, text, a boolean, or a number far out.

    Right: they are counted as rejected, and the text names the field, an example and what is allowed; the others are judged.
    """
    rng = np.random.default_rng(5)
    n = 1500
    bad = dict(missing=None, null=None, empty="", day_first="13/03/2026 10:00", text="yesterday", boolean=True, far=9.9e18, object=dict(sec=1))
    monitor("m.toml", "x:numeric", learn=1)
    for name, value in bad.items():
        rows = [dict(ts=a, x=float(rng.normal())) for a in hours(n)]
        for row in rows[5::10]:
            if name == "missing":
                del row["ts"]
            else:
                row["ts"] = value
        jsonl(f"{name}.jsonl", rows)
        r = t.replay("m.toml", f"{name}.jsonl")
        t.expect(r.records.get("rejected") == n // 10 and r.records.get("counted") == n - n // 10, f"{name}: a tenth is rejected", r)
        example = dict(empty='""|``|empty', day_first="13/03/2026", text="yesterday", boolean="true", far=r"9\.9|99000|9900", object=r"object|\{|sec").get(name, "null|lack|no event time|" + GONE)
        t.expect(r.says(r"`?\bts\b`?", example), f"{name}: names ts and what it holds", r.text[:300])
        if name in ("empty", "day_first", "text"):
            csv(f"{name}.csv", pd.DataFrame(rows))
            parquet(f"{name}.parquet", pd.DataFrame(rows))
            for kind in ("csv", "parquet"):
                r = t.replay("m.toml", f"{name}.{kind}")
                t.expect(r.records.get("rejected") == n // 10 and r.says(r"`?\bts\b`?", example + "|missing|null" if name == "empty" else example), f"{name}, {kind}: rejected, with field and example", f"{r} {r.text[:300]}")


@situation()
def broken_lines(t):
    """A log of JSON lines holds lines that are cut off, arrays, bare numbers, null, plain text, and single quotes of Python.

    Right: each costs one record; the text says which reasons, with an example or a line number.
    """
    rng = np.random.default_rng(6)
    n = 1200
    broken = dict(cut='{"ts": "2026-03-01T00:', array='[1, 2]', number="17", null="null", text="ERROR connection lost", python="{'ts': '2026-03-01T00:00:00Z', 'x': 1}")
    reasons = dict(cut=r"\bJSON\b|syntax|EOF|cut|line \d", array="array|not an object|object", number="number|not an object|object", null="null|not an object|object|tombstone", text=r"\bJSON\b|syntax|ERROR|line \d", python=r"\bJSON\b|syntax|line \d")
    monitor("m.toml", "x:numeric", learn=1)
    jsonl("base.jsonl", [dict(x=float(rng.normal())) for _ in range(500)])
    for i, (name, line) in enumerate(broken.items()):
        lines = [json.dumps(dict(ts=a, x=float(rng.normal()))) for a in hours(n)]
        lines[100::100] = [line] * len(lines[100::100])
        write(f"log{i}.jsonl", "\n".join(lines))
        r = t.replay("m.toml", f"log{i}.jsonl")
        t.expect(r.records.get("rejected") == 11 and r.records.get("counted") == n - 11, f"{name}: 11 records are rejected", r)
        t.expect(r.says(r"reject|could not be read|cannot be read", reasons[name]), f"{name}: replay gives the reason", r.text[:300])
        r = t.compare("base.jsonl", f"log{i}.jsonl", "--column", "x")
        t.expect(r.json.get("rejected", {}).get("window") == 11 and r.says(reasons[name]), f"{name}: compare counts them and gives the reason", f"{r.json.get('rejected')} {r.text[-250:]}")


@situation("confluentinc/schema-registry wire format, Debezium, CloudEvents, kcat")
def frames_around_the_record(t):
    """Records come in a frame: bytes of a schema registry before the JSON, schema and payload of Connect, before and after of Debezium, data of CloudEvents, payload as text of kcat.

    Right: no verdict; the text names the frame, or x as never there with the names that are there.
    """
    rng = np.random.default_rng(7)
    n = 900
    rows = [dict(ts=a, x=float(rng.normal())) for a in hours(n)]
    write("registry.jsonl", b"".join(b"\0\0\0\0\x07" + json.dumps(row).encode() + b"\n" for row in rows))
    frames = dict(
        connect=lambda row: dict(schema=dict(type="struct"), payload=row), debezium=lambda row: dict(before=None, after=row, op="c"),
        cloudevents=lambda row: dict(specversion="1.0", id="1", source="s", type="t", data=row), kcat=lambda row: dict(topic="t", partition=0, payload=json.dumps(row)),
        kserve=lambda row: dict(inputs=[dict(name="x", shape=[1], datatype="FP64", data=[row["x"]])], ts=row["ts"]),
    )
    for name, frame in frames.items():
        jsonl(f"{name}.jsonl", [frame(row) for row in rows])
    named = dict(registry=r"registry|schema id|magic|frame|0x00|\\0|\\x00|\\u0000|control character|binary", connect=r"\bpayload\b", debezium=r"\bafter\b", cloudevents=r"\bdata\b", kcat=r"\bpayload\b", kserve=r"\binputs\b|`x`.{0,80}(" + GONE + ")")
    monitor("m.toml", "x:numeric", learn=1)
    for i, (name, words) in enumerate(named.items()):
        os.rename(f"{name}.jsonl", f"log{i}.jsonl")
        r = t.replay("m.toml", f"log{i}.jsonl")
        t.expect(r.no_verdict and r.says(words), f"{name}: no verdict, and what the records look like", f"exit {r.exit} {r.text[:300]}")


@situation()
def spellings_of_paths(t):
    """A monitor's paths are written as in other tools: $.features.income, features[0], /features/income, features->income, features['income'], .features.income.

    Right: refused when the file is read, with the spelling that driftd wants, features.income; an index into an array is refused as such.
    """
    rng = np.random.default_rng(8)
    jsonl("log.jsonl", [dict(ts=a, features=dict(income=float(rng.normal()))) for a in hours(900)])
    write("driftd.toml", '[postgres]\nurl = "postgres://nobody@127.0.0.1:1/none"\n[kafka]\nbrokers = "127.0.0.1:1"\n')
    for i, path in enumerate(["$.features.income", "/features/income", "features->income", "features['income']", ".features.income", 'features["income"]', "$['features']['income']"]):
        for place in ("column", "where", "version", "segment"):
            plain = "income:numeric:features.income"
            escaped = json.dumps(path)
            if place == "column":
                write(f"m{i}.toml", "")
                monitor(f"m{i}.toml", "other:numeric:features.income", learn=1)
                text = open(f"m{i}.toml").read()
                write(f"m{i}.toml", text + f'[[columns]]\nname = "income"\ntype = "numeric"\npath = {escaped}\n')
            elif place == "where":
                monitor(f"m{i}.toml", plain, learn=1, where=f'{escaped} = "1"')
            elif place == "version":
                monitor(f"m{i}.toml", plain, learn=1, source=f"version = {escaped}\n")
            else:
                monitor(f"m{i}.toml", plain, learn=1, segments=f'[[segments]]\nname = "s"\npath = {escaped}\n')
            r = t.replay(f"m{i}.toml", "log.jsonl")
            t.expect(r.exit == CONFIGURATION and r.says(r"features\.income"), f"{path} as path of {place}: refused with features.income", f"exit {r.exit} {r.text[:200]}")
            os.makedirs("monitors.d", exist_ok=True)
            os.replace(f"m{i}.toml", "monitors.d/m.toml")
            r = t.driftd("-c", "driftd.toml", "check")
            t.expect(r.exit == CONFIGURATION and r.says(r"features\.income"), f"{path} as path of {place}: refused by check", f"exit {r.exit} {r.text[:200]}")
    for path in ("features[0]", "features[*].income", "instances.0.x[1]"):
        monitor("index.toml", "income:numeric:" + path, learn=1)
        r = t.replay("index.toml", "log.jsonl")
        t.expect(r.exit == CONFIGURATION and r.says(r"array|index|\[|element"), f"{path}: refused as an index into an array", f"exit {r.exit} {r.text[:200]}")


@situation()
def segment_or_version_never_found(t):
    """The path of the segment or of the version is in no record.

    Right: the text says so and names the path, in every format; it is not one segment (none).
    """
    rng = np.random.default_rng(9)
    d = pd.DataFrame(dict(ts=hours(1500), x=rng.normal(0, 1, 1500), country=rng.choice(["de", "fr"], 1500)))
    every_format("log", d)
    monitor("segment.toml", "x:numeric", learn=1, segments='[[segments]]\nname = "land"\npath = "geo.land"\n')
    monitor("version.toml", "x:numeric", learn=1, source='version = "meta.version"\n')
    for name, path in (("segment", r"geo\.land|`land`"), ("version", r"meta\.version")):
        for kind in ("jsonl", "csv", "parquet", "arrow"):
            r = t.replay(f"{name}.toml", f"log.{kind}")
            t.expect(r.says(path, GONE), f"{name} over {kind}: says that {path} is never there", f"exit {r.exit} {r.text[:300]}")


@situation()
def implausible_times(t):
    """Times are serial days of spreadsheets (46082.5), seconds as text, years of two digits, all the same, or times of day without a date.

    Right: no verdict in silence: the text says that the times cannot be read or are implausible, and names the field or the unit.
    """
    rng = np.random.default_rng(10)
    n = 1200
    x = [float(v) for v in rng.normal(0, 1, n)]
    times = dict(
        serial=[46082 + i / 24 / 60 for i in range(n)], text=[str(1772323200 + 15 * i) for i in range(n)],
        two_digits=[f"26-03-01 {i // 60 % 24:02}:{i % 60:02}:00" for i in range(n)], no_date=[f"{i // 60 % 24:02}:{i % 60:02}:00" for i in range(n)],
        zero=[0] * n, negative=[-1] * n,
    )
    monitor("m.toml", "x:numeric", learn=1)
    for name, values in times.items():
        rows = [dict(ts=a, x=b) for a, b in zip(values, x)]
        jsonl(name + ".jsonl", rows)
        csv(name + ".csv", pd.DataFrame(rows))
        parquet(name + ".parquet", pd.DataFrame(rows))
        for kind in ("jsonl", "csv", "parquet"):
            r = t.replay("m.toml", f"{name}.{kind}")
            t.expect(r.no_verdict and r.says(r"`?\bts\b`?|time_unit|\btimes?\b", r"time_unit|unit|1970|1969|implausib|cannot be read|could not be read|not a time|RFC 3339|reject"), f"{name}.{kind}: says what is wrong with the times", f"exit {r.exit} {r.text[:250]}")


@situation()
def two_units_in_one_log(t):
    """Half of the producers write seconds, the others milliseconds.

    Right: half of the records lies in 1970, and the text says so, or names the unit; they are not just late.
    """
    rng = np.random.default_rng(14)
    n, begin = 2400, 1772323200
    monitor("m.toml", "x:numeric", learn=1)
    for name, first in (("seconds_first", 0), ("milliseconds_first", 1)):
        rows = [dict(ts=(begin + 3 * i) * (1000 if (i + first) % 2 else 1), x=float(rng.normal())) for i in range(n)]
        jsonl(name + ".jsonl", rows)
        parquet(name + ".parquet", pd.DataFrame(rows))
        for kind in ("jsonl", "parquet"):
            r = t.replay("m.toml", f"{name}.{kind}")
            t.says(r, "that times are implausible, or names the unit", r"time_unit|\bunits?\b|implausib|\b1970\b.{0,80}(unit|second)|(second|unit).{0,80}\b1970\b")


@situation()
def event_time_in_the_types_of_arrow(t):
    """The event time is a decimal of seconds, an unsigned integer, a dictionary, a date, a float, run-end encoded, a struct or a time of day.

    Right: what says a moment is read; a struct or a time of day is refused with the type and the name.
    """
    rng = np.random.default_rng(11)
    n, begin = 1200, 1772323200
    seconds = [begin + 15 * i for i in range(n)]
    x = pa.array(rng.normal(0, 1, n))
    stamps = pa.array([s * 1000 for s in seconds], pa.timestamp("ms"))
    readable = dict(
        decimal=("s", pa.array([decimal.Decimal(s) for s in seconds], pa.decimal128(18, 0))), unsigned=("s", pa.array(seconds, pa.uint64())), unsigned32=("s", pa.array(seconds, pa.uint32())),
        dictionary=("s", stamps.dictionary_encode()), float=("s", pa.array([float(s) for s in seconds])), numbers=("s", pa.array(seconds).dictionary_encode()),
    )
    for name, (unit, array) in readable.items():
        arrow(name + ".arrow", {"ts": array, "x": x})
        monitor("m.toml", "x:numeric", learn=1, source=f'time_unit = "{unit}"\n')
        r = t.replay("m.toml", name + ".arrow")
        t.expect(r.records.get("counted") == n and len(r.windows) == 5 and r.windows[0]["start"] == "2026-03-01T00:00:00Z", f"{name}: 5 windows", f"{r} {r.text[:200]}")
    run_ends = pa.RunEndEncodedArray.from_arrays(pa.array(range(1, n + 1), pa.int32()), stamps)
    arrow("run_ends.arrow", {"ts": run_ends, "x": x})
    r = t.replay("m.toml", "run_ends.arrow")
    t.expect(r.records.get("counted") == n, "run-end encoded: read", f"{r} {r.text[:200]}")
    days = pa.array([dt.date(2026, 3, 1) + dt.timedelta(days=i // 300) for i in range(n)])
    monitor("days.toml", "x:numeric", learn=1, length="1d")
    arrow("days.arrow", {"ts": days, "x": x})
    r = t.replay("days.toml", "days.arrow")
    t.expect(len(r.windows) == 4 and r.records.get("counted") == n, "days: 4 windows", r)
    refused = dict(struct=pa.array([dict(sec=s) for s in seconds]), time=pa.array([dt.time(1, 2, 3)] * n), boolean=pa.array([True] * n), list=pa.array([[s] for s in seconds]), null=pa.nulls(n))
    for name, array in refused.items():
        arrow(name + ".arrow", {"ts": array, "x": x})
        r = t.replay("m.toml", name + ".arrow")
        t.expect(r.refused(r"\bts\b", r"time"), f"{name}: refused, with the field", f"exit {r.exit} {r.text[:200]}")
