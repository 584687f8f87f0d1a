"""JSON as tools write it: documents, marks, batches in one message."""
from inputs import *
from trial import DRIFT, GONE, OK, situation


@situation("pandas-dev/pandas #32382, pkiraly/metadata-qa-api #184")
def json_document(t):
    """A data frame was saved as JSON in one of the usual ways: an array of objects, an object of columns, indented.

    Right: read, or refused with words that say what is expected: one object a line. Never hundreds of columns of one row.
    """
    rng = np.random.default_rng(18)
    n = 500
    for name in ("base", "win"):
        d = pd.DataFrame(dict(x=rng.normal(0, 1, n), c=rng.choice(["a", "b"], n)))
        rows = d.to_dict("records")
        jsonl(name + ".jsonl", rows)
        d.to_json(name + "_records.json", orient="records")
        for orient in ("columns", "index", "split", "table"):
            d.to_json(f"{name}_{orient}.json", orient=orient)
        write(name + "_indented.json", json.dumps(rows, indent=2))
        write(name + "_objects.json", "\n".join(json.dumps(row, indent=2) for row in rows))
        write(name + "_array.jsonl", json.dumps(rows) + "\n")
    t.same(t.compare("base.jsonl", "win.jsonl"), "x", "c")
    why = r"\barray\b|\blines?\b|jsonl\b|orient|one (JSON )?(document|object|value)"
    for kind in ("_records.json", "_columns.json", "_index.json", "_split.json", "_table.json", "_indented.json", "_objects.json", "_array.jsonl"):
        r = t.compare("base" + kind, "win" + kind)
        read = r.exit == OK and r.of("x") == "ok" and r.of("c") == "ok" and r.rows() == 500
        t.expect(read or r.refused(why), f"base{kind}: 500 rows read, or refused with the reason", r)
        t.expect(len(r.columns) < 10 and "is it empty" not in r.text, f"base{kind}: no page of columns, and not called empty", r)


@situation("dotnet/runtime #37327, FasterXML/jackson-core #458")
def byte_order_mark(t):
    """A file of JSON lines begins with a byte order mark; in another one every line does.

    Right: it is skipped and no row is lost; or the loss is told with its reason.
    """
    rng = np.random.default_rng(20)

    def lines():
        return [json.dumps(dict(x=float(rng.normal()), c=str(rng.choice(["a", "b"])))).encode() + b"\n" for _ in range(400)]

    mark = b"\xef\xbb\xbf"
    write("base.jsonl", b"".join(lines()))
    write("plain.jsonl", b"".join(lines()))
    write("first.jsonl", mark + b"".join(lines()))
    write("each.jsonl", b"".join(mark + line for line in lines()))
    why = r"byte.order|\bBOM\b|U\+FEFF|syntax|(not|invalid|no) (valid )?JSON|\bline 1\b|expected value"
    r = t.compare("base.jsonl", "plain.jsonl")
    t.same(r, "x", "c")
    t.expect(r.rows() == 400, "without a mark: 400 rows", r.rows())
    for base, win in (("base", "first"), ("first", "base"), ("base", "each")):
        r = t.compare(base + ".jsonl", win + ".jsonl")
        read = r.exit == OK and r.of("x") == "ok" and r.rows() == 400 and r.rows("baseline") == 400
        t.expect(read or r.says(why), f"{base} and {win}: 400 rows each, or why not", f"{r} {r.text[-150:]}")


@situation("kserve/kserve #3261, #5058")
def batch_in_one_message(t):
    """A message holds {"instances": [{...}, {...}]}, or is an array of records.

    Right: arrays are rejected with the reason; with `instances` the text says that x is never there. No verdict of ok.
    """
    rng = np.random.default_rng(25)
    jsonl("batch.jsonl", [dict(ts=clock(i, 300), instances=[dict(x=float(rng.normal())) for _ in range(3)]) for i in range(1500)])
    jsonl("arrays.jsonl", [[dict(ts=clock(i, 300), x=float(rng.normal()))] * 2 for i in range(1500)])
    jsonl("single.jsonl", [dict(ts=clock(i, 300), x=float(rng.normal())) for i in range(1500)])
    monitor("m.toml", "x:numeric", learn=2)
    r = t.replay("m.toml", "single.jsonl")
    t.expect(r.records.get("counted") == 1500 and len(r.windows) == 5, "one record a message: 1500 in 5 windows", r)
    r = t.replay("m.toml", "batch.jsonl")
    t.expect(r.exit != OK and r.says(r"`?\bx\b`?", GONE + r"|is the path|source\.path"), "batch: not ok, x has no value in any record", r.text[:250])
    r = t.replay("m.toml", "arrays.jsonl")
    t.expect(r.refused(r"\barrays?\b|\blists?\b|not an? (JSON )?object|\bobject\b"), "arrays: rejected with the reason", r.text[:250])
    r = t.compare("batch.jsonl", "batch.jsonl")
    t.expect(r.exit != DRIFT and r.says(r"instances|\barrays?\b|\blists?\b"), "compare: says what it found and cannot compare", r)


