"""Numbers of all widths, and those that are none."""
from inputs import *
from trial import DRIFT, OK, situation


@situation("NannyML/nannyml #397, dmitryikh/leaves #18")
def trained_in_float64_logged_in_float32(t):
    """Training data have 0.1, 0.2 ... in double precision; the service logs the same values in single precision.

    Right: no drift, or a why that names the precision. The statistics shown are those of the data.
    """
    rng = np.random.default_rng(5)
    n = 3000
    rates = np.round(np.arange(1, 11) * 0.1, 1)
    prices = np.array([4.99, 9.99, 14.99, 19.99, 24.99, 29.99, 49.99, 99.99])
    for name, values in (("rate", rates), ("price", prices)):
        b, w = rng.choice(values, n), rng.choice(values, n)
        parquet(name + ".parquet", pd.DataFrame({name: b}))
        parquet(name + "32.parquet", pd.DataFrame({name: w.astype("float32")}))
        jsonl(name + "32.jsonl", [{name: float(np.float32(x))} for x in w])
        truth = w.astype("float32").astype("float64")
        for kind in ("parquet", "jsonl"):
            r = t.compare(f"{name}.parquet", f"{name}32.{kind}")
            said = r.exit == DRIFT and ("rounding" in r.causes(name) or r.says(r"precision|float32|single|rounded|rounding"))
            t.expect((r.exit == OK and r.of(name) == "ok") or said, f"{name}, {kind}: no drift, or the why names the precision", r)
            sd, q = r.side(name).get("sd"), r.side(name).get("quantiles") or [None] * 5
            t.expect(sd is not None and abs(sd / truth.std() - 1) < 0.03, f"{name}, {kind}: standard deviation {truth.std():.4g}", sd)
            t.expect(q[4] is not None and abs(q[4] / np.quantile(truth, 0.95) - 1) < 0.02, f"{name}, {kind}: 95 % {np.quantile(truth, 0.95):.4g}", q)
            t.expect("clipping" not in r.causes(name), f"{name}, {kind}: nothing is called clipping", r.causes(name))
    for name, kind in (("x", "float64"), ("x32", "float32")):
        parquet(name + ".parquet", pd.DataFrame(dict(x=rng.normal(0, 1, n).astype(kind))))
    t.same(t.compare("x.parquet", "x32.parquet"), "x")


@situation("risingwavelabs/risingwave #13047")
def integers_of_more_than_64_bits(t):
    """An amount in the smallest unit of a currency has 21 digits.

    Right: no record is lost, and the number is read as about what it is.
    """
    rng = np.random.default_rng(9)
    for name in ("base", "win"):
        write(name + ".jsonl", "".join('{"amount": %d, "other": %f}\n' % (327267367867168100000 + int(rng.integers(10**6)) * 10**14, rng.normal()) for _ in range(1000)))
    r = t.compare("base.jsonl", "win.jsonl")
    t.same(r, "amount", "other")
    t.expect(r.rows() == 1000 and r.json.get("rejected", {}).get("window") == 0, "1000 rows, none rejected", r)
    c = r.side("amount")
    t.expect(c.get("values") == 1000 and 3.2e20 < (c.get("mean") or 0) < 4.4e20, "1000 amounts of about 3.8e20", c)


@situation("evidentlyai/evidently #187")
def infinite_ratios(t):
    """A ratio is divided by zero in 30 % of the new rows: inf in Parquet and CSV, Infinity in JSON.

    Right: drift in every format with the same count, and the text says infinite.
    """
    rng = np.random.default_rng(41)
    n = 2000
    b, w = rng.gamma(2, 1, n), rng.gamma(2, 1, n)
    w[rng.random(n) < 0.3] = np.inf
    for name, v in (("base", b), ("win", w)):
        d = pd.DataFrame(dict(ratio=v))
        parquet(name + ".parquet", d)
        csv(name + ".csv", d)
        jsonl(name + ".jsonl", [dict(ratio=float(x)) for x in v])
    for kind in ("parquet", "csv", "jsonl"):
        r = t.compare("base." + kind, "win." + kind)
        t.moved(r, "ratio")
        t.expect(r.side("ratio").get("infinite") == np.isinf(w).sum(), f"{kind}: {np.isinf(w).sum()} infinite values", r.side("ratio"))
        t.says(r, "infinite", r"infinit|\binf\b")


@situation("ing-bank/popmon #244")
def a_few_enormous_numbers(t):
    """Among 5,000 ordinary values stand a few of 1e8, 1e300 or 1.7e308.

    Right: no drift; no NaN or inf in text, JSON or page.
    """
    rng = np.random.default_rng(27)
    n = 5000

    def save(name, *far):
        v = (rng.random(n) - 0.5) * 1e4
        v[rng.choice(n, len(far), replace=False)] = far
        parquet(name + ".parquet", pd.DataFrame(dict(a=v)))

    save("base", 0.0)
    save("big1", 1e8, 3e8)
    save("big2", 2e8, 4e8)
    save("max1", 1.7e308, -1.7e308, 1e300)
    save("max2", 1.6e308, -1.6e308, 1e300)
    for base, win, *more in (("base", "big1"), ("big1", "big2"), ("base", "max1"), ("max1", "max2"), ("max1", "max2", "--exact")):
        r = t.compare(base + ".parquet", win + ".parquet", *more)
        t.same(r, "a")
        t.silent(r, "no NaN and no inf", r"\bNaN\b", r"[ -]inf\b")
    t.driftd("compare", "max1.parquet", "max2.parquet", "-o", "r.html")
    page = open("r.html", encoding="utf-8").read()
    t.expect("NaN" not in page and ">inf" not in page, "no NaN in the page", page.count("NaN"))


@situation("pandas-dev/pandas #30716, apache/openwhisk-package-kafka #319")
def nan_in_every_line(t):
    """Python's json writes NaN for a missing number; with many optional features every line has one.

    Right: the file is read as on Kafka: all rows and columns, the NaN counted, no drift.
    """
    for seed, name in ((1, "base"), (2, "win")):
        rng = np.random.default_rng(seed)
        rows = []
        for _ in range(1500):
            d = {f"f{k}": float(rng.normal()) for k in range(6)}
            d[f"f{int(rng.integers(6))}"] = float("nan")
            d["plan"] = str(rng.choice(["a", "b", "c"]))
            rows.append(d)
        jsonl(name + ".jsonl", rows)
    r = t.compare("base.jsonl", "win.jsonl")
    t.same(r, "f0", "f1", "f2", "f3", "f4", "f5", "plan")
    t.expect(r.rows("baseline") == 1500 and r.rows() == 1500, "1500 rows on both sides", r)
    c = r.side("f0")
    t.expect(c and 100 < c["rows"] - c["values"] < 500, "a sixth of f0 is without a value", c)
