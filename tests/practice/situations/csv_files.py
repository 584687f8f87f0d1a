"""CSV in the dialects and encodings that files come in."""
import csv as dialect

from inputs import *
from trial import OK, situation

SEPARATOR = r"separat|delimit|semicolon|comma\b|\btab\b|`;`|';'"


@situation("exports of European spreadsheets")
def semicolons(t):
    """A CSV has semicolons between its columns and few different rows.

    Right: three columns, or refused with a word about the separator. With commas it is read, also when a name or value holds a semicolon.
    """
    rng = np.random.default_rng(48)
    for name in ("base", "win"):
        d = pd.DataFrame(dict(age=rng.choice([20, 30, 40], 600, p=[0.4, 0.3, 0.3]), plan=rng.choice(["a", "b"], 600), paid=rng.choice([0, 1], 600)))
        csv(name + ".csv", d, sep=";")
        csv(name + "_commas.csv", d)
        csv(name + "_odd.csv", d.assign(plan=d.plan + ";x").rename(columns=dict(plan="plan;old")))
    t.same(t.compare("base_commas.csv", "win_commas.csv"), "age", "plan", "paid")
    t.same(t.compare("base_odd.csv", "win_odd.csv"), "age", "plan;old", "paid")
    r = t.compare("base.csv", "win.csv")
    t.same_or_refused(r, ("age", "plan", "paid"), SEPARATOR)
    t.expect("age;plan;paid" not in r.columns, "no column called age;plan;paid", r)


def people(seed, n=600):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(dict(age=rng.integers(18, 80, n), income=np.round(rng.gamma(4, 900, n), 2), plan=rng.choice(["basic", "pro", "Größe L"], n)))


def each_dialect(t, dialects, *reasons, columns=("age", "income", "plan"), base=None, true_means=True):
    """`dialects`: name to function from a data frame to the bytes of the file. Each is compared with plain commas and with itself."""
    before, after = people(1), people(2)
    csv("plain.csv", before)
    for name, of in dialects.items():
        path = name if "." in name else name + ".csv"
        write("base_" + path, of(before))
        write("win_" + path, of(after))
        for one, two in (("plain.csv", "win_" + path), ("base_" + path, "win_" + path)):
            r = t.compare(one, two)
            t.same_or_refused(r, columns, *reasons)
            t.expect(not any(len(c) > 30 for c in r.columns), f"{path}: no column whose name is a whole line", list(r.columns)[:3])
            if true_means and r.exit == OK and r.of("income") == "ok":
                mean = r.side("income").get("mean")
                t.expect(r.rows() == len(after) and mean is not None and abs(mean - after.income.mean()) < 1, f"{path}: {len(after)} rows with the mean income {after.income.mean():.1f}", f"{r.rows()} {mean}")


@situation("exports of spreadsheets and databases")
def separators(t):
    """Columns are separated by tabs, pipes, semicolons, by a comma and a blank, or by \\x01 as in Hive; some with the first line `sep=;`; as .csv, .tsv and .txt.

    Right: three columns, or refused with a word about the separator or the extension. Never a verdict about one column with a long name.
    """
    def with_separator(separator):
        return lambda d: d.to_csv(index=False, sep=separator)

    each_dialect(t, {
        "tabs": with_separator("\t"), "pipes": with_separator("|"), "semicolons": with_separator(";"), "hive": with_separator("\x01"), "table.tsv": with_separator("\t"), "table.txt": with_separator("\t"),
        "commas.txt": with_separator(","), "excel": lambda d: "sep=;\n" + d.to_csv(index=False, sep=";"), "excel_comma": lambda d: "sep=,\n" + d.to_csv(index=False),
    }, SEPARATOR + r"|format is not known|extension|sep=")
    for name, seed in (("base", 1), ("win", 2)):
        write(f"{name}_blank.csv", people(seed).to_csv(index=False).replace(",", ", "))
    r = t.compare("base_blank.csv", "win_blank.csv")
    t.expect(r.exit == OK and len(r.columns) == 3, "a blank after each comma on both sides: no drift in three columns", r)
    r = t.compare("plain.csv", "win_blank.csv")
    t.expect((r.exit == OK and r.of("income") == "ok") or any("income" in n and "renamed" in n for n in r.notes), "a blank after each comma on one side: read without it, or pointed out", f"{r} {r.notes}")


