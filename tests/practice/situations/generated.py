"""Generated tables over all types: the same rows give the same report in JSON lines, CSV, Parquet and Arrow, whatever the width."""
from inputs import *
from trial import OK, situation

ROWS = 700


class Column:
    """A kind of column: how values are drawn, the type they are read as, and the types of Arrow that hold them exactly."""

    def __init__(self, kind, draw, *types):
        self.kind, self.draw, self.types = kind, draw, types


WORDS = ["a", "b,c", 'say "x"', "Größe", "日本", "12", "12.5", "yes", " padded ", "NA", "x" * 300, "line\nbreak"]
KINDS = dict(
    small=Column("numeric", lambda rng: int(rng.integers(0, 100)), "int8", "int16", "int64", "uint8", "uint64", "float16", "float32", "float64", pa.decimal128(5, 0), pa.decimal256(50, 10)),
    signed=Column("numeric", lambda rng: int(rng.integers(-30000, 30000)), "int16", "int32", "int64", "float32", "float64", pa.decimal64(12, 2)),
    large=Column("numeric", lambda rng: int(rng.integers(2**50, 2**52)), "int64", "uint64", "float64"),
    measured=Column("numeric", lambda rng: float(rng.normal()), "float64"),
    price=Column("numeric", lambda rng: float(np.round(rng.gamma(3, 20), 2)), "float64", pa.decimal128(10, 2), pa.decimal32(9, 2)),
    infinite=Column("numeric", lambda rng: float(rng.choice([1.5, 2.5, np.inf, -np.inf])), "float64", "float32"),
    level=Column("numeric", lambda rng: float(rng.choice([0.25, 0.5, 8.0])), "float64", "float32", "float16", pa.decimal64(8, 2)),
    flag=Column("boolean", lambda rng: bool(rng.random() < 0.3), "bool"),
    bit=Column("boolean", lambda rng: int(rng.random() < 0.3), "int8", "uint32", "int64", "float32", "float64"),
    code=Column("categorical", lambda rng: int(rng.integers(1, 9)), "int8", "int64", "uint16", "float16", "float32", "float64", pa.decimal128(6, 2)),
    id=Column("categorical", lambda rng: [2**63 - 1, 2**63 + 5, 7][int(rng.integers(3))], "uint64", pa.decimal128(20, 0)),
    rate=Column("categorical", lambda rng: float(rng.choice([0.1, 0.25, 12.5])), "float64", "float32", pa.decimal128(8, 3)),
    answer=Column("categorical", lambda rng: bool(rng.random() < 0.5), "bool"),
    word=Column("categorical", lambda rng: str(rng.choice(WORDS)), "string", "large_string", pa.string_view(), "binary"),
    day=Column("categorical", lambda rng: dt.date(2026, 3, int(rng.integers(1, 9))), "date32", "date64"),
    review=Column("text", lambda rng: " ".join(rng.choice(["good", "bad", "Größe", "fast"], rng.integers(3, 7))), "string", "large_string", pa.string_view()),
)


def arrow_array(values, kind, encode):
    kind = pa.type_for_alias(kind) if isinstance(kind, str) else kind
    if pa.types.is_decimal(kind):
        return decimals(values, kind)
    if pa.types.is_binary(kind):
        values = [None if v is None else v.encode() for v in values]
    elif pa.types.is_floating(kind):
        values = [None if v is None else float(v) for v in values]
    array = pa.array(values, kind)
    if encode == "dictionary" and kind not in (pa.bool_(), pa.string_view()):
        return array.dictionary_encode()
    return array


def cell(value, quoted):
    """A field of CSV."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value) if isinstance(value, float) else str(value)
    return '"' + text.replace('"', '""') + '"' if quoted or any(c in text for c in ',"\n') else text


def as_json(value):
    return value.isoformat() if isinstance(value, dt.date) else value


def save_csv(path, table, quoted):
    lines = [",".join(table)] + [",".join(cell(v, quoted) for v in row) for row in zip(*table.values())]
    write(path, "\n".join(lines) + "\n")


@situation()
def generated_tables(t):
    """Random columns of every kind, with nulls, in random types of Arrow, against JSON lines of the same rows.

    Right: the report about the columns is the same, to the last digit, for each pair of formats.
    """
    for seed in range(6):
        rng = np.random.default_rng(seed)
        chosen = [str(k) for k in rng.permutation(list(KINDS))[:9]]
        arguments = sum((["--column", f"{k}:{KINDS[k].kind}"] for k in chosen), [])
        tables = {}
        for side in ("base", "win"):
            tables[side] = {k: [None if rng.random() < 0.05 else KINDS[k].draw(rng) for _ in range(ROWS)] for k in chosen}
            table = tables[side]
            jsonl(f"{side}.jsonl", [{k: as_json(v) for k, v in zip(table, row)} for row in zip(*table.values())])
            save_csv(f"{side}.csv", table, seed % 2)
            for i, save in enumerate((parquet, parquet, arrow)):
                types = {k: KINDS[k].types[int(rng.integers(len(KINDS[k].types)))] for k in chosen}
                encode = {k: "dictionary" if KINDS[k].kind == "categorical" and rng.random() < 0.5 else "" for k in chosen}
                save(f"{side}{i}." + ("arrow" if save is arrow else "parquet"), {k: arrow_array(v, types[k], encode[k]) for k, v in table.items()})
        report = t.compare("base.jsonl", "win.jsonl", *arguments)
        t.expect(report.exit == OK and len(report.columns) >= 9, f"seed {seed}: JSON lines against JSON lines: no drift in 9 columns", report)
        for pair in (("base0.parquet", "win1.parquet"), ("base.jsonl", "win0.parquet"), ("base1.parquet", "win.jsonl"), ("base2.arrow", "win.csv"), ("base.csv", "win2.arrow"), ("base.csv", "win.csv")):
            r = t.compare(*pair, *arguments)
            different = [k for k in report.columns if r.columns.get(k) != report.columns[k]]
            t.expect(not different, f"seed {seed}, {pair[0]} and {pair[1]}: the same report as of JSON lines", {k: (r.columns.get(k, {}).get("verdict"), r.side(k)) for k in different[:2]})


@situation()
def generated_levels_in_float32(t):
    """Random levels in double precision, later in single precision: in Parquet, as the digits of float32 and as those of float64 in JSON, in CSV.

    Right: no drift in any of them, by the default measures and by ks, energy and jensen_shannon.
    """
    more = sum((["--measure", m] for m in ("psi", "wasserstein_normed", "ks", "energy", "jensen_shannon", "out_of_range_share")), [])
    for seed in range(4):
        rng = np.random.default_rng(seed)
        levels = rng.normal(0, 10.0 ** rng.integers(-4, 7), int(rng.integers(2, 40)))
        base, win = rng.choice(levels, 2000), rng.choice(levels, 2000).astype("float32")
        parquet("base.parquet", pd.DataFrame(dict(x=base)))
        parquet("win.parquet", pd.DataFrame(dict(x=win)))
        jsonl("expanded.jsonl", [dict(x=float(v)) for v in win])
        write("short.jsonl", "".join('{"x": %s}\n' % str(v) for v in win))
        write("short.csv", "x\n" + "".join(f"{v}\n" for v in win))
        for path in ("win.parquet", "expanded.jsonl", "short.jsonl", "short.csv"):
            t.same(t.compare("base.parquet", path, *more), "x")
