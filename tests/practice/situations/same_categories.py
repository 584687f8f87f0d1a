"""One value is one category, segment or version: in every type of Arrow, and in JSON, CSV and Parquet.

Each situation draws values, writes one half as JSON lines (the way records come from Kafka) and the other half in every type that
can hold them, and expects the same categories everywhere.
"""
import decimal

from inputs import *
from trial import OK, situation

N = 1200


def draw(values, seed, n=N):
    return [values[i] for i in np.random.default_rng(seed).integers(0, len(values), n)]


def same_categories(t, values, arrays, texts, more=()):
    """JSON lines of `values` against each array: `texts` are the categories of both."""
    jsonl("base.jsonl", [dict(c=v) for v in draw(values, 1)])
    files = {name: save(name, "c", array) for name, array in arrays.items()}
    for name, lines in more:
        write(name, lines)
        files[name] = name
    for name, path in files.items():
        r = t.compare("base.jsonl", path, "--column", "c:categorical")
        t.same(r, "c")
        t.expect(set(r.labels("c")) == set(texts), f"{name}: the categories are {sorted(texts)}", sorted(r.labels("c")))


@situation()
def whole_numbers_as_categories(t):
    """Codes 1, 2, 12, 300 in every width of integer, float and decimal, in dictionaries and run-end encoded, as 12.0 in JSON and CSV.

    Right: the categories 1, 2, 12 and 300 everywhere.
    """
    values = [1, 2, 12, 300]
    drawn = draw(values, 2)
    small = [v % 100 for v in drawn]
    floats = [float(v) for v in drawn]
    arrays = {k: pa.array(drawn, k) for k in ("int16", "int32", "int64", "uint16", "uint32", "uint64", "float32", "float64")}
    arrays["float16"] = pa.array(np.array(drawn, "float16"))
    for kind in (pa.decimal32(9, 0), pa.decimal32(9, 2), pa.decimal64(18, 4), pa.decimal128(38, 0), pa.decimal128(10, 2), pa.decimal256(60, 8)):
        arrays[f"decimal{kind.bit_width}_{kind.scale}"] = decimals(drawn, kind)
    for kind in ("int8", "int64", "uint64", "float64"):
        if kind != "int8":
            arrays[f"dictionary_{kind}"] = pa.array(drawn, kind).dictionary_encode()
            arrays[f"run_ends_{kind}"] = run_ends(pa.array(drawn, kind))
    arrays["dictionary_decimal"] = decimals(drawn, pa.decimal128(10, 2)).dictionary_encode()
    same_categories(t, values, arrays, ["1", "2", "12", "300"], [
        ("floats.jsonl", "".join('{"c": %.1f}\n' % v for v in floats)),
        ("exponents.jsonl", "".join('{"c": %.2e}\n' % v for v in floats)),
        ("texts.jsonl", "".join('{"c": "%d"}\n' % v for v in drawn)),
        ("integers.csv", "c\n" + "".join("%d\n" % v for v in drawn)),
    ])
    jsonl("bytes.jsonl", [dict(c=v % 100) for v in draw(values, 1)])
    for kind in ("int8", "uint8"):
        t.same(t.compare("bytes.jsonl", save(kind, "c", pa.array(small, kind)), "--column", "c:categorical"), "c")


@situation()
def fractions_as_categories(t):
    """Rates 0.1, 0.25, 2.5 as float64, float32, decimal, in dictionaries and run-end encoded, as 0.10 and 1e-1 in JSON.

    Right: the categories 0.1, 0.25 and 2.5 everywhere: the shortest text that gives the value back in its own width.
    """
    values = [0.1, 0.25, 2.5]
    drawn = draw(values, 3)
    arrays = {k: pa.array(drawn, k) for k in ("float32", "float64")}
    for kind in (pa.decimal128(10, 2), pa.decimal128(12, 6), pa.decimal64(10, 3), pa.decimal256(40, 2)):
        arrays[f"decimal{kind.bit_width}_{kind.scale}"] = decimals(drawn, kind)
    arrays["dictionary_float64"] = pa.array(drawn).dictionary_encode()
    arrays["dictionary_float32"] = pa.array(drawn, pa.float32()).dictionary_encode()
    arrays["run_ends"] = run_ends(pa.array(drawn, pa.float32()))
    same_categories(t, values, arrays, ["0.1", "0.25", "2.5"], [
        ("zeros.jsonl", "".join('{"c": %.3f}\n' % v for v in drawn)),
        ("exponents.jsonl", "".join('{"c": %.3e}\n' % v for v in drawn)),
        ("plain.csv", "c\n" + "".join(f"{v}\n" for v in drawn)),
    ])


