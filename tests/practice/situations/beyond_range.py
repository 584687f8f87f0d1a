"""What is said of values that lie outside of the baseline's range: only what is so."""
import re

from inputs import *
from trial import DRIFT, situation

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def true_or_absent(t, r, column, truth, label):
    """Mean, standard deviation and quantiles are those of the values, or are left out."""
    c, spread = r.side(column), truth.std()
    mean, sd, q = c.get("mean"), c.get("sd"), c.get("quantiles") or [None] * 5
    t.expect(mean is None or abs(mean - truth.mean()) < 0.05 * spread, f"{label}: mean {truth.mean():.5g}, or none", mean)
    t.expect(sd is None or abs(sd / spread - 1) < 0.15, f"{label}: standard deviation {spread:.4g}, or none", sd)
    near = [v is None or abs(v - np.quantile(truth, p)) < spread / 2 for v, p in zip(q, QUANTILES)]
    t.expect(all(near), f"{label}: quantiles near {[float(f'{np.quantile(truth, p):.4g}') for p in QUANTILES]}, or none", q)


@situation("evidentlyai/evidently #187")
def all_values_above_the_range(t):
    """Temperatures in Fahrenheit for Celsius, all above the highest of the baseline.

    Right: drift. Standard deviation and quantiles are those of the data, or are left out; never an untrue number.
    """
    rng = np.random.default_rng(46)
    n = 4000
    parquet("celsius.parquet", pd.DataFrame(dict(temp=rng.normal(10, 5, n))))
    truth = rng.normal(10, 5, n) * 1.8 + 132
    parquet("fahrenheit.parquet", pd.DataFrame(dict(temp=truth)))
    for more in ([], ["--exact"]):
        r = t.compare("celsius.parquet", "fahrenheit.parquet", *more)
        t.moved(r, "temp")
        label = " ".join(more) or "on bins"
        t.expect(r.side("temp").get("mean") is not None, f"{label}: the mean is there", r.side("temp"))
        true_or_absent(t, r, "temp", truth, label)
        t.silent(r, "the why claims no standard deviation of 0", r"standard deviation [\d.]+ to 0[ ;,.](?!\d)")
        t.driftd("compare", "celsius.parquet", "fahrenheit.parquet", *more, "-o", "page.html")
        page = open("page.html", encoding="utf-8").read()
        row = re.search(r"standard deviation</th>\s*<td[^>]*>([^<]*)</td>\s*<td[^>]*>([^<]*)</td>", page)
        t.expect(row is None or row.group(2) != "0", f"{label}: the page claims no standard deviation of 0", row and row.group(0))


def why_numbers(r, column):
    """What the why says of the window: standard deviation, and the 5 %, 50 % and 95 % quantiles; None where it is silent."""
    text = " ".join(w["text"] for w in r.columns.get(column, {}).get("why", []))
    number = r"(-?[\d.,]+(?:e-?\d+)?)"
    sd = re.search(rf"standard deviation {number} to {number}", text)
    q = re.search(rf"5 % / median / 95 %: {number} / {number} / {number} to {number} / {number} / {number}", text)
    to = lambda found, group: float(found.group(group).replace(",", "").rstrip(".")) if found else None
    return to(sd, 2), [to(q, g) for g in (4, 5, 6)] if q else [None] * 3


@situation()
def part_of_the_values_outside(t):
    """All values lie below the range, 30 % lie above, both ends are passed, the values are integers, the tail is log-normal, the baseline is constant, values are negative.

    Right: drift where it is one, and every number about the window is that of its values, or is left out.
    """
    rng = np.random.default_rng(1)
    n = 4000
    base = rng.normal(10, 5, n)
    sides = dict(
        below=(base, rng.normal(10, 5, n) - 80), a_third_above=(base, np.where(rng.random(n) < 0.3, rng.normal(200, 30, n), rng.normal(10, 5, n))),
        both_ends=(base, rng.normal(10, 60, n)), integers=(rng.integers(0, 50, n), rng.integers(100, 400, n)), lognormal=(rng.lognormal(10, 0.5, n), 1.82 * rng.lognormal(10, 0.9, n)),
        from_a_constant=(np.full(n, 5.0), rng.normal(50, 10, n)), to_far_negative=(rng.gamma(2, 1, n), -1000 * rng.gamma(2, 1, n)), few_levels=(rng.choice([1.0, 2.0, 3.0], n), rng.choice([10.0, 20.0, 30.0], n)),
        narrow_to_wide=(rng.normal(0, 0.01, n), rng.normal(0, 5, n)), uniform=(rng.random(n), 5 + 10 * rng.random(n)),
    )
    for name, (b, w) in sides.items():
        parquet(f"{name}_b.parquet", pd.DataFrame(dict(v=b)))
        parquet(f"{name}_w.parquet", pd.DataFrame(dict(v=w)))
        r = t.compare(f"{name}_b.parquet", f"{name}_w.parquet")
        t.moved(r, "v")
        true_or_absent(t, r, "v", w, name)
        sd, quantiles = why_numbers(r, "v")
        spread = w.std()
        t.expect(sd is None or abs(sd / spread - 1) < 0.15, f"{name}: the why says a standard deviation of {spread:.4g}, or none", sd)
        near = [v is None or abs(v - np.quantile(w, p)) < spread / 2 for v, p in zip(quantiles, (0.05, 0.5, 0.95))]
        t.expect(all(near), f"{name}: the why says quantiles {[float(f'{np.quantile(w, p):.4g}') for p in (0.05, 0.5, 0.95)]}, or none", quantiles)
        t.silent(r, f"{name}: no NaN, no inf", r"\bNaN\b", r"\binf\b")


