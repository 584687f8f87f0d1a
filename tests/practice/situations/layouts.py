"""Files in folders, compressed files, files that are something else."""
import bz2
import lzma
import re

from inputs import *
from trial import OK, situation

FOLDER = r"\bfolders?\b|\bdirector(y|ies)\b"
COMPRESSED = r"compress|unpack|gunzip|zcat|gzip|\bzstd\b"


@situation("outputs of Spark and dask")
def folders_of_parts(t):
    """Training data come as a folder of Parquet parts, or as .csv.gz; a file is missing, another one is a spreadsheet.

    Right: a folder and .gz are read, or refused in one line that says what they are and what to do.
    """
    rng = np.random.default_rng(34)
    n = 1000

    def frame():
        return pd.DataFrame(dict(x=rng.normal(0, 1, n), c=rng.choice(["a", "b"], n)))

    parquet("base.parquet", frame())
    for folder in ("train.parquet", "train"):
        write(folder + "/_SUCCESS", "")
        write(folder + "/.part-00000.crc", "crc")
        for part in (0, 1):
            parquet(f"{folder}/part-0000{part}-1.snappy.parquet", frame())
    for name in ("a", "b"):
        write(name + ".csv.gz", gzip.compress(frame().to_csv(index=False).encode()))
    write("x.xlsx", "PK")
    for folder in ("train.parquet", "train"):
        r = t.compare(folder, "base.parquet")
        read = r.exit == OK and r.of("x") == "ok" and r.rows("baseline") == 2 * n
        refused = r.refused(FOLDER) and not r.says(r"os error") and not r.says(r"is it complete")
        t.expect(read or refused, f"{folder}: {2 * n} rows, or says that it is a folder and what to name", r)
    t.same_or_refused(t.compare("a.csv.gz", "b.csv.gz"), ("x", "c"), COMPRESSED)
    t.expect(t.compare("base.parquet", "missing.parquet").refused(r"missing\.parquet"), "a file that is not there is named")
    t.expect(t.compare("base.parquet", "x.xlsx").refused(r"x\.xlsx", r"parquet.*csv"), "an unknown format is refused with those that are known")


def frame(seed, n=600):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(dict(ts=[clock(i, 200) for i in range(n)], x=rng.normal(0, 1, n), c=rng.choice(["a", "b"], n)))


def zstd(content):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