@situation()
def tiny_and_large_numbers_as_categories(t):
    """Levels 1e-7, 1e16 and 1e21, which tools write with and without exponent.

    Right: one category a value, whatever the width and format; the text may be either.
    """
    values = [1e-7, 1e16, 1e21]
    drawn = draw(values, 4)
    jsonl("base.jsonl", [dict(c=v) for v in draw(values, 1)])
    files = [save("float64", "c", pa.array(drawn)), save("dictionary", "c", pa.array(drawn).dictionary_encode())]
    write("plain.jsonl", "".join('{"c": %s}\n' % {1e-7: "0.0000001", 1e16: "10000000000000000", 1e21: "1000000000000000000000"}[v] for v in drawn))
    for path in [*files, "plain.jsonl"]:
        t.same(t.compare("base.jsonl", path, "--column", "c:categorical"), "c")
    small = [v if v < 1 else v / 1e14 for v in drawn]
    jsonl("small.jsonl", [dict(c=v) for v in small])
    t.same(t.compare("small.jsonl", save("float32", "c", pa.array(np.array(small, "float32"))), "--column", "c:categorical"), "c")


@situation()
def zero_with_a_sign(t):
    """A category holds 0 and 1; some tools write the zero as -0.0.

    Right: -0.0 is the category 0.
    """
    drawn = draw([0, 1], 5)
    negative = np.array([-0.0 if v == 0 else 1.0 for v in drawn])
    same_categories(t, [0, 1], {
        "float64": pa.array(negative), "float32": pa.array(negative.astype("float32")), "float16": pa.array(negative.astype("float16")),
    }, ["0", "1"], [
        ("floats.jsonl", "".join('{"c": %s}\n' % v for v in negative)),
        ("integers.jsonl", "".join('{"c": %s}\n' % ("-0" if v == 0 else 1) for v in drawn)),
    ])


@situation()
def ids_of_64_bits(t):
    """Ids near 2^53, 2^63 and 2^64, in which the last digit counts.

    Right: each id is a category of its own with all its digits, in JSON, Parquet and CSV.
    """
    values = [2**53 + 1, 2**53 + 2, 2**63 - 1, 2**63 + 5, 2**64 - 1, 2**64 - 2]
    drawn = draw(values, 6)
    texts = [str(v) for v in values]
    same_categories(t, values, {
        "uint64": pa.array(drawn, "uint64"),
        "dictionary": pa.array(drawn, "uint64").dictionary_encode(),
        "decimal": pa.array([decimal.Decimal(v) for v in drawn], pa.decimal128(20, 0)),
        "text": pa.array([str(v) for v in drawn]),
    }, texts, [("ids.csv", "c\n" + "".join(f"{v}\n" for v in drawn))])
    signed = [-v if v < 2**63 else -1 for v in drawn]
    jsonl("signed.jsonl", [dict(c=v) for v in signed])
    r = t.compare("signed.jsonl", save("int64", "c", pa.array(signed, "int64")), "--column", "c:categorical")
    t.same(r, "c")


@situation()
def ids_of_more_than_64_bits(t):
    """Ids of 21 digits, of which two differ in the last digit only, as they are in JSON of Python, in decimals and in CSV.

    Right: the ids stay apart with all their digits, or the text says that they cannot be read as categories; never one category for two ids.
    """
    values = [123456789012345678901, 123456789012345678902, 5]
    jsonl("base.jsonl", [dict(c=v) for v in draw(values, 1)])
    other = draw([123456789012345678901, 5, 5], 2)
    jsonl("win.jsonl", [dict(c=v) for v in other])
    r = t.compare("base.jsonl", "win.jsonl", "--column", "c:categorical")
    t.expect(r.exit == 3 or r.no_verdict, "an id that is gone, with a third of the records, is drift", r)
    write("same.csv", "c\n" + "".join(f"{v}\n" for v in draw(values, 3)))
    t.same(t.compare("base.jsonl", "same.csv", "--column", "c:categorical"), "c")
    t.same(t.compare("base.jsonl", save("decimal", "c", pa.array([decimal.Decimal(v) for v in draw(values, 4)], pa.decimal128(30, 0))), "--column", "c:categorical"), "c")


