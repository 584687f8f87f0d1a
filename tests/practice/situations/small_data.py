"""Too little data on either side is no verdict."""
from inputs import *
from trial import situation

TOO_FEW = r"no rows?|\bempty\b|too few|not enough|at least|\b(0|3|5|12) (rows|records|values)|fewer"


def frame(seed, n=600):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(dict(ts=[clock(i, 200) for i in range(n)], x=rng.normal(0, 1, n), c=rng.choice(["a", "b"], n)))


@situation("evidentlyai/evidently #1480")
def files_without_rows(t):
    """A file has columns and no row, or 3 or 12 rows, as baseline and as window.

    Right: no verdict: not enough data, or no rows; with the file and the number. The same as baseline as as window.
    """
    every_format("full", frame(1).drop(columns="ts"))
    for n in (0, 3, 12):
        every_format(f"rows{n}", frame(2, n).drop(columns="ts"))
        for kind in ("parquet", "csv", "jsonl", "arrow"):
            if n == 0 and kind == "jsonl":
                continue
            for pair in ((f"full.{kind}", f"rows{n}.{kind}"), (f"rows{n}.{kind}", f"full.{kind}")):
                r = t.compare(*pair)
                t.expect(r.refused(TOO_FEW), f"{pair[0]} and {pair[1]}: no verdict, with the reason", f"{r} {r.text[:250]}")
    monitor("m.toml", "x:numeric", "c:categorical")
    parquet("log.parquet", frame(3))
    for n in (0, 3, 12):
        r = t.replay("m.toml", "log.parquet", "--baseline", f"rows{n}.parquet")
        t.expect(r.refused(TOO_FEW), f"replay with a baseline of {n} rows: no verdict, with the reason", f"{r} {r.text[:250]}")
    write("driftd.toml", '[postgres]\nurl = "postgres://nobody@127.0.0.1:1/none"\n[kafka]\nbrokers = "127.0.0.1:1"\n')
    for n in (0, 3, 12):
        r = t.driftd("-c", "driftd.toml", "baseline", "build", "--monitor", "m.toml", "--from", f"rows{n}.csv")
        t.expect(r.refused(TOO_FEW), f"baseline build from {n} rows: refused with the reason, not for the database", f"{r} {r.text[:250]}")


@situation()
def baseline_that_is_small(t):
    """The baseline has 40, 60 or 100 rows, the window 5,000 of the same source, thirty times over.

    Right: chance does not make a drift, whatever the side that is small.
    """
    rng = np.random.default_rng(8)
    drifted = {}
    for n in (40, 100):
        for i in range(15):
            parquet("small.parquet", pd.DataFrame(dict(x=rng.normal(0, 1, n), c=rng.choice(list("abcdefgh"), n), i=rng.integers(0, 40, n))))
            parquet("large.parquet", pd.DataFrame(dict(x=rng.normal(0, 1, 5000), c=rng.choice(list("abcdefgh"), 5000), i=rng.integers(0, 40, 5000))))
            r = t.compare("small.parquet", "large.parquet")
            drifted[n] = drifted.get(n, 0) + (r.exit == 3)
    t.expect(max(drifted.values()) <= 1, "at most 1 of 15 comparisons drifts", drifted)


@situation()
def values_that_are_few(t):
    """A column has 4 values in 1,000 rows of the baseline, or of the window; the others are null on both sides alike.

    Right: not enough data about that column, or ok; never drift or ok of values that are not there. The full column beside it gets its verdict.
    """
    rng = np.random.default_rng(3)
    n = 1000

    def save(name, kept, shift=0.0):
        x = rng.normal(shift, 1, n)
        x[kept:] = np.nan
        parquet(name + ".parquet", pd.DataFrame(dict(x=x, y=rng.normal(shift, 1, n), c=np.where(np.arange(n) < kept, "a", None))))

    save("four", 4)
    save("four_moved", 4, 9.0)
    save("full", n)
    r = t.compare("four.parquet", "four_moved.parquet")
    t.expect(r.of("y") == "drift", "y drifts", r)
    t.expect(r.of("x") in ("not_enough_data", "undefined", "not compared") or r.says(r"x.{0,200}(4 values|too few|not enough)"), "four values against four others: not enough data about x", f"{r.of('x')} {r.text[:300]}")
    r = t.compare("four.parquet", "full.parquet", "--values-only")
    t.expect(r.of("x") in ("not_enough_data", "undefined", "not compared", "drift"), "four values against all: not `ok`", f"{r} {r.side('x', 'baseline')}")


@situation()
def learned_from_few_records(t):
    """A monitor learns from its first window, which holds 5 records; min_records is 30. Later windows are full and come from the same source, or from another one.

    Right: nothing is judged by those 5 records: the windows are not enough data, or learning goes on until there is enough.
    """
    rng = np.random.default_rng(4)
    times = [clock(i, 5) for i in range(5)] + [clock(300 + i, 300) for i in range(2400)]
    for name, shift in (("same", 0.0), ("moved", 9.0)):
        x = np.concatenate([rng.normal(0, 1, 5), rng.normal(shift, 1, 2400)])
        parquet(name + ".parquet", pd.DataFrame(dict(ts=times, x=x, c=rng.choice(list("abcdef"), 2405))))
    monitor("m.toml", "x:numeric", "c:categorical", learn=1)
    for name in ("same", "moved"):
        r = t.replay("m.toml", name + ".parquet")
        verdicts = r.verdicts("x")
        learned_on = len(r.windows) == 9 and verdicts[-1:] == ["ok"]
        t.expect(learned_on or r.says(TOO_FEW), f"{name}: five records are no baseline", f"{r} {verdicts}")
        t.expect("drift" not in verdicts, f"{name}: no drift from five records", verdicts)


@situation()
def segment_with_few_records_in_the_baseline(t):
    """The training data have 4 records of the country li and 2,000 of de; the log has many of both, from the same source.

    Right: the segment li is not judged by four records; de is. A segment that the baseline lacks is said to have none.
    """
    rng = np.random.default_rng(5)

    def save(name, countries):
        n = len(countries)
        parquet(name + ".parquet", pd.DataFrame(dict(ts=[clock(i, 600) for i in range(n)], x=rng.normal(0, 1, n), c=rng.choice(list("abcdef"), n), country=countries)))

    save("train", ["de"] * 2000 + ["li"] * 4)
    save("log", rng.choice(["de", "li", "at"], 3000))
    monitor("m.toml", "x:numeric", "c:categorical", segments='[[segments]]\nname = "country"\n')
    r = t.replay("m.toml", "log.parquet", "--baseline", "train.parquet")
    judged = {"ok", "warn", "drift"}
    t.expect(set(r.verdicts("x", "country=de")) == {"ok"}, "de is judged", r.verdicts("x", "country=de"))
    verdicts = {w["verdict"] for w in r.monitor.get("windows", []) if w["segment"] == "country=li"}
    t.expect(not verdicts & judged, "li is not judged by four records", verdicts)
    t.says(r, "that `at` has no baseline", r"country=at.{0,200}(no baseline|not judged|none)|(no baseline|not judged|without).{0,200}country=at|\?")