@situation("exports of European spreadsheets")
def decimal_commas(t):
    """Semicolons between columns and commas in numbers: 3456,78; with a dot between thousands: 3.456,78; in quotes between commas.

    Right: the numbers are read as what they are; or refused, or a note says that income is text and not numbers.
    """
    def comma(d, thousands=False, separator=";"):
        def number(v):
            return (f"{v:,.2f}".replace(",", "_").replace(".", ",").replace("_", ".") if thousands else f"{v:.2f}".replace(".", ","))

        return d.assign(income=d.income.map(number)).to_csv(index=False, sep=separator)

    before, after = people(1), people(2)
    csv("plain.csv", before)
    for name, of in dict(comma=comma, thousands=lambda d: comma(d, True), quoted=lambda d: comma(d, False, ",")).items():
        write(f"base_{name}.csv", of(before))
        write(f"win_{name}.csv", of(after))
        write(f"moved_{name}.csv", of(after.assign(income=after.income * 3)))
        for one, two in (("plain.csv", f"win_{name}.csv"), (f"base_{name}.csv", f"win_{name}.csv"), (f"base_{name}.csv", f"moved_{name}.csv")):
            r = t.compare(one, two)
            factor = 3 if two.startswith("moved") else 1
            mean = r.side("income").get("mean")
            read = mean is not None and abs(mean - factor * after.income.mean()) < 1 and r.of("income") == ("ok" if factor == 1 else "drift")
            told = any("income" in note for note in r.notes) or r.refused(SEPARATOR + r"|decimal|number") or r.says(r"Why income.{0,300}(another type|other type|wrong type|text|not (a )?number)")
            t.expect(read or told, f"{one} and {two}: mean {factor * after.income.mean():.1f}, or a word about income", f"{r} {mean} {r.notes}")


@situation("exports of spreadsheets")
def numbers_as_people_write_them(t):
    """Income is written as 3,456.78 in quotes, $3456.78, 3456.78 EUR, 45 %, (12.5) for negative, 1_000, with a non-breaking blank; the new week has three times as much.

    Right: drift; or a note or an error that says that income is not read as numbers. Never no drift without a word.
    """
    before, after = people(1), people(2)
    styles = dict(thousands="{:,.2f}", dollar="${:.2f}", unit="{:.2f} EUR", percent="{:.1f} %", brackets="({:.2f})", underscore="{:_.2f}", apostrophe="{:,.2f}", blank="{:,.2f}")
    for name, style in styles.items():
        def text(v):
            return style.format(v).replace(",", {"apostrophe": "'", "blank": "\u00a0"}.get(name, ","))

        csv(f"base_{name}.csv", before.assign(income=before.income.map(text)))
        csv(f"win_{name}.csv", after.assign(income=(3 * after.income).map(text)))
        r = t.compare(f"base_{name}.csv", f"win_{name}.csv")
        t.expect(r.of("income") == "drift" or any("income" in note for note in r.notes) or r.refused("income"), f"{name}: drift of income, or a word about it", f"{r} {r.notes}")


@situation("files from Windows and from old databases")
def encodings(t):
    """Files in UTF-8 with a byte order mark, UTF-16 in both orders, Latin-1 and Windows-1252, with CRLF, with CR alone, with a NUL.

    Right: the same three columns and the same categories; or refused with the encoding or the line ends.
    """
    def encoded(name, **options):
        return lambda d: d.to_csv(index=False, **options).encode(name)

    each_dialect(t, {
        "utf8_mark": encoded("utf-8-sig"), "mark_and_quotes": encoded("utf-8-sig", quoting=dialect.QUOTE_ALL), "utf16_le": lambda d: b"\xff\xfe" + d.to_csv(index=False).encode("utf-16-le"), "utf16_be": lambda d: b"\xfe\xff" + d.to_csv(index=False).encode("utf-16-be"),
        "latin1": encoded("latin-1"), "windows": lambda d: d.replace("Größe L", "Größe €").to_csv(index=False).encode("cp1252").replace(b" \x80", b" L"),
        "crlf": encoded("utf-8", lineterminator="\r\n"), "cr": encoded("utf-8", lineterminator="\r"),
    }, r"UTF-?8|UTF-?16|encod|line end|\bCR\b|carriage")


@situation("reports with headings")
def lines_that_are_no_rows(t):
    """Empty lines before, between and after rows, lines of comment before the header, a line of totals or units, a last line without an end.

    Right: the rows are read and the mean is right; or refused, or a note, with what was found.
    """
    def text(d):
        return d.to_csv(index=False)

    def between(d):
        head, *rows = text(d).splitlines()
        return "\n".join([head, *[line for i, row in enumerate(rows) for line in ([row, ""] if i % 50 == 0 else [row])]]) + "\n"

    each_dialect(t, {
        "empty_last": lambda d: text(d) + "\n\n", "empty_first": lambda d: "\n\n" + text(d), "empty_between": between, "no_end": lambda d: text(d).rstrip("\n"),
        "comment": lambda d: "# exported 2026-03-01\n# by the warehouse\n" + text(d), "title": lambda d: "Report of March\n\n" + text(d),
    }, r"comment|header|line \d|columns?|fields?|empty|row", true_means=True)


@situation("files cut and joined by hand")
def ragged_rows(t):
    """Some rows have a field too few or too many, all rows end with a separator, the header does, the header comes again in the middle, the file ends within a row or within quotes.

    Right: read with the loss counted and named, or refused with the line and the number of fields; never lost in silence.
    """
    def changed(at, of):
        def make(d):
            lines = d.to_csv(index=False).splitlines()
            return "\n".join(of(line) if at(i) else line for i, line in enumerate(lines)) + "\n"

        return make

    some = lambda i: i in (100, 200, 300)
    each_dialect(t, {
        "short": changed(some, lambda line: line.rsplit(",", 1)[0]), "long": changed(some, lambda line: line + ",more"),
        "trailing_rows": changed(lambda i: i > 0, lambda line: line + ","), "trailing_all": changed(lambda i: True, lambda line: line + ","),
        "header_again": changed(lambda i: i == 300, lambda line: "age,income,plan"), "cut": lambda d: d.to_csv(index=False)[:-9],
        "open_quote": changed(lambda i: i == 300, lambda line: '"' + line),
    }, r"line \d|row|field|column|quot|separator", true_means=False)