@situation()
def booleans_in_every_type(t):
    """true and false as booleans of Arrow, in dictionaries and run-end encoded, as True in CSV of pandas, as 1 and 0 in every integer, float and decimal.

    Right: as boolean column true and false everywhere. As category true and false wherever they are booleans; True of CSV too, or named as renamed.
    """
    drawn = draw([True, True, False], 7)
    numbers = [int(v) for v in drawn]
    jsonl("base.jsonl", [dict(c=v) for v in draw([True, True, False], 1)])
    booleans = {
        "plain": pa.array(drawn),
        "run_ends": run_ends(pa.array(drawn)),
        "dictionary": pa.DictionaryArray.from_arrays(pa.array(numbers, pa.int8()), pa.array([False, True])),
    }
    for name, array in booleans.items():
        path = save(name, "c", array)
        for kind in ("boolean", "categorical"):
            r = t.compare("base.jsonl", path, "--column", f"c:{kind}")
            t.same(r, "c")
            t.expect(set(r.labels("c")) == {"true", "false"}, f"{name} as {kind}: the categories are true and false", list(r.labels("c")))
    csv("pandas.csv", pd.DataFrame(dict(c=drawn)))
    t.same(t.compare("base.jsonl", "pandas.csv", "--column", "c:boolean"), "c")
    r = t.compare("base.jsonl", "pandas.csv", "--column", "c:categorical")
    t.expect((r.exit == OK and r.of("c") == "ok") or (r.exit == 3 and r.says(r"renamed|upper|\bcase\b")), "True of CSV is true, or named as renamed", r)
    for kind in ("int8", "uint8", "int64", "uint64", "float32", "float64"):
        r = t.compare("base.jsonl", save(kind, "c", pa.array(numbers, kind)), "--column", "c:boolean")
        t.same(r, "c")
    t.same(t.compare("base.jsonl", save("decimal", "c", decimals(numbers, pa.decimal128(5, 0))), "--column", "c:boolean"), "c")
    write("numbers.jsonl", "".join('{"c": %s}\n' % v for v in numbers))
    write("floats.jsonl", "".join('{"c": %s.0}\n' % v for v in numbers))
    write("numbers.csv", "c\n" + "".join(f"{v}\n" for v in numbers))
    write("floats.csv", "c\n" + "".join(f"{v}.0\n" for v in numbers))
    for path in ("numbers.jsonl", "floats.jsonl", "numbers.csv", "floats.csv"):
        t.same(t.compare("base.jsonl", path, "--column", "c:boolean"), "c")


@situation()
def numbers_that_are_not_booleans(t):
    """A boolean column comes as counts 0 to 5.

    Right: 2 to 5 are of the wrong type in Parquet as in JSON and CSV; they are not true.
    """
    values = draw([0, 1, 2, 3, 4, 5], 8)
    wrong = sum(v > 1 for v in values)
    jsonl("base.jsonl", [dict(c=v) for v in draw([True, False], 1)])
    jsonl("win.jsonl", [dict(c=v) for v in values])
    write("win.csv", "c\n" + "".join(f"{v}\n" for v in values))
    files = ["win.jsonl", "win.csv", *(save(k, "c", pa.array(values, k)) for k in ("int64", "uint8", "float64"))]
    for path in files:
        r = t.compare("base.jsonl", path, "--column", "c:boolean")
        t.expect(r.side("c").get("wrong_type") == wrong, f"{path}: {wrong} values are of the wrong type", r.side("c"))


