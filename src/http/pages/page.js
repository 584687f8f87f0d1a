// What scripts add to pages that work without them: tables that sort, cells that say what they are, live refresh.
"use strict";
(() => {
  const text = (cell) => (cell?.dataset.sort ?? cell?.textContent ?? "").trim();
  const compare = (a, b) => {
    const [x, y] = [a, b].map((value) => Number(value.replace(/[, %]/g, "")));
    return a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y) ? x - y : a.localeCompare(b);
  };

  function sortable(table) {
    const rows = () => [...table.tBodies[0].rows];
    if (!table.tHead || rows().length < 2) return;
    for (const [index, head] of [...table.tHead.rows[0].cells].entries()) {
      if (!head.textContent.trim() || head.dataset.fixed !== undefined) continue;
      const button = document.createElement("button");
      button.className = "sort";
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const sorted = rows().sort((a, b) => compare(text(a.cells[index]), text(b.cells[index])));
        table.tBodies[0].append(...(down ? sorted.reverse() : sorted));
      });
    }
  }

  const words = { o: "ok", w: "warn", d: "drift", u: "no verdict", "-": "no window" };
  let tip;
  function say(event) {
    const strip = event.target.closest?.("svg.strip[data-cells]");
    if (!strip) {
      tip?.remove();
      return;
    }
    const box = strip.getBoundingClientRect();
    const cells = strip.dataset.cells;
    const index = Math.min(cells.length - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * cells.length)));
    const starts = strip.closest("[data-starts]")?.dataset.starts.split(",") ?? [];
    tip ??= Object.assign(document.createElement("div"), { id: "tip" });
    tip.setAttribute("aria-hidden", "true");
    tip.textContent = `${starts[index] ?? ""} ${words[cells[index]] ?? ""}`.trim();
    tip.style.left = `${Math.min(event.clientX + 12, innerWidth - 180)}px`;
    tip.style.top = `${event.clientY + 14}px`;
    document.body.append(tip);
  }

  function dress(root) {
    root.querySelectorAll("table.sortable").forEach(sortable);
  }

  // A page that somebody works in is left alone: an open part, a field that has the focus, a table that was sorted.
  const busy = (main) =>
    main.querySelector("details[open], [aria-sort]") || main.contains(document.activeElement) || document.hidden ||
    !getSelection().isCollapsed;
  let tag;
  async function refresh() {
    const main = document.querySelector("main[data-live]");
    if (!main || busy(main)) return;
    try {
      const answer = await fetch(location.href, { headers: tag ? { "If-None-Match": tag } : {}, cache: "no-store" });
      if (answer.status !== 200 || answer.redirected) return;
      const fresh = answer.headers.get("ETag");
      const known = tag;
      tag = fresh;
      if (!known || known === fresh || busy(main)) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("main");
      if (!next) return;
      main.replaceChildren(...next.childNodes);
      main.classList.add("refreshed");
      setTimeout(() => main.classList.remove("refreshed"), 1000);
      dress(main);
    } catch {
      // The daemon is away; the next round may find it.
    }
  }

  dress(document);
  document.addEventListener("pointermove", say, { passive: true });
  if (document.querySelector("main[data-live]")) setInterval(refresh, 10000);
})();
