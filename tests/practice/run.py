#!/usr/bin/env python3
"""Runs situations from practice against a driftd binary and lists the expectations that do not hold.

    python3 run.py                       every situation
    python3 run.py csv_files times       the situations of these modules
    python3 run.py semicolons            the situations whose name contains this
    python3 run.py -v semicolons         with every expectation and every command
    python3 run.py --keep DIR NAME       writes the inputs to DIR and keeps them
    python3 run.py --list                names, modules and the idea behind each situation

DRIFTD_BIN names the binary; target/debug/driftd when it is not set. The exit code is 0 only when every expectation holds.
"""
import argparse
import importlib
import inspect
import multiprocessing
import os
import shutil
import sys
import tempfile
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.dont_write_bytecode = True

import trial


def load():
    """All situations by name, in the order of modules and lines."""
    found = {}
    folder = os.path.join(HERE, "situations")
    for file in sorted(os.listdir(folder)):
        if file.endswith(".py"):
            module = importlib.import_module("situations." + file[:-3])
            for situation in trial.situations_of(module):
                if situation.name in found:
                    sys.exit(f"two situations are called {situation.name}")
                found[situation.name] = situation
    return found


def play(name, keep):
    """Runs one situation in a folder of its own."""
    situation = SITUATIONS[name]
    folder = os.path.join(keep, name) if keep else tempfile.mkdtemp(prefix="driftd-practice-")
    os.makedirs(folder, exist_ok=True)
    os.chdir(folder)
    run = trial.Trial(BINARY)
    try:
        situation.play(run)
    except Exception as error:
        line = next(f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if HERE in f.filename)
        run.expect(False, f"the situation itself runs to its end (line {line})", f"{type(error).__name__}: {error}")
    finally:
        os.chdir(HERE)
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if not run.results:
        run.expect(False, "at least one expectation", "none")
    return name, run.results, run.commands


def chosen(words):
    if not words:
        return list(SITUATIONS)
    names = [n for n, s in SITUATIONS.items() if any(w in n or w == s.module for w in words)]
    for word in words:
        if not any(word in n or word == s.module for n, s in SITUATIONS.items()):
            sys.exit(f"no situation or module is called {word}")
    return names


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="part of a situation's name, or a module; all when absent")
    parser.add_argument("-v", "--verbose", action="store_true", help="every expectation and every command")
    parser.add_argument("--keep", metavar="DIR", help="write the inputs to DIR and keep them")
    parser.add_argument("--list", action="store_true", help="list the situations")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="situations at the same time")
    options = parser.parse_args()
    global BINARY, SITUATIONS
    SITUATIONS = load()
    names = chosen(options.names)
    if options.list:
        for name in names:
            s = SITUATIONS[name]
            print(f"{s.module}.{name}{f' ({s.idea})' if s.idea else ''}\n    {inspect.cleandoc(s.text)}".replace("\n", "\n    "))
        return 0
    BINARY = os.path.abspath(os.environ.get("DRIFTD_BIN") or os.path.join(HERE, "../../target/debug/driftd"))
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"{BINARY} is not there\nhint: build it with `cargo build`, or set DRIFTD_BIN")
    keep = os.path.abspath(options.keep) if options.keep else None
    # Fork: pandas is loaded once.
    with multiprocessing.get_context("fork").Pool(options.jobs) as pool:
        played = [pool.apply_async(play, (name, keep)) for name in names]
        failing = 0
        for result in played:
            name, results, commands = result.get()
            bad = [r for r in results if not r.holds]
            failing += bool(bad)
            if bad or options.verbose:
                print(f"{'FAIL' if bad else 'ok'} {SITUATIONS[name].module}.{name}: {len(results) - len(bad)} of {len(results)} expectations hold")
            for r in results if options.verbose else bad:
                print(f"  {'holds' if r.holds else 'FAILS'}: {r.what}" + ("" if r.holds else f"\n         came: {r.came}"))
            if options.verbose:
                print("".join(f"  $ {command}\n" for command in commands), end="")
            sys.stdout.flush()
    print(f"{len(names) - failing} of {len(names)} situations hold")
    return 1 if failing else 0


BINARY, SITUATIONS = "", {}

if __name__ == "__main__":
    sys.exit(main())
