"""One value is one number, vector or text: in every type of Arrow, and in JSON, CSV and Parquet.

Each situation draws values, writes one half as JSON lines (the way records come from Kafka) and the other half in every type that
can hold them, and expects the same statistics everywhere.
"""
import decimal

from inputs import *
from trial import OK, situation

N = 1200


def same_numbers(t, base, files, column="x", tolerance=1e-3):
    """Each file is compared as numeric with the first one: no drift, and the same mean."""
    for path in files:
        r = t.compare(base, path, "--column", f"{column}:numeric")
        t.same(r, column)
        before, after = r.side(column, "baseline"), r.side(column)
        t.expect(after.get("values") == N, f"{path}: {N} values are read", after)
        near = after.get("mean") is not None and abs(after["mean"] - before["mean"]) <= tolerance * max(1, abs(before["mean"]))
        t.expect(near, f"{path}: mean {before.get('mean')}", after.get("mean"))


@situation()
def numbers_in_every_type(t):
    """Whole numbers in every width of integer, float and decimal, in dictionaries and run-end encoded, in JSON and CSV.

    Right: numbers with the same mean and no drift everywhere.
    """
    rng = np.random.default_rng(15)
    one, two = rng.integers(0, 120, N), rng.integers(0, 120, N)
    jsonl("base.jsonl", [dict(x=int(v)) for v in one])
    files = [save(kind, "x", pa.array(one.astype(kind))) for kind in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16", "float32", "float64")]
    for kind in (pa.decimal32(9, 0), pa.decimal64(18, 2), pa.decimal128(38, 10), pa.decimal256(70, 20), pa.decimal128(10, -1)):
        rounded = [int(v) // 10 * 10 if kind.scale < 0 else int(v) for v in one]
        files.append(save(f"decimal{kind.bit_width}_{kind.scale}", "x", decimals(rounded, kind)))
    for kind in ("int32", "float64"):
        files.append(save(f"dictionary_{kind}", "x", pa.array(one.astype(kind)).dictionary_encode()))
        files.append(save(f"run_ends_{kind}", "x", run_ends(pa.array(one.astype(kind)))))
    write("floats.jsonl", "".join('{"x": %s.0}\n' % v for v in one))
    write("exponents.csv", "x\n" + "".join("%.3e\n" % v for v in one))
    write("blanks.csv", "x\n" + "".join(f" {v} \n" for v in one))
    write("plus.csv", "x\n" + "".join(f"+{v}\n" for v in one))
    same_numbers(t, "base.jsonl", [f for f in files if "_-1" not in f] + ["floats.jsonl", "exponents.csv", "blanks.csv", "plus.csv"])
    r = t.compare("base.jsonl", "decimal128_-1.parquet" if os.path.exists("decimal128_-1.parquet") else "decimal128_-1.arrow", "--column", "x:numeric")
    t.expect(abs((r.side("x").get("mean") or 0) - (one // 10 * 10).mean()) < 0.01, "a decimal of negative scale has the right mean", r.side("x"))
    parquet("guessed.parquet", {"x": decimals(two, pa.decimal128(10, 2)), "d": pa.array(two).dictionary_encode()})
    parquet("guess.parquet", {"x": decimals(one, pa.decimal128(10, 2)), "d": pa.array(one).dictionary_encode()})
    r = t.compare("guess.parquet", "guessed.parquet")
    t.same(r, "x")
    t.expect(r.of("d") == "ok" or r.says(r"`d`"), "a dictionary of numbers is compared or named", r)


@situation()
def numbers_with_a_unit(t):
    """A waiting time and a moment whose types carry the unit: durations, timestamps and times of day in s, ms, us and ns; days as date32 and date64.

    Right: asked for as numbers, they are compared in their unit: the same values are the same, and an hour is an hour.
    """
    rng = np.random.default_rng(16)
    waits = [int(v) for v in rng.gamma(4, 600, N)]
    spans = [dt.timedelta(seconds=w) for w in waits]
    moments = [dt.datetime(2026, 3, 1) + 40 * s for s in spans]
    times = [(dt.datetime(2026, 3, 1) + s).time() for s in spans]
    days = [m.date() for m in moments]
    kinds = dict(
        duration=(spans, [pa.duration(u) for u in ("s", "ms", "us", "ns")]),
        moment=(moments, [pa.timestamp(u) for u in ("s", "ms", "us", "ns")] + [pa.timestamp("ms", "UTC")]),
        time=(times, [pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")]),
        day=(days, [pa.date32(), pa.date64()]),
    )
    for name, (values, types) in kinds.items():
        files = []
        for i, kind in enumerate(types):
            files.append(save(f"{name}{i}", "x", pa.array(values, kind)))
        same_numbers(t, files[0], files[1:], tolerance=1e-9)
        same_numbers(t, files[-1], files[:1], tolerance=1e-9)
    doubled = save("doubled", "x", pa.array([2 * s for s in spans], pa.duration("ms")))
    t.moved(t.compare("duration0.parquet" if os.path.exists("duration0.parquet") else "duration0.arrow", doubled, "--column", "x:numeric"), "x")


@situation()
def float32_in_other_places(t):
    """Values of few levels in double precision, later in single precision: in a learned baseline, with --exact, with presets, in negative and large numbers.

    Right: equal values in single precision are equal: no drift.
    """
    rng = np.random.default_rng(17)
    for name, levels in (("rate", np.round(np.arange(1, 30) * 0.013, 3)), ("negative", np.array([-0.1, -0.2, -0.7, 0.3])), ("large", np.array([16777217.0, 33554433.0, 123456789.0, 5.0])), ("small", np.array([1e-5, 3e-5, 7e-5])), ("sums", np.array([0.1 + 0.2, 0.7, 1.1]))):
        b, w = rng.choice(levels, 3000), rng.choice(levels, 3000)
        parquet(f"{name}.parquet", pd.DataFrame(dict(x=b)))
        parquet(f"{name}32.parquet", pd.DataFrame(dict(x=w.astype("float32"))))
        for more in ([], ["--exact"], ["--measure", "ks"], ["--measure", "psi", "--measure", "wasserstein", "--measure", "energy"], ["--preset", "evidently"]):
            for one, two in ((f"{name}.parquet", f"{name}32.parquet"), (f"{name}32.parquet", f"{name}.parquet")):
                r = t.compare(one, two, *more)
                # The statistics of the samples themselves may differ, when the why names the cause.
                told = "--exact" in more and r.says(r"float32|precision|single|rounded|rounding")
                t.expect(told or (r.exit == OK and r.of("x") == "ok"), f"{r.command}: no drift", r)
    x = rng.choice([0.1, 0.2, 0.3, 0.7], 3000)
    rows = [dict(ts=clock(i, 300), x=float(v) if i < 1500 else float(np.float32(v))) for i, v in enumerate(x)]
    jsonl("log.jsonl", rows)
    monitor("m.toml", "x:numeric", learn=4)
    r = t.replay("m.toml", "log.jsonl")
    t.expect(r.exit == OK and set(r.verdicts("x")[-4:]) == {"ok"}, "a learned baseline: no window drifts when the service changes to float32", r)


@situation()
def spread_that_float32_cannot_hold(t):
    """Values lie near 1.7e9 with a spread of 1 to 20, as seconds, ids in order or coordinates in integers do; the mean moves by three spreads.

    Right: drift: values that are equal in single precision are equal only where the column has been in single precision. The same source twice is not drift.
    """
    rng = np.random.default_rng(23)
    n = 3000
    for name, of in dict(seconds=lambda m: 1.7e9 + rng.normal(m, 20, n), integers=lambda m: 2**40 + rng.normal(m, 100, n).astype("int64"), degrees=lambda m: np.round(52.5 + rng.normal(m, 1e-6, n), 9)).items():
        spread = dict(seconds=20, integers=100, degrees=1e-6)[name]
        every_format(name, pd.DataFrame(dict(x=of(0))))
        every_format(name + "_same", pd.DataFrame(dict(x=of(0))))
        every_format(name + "_moved", pd.DataFrame(dict(x=of(3 * spread))))
        for kind in ("parquet", "jsonl", "csv"):
            t.same(t.compare(f"{name}.{kind}", f"{name}_same.{kind}", "--column", "x:numeric"), "x")
            r = t.compare(f"{name}.{kind}", f"{name}_moved.{kind}", "--column", "x:numeric")
            t.moved(r, "x")
            sd = r.side("x", "baseline").get("sd")
            t.expect(sd is None or abs(sd / spread - 1) < 0.1, f"{name}.{kind}: standard deviation {spread}, or none", sd)


@situation()
def distance_beside_an_atom(t):
    """Half of the baseline is 0, the other half is spread; in the window the zeros have become 0.001, or the spread lies beside the atom.

    Right: the Wasserstein distance on bins is near that of the samples.
    """
    rng = np.random.default_rng(18)
    n = 4000
    spread = rng.gamma(2, 1, n)
    atom = rng.random(n) < 0.5
    base = np.where(atom, 0.0, spread)
    windows = dict(beside=np.where(atom, 0.001, spread), before=np.where(atom, -0.001, spread), after=np.where(atom, 0.5, spread), mixed=np.where(atom, rng.normal(0, 0.05, n), spread))
    parquet("base.parquet", pd.DataFrame(dict(x=base)))
    for name, values in windows.items():
        parquet(name + ".parquet", pd.DataFrame(dict(x=values)))
        ends = [t.compare("base.parquet", name + ".parquet", "--measure", "wasserstein_normed", *more).effect("x", "wasserstein_normed") for more in ([], ["--exact"])]
        t.expect(None not in ends and abs(ends[0] - ends[1]) < 0.02 + 0.1 * ends[1], f"{name}: about {ends[1]}", ends[0])


@situation()
def vectors_in_every_type(t):
    """Embeddings as lists of float16 to float64, of integers, as large, fixed-size and viewed lists; with nulls and NaN inside.

    Right: the same norms everywhere. A vector with a null or NaN inside is not a valid value, in Parquet as in JSON.
    """
    rng = np.random.default_rng(19)
    vectors = [[float(x) for x in np.round(rng.normal(0, 1, 4), 2)] for _ in range(N)]
    jsonl("base.jsonl", [dict(e=v) for v in vectors])
    arrays = dict(
        list32=pa.array(vectors, pa.list_(pa.float32())), list64=pa.array(vectors, pa.list_(pa.float64())), large=pa.array(vectors, pa.large_list(pa.float32())),
        fixed=pa.array(vectors, pa.list_(pa.float32(), 4)), view=pa.array(vectors, pa.list_view(pa.float64())),
        half=pa.array([[np.float16(x) for x in v] for v in vectors], pa.list_(pa.float16())),
        decimal=pa.array([[decimal.Decimal(str(x)).quantize(decimal.Decimal("0.01")) for x in v] for v in vectors], pa.list_(pa.decimal128(9, 2))),
    )
    for name, array in arrays.items():
        path = save(name, "e", array)
        r = t.compare("base.jsonl", path, "--column", "e:embedding")
        t.same(r, "e.norm", "e")
        t.expect(r.side("e.norm").get("values") == N, f"{name}: {N} vectors", r.side("e.norm"))
    broken = [v if i % 4 else [*v[:3], None] for i, v in enumerate(vectors)]
    jsonl("nulls.jsonl", [dict(e=v) for v in broken])
    nans = [v if i % 4 else [*v[:3], float("nan")] for i, v in enumerate(vectors)]
    jsonl("nans.jsonl", [dict(e=v) for v in nans])
    for name, length in (("shorter", 3), ("longer", 8)):
        path = save(name, "e", pa.array([[float(x) for x in rng.normal(0, 1, length)] for _ in range(N)], pa.list_(pa.float32())))
        r = t.compare("base.jsonl", path, "--column", "e:embedding")
        t.expect(r.exit != OK and r.says(r"length|dimension|component", rf"\b{length}\b", r"\b4\b"), f"vectors of {length} components for 4: said with both numbers", f"{r} {r.text[-300:]}")
    csv("win.csv", pd.DataFrame(dict(e=vectors)))
    r = t.compare("base.jsonl", "win.csv", "--column", "e:embedding")
    read = r.exit == OK and r.side("e.norm").get("values") == N
    t.expect(read or (r.exit != OK and r.says(r"\btext\b|vector|list", r"\be\b")), "lists as text in CSV: read, or the cause is named", f"{r} {r.text[-300:]}")
    for name, values in (("nulls", broken), ("nans", nans)):
        counts = {}
        for path in (name + ".jsonl", save(name, "e", pa.array(values, pa.list_(pa.float64()))), save(name + "_fixed", "e", pa.array(values, pa.list_(pa.float32(), 4)))):
            r = t.compare("base.jsonl", path, "--column", "e:embedding")
            counts[path] = (r.side("e.norm").get("values"), r.side("e").get("values"))
        t.expect(set(counts.values()) == {(N - N // 4, N - N // 4)}, f"{name} inside: {N - N // 4} valid vectors in each format", counts)


@situation()
def texts_in_every_type(t):
    """Reviews as text, large text, text view, dictionary, binary and run-end encoded, in JSON and CSV.

    Right: the same lengths and words everywhere.
    """
    words = ["good", "bad", "fast", "slow", "delivery", "price", "Größe", "again"]
    rng = np.random.default_rng(20)
    texts = [" ".join(rng.choice(words, rng.integers(3, 9))) for _ in range(N)]
    jsonl("base.jsonl", [dict(r=v) for v in texts])
    csv("win.csv", pd.DataFrame(dict(r=texts)))
    arrays = dict(text=pa.array(texts), large=pa.array(texts, pa.large_string()), view=pa.array(texts, pa.string_view()), dictionary=pa.array(texts).dictionary_encode(),
                  binary=pa.array([v.encode() for v in texts], pa.binary()), run_ends=run_ends(pa.array(texts)))
    for path in ["win.csv", *(save(name, "r", array) for name, array in arrays.items())]:
        r = t.compare("base.jsonl", path, "--column", "r:text")
        t.same(r, "r.length", "r.words", "r.tokens")
        t.expect(r.side("r.length").get("mean") == r.side("r.length", "baseline").get("mean"), f"{path}: the same lengths", r.side("r.length"))
