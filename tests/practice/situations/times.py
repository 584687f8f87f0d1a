"""Event times: read as what they are, or refused with the reason."""
import re

from inputs import *
from trial import situation


@situation("NannyML/nannyml #104")
def day_before_month(t):
    """The event time of a log is written as 01/09/2018 00:15.

    Right: nothing is guessed; the rows are rejected, and the text says that the time could not be read, with the field or an example.
    """
    rng = np.random.default_rng(6)
    begin = dt.datetime(2018, 9, 1)
    times = [begin + dt.timedelta(minutes=15 * i) for i in range(1200)]
    rows = [dict(ts=at.strftime("%d/%m/%Y %H:%M"), x=float(rng.normal())) for at in times]
    jsonl("log.jsonl", rows)
    csv("log.csv", pd.DataFrame(rows))
    jsonl("iso.jsonl", [dict(row, ts=at.strftime("%Y-%m-%dT%H:%M:00Z")) for at, row in zip(times, rows)])
    monitor("m.toml", "x:numeric", length="1d", learn=3)
    r = t.replay("m.toml", "iso.jsonl")
    t.expect(r.records.get("counted") == 1200 and len(r.windows) == 13, "the same times as ISO: 1200 records in 13 days", r)
    for kind in ("jsonl", "csv"):
        r = t.replay("m.toml", f"log.{kind}")
        t.expect(r.no_verdict and not r.records.get("counted"), f"{kind}: no row is read with day and month exchanged", r)
        t.says(r, "that the time is the reason", r"\btimes?\b|timestamp|\bdates?\b", r"`?\bts\b|\d\d/\d\d/2018")


@situation("apache/arrow #38171, pandas-dev/pandas #52412, aws/aws-sdk-pandas #3357")
def event_times_in_parquet(t):
    """The same two days in INT96, in s, ms, us and ns, with and without time zone, and as text with offset, over the start of summer time.

    Right: the same 48 windows with the same rows from every file; nothing late, nothing rejected.
    """
    rng = np.random.default_rng(14)
    n = 2880
    begin = int(dt.datetime(2026, 3, 28, tzinfo=dt.timezone.utc).timestamp())
    seconds = [begin + 60 * i for i in range(n)]
    x = rng.normal(0, 1, n)
    ns = pa.array([s * 10**9 for s in seconds], pa.timestamp("ns"))
    for unit in ("ns", "us", "ms", "s"):
        parquet(unit + ".parquet", {"ts": ns.cast(pa.timestamp(unit)), "x": x}, version="2.6")
    parquet("int96.parquet", {"ts": ns, "x": x}, use_deprecated_int96_timestamps=True)
    for name, zone in (("utc", "UTC"), ("berlin", "Europe/Berlin"), ("offset", "+05:30")):
        parquet(name + ".parquet", {"ts": ns.cast(pa.timestamp("us")).cast(pa.int64()).cast(pa.timestamp("us", zone)), "x": x})
    change = begin + 25 * 3600

    def local(s):
        hours = 2 if s >= change else 1
        return dt.datetime.fromtimestamp(s, dt.timezone(dt.timedelta(hours=hours))).isoformat()

    texts = pa.array([local(s) for s in seconds])
    parquet("text.parquet", {"ts": texts, "x": x})
    parquet("dictionary.parquet", {"ts": texts.dictionary_encode(), "x": x})
    arrow("view.arrow", {"ts": texts.cast(pa.string_view()), "x": x})
    parquet("bytes.parquet", {"ts": texts.cast(pa.binary()), "x": x})
    monitor("m.toml", "x:numeric", learn=6)
    for name in ("ns", "us", "ms", "s", "int96", "utc", "berlin", "offset", "text", "dictionary", "view.arrow", "bytes"):
        r = t.replay("m.toml", name if "." in name else name + ".parquet")
        w = r.windows
        t.expect(r.records == dict(counted=2880, late=0, filtered=0, rejected=0), f"{name}: 2880 records counted", r)
        t.expect(len(w) == 48 and w[0]["start"] == "2026-03-28T00:00:00Z" and all(v["rows"] == 60 for v in w), f"{name}: 48 windows of 60 rows from 2026-03-28", len(w))


