"""Runs driftd and collects expectations about what it says.

Expectations look at exit codes, at the documented JSON (docs/reports.md) and at whether the text names a thing and its cause;
no wording is asked for. Where more than one answer is reasonable (read it right, or refuse it and say why), each is accepted.
"""
import inspect
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import Callable

OK, DRIFT, CONFIGURATION = 0, 3, 78
LIMIT_SECONDS = 120
# Words that say that something is not where it was looked for.
GONE = r"not in|not (found|there|present)|in no (record|row)|has no |missing|unknown|no (valid )?value|never|no column|nowhere|absent|did you mean"


@dataclass
class Situation:
    """A function that makes its inputs in the current folder and runs driftd on them."""

    name: str
    module: str
    idea: str
    text: str
    play: Callable


def situation(idea=""):
    """Marks a function as a situation. `idea` names the public report that gave the idea, by project and number."""

    def mark(function):
        module = function.__module__.rsplit(".", 1)[-1]
        function.situation = Situation(function.__name__, module, idea, inspect.getdoc(function) or "", function)
        return function

    return mark


def situations_of(module):
    return [f.situation for f in vars(module).values() if hasattr(f, "situation") and f.__module__ == module.__name__]


@dataclass
class Expectation:
    holds: bool
    what: str
    came: str


def _refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


class Answer:
    """What one command said as text, and as JSON when that is asked for."""

    def __init__(self, trial, arguments, reports=True):
        # Commands that write no report have no JSON here.
        self._trial, self._arguments, self._json = trial, arguments, None if reports else {}
        self.command = "driftd " + " ".join(arguments)
        self.exit, self.out, self.err = trial.execute(arguments)
        self.peak_kilobytes = trial.peak_kilobytes
        # Lines are wrapped and padded: white space is not part of what is said.
        self.text = re.sub(r"\s+", " ", self.out + " " + self.err)

    def says(self, *patterns):
        """Whether the text matches every pattern, whatever the case."""
        return all(re.search(pattern, self.text, re.I) for pattern in patterns)

    @property
    def no_verdict(self):
        """Neither "no drift" nor "drift"."""
        return self.exit not in (OK, DRIFT)

    def refused(self, *reasons):
        """No verdict, and the text gives the reason."""
        return self.no_verdict and self.says(*reasons)

    @property
    def json(self):
        """The JSON of the same command; empty when there is none."""
        if self._json is None:
            self._json = {}
            exit_code, out, _ = self._trial.execute([*self._arguments, "--format", "json"])
            if exit_code != self.exit:
                self._trial.expect(False, f"{self.command}: text and JSON end alike", f"exit {self.exit} and {exit_code}")
            if out.strip():
                try:
                    self._json = json.loads(out, parse_constant=_refuse_constant)
                except ValueError as error:
                    self._trial.expect(False, f"{self.command} --format json writes JSON", error)
        return self._json

    # compare

    @property
    def verdict(self):
        return self.json.get("verdict")

    @property
    def notes(self):
        return self.json.get("notes", [])

    def noted(self, what, *words):
        """Whether a note names a column (or what else is given) with one of the words; a name alone will do without words."""
        notes = [note.replace(",", "") for note in self.notes]
        return any(what in note and (not words or any(word in note.lower() for word in words)) for note in notes)

    @property
    def columns(self):
        return {column["name"]: column for column in self.json.get("columns", [])}

    def of(self, column):
        """The verdict of a column, or "not compared"."""
        return self.columns.get(column, {}).get("verdict", "not compared")

    def side(self, column, side="window"):
        """Counts and statistics of a column on one side."""
        return self.columns.get(column, {}).get(side, {})

    def labels(self, column):
        """The bars of a column: label to (baseline share, window share)."""
        return {b["label"]: (b["baseline"], b["window"]) for b in self.columns.get(column, {}).get("distribution", [])}

    def effect(self, column, measure):
        found = [m["effect"] for m in self.columns.get(column, {}).get("measures", []) if m["measure"] == measure]
        return found[0] if found else None

    def causes(self, column):
        return [why["cause"] for why in self.columns.get(column, {}).get("why", [])]

    def rows(self, side="window"):
        return self.json.get("rows", {}).get(side)

    # replay

    @property
    def monitor(self):
        return (self.json.get("monitors") or [{}])[0]

    @property
    def records(self):
        """What became of the records: counted, late, filtered, rejected."""
        return self.monitor.get("records", {})

    @property
    def windows(self):
        return [w for w in self.monitor.get("windows", []) if w["segment"] == "*"]

    def verdicts(self, column, segment="*"):
        """The verdicts of a column, window by window."""
        windows = [w for w in self.monitor.get("windows", []) if w["segment"] == segment]
        return [c["verdict"] for w in windows for c in w["columns"] if c["name"] == column]

    def __str__(self):
        said = f"exit {self.exit}"
        if self.columns:
            return said + ", " + ", ".join(f"{n} {c['verdict']}" for n, c in list(self.columns.items())[:8])
        if self.json.get("monitors"):
            return said + f", {self.monitor.get('summary')} {self.records}"
        return said + f', "{self.text.strip()[:220]}"'