@situation("Windows PowerShell writes UTF-16")
def encodings_of_json_lines(t):
    """JSON lines in UTF-16 with a mark, in Latin-1, with CRLF, with empty lines, with a trailing comma after each object, with record separators of RFC 7464.

    Right: read, or refused with the cause. Never 'no column', and nothing is called empty.
    """
    rng = np.random.default_rng(1)

    def lines():
        return [json.dumps(dict(x=float(rng.normal()), c=str(rng.choice(["a", "Größe"]))), ensure_ascii=False) for _ in range(500)]

    jsonl("base.jsonl", [json.loads(line) for line in lines()])
    files = dict(
        utf16=b"\xff\xfe" + "\n".join(lines()).encode("utf-16-le"), latin1="\n".join(lines()).encode("latin-1"), crlf="\r\n".join(lines()).encode(), empty="\n\n".join(lines()).encode(),
        commas=",\n".join(lines()).encode(), sequence="".join("\x1e" + line + "\n" for line in lines()).encode(), one_line=" ".join(lines()).encode(), no_end="\n".join(lines()).encode(),
    )
    for i, (name, content) in enumerate(files.items()):
        write(f"win{i}.jsonl", content)
        r = t.compare("base.jsonl", f"win{i}.jsonl")
        read = r.exit == OK and r.of("x") == "ok" and r.of("c") == "ok" and r.rows() == 500
        t.expect(read or r.says(r"UTF-?8|UTF-?16|encod|\bJSON\b|byte|comma|\bline 1\b|\bone (JSON )?object"), f"{name}: 500 rows, or the cause", f"{r} {r.text[-250:]}")
        t.expect(not r.says(r"is it empty"), f"{name}: not called empty", r.text[-200:])
        r = t.compare(f"win{i}.jsonl", "base.jsonl")
        t.expect(not r.says(r"is it empty"), f"{name} as baseline: not called empty", r.text[-200:])


@situation()
def values_of_json(t):
    """Records with 1e400, escaped keys, dotted keys, nested nulls, numbers as text, "True" as text, a key of no characters, numbers with many digits.

    Right: each is read as what it is, and the counts say so.
    """
    n = 600
    rng = np.random.default_rng(2)

    def rows(far, key):
        return "".join('{%s: %f, "far": %s, "outer": %s, "a.b": %f, "": 5, "long": 0.1000000000000000055511151231257827021181583404541015625}\n'
                       % (key, rng.normal(), far if i % 3 else "1.5", "null" if i % 4 == 0 else '{"in": %d, "deep": {"c": "x"}}' % rng.integers(9), rng.normal()) for i in range(n))

    write("base.jsonl", rows("2.5", '"na\\u006de"'))
    write("win.jsonl", rows("1e400", '"name"'))
    write("same.jsonl", rows("2.5", '"n\\u0061me"'))
    r = t.compare("base.jsonl", "same.jsonl")
    t.same(r, "name", "far", "outer.in", "outer.deep.c", "long")
    t.expect(r.of("a.b") == "ok" or r.of("a\\.b") == "ok", "the key with a dot is compared", r)
    t.expect("" not in r.columns or r.of("") == "ok", "the key of no characters does no harm", r)
    c = r.side("outer.in")
    t.expect(c.get("null", 0) + c.get("missing", 0) == n // 4, "a quarter of outer.in is null or missing", c)
    r = t.compare("base.jsonl", "win.jsonl")
    t.moved(r, "far")
    t.expect(r.side("far").get("infinite") == n - n // 3, "1e400 counts as infinite", r.side("far"))


@situation()
def numbers_become_text(t):
    """A producer begins to write its numbers in quotes, "17.5", and its booleans as "True".

    Right: drift, and the text says that the values are text now.
    """
    rng = np.random.default_rng(3)
    jsonl("base.jsonl", [dict(x=float(rng.normal()), live=bool(rng.random() < 0.5)) for _ in range(800)])
    jsonl("win.jsonl", [dict(x=f"{rng.normal():.3f}", live=str(rng.random() < 0.5)) for _ in range(800)])
    r = t.compare("base.jsonl", "win.jsonl")
    t.moved(r, "x", "live")
    for column in ("x", "live"):
        t.expect(r.side(column).get("wrong_type") == 800, f"{column}: all are of the wrong type", r.side(column))
    t.says(r, "text", r"\btext\b|quot")


@situation()
def one_object(t):
    """A .json file holds a single object, a number, nothing, or blanks.

    Right: no verdict, and the text says that there is one record, or what was found; an empty file is called empty.
    """
    jsonl("base.jsonl", [dict(x=1.0 * i) for i in range(100)])
    for name, content, words in (("one", '{"x": 1.0}', r"too few|1 row|one (row|record|object)|not enough"), ("number", "17", r"number|not an object|object|one (JSON )?object"), ("empty", "", r"empty|no (row|record)"), ("blanks", "\n \n", r"empty|no (row|record)"), ("text", "hello", r"\bJSON\b|line 1")):
        write(name + ".json", content)
        r = t.compare("base.jsonl", name + ".json")
        t.expect(r.refused(words), f"{name}.json as window: no verdict, with the cause", f"{r} {r.text[-250:]}")
        r = t.compare(name + ".json", "base.jsonl")
        t.expect(r.refused(words), f"{name}.json as baseline: no verdict, with the cause", f"{r} {r.text[-250:]}")