@situation()
def replay_beyond_the_range(t):
    """In the last windows of a log all values lie far above the baseline, which is given, or learned from the first windows.

    Right: the alert's why says the standard deviation and quantiles of the values, or none; nothing is NaN or 0 that is not.
    """
    rng = np.random.default_rng(2)
    n = 3000
    x = rng.normal(10, 5, n)
    x[2100:] = rng.normal(300, 40, n - 2100)
    d = pd.DataFrame(dict(ts=[clock(i, 300) for i in range(n)], x=x, country=rng.choice(["de", "fr"], n)))
    parquet("log.parquet", d)
    parquet("train.parquet", d.iloc[:1500])
    segments = '[[segments]]\nname = "country"\n'
    monitor("given.toml", "x:numeric", segments=segments)
    monitor("learned.toml", "x:numeric", learn=3, segments=segments)
    for name, more in (("given", ("--baseline", "train.parquet")), ("learned", ())):
        r = t.replay(name + ".toml", "log.parquet", *more)
        t.expect(r.exit == DRIFT and r.verdicts("x")[-2:] == ["drift"] * 2, f"{name}: the last windows drift", r)
        told = [float(v.rstrip(".")) for v in re.findall(r"standard deviation [\d.]+ to ([\d.]+)", r.text)]
        t.expect(all(abs(v / 40 - 1) < 0.3 for v in told), f"{name}: a standard deviation of about 40, or none", told)
        found = re.findall(r"5 % / median / 95 %: [-\d. /]+? to (-?[\d.]+) / (-?[\d.]+) / (-?[\d.]+)", r.text)
        near = all(abs(float(a) - 234) < 25 and abs(float(b) - 300) < 15 and abs(float(c.rstrip(".")) - 366) < 25 for a, b, c in found)
        t.expect(near, f"{name}: quantiles of about 234, 300 and 366, or none", found)
        t.silent(r, f"{name}: no NaN, no inf", r"\bNaN\b", r"\binf\b")


@situation("evidentlyai/evidently #1929")
def every_measure_on_degenerate_data(t):
    """Constant, empty, single, two-valued, infinite, tiny and enormous columns, by every measure, every preset and --exact, as text, JSON and page.

    Right: never NaN or inf, in any output; no crash.
    """
    rng = np.random.default_rng(3)
    n = 200
    columns = dict(
        constant=(np.full(n, 5.0), np.full(n, 5.0)), changed=(np.full(n, 5.0), np.full(n, 6.0)), empty=(np.full(n, np.nan), np.full(n, np.nan)), emptied=(rng.normal(0, 1, n), np.full(n, np.nan)), filled=(np.full(n, np.nan), rng.normal(0, 1, n)),
        single=(np.where(np.arange(n) == 3, 1.0, np.nan), np.where(np.arange(n) == 3, 1.0, np.nan)), two=(rng.choice([0.0, 1.0], n), np.zeros(n)), infinite=(np.full(n, np.inf), np.full(n, -np.inf)),
        tiny=(rng.normal(0, 1e-310, n), rng.normal(0, 1e-310, n)), enormous=(rng.normal(0, 1e307, n), rng.normal(0, 1e307, n)), ends=(rng.choice([1.7e308, -1.7e308], n), rng.choice([1.7e308, -1.7e308], n)),
    )
    for side, name in enumerate(("b", "w")):
        d = pd.DataFrame({k: v[side] for k, v in columns.items()})
        d["text"] = "same" if side == 0 else rng.choice(["same", "other"], n)
        d["yes"] = True
        parquet(name + ".parquet", d)
    listed = t.driftd("measures")
    names = re.findall(r"^(\w+) ", listed.out, re.M)[1:]
    t.expect(len(names) > 25, "the measures are listed", names)
    bad = [r"\bNaN\b", r"[ (-]inf(inity)?\b(?!inite)"]
    runs = [[], ["--exact"], ["--values-only"]] + [["--preset", p] for p in ("evidently", "nannyml", "tfdv", "deequ", "azure", "mlrun", "whylabs", "scouter")]
    runs += [[*exact, *sum((["--measure", m] for m in names[i::3]), [])] for i in range(3) for exact in ([], ["--exact"])]
    for more in runs:
        r = t.compare("b.parquet", "w.parquet", *more)
        t.silent(r, "no NaN, no inf", *bad)
        t.expect(r.json != {} or r.no_verdict, f"{r.command}: JSON that is JSON", r)
    t.driftd("compare", "b.parquet", "w.parquet", "-o", "page.html")
    page = open("page.html", encoding="utf-8").read()
    t.expect(not re.search(r"\bNaN\b|>-?inf\b", page), "no NaN in the page", re.findall(r".{30}\bNaN\b.{20}", page)[:3])