@situation("exports of databases")
def quotes_and_escapes(t):
    """Everything in quotes, line ends and separators within quotes, doubled quotes, backslashes before quotes, single quotes.

    Right: read as the values they are; single quotes and backslashes are read or refused, or the category keeps them on both sides.
    """
    before, after = people(1), people(2)
    for name, d in (("base", before), ("win", after)):
        d = d.assign(plan=d.plan.replace({"pro": 'pro, "plus"\nyearly'}))
        csv(f"{name}.csv", d)
        csv(f"{name}_all.csv", d, quoting=dialect.QUOTE_ALL)
        jsonl(f"{name}.jsonl", d.to_dict("records"))
        csv(f"{name}_escaped.csv", d, doublequote=False, escapechar="\\")
    for one, two in (("base.csv", "win_all.csv"), ("base_all.csv", "win.jsonl"), ("base.jsonl", "win.csv")):
        r = t.compare(one, two)
        t.same(r, "age", "income", "plan")
        t.expect(r.rows() == len(after), f"{two}: {len(after)} rows", r.rows())
    r = t.compare("base_escaped.csv", "win_escaped.csv")
    t.same_or_refused(r, ("age", "income", "plan"), r"quot|escape|backslash|field|column|line \d")


@situation("files without a header")
def header_is_missing(t):
    """The first line is a row of values, as exports without a header have it.

    Right: no verdict about columns called 27 and basic in silence: refused, or a note says that the first line looks like values.
    """
    before, after = people(1), people(2)
    csv("base.csv", before, header=False)
    csv("win.csv", after, header=False)
    r = t.compare("base.csv", "win.csv")
    t.expect(r.exit != OK and r.says(r"header|first line|column names"), "a word about the header", f"{r} {r.text[-250:]}")
    d = people(3)[["age", "income"]]
    csv("numbers1.csv", d, header=False)
    csv("numbers2.csv", d, header=False)
    r = t.compare("numbers1.csv", "numbers2.csv")
    t.says(r, "something about the header", r"header|first line|column names")


@situation("files of tools with words of their own")
def words_for_missing_numbers(t):
    """Missing numbers are written as NULL, n/a, -, ., ?, \\N, #N/A, -999 or a blank; on both sides alike.

    Right: the words are counted as null, or a note names how many values of income are not numbers. No drift.
    """
    rng = np.random.default_rng(5)
    for i, word in enumerate(["NULL", "n/a", "-", ".", "?", "\\N", "#N/A", " ", "nan", "NaN", "missing"]):
        for name, seed in (("base", 1), ("win", 2)):
            d = people(seed)
            csv(f"{name}{i}.csv", d.assign(income=d.income.astype(object).where(rng.random(len(d)) > 0.2, word)))
        r = t.compare(f"base{i}.csv", f"win{i}.csv")
        t.same(r, "age", "income", "plan")
        c = r.side("income")
        absent = c.get("null", 0) + c.get("nan", 0)
        noted = c.get("wrong_type", 0) > 60 and any("income" in note for note in r.notes)
        t.expect(absent > 60 or noted, f"{word!r}: counted as null, or a note about income", f"{c} {r.notes}")


@situation("one column, and columns without a name")
def few_columns(t):
    """A CSV of one column without any separator; one column of comments full of semicolons, tabs and quoted commas; a header that ends with a comma; a file of one line.

    Right: one column is one column; a column without a name does no harm to the others.
    """
    rng = np.random.default_rng(6)
    for name in ("base", "win"):
        write(f"{name}_one.csv", "x\n" + "".join(f"{v}\n" for v in rng.normal(0, 1, 400)))
        comments = ["good; fast", "bad; slow; late", 'fine, "really"', "a\tb"]
        csv(f"{name}_comments.csv", pd.DataFrame(dict(comment=[comments[i] for i in rng.integers(0, 4, 400)])))
        write(f"{name}_trailing.csv", "a,b,\n" + "".join(f"{v},{w},\n" for v, w in zip(rng.normal(0, 1, 400), rng.choice(["p", "q"], 400))))
    r = t.compare("base_one.csv", "win_one.csv")
    t.same(r, "x")
    r = t.compare("base_comments.csv", "win_comments.csv")
    t.same(r, "comment")
    t.expect(len(r.labels("comment")) == 4, "four comments", list(r.labels("comment")))
    t.same(t.compare("base_trailing.csv", "win_trailing.csv"), "a", "b")
    write("header.csv", "a,b,c\n")
    r = t.compare("base_trailing.csv", "header.csv")
    t.expect(r.refused(r"no rows?|empty|too few|not enough|0 rows"), "a header without rows: no verdict", f"{r} {r.text[-200:]}")
