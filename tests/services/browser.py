#!/usr/bin/env python3
"""Looks at pages in headless Chromium, over its debugging pipe: light and dark, on a phone and on a desktop.

usage: browser.py BASE_URL AXE_MIN_JS [--shots FOLDER] PATH...

Prints a line for each problem (console errors, violations that axe-core finds, pages wider than the window, pages over
the weight that is promised, requests to elsewhere) and the weights; exits with 1 when there is any problem.
"""
import base64
import json
import os
import subprocess
import sys
import tempfile
import time

WEIGHT = 150_000
WIDTHS = {"phone": (390, 844), "desktop": (1280, 900)}


class Browser:
    """Chromium, spoken to in JSON with a zero byte after each message."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, self.out = os.pipe()
        self.inn, from_browser = os.pipe()

        def wire():
            # The browser reads from 3 and writes to 4.
            first, second = os.dup(to_browser), os.dup(from_browser)
            os.dup2(first, 3)
            os.dup2(second, 4)
            os.set_inheritable(3, True)
            os.set_inheritable(4, True)

        binary = os.environ.get("CHROMIUM", "chromium")
        self.process = subprocess.Popen(
            [binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--no-first-run", "--disable-extensions", "--disable-background-networking",
             f"--user-data-dir={self.profile.name}", "--remote-debugging-pipe", "about:blank"],
            preexec_fn=wire, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.buffer = b""
        self.last = 0
        self.events = []
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = None
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def read(self, deadline):
        while b"\0" not in self.buffer:
            if time.monotonic() > deadline:
                raise TimeoutError("the browser does not answer")
            part = os.read(self.inn, 1 << 20)
            if not part:
                raise EOFError("the browser is gone")
            self.buffer += part
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **params):
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if getattr(self, "session", None):
            message["sessionId"] = self.session
        os.write(self.out, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + 60
        while True:
            answer = self.read(deadline)
            if answer.get("id") == self.last:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait(self, method):
        deadline = time.monotonic() + 60
        while True:
            for index, event in enumerate(self.events):
                if event.get("method") == method:
                    return self.events.pop(index)
            self.events.append(self.read(deadline))

    def value(self, expression):
        result = self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"])
        return result["result"].get("value")

    def close(self):
        self.process.kill()
        self.process.wait()
        self.profile.cleanup()


def look(browser, base, path, scheme, size, axe, shots):
    width, height = WIDTHS[size]
    browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=size == "phone")
    browser.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    browser.ask("Network.setCacheDisabled", cacheDisabled=True)
    browser.events.clear()
    browser.ask("Page.navigate", url=base + path)
    browser.wait("Page.loadEventFired")
    problems = []
    ok = browser.value("performance.getEntriesByType('navigation')[0].responseStatus")
    if ok != 200:
        problems.append(f"status {ok}")
    weight = 0
    for event in browser.events:
        params = event.get("params", {})
        match event.get("method"):
            case "Network.loadingFinished":
                weight += params["encodedDataLength"]
            case "Network.requestWillBeSent" if not params["request"]["url"].startswith((base, "data:")):
                problems.append(f"asks {params['request']['url']}")
            case "Runtime.consoleAPICalled" if params["type"] in ("error", "warning", "assert"):
                problems.append(f"console: {params['args']}")
            case "Runtime.exceptionThrown":
                problems.append(f"exception: {params['exceptionDetails']}")
            case "Log.entryAdded" if params["entry"]["level"] in ("error", "warning"):
                problems.append(f"log: {params['entry']['text']} {params['entry'].get('url', '')}")
    if weight > WEIGHT:
        problems.append(f"{weight} bytes")
    wide = browser.value("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if wide > 0:
        problems.append(f"{wide} pixels wider than the window")
    browser.value(axe + ";0")
    found = browser.value("axe.run(document, {resultTypes: ['violations']}).then(result => result.violations.map("
                          "rule => rule.id + ': ' + rule.nodes.slice(0, 3).map(node => node.target.join(' ') + ' ' + "
                          "(node.any[0]?.message ?? '')).join(' | ')))")
    problems += [f"axe: {violation}" for violation in found]
    if shots:
        whole = browser.value("document.documentElement.scrollHeight")
        browser.ask("Emulation.setDeviceMetricsOverride", width=width, height=min(whole, 4000), deviceScaleFactor=1, mobile=size == "phone")
        name = "".join(letter if letter.isalnum() else "-" for letter in path.strip("/")) or "fleet"
        with open(f"{shots}/{name}-{size}-{scheme}.png", "wb") as file:
            file.write(base64.b64decode(browser.ask("Page.captureScreenshot", format="png")["data"]))
    return weight, problems


def without_script(browser, base, path):
    """What a page has to say is there without scripts, too."""
    browser.ask("Emulation.setScriptExecutionDisabled", value=True)
    browser.events.clear()
    browser.ask("Page.navigate", url=base + path)
    browser.wait("Page.loadEventFired")
    root = browser.ask("DOM.getDocument", depth=0)["root"]["nodeId"]
    main = browser.ask("DOM.querySelector", nodeId=root, selector="main h1")["nodeId"]
    browser.ask("Emulation.setScriptExecutionDisabled", value=False)
    return [] if main else ["says nothing without script"]


def main():
    arguments = sys.argv[1:]
    shots = None
    if "--shots" in arguments:
        place = arguments.index("--shots")
        shots = arguments[place + 1]
        del arguments[place:place + 2]
    base, axe_file, *paths = arguments
    with open(axe_file, encoding="utf-8") as file:
        axe = file.read()
    browser = Browser()
    failed = False
    looks = 0
    try:
        for path in paths:
            weight = 0
            for scheme in ("light", "dark"):
                for size in WIDTHS:
                    weight, problems = look(browser, base, path, scheme, size, axe, shots)
                    looks += 1
                    for problem in problems:
                        failed = True
                        print(f"{path} {scheme} {size}: {problem}")
            for problem in without_script(browser, base, path):
                failed = True
                print(f"{path}: {problem}")
            print(f"{path}: {weight} bytes")
    finally:
        browser.close()
    print(f"{looks} looks at {len(paths)} pages")
    sys.exit(1 if failed else 0)


main()