@situation()
def bytes_as_categories(t):
    """Categories as binary, large binary, binary view, fixed-size binary, and dictionaries of them.

    Right: the texts that the bytes are. Bytes that are not UTF-8 are no nulls: they are counted as values or as of the wrong type.
    """
    values = ["red", "blu", "grn"]
    drawn = [v.encode() for v in draw(values, 9)]
    same_categories(t, values, {
        "binary": pa.array(drawn, pa.binary()), "large": pa.array(drawn, pa.large_binary()), "view": pa.array(drawn, pa.binary_view()),
        "fixed": pa.array(drawn, pa.binary(3)), "dictionary": pa.array(drawn, pa.binary()).dictionary_encode(),
        "large_text": pa.array(draw(values, 9), pa.large_string()), "run_ends": run_ends(pa.array(draw(values, 9))),
    }, values)
    latin = [v if i % 3 else "grün".encode("latin-1") for i, v in enumerate(drawn)]
    parquet("base.parquet", {"c": pa.array(drawn, pa.binary())})
    r = t.compare("base.parquet", save("latin", "c", pa.array(latin, pa.binary())), "--column", "c:categorical")
    t.moved(r, "c")
    t.expect(r.side("c").get("null") == 0, "bytes that are not UTF-8 are not null", r.side("c"))


@situation()
def dates_as_categories(t):
    """Days as date32, date64, in a dictionary, as text in JSON and CSV.

    Right: the categories 2026-03-01, ... everywhere.
    """
    values = ["2026-03-01", "2026-03-02", "2026-12-31"]
    days = [dt.date.fromisoformat(v) for v in draw(values, 10)]
    same_categories(t, values, {
        "date32": pa.array(days, pa.date32()), "date64": pa.array(days, pa.date64()), "dictionary": pa.array(days).dictionary_encode(),
        "run_ends": run_ends(pa.array(days, pa.date32())),
    }, values, [("days.csv", "day,c\n" + "".join(f"1,{v}\n" for v in days))])


@situation()
def times_as_categories(t):
    """The three times of a schedule as timestamps of each unit, with and without zone, and as times of day of each unit.

    Right: the unit is no part of the value: one text in all units.
    """
    moments = draw([dt.datetime(2026, 3, 1, h) for h in (6, 12, 18)], 11)
    other = draw([dt.datetime(2026, 3, 1, h) for h in (6, 12, 18)], 12)
    for zone in (None, "UTC", "Europe/Berlin"):
        base = save("base", "c", pa.array(moments, pa.timestamp("s", zone)))
        for unit in ("s", "ms", "us", "ns"):
            t.same(t.compare(base, save(unit, "c", pa.array(other, pa.timestamp(unit, zone))), "--column", "c:categorical"), "c")
    base = save("base", "c", pa.array([m.time() for m in moments], pa.time32("s")))
    for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        t.same(t.compare(base, save(f"time_{kind.unit}", "c", pa.array([m.time() for m in other], kind)), "--column", "c:categorical"), "c")
    hours = [dt.timedelta(hours=m.hour) for m in moments], [dt.timedelta(hours=m.hour) for m in other]
    base = save("base", "c", pa.array(hours[0], pa.duration("s")))
    for unit in ("s", "ms", "us", "ns"):
        t.same(t.compare(base, save(f"duration_{unit}", "c", pa.array(hours[1], pa.duration(unit))), "--column", "c:categorical"), "c")


@situation()
def text_with_a_nul(t):
    """A category holds a NUL, which PostgreSQL cannot store.

    Right: the same category from JSON, Parquet and CSV; the report shows no NUL.
    """
    values = ["a\0b", "c"]
    drawn = draw(values, 13)
    jsonl("base.jsonl", [dict(c=v) for v in draw(values, 1)])
    files = [save("text", "c", pa.array(drawn)), save("dictionary", "c", pa.array(drawn).dictionary_encode())]
    write("win.csv", "c\n" + "".join(f"{v}\n" for v in drawn))
    for path in [*files, "win.csv"]:
        r = t.compare("base.jsonl", path, "--column", "c:categorical")
        t.same(r, "c")
        t.expect("\0" not in "".join(r.labels("c")), f"{path}: no NUL in the report", list(r.labels("c")))


@situation()
def not_a_number_in_a_category(t):
    """A code of floats holds NaN for what is not known: NaN in JSON of Python, NaN in Parquet, an empty cell or NaN in CSV.

    Right: NaN is no category; JSON and Parquet count it alike.
    """
    rng = np.random.default_rng(14)
    for name in ("base", "win"):
        v = np.array(draw([1.0, 2.0, 3.0], 14))
        v[rng.random(N) < 0.2] = np.nan
        jsonl(name + ".jsonl", [dict(c=float(x)) for x in v])
        for kind in ("float64", "float32"):
            save(f"{name}_{kind}", "c", pa.array(v.astype(kind)))
    for base, win in (("base.jsonl", "win_float64.parquet"), ("base.jsonl", "win_float32.parquet"), ("base_float64.parquet", "win.jsonl"), ("base_float32.parquet", "win_float64.parquet")):
        r = t.compare(base, win, "--column", "c:categorical")
        t.same(r, "c")
        t.expect(not {"NaN", "nan"} & set(r.labels("c")), f"{base} and {win}: NaN is not a category", list(r.labels("c")))