@situation("logs as they are rotated and archived")
def compressed_files(t):
    """JSON lines and CSV come as .gz, .zst, .bz2, .xz, .lz4; Parquet as .gz; a .gz is cut off, another one is not compressed at all.

    Right: read, or refused in words that name the compression. A file that is cut off is never read as if it were whole.
    """
    text = dict(jsonl="".join(json.dumps(row) + "\n" for row in frame(1).to_dict("records")).encode(), csv=frame(1).to_csv(index=False).encode())
    for kind, content in text.items():
        write(f"plain.{kind}", content)
        for extension, packed in dict(gz=gzip.compress(content), zst=zstd(content), bz2=bz2.compress(content), xz=lzma.compress(content), lz4=b"\x04\x22\x4d\x18" + content[:100]).items():
            path = f"log.{kind}.{extension}"
            write(path, packed)
            t.same_or_refused(t.compare(f"plain.{kind}", path), ("x", "c"), COMPRESSED)
        packed = gzip.compress(content)
        write(f"cut.{kind}.gz", packed[: len(packed) // 2])
        r = t.compare(f"plain.{kind}", f"cut.{kind}.gz")
        t.expect(r.refused(COMPRESSED + r"|cut|truncat|end of|incomplete|unexpected"), f"cut.{kind}.gz: refused", f"{r} {r.text[-200:]}")
        write(f"named.{kind}.gz", content)
        r = t.compare(f"plain.{kind}", f"named.{kind}.gz")
        t.same_or_refused(r, ("x", "c"), COMPRESSED)
        # Two members one after the other, as `cat a.gz b.gz` makes.
        write(f"joined.{kind}.gz", gzip.compress(content) + gzip.compress(content if kind == "jsonl" else content.split(b"\n", 1)[1]))
        r = t.compare(f"plain.{kind}", f"joined.{kind}.gz")
        t.expect((r.exit == OK and r.rows() == 1200) or r.refused(COMPRESSED), f"joined.{kind}.gz: both members, 1200 rows", f"{r} {r.rows()}")
    parquet("plain.parquet", frame(1))
    write("log.parquet.gz", gzip.compress(open("plain.parquet", "rb").read()))
    t.same_or_refused(t.compare("plain.parquet", "log.parquet.gz"), ("x", "c"), COMPRESSED)
    monitor("m.toml", "x:numeric", learn=1)
    for path in ("log.jsonl.gz", "log.csv.gz"):
        r = t.replay("m.toml", path)
        t.expect(r.records.get("counted") == 600 or r.refused(COMPRESSED), f"replay of {path}: 600 records, or refused", f"{r} {r.text[-200:]}")


@situation("outputs of Spark, dask, Hive and Flink")
def folders_of_other_kinds(t):
    """A folder of CSV parts, of JSON lines, partitioned as dt=2026-03-01/country=de/, with hidden files, empty, with two formats, nested; a link to a file and to a folder; a pattern in quotes.

    Right: read in full, or refused in one line that names the folder and what to do; never a part of it in silence.
    """
    d = frame(1)
    parquet("plain.parquet", d)
    half = [d.iloc[:300], d.iloc[300:]]
    for i, part in enumerate(half):
        write(f"csv/part-{i}.csv", part.to_csv(index=False))
        write(f"lines/part-{i}.json", "".join(json.dumps(row) + "\n" for row in part.to_dict("records")))
        write(f"lines/_SUCCESS", "")
        write(f"hive/dt=2026-03-0{i + 1}/country=de/.keep", "")
        parquet(f"hive/dt=2026-03-0{i + 1}/country=de/part-0.parquet", part)
    write("mixed/a.csv", half[0].to_csv(index=False))
    parquet("mixed/b.parquet", half[1])
    write("hidden/.part-9.parquet.crc", "x")
    write("hidden/_temporary/0/part-9.parquet", "broken")
    parquet("hidden/part-0.parquet", d)
    write("other/readme.md", "nothing")
    os.makedirs("empty")
    os.symlink("plain.parquet", "link.parquet")
    os.symlink("csv", "linked")
    for path in ("csv", "lines", "hive", "mixed", "hidden", "linked"):
        r = t.compare("plain.parquet", path)
        read = r.exit == OK and r.of("x") == "ok" and r.of("c") == "ok" and r.rows() == 600
        t.expect(read or (r.refused(FOLDER + "|different formats|several formats|mixed") and not r.says("os error")), f"{path}: 600 rows, or refused as folder", f"{r} {r.rows()} {r.text[-200:]}")
    for path in ("empty", "other"):
        r = t.compare("plain.parquet", path)
        t.expect(r.refused(FOLDER), f"{path}: refused as a folder without data", f"{r} {r.text[-200:]}")
    t.same(t.compare("plain.parquet", "link.parquet"), "x", "c")
    r = t.compare("plain.parquet", "csv/*.csv")
    read = r.exit == OK and r.rows() == 600
    t.expect(read or r.refused(r"csv/\*\.csv", r"pattern|glob|\bshell|quot|\*"), "a pattern in quotes: 600 rows, or refused with what to do", f"{r} {r.text[-200:]}")
    monitor("m.toml", "x:numeric", learn=1)
    for path in ("csv", "lines", "hive"):
        r = t.replay("m.toml", path)
        t.expect(r.records.get("counted") == 600 or r.refused(FOLDER), f"replay of {path}: 600 records, or refused as folder", f"{r} {r.text[-200:]}")
        r = t.replay("m.toml", "plain.parquet", "--baseline", path)
        t.expect((r.exit == OK and r.windows) or r.refused(FOLDER), f"replay with the baseline {path}: judged, or refused as folder", f"{r} {r.text[-200:]}")


@situation("outputs of jobs that failed, and of dask")
def folders_with_odd_entries(t):
    """A folder holds a part without bytes, a part without rows, `_metadata` of dask, a link to itself, a part that is cut off, a part of another extension in upper case.

    Right: the rows of the good parts, each once; what is broken is refused or named with its file; a link to itself does no harm.
    """
    d = frame(1)
    parquet("plain.parquet", d)
    for name in ("loop", "metadata", "rowless", "bytes", "cut", "upper"):
        os.makedirs(name)
        parquet(f"{name}/part-0.parquet", d)
    os.symlink(".", "loop/self")
    parquet("metadata/_metadata", d.iloc[:0])
    parquet("rowless/part-1.parquet", d.iloc[:0])
    write("bytes/part-1.parquet", b"")
    content = open("plain.parquet", "rb").read()
    write("cut/part-1.parquet", content[: len(content) // 2])
    parquet("upper/PART-1.PARQUET", d)
    for name, rows in (("loop", 600), ("metadata", 600), ("rowless", 600), ("upper", 1200)):
        r = t.compare("plain.parquet", name)
        t.expect((r.exit == OK and r.rows() == rows and r.of("c") == "ok") or r.refused(FOLDER), f"{name}: {rows} rows, or refused as a folder", f"{r} {r.rows()} {r.text[-250:]}")
    for name in ("bytes", "cut"):
        r = t.compare("plain.parquet", name)
        named = r.says(r"part-1\.parquet")
        t.expect(named or r.refused(FOLDER), f"{name}: the broken part is named", f"{r} {r.rows()} {r.text[-250:]}")


@situation("archives from untrusted hands")
def compressed_without_end(t):
    """A .gz of 200 KB unpacks to 200 MB: one line of zeros, a JSON array of empty objects, a CSV with one endless field.

    Right: an answer within a minute, in less than 1 GB of memory; no verdict about it.
    """
    zeros = b"0" * (1 << 20)

    def bomb(path, head, block, count=200):
        with gzip.open(path, "wb", compresslevel=6) as file:
            file.write(head)
            for _ in range(count):
                file.write(block)

    jsonl("base.jsonl", [dict(x=float(i % 7)) for i in range(500)])
    bomb("line.jsonl.gz", b"", zeros)
    bomb("array.json.gz", b"[", b"{}," * 350_000, count=40)
    bomb("field.csv.gz", b"x\n\"", zeros)
    for path in ("line.jsonl.gz", "array.json.gz", "field.csv.gz"):
        r = t.driftd("compare", "base.jsonl", path)
        t.expect(r.no_verdict, f"{path}: no verdict", r)
        t.expect(r.peak_kilobytes < 1_000_000, f"{path}: less than 1 GB of memory", f"{r.peak_kilobytes // 1000} MB")


@situation("parts whose schema differs")
def parts_that_differ(t):
    """The parts of a folder were written by two versions of a job: one lacks a column, has another type or another order of columns.

    Right: where a folder is read, the rows of all parts count and the column is right, missing where it is missing; or the difference is refused with the file.
    """
    d = frame(1)
    parquet("plain.parquet", d)
    for name, other in (("order", d[["c", "x", "ts"]]), ("type", d.assign(x=d.x.astype("float32"))), ("lacks", d.drop(columns="c"))):
        os.makedirs(name)
        parquet(f"{name}/part-0.parquet", d)
        parquet(f"{name}/part-1.parquet", other)
        r = t.compare("plain.parquet", name)
        c = r.side("c")
        right = r.rows() == 1200 and r.of("x") == "ok" and (c.get("missing", 0) + c.get("null", 0) == (600 if name == "lacks" else 0))
        t.expect(right or r.refused(FOLDER + r"|part-1"), f"{name}: 1200 rows, or refused with the reason", f"{r} {r.rows()} {c} {r.text[-200:]}")


@situation("tables of Delta Lake and Iceberg")
def folders_that_are_tables(t):
    """A folder is a Delta table, whose log says that one of the two files is deleted; another one is an Iceberg table with data/ and metadata/.

    Right: refused as a table with what to do, or the deleted rows are left out; never all files as if they were the table.
    """
    d = frame(1)
    parquet("plain.parquet", d)
    os.makedirs("table1")
    parquet("table1/part-0.parquet", d)
    parquet("table1/part-1.parquet", d.assign(x=d.x + 100))
    adds = [dict(add=dict(path=f"part-{i}.parquet", partitionValues={}, size=1, modificationTime=0, dataChange=True)) for i in (0, 1)]
    write("table1/_delta_log/00000000000000000000.json", "".join(json.dumps(a) + "\n" for a in [dict(protocol=dict(minReaderVersion=1, minWriterVersion=2)), *adds]))
    write("table1/_delta_log/00000000000000000001.json", json.dumps(dict(remove=dict(path="part-1.parquet", deletionTimestamp=1, dataChange=True))) + "\n")
    r = t.compare("plain.parquet", "table1")
    t.expect((r.exit == OK and r.rows() == 600) or r.refused(r"delta"), "Delta: 600 rows, or refused as a Delta table", f"{r} {r.rows()} {r.text[-200:]}")
    os.makedirs("table2/data")
    parquet("table2/data/00000-0.parquet", d)
    write("table2/metadata/v1.metadata.json", '{"format-version": 2}')
    write("table2/metadata/snap-1.avro", b"Obj\x01")
    r = t.compare("plain.parquet", "table2")
    t.expect((r.exit == OK and r.rows() == 600) or r.refused(r"iceberg|" + FOLDER), "Iceberg: 600 rows, or refused", f"{r} {r.rows()} {r.text[-200:]}")


@situation("downloads that went wrong")
def files_that_are_something_else(t):
    """A .parquet is a pointer of Git LFS, an HTML page, CSV, JSON, cut off, or empty; a .csv is Parquet, gzip, JSON, HTML or a spreadsheet; names in upper case, without extension, .avro and .orc.

    Right: refused with what the file is; never a verdict, and never 'is it complete' alone where the content is known. Upper case is read.
    """
    d = frame(1)
    parquet("plain.parquet", d)
    csv("plain.csv", d)
    content = open("plain.parquet", "rb").read()
    lines = "".join(json.dumps(row) + "\n" for row in d.to_dict("records"))
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n"
    page = "<!DOCTYPE html>\n<html><head><title>404</title></head><body>Not found, try again</body></html>\n"
    sheet = b"PK\x03\x04" + bytes(200)
    cases = {
        "pointer.parquet": (pointer, r"LFS|pointer|text|not (a )?Parquet"), "page.parquet": (page, r"HTML|text|not (a )?Parquet"), "csv.parquet": (d.to_csv(index=False), r"CSV|text|not (a )?Parquet"),
        "lines.parquet": (lines, r"\bJSON\b|text|not (a )?Parquet"), "cut.parquet": (content[: len(content) // 2], r"complete|cut|truncat|footer|end of"), "empty.parquet": (b"", r"empty|size is 0"),
        "parquet.csv": (content, r"Parquet"), "gzip.csv": (gzip.compress(d.to_csv(index=False).encode()), COMPRESSED), "lines.csv": (lines, r"\bJSON\b"), "page.csv": (page, r"HTML"),
        "sheet.csv": (sheet, r"zip|spreadsheet|xlsx|binary"), "pointer.csv": (pointer, r"LFS|pointer"), "empty.csv": (b"", r"empty"), "parquet.jsonl": (content, r"Parquet"), "csv.jsonl": (d.to_csv(index=False), r"CSV|\bJSON\b|none of its rows is a record"),
        "page.jsonl": (page, r"HTML|\bJSON\b"), "gzip.jsonl": (gzip.compress(lines.encode()), COMPRESSED), "empty.jsonl": (b"", r"empty|no rows?|too few"), "empty.arrow": (b"", r"empty"), "parquet.arrow": (content, r"Parquet"),
        "noextension": (content, r"extension|format"), "data.avro": (b"Obj\x01" + bytes(50), r"avro|format|extension"), "data.orc": (b"ORC" + bytes(50), r"orc|format|extension"),
        "sqlite.csv": (b"SQLite format 3\0" + bytes(200), r"SQLite|binary|text"),
    }
    for path, (what, words) in cases.items():
        write(path, what)
        text_without_name = lambda r: r.text.replace(path, "FILE")
        for pair in ((("plain.parquet", path)), ((path, "plain.parquet"))):
            r = t.compare(*pair)
            read = r.exit == OK and r.of("x") == "ok" and r.of("c") == "ok" and r.rows() == 600
            t.expect(read or (r.no_verdict and re.search(words, text_without_name(r), re.I)), f"{pair[0]} and {pair[1]}: refused with what the file is", f"{r} {r.text[-250:]}")
    os.rename("plain.csv", "UPPER.CSV")
    t.same(t.compare("plain.parquet", "UPPER.CSV"), "x", "c")


@situation("Arrow files of other tools")
def arrow_files(t):
    """Arrow as file and as stream, uncompressed, with lz4 and with zstd; as .arrow, .arrows, .ipc and .feather; with dictionaries that change from batch to batch; cut off; without rows.

    Right: read; or refused with the cause (stream, codec, cut off, no rows).
    """
    d = frame(1)
    parquet("plain.parquet", d)
    for compression in (None, "lz4", "zstd"):
        for name, save in (("file.arrow", arrow), ("file.feather", arrow), ("stream.arrow", arrow_stream), ("stream.arrows", arrow_stream), ("stream.ipc", arrow_stream)):
            path = f"{compression}_{name}"
            save(path, d, compression=compression)
            t.same_or_refused(t.compare("plain.parquet", path), ("x", "c"), rf"stream|\b{compression}\b.*(codec|compress)|(codec|compress)|extension")
    for path in ("None_file.arrow", "None_file.feather"):
        t.same(t.compare("plain.parquet", path), "x", "c")
    one, two = (pa.table({"x": x.tolist(), "c": pa.array(c).dictionary_encode()}) for x, c in ((d.x[:300], ["a"] * 300), (d.x[300:], ["new"] * 300)))
    with pa.OSFile("deltas.arrows", "wb") as f, pa.ipc.new_stream(f, one.schema) as w:
        w.write_table(one)
        w.write_table(two)
    r = t.compare("plain.parquet", "deltas.arrows")
    t.expect((r.exit == 3 and r.of("c") == "drift" and r.rows() == 600) or r.refused(r"stream|extension|dictionar"), "dictionaries that change: both batches are read", f"{r} {r.text[-200:]}")
    content = open("None_file.arrow", "rb").read()
    write("cut.arrow", content[: len(content) // 2])
    t.expect(t.compare("plain.parquet", "cut.arrow").refused(r"complete|cut|truncat|footer|magic|not an? Arrow|end of"), "a file that is cut off is refused")
    stream = open("None_stream.arrows", "rb").read()
    write("cut.arrows", stream[: len(stream) // 2])
    r = t.compare("plain.parquet", "cut.arrows")
    t.expect(r.refused(r"complete|cut|truncat|stream|extension|end of"), "a stream that is cut off is refused", f"{r} {r.text[-200:]}")
    arrow("none.arrow", d.iloc[:0])
    r = t.compare("plain.parquet", "none.arrow")
    t.expect(r.refused(r"no rows?|empty|0 rows|too few|not enough"), "no rows: no verdict", f"{r} {r.text[-200:]}")


@situation("parts of Parquet")
def row_groups_and_statistics(t):
    """Parquet with many row groups, with a group of one row, without statistics, with a null page, with 200 columns of which one is asked for.

    Right: read in full.
    """
    d = frame(1, 5000)
    parquet("plain.parquet", d)
    parquet("groups.parquet", d, row_group_size=37)
    parquet("single.parquet", d, row_group_size=4999)
    parquet("bare.parquet", d, write_statistics=False, store_schema=False)
    for name in ("groups", "single", "bare"):
        r = t.compare("plain.parquet", name + ".parquet")
        t.same(r, "x", "c")
        t.expect(r.rows() == 5000, f"{name}: 5000 rows", r.rows())
    monitor("m.toml", "x:numeric", learn=1)
    answers = {name: t.replay("m.toml", name + ".parquet").json.get("monitors") for name in ("plain", "groups", "single")}
    t.expect(all(a == answers["plain"] for a in answers.values()), "replay: the same windows, whatever the row groups")