@situation("team-yes-bang/plip-topic #38")
def time_as_array(t):
    """A Java service logs its times as [2026,3,1,12,0,5,783706186], the default of its JSON library.

    Right: read as the time it is, or rejected with words that say that the time is an array or cannot be read.
    """
    rng = np.random.default_rng(22)
    jsonl("log.jsonl", [dict(ts=[2026, 3, 1, i // 300, (i // 5) % 60, (i % 5) * 12, 123456789], x=float(rng.normal())) for i in range(1200)])
    monitor("m.toml", "x:numeric", learn=3)
    r = t.replay("m.toml", "log.jsonl")
    read = r.records.get("counted") == 1200 and len(r.windows) == 4 and r.windows[0]["start"] == "2026-03-01T00:00:00Z"
    told = r.no_verdict and not r.records.get("counted") and r.says(r"\btimes?\b|timestamp|`ts`|\bts\b", r"\barray\b|\blist\b|\[2026|not a |cannot|could not be read|unreadable|no event time|sequence")
    t.expect(read or told, "4 windows of 2026-03-01, or the reason", r.text[:300])


@situation("vectordotdev/vrl #117, RyanDFIR/hindsight #103")
def seconds_taken_for_milliseconds(t):
    """The log has epoch seconds, whole or with a fraction, or microseconds or nanoseconds; the monitor does not name the unit.

    Right: the text says that the times cannot be right and names the key; or the right hours of 2026 come out.
    """
    rng = np.random.default_rng(23)
    n, begin = 2400, 1772323200
    x = [float(v) for v in rng.normal(0, 1, n)]
    logs = dict(whole=("s", lambda s: s), fraction=("s", lambda s: s + 0.25), long=("us", lambda s: s * 10**6), longest=("ns", lambda s: s * 10**9))
    monitor("m.toml", "x:numeric", learn=3)
    for name, (unit, of) in logs.items():
        rows = [dict(ts=of(begin + 15 * i), x=x[i]) for i in range(n)]
        jsonl(name + ".jsonl", rows)
        parquet(name + ".parquet", pd.DataFrame(rows))
        csv(name + ".csv", pd.DataFrame(rows))
        monitor(unit + ".toml", "x:numeric", learn=3, source=f'time_unit = "{unit}"\n')
        for kind in ("jsonl", "parquet", "csv"):
            r = t.replay(unit + ".toml", f"{name}.{kind}")
            t.expect(len(r.windows) == 10 and r.windows[0]["start"] == "2026-03-01T00:00:00Z", f"{name}.{kind} with the unit: 10 windows from 2026-03-01", r)
            t.silent(r, "no warning with the right unit", "time_unit")
            r = t.replay("m.toml", f"{name}.{kind}")
            read = len(r.windows) == 10 and r.windows[0]["start"] == "2026-03-01T00:00:00Z"
            told = r.says(r"time_unit|\bunits?\b|\b(micro|milli)?seconds?\b|implausib|too (old|early|late)|far in the (past|future)|out of range")
            t.expect(read or told, f"{name}.{kind}: a word about the unit, or 10 windows from 2026-03-01", r)


@situation("vectordotdev/vector #16870, #20605")
def change_of_the_clocks(t):
    """A log in local time of Berlin over the end of summer time, with offsets and without, and over its start.

    Right: with offsets 25 windows of 60. Without, read as UTC, the double hour has 120. In spring nothing is lost.
    """
    rng = np.random.default_rng(36)

    def log(name, begin, minutes, change, before, after, offset):
        rows = []
        for i in range(minutes):
            at = begin + dt.timedelta(minutes=i)
            local = at.astimezone(dt.timezone(dt.timedelta(hours=before if at < change else after)))
            rows.append(dict(ts=local.isoformat() if offset else local.replace(tzinfo=None).isoformat(sep=" "), x=float(rng.normal())))
        jsonl(name + ".jsonl", rows)

    utc = dt.timezone.utc
    autumn = (dt.datetime(2025, 10, 25, 22, tzinfo=utc), 25 * 60, dt.datetime(2025, 10, 26, 1, tzinfo=utc), 2, 1)
    log("offsets", *autumn, True)
    log("plain", *autumn, False)
    log("spring", dt.datetime(2026, 3, 28, 23, tzinfo=utc), 23 * 60, dt.datetime(2026, 3, 29, 1, tzinfo=utc), 1, 2, False)
    monitor("m.toml", "x:numeric", learn=3)
    for name, windows, counted, rows in (("offsets", 25, 1500, {60}), ("plain", 24, 1500, {60, 120}), ("spring", 23, 1380, {60})):
        r = t.replay("m.toml", name + ".jsonl")
        t.expect(r.records == dict(counted=counted, late=0, filtered=0, rejected=0), f"{name}: nothing late, nothing rejected", r.records)
        t.expect(len(r.windows) == windows and {w["rows"] for w in r.windows} == rows, f"{name}: {windows} windows of {rows} rows", [w["rows"] for w in r.windows])


@situation("exports of warehouses and Spark")
def log_without_an_order(t):
    """A day of records is in no order of time; in its last quarter x has moved by two standard deviations.

    Right: all records land in their windows, or the text says that the file is not in order of time and what to do.
    """
    rng = np.random.default_rng(51)
    n = 14400
    d = pd.DataFrame(dict(ts=[clock(i, 600) for i in range(n)], x=rng.normal(0, 1, n)))
    d.loc[d.index >= 10800, "x"] += 2
    parquet("first.parquet", d)
    mixed = d.sample(frac=1, random_state=3)
    parquet("mixed.parquet", mixed)
    jsonl("mixed.jsonl", mixed.to_dict("records"))
    parquet("newest_first.parquet", d.iloc[::-1])
    by_user = d.assign(user=rng.integers(0, 40, n)).sort_values(["user", "ts"])
    parquet("by_user.parquet", by_user)
    monitor("m.toml", "x:numeric", learn=6)
    r = t.replay("m.toml", "first.parquet")
    v = r.verdicts("x")
    t.expect(v[-6:] == ["drift"] * 6 and "drift" not in v[:18], "in order: the last 6 of 24 windows drift", r)
    for log in ("mixed.parquet", "mixed.jsonl", "newest_first.parquet", "by_user.parquet"):
        r = t.replay("m.toml", log)
        read = r.records.get("counted", 0) >= 0.99 * n and r.verdicts("x")[-5:] == ["drift"] * 5
        t.expect(read or r.says(r"\bsort|\bin order|out of order|\border of|not ordered|unordered|out_of_orderness"), f"{log}: all counted, or told to sort", r)


@situation("exports of BigQuery, PostgreSQL, Java, Python and .NET")
def times_as_text(t):
    """The same times as `2026-03-01 00:00:00 UTC`, `...+00`, `...+0000`, with nine digits, with a comma before them, with `[Europe/Berlin]`, as RFC 2822, without seconds, without separators, as a date alone.

    Right: the same windows, or the rows are rejected and the text names ts with an example.
    """
    rng = np.random.default_rng(24)
    n = 1200
    moments = [dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc) + dt.timedelta(seconds=12 * i) for i in range(n)]
    formats = dict(
        iso="%Y-%m-%dT%H:%M:%SZ", lower="%Y-%m-%dt%H:%M:%Sz", bigquery="%Y-%m-%d %H:%M:%S UTC", postgres="%Y-%m-%d %H:%M:%S+00", java="%Y-%m-%dT%H:%M:%S.000+0000", nanoseconds="%Y-%m-%dT%H:%M:%S.123456789Z",
        comma="%Y-%m-%dT%H:%M:%S,123Z", python="%Y-%m-%d %H:%M:%S.000000+00:00", zone="%Y-%m-%dT%H:%M:%S+00:00[UTC]", mail="%a, %d %b %Y %H:%M:%S +0000", no_seconds="%Y-%m-%dT%H:%MZ", basic="%Y%m%dT%H%M%SZ",
        slashes="%Y/%m/%d %H:%M:%S", blank="%Y-%m-%dT%H:%M:%S Z",
    )
    x = rng.normal(0, 1, n)
    monitor("m.toml", "x:numeric", learn=1)
    for i, (name, form) in enumerate(formats.items()):
        d = pd.DataFrame(dict(ts=[m.strftime(form) for m in moments], x=x))
        answers = {}
        for kind, save in (("jsonl", lambda p, d: jsonl(p, d.to_dict("records"))), ("csv", csv), ("parquet", parquet)):
            path = f"log{i}.{kind}"
            save(path, d)
            r = t.replay("m.toml", path)
            read = r.records.get("counted") == n and len(r.windows) == 4 and r.windows[0]["start"] == "2026-03-01T00:00:00Z"
            told = r.records.get("rejected") == n and r.says(r"`?\bts\b", re.escape(d.ts[0][:8]))
            t.expect(read or told, f"{name}.{kind}: 4 windows, or an example of what cannot be read", f"{r} {r.text[:200]}")
            answers[kind] = r.records
        t.expect(len({str(a) for a in answers.values()}) == 1, f"{name}: the formats agree", answers)