@situation()
def segments_versions_and_filters_in_every_type(t):
    """A segment, the version and a filter are integers, floats of whole numbers, booleans, dictionaries or texts, depending on the format.

    Right: the same segments, versions and filtered records everywhere.
    """
    rng = np.random.default_rng(21)
    n = 1200
    stores, models, live = rng.integers(1, 4, n), rng.integers(1, 3, n), rng.random(n) < 0.75
    base = dict(ts=[clock(i, 300) for i in range(n)], x=rng.normal(0, 1, n))
    rows = [dict(ts=a, x=float(b), store=int(c), model=int(d), live=bool(e)) for a, b, c, d, e in zip(base["ts"], base["x"], stores, models, live)]
    jsonl("integers.jsonl", rows)
    jsonl("floats.jsonl", [dict(row, store=float(row["store"]), model=float(row["model"])) for row in rows])
    frame = pd.DataFrame(base).assign(store=stores, model=models, live=live)
    csv("integers.csv", frame)
    parquet("integers.parquet", frame)
    for kind in ("float64", "float32"):
        parquet(kind + ".parquet", frame.assign(store=stores.astype(kind), model=models.astype(kind)))
    arrays = dict(ts=pa.array(base["ts"]), x=pa.array(base["x"]))
    parquet("dictionary.parquet", dict(arrays, store=pa.array(stores).dictionary_encode(), model=pa.array(models).dictionary_encode(), live=pa.array(live)))
    parquet("decimal.parquet", dict(arrays, store=decimals(stores, pa.decimal128(10, 2)), model=decimals(models, pa.decimal128(10, 0)), live=pa.array(live)))
    parquet("text.parquet", dict(arrays, store=pa.array(stores.astype(str).tolist()), model=pa.array([str(v).encode() for v in models], pa.binary()), live=pa.array([str(v).lower() for v in live])))
    arrow("run_ends.arrow", dict(arrays, store=run_ends(pa.array(stores)), model=run_ends(pa.array(models)), live=run_ends(pa.array(live))))
    monitor("m.toml", "x:numeric", learn=1, source='version = "model"\n', where='live = "true"', segments='[[segments]]\nname = "store"\n')
    answers = {}
    for log in ("integers.jsonl", "floats.jsonl", "integers.csv", "integers.parquet", "float64.parquet", "float32.parquet", "dictionary.parquet", "decimal.parquet", "text.parquet", "run_ends.arrow"):
        r = t.replay("m.toml", log)
        windows = sorted({(w["version"], w["segment"]) for w in r.monitor.get("windows", [])})
        answers[log] = (r.records.get("filtered"), windows)
    right = (int((~live).sum()), sorted((v, s) for v in "12" for s in ("*", "store=1", "store=2", "store=3")))
    for log, answer in answers.items():
        t.expect(answer == right, f"{log}: {right[0]} filtered, versions 1 and 2, segments 1 to 3", answer if answer[1] != right[1] else answer[0])


@situation()
def segments_that_are_empty(t):
    """Some records have no country, some an empty one, some null.

    Right: the same segments with the same number of records in every format.
    """
    rng = np.random.default_rng(22)
    n = 900
    countries = rng.choice(["de", "fr", "", None], n).tolist()
    rows = [dict(ts=clock(i, 300), x=float(rng.normal()), country=c) for i, c in enumerate(countries)]
    jsonl("log.jsonl", rows)
    parquet("log.parquet", pd.DataFrame(rows))
    csv("log.csv", pd.DataFrame(rows))
    monitor("m.toml", "x:numeric", learn=1, segments='[[segments]]\nname = "country"\n')
    answers = {}
    for log in ("log.jsonl", "log.parquet", "log.csv"):
        r = t.replay("m.toml", log)
        answers[log] = sorted({w["segment"] for w in r.monitor.get("windows", [])})
    t.expect(len({str(a) for a in answers.values()}) == 1, "the formats agree", answers)