class Trial:
    """Runs commands in the folder of a situation and keeps what was expected of them."""

    def __init__(self, binary):
        self._binary = binary
        self.results, self.commands = [], []
        self.peak_kilobytes = 0

    def execute(self, arguments):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRIFTD_")}
        environment.update(NO_COLOR="1", TZ="UTC", LC_ALL="C.UTF-8")
        command = "driftd " + " ".join(arguments)
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            process = subprocess.Popen([self._binary, *arguments], stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment)
            timer = threading.Timer(LIMIT_SECONDS, process.kill)
            timer.start()
            _, status, usage = os.wait4(process.pid, 0)
            timer.cancel()
            exit_code = process.returncode = os.waitstatus_to_exitcode(status)
            out, err = (self._text(file) for file in (out, err))
        if exit_code == -signal.SIGKILL:
            err += f"no end after {LIMIT_SECONDS} s"
        self.peak_kilobytes = usage.ru_maxrss
        self.commands.append(f"{command}   # exit {exit_code}")
        if exit_code < 0 or exit_code == 101 or "panicked at" in err:
            self.expect(False, f"{command} ends in good order", f"exit {exit_code}: {err.strip()[:200]}")
        return exit_code, out, err

    @staticmethod
    def _text(file):
        file.seek(0)
        return file.read().decode("utf-8", "replace")

    def compare(self, *arguments):
        return Answer(self, ["compare", *map(str, arguments)])

    def replay(self, monitor, *arguments):
        return Answer(self, ["replay", "--monitor", monitor, *map(str, arguments)])

    def driftd(self, *arguments):
        return Answer(self, [str(a) for a in arguments], reports=False)

    def expect(self, holds, what, came=""):
        self.results.append(Expectation(bool(holds), what, str(came)))
        return bool(holds)

    def same(self, answer, *columns):
        """No drift, and each of these columns was compared and has not moved."""
        holds = answer.exit == OK and answer.verdict == "ok" and all(answer.of(c) == "ok" for c in columns)
        return self.expect(holds, f"{answer.command}: no drift, and compared: {', '.join(columns)}", answer)

    def moved(self, answer, *columns):
        holds = answer.exit == DRIFT and all(answer.of(c) == "drift" for c in columns)
        return self.expect(holds, f"{answer.command}: drift of {', '.join(columns)}", answer)

    def says(self, answer, what, *patterns):
        return self.expect(answer.says(*patterns), f"{answer.command}: says {what}", f"exit {answer.exit}, {answer.text.strip()[-400:]}")

    def silent(self, answer, what, *patterns):
        """None of the patterns is in the text."""
        found = [m.group(0) for p in patterns if (m := re.search(p, answer.text, re.I))]
        return self.expect(not found, f"{answer.command}: {what}", found)

    def same_or_refused(self, answer, columns, *reasons):
        """Read right, or refused with the reason."""
        read = answer.exit == OK and all(answer.of(c) == "ok" for c in columns)
        return self.expect(read or answer.refused(*reasons), f"{answer.command}: compares {', '.join(columns)}, or refuses with the reason", f"{answer} {answer.text.strip()[-250:]}")
