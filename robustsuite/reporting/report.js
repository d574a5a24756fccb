"use strict";
// The page is complete without this. It makes what only a script can do: sort, filter, other views of a heatmap, enlarge; and it finds links.
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };
  const button = (words, attributes, act) => {
    const made = make("button", { type: "button", ...attributes }, words);
    made.addEventListener("click", act);
    return made;
  };
  const bodyOf = (table) => table.tBodies[table.tBodies.length - 1];
  const wordsOf = (cell) => ((cell.querySelector("b, a") ?? cell.firstChild)?.textContent ?? "").trim();

  // ---- sorting: a button in every column head; what has no value comes last
  const collator = new Intl.Collator("en", { numeric: true });
  const NUMBER = /^[<>≥≤+ ]*([-−]?[\d,]*\.?\d+)( %| points?)?( −[\d,]+)?$/;
  const valueOf = (cell) => {
    const words = cell ? wordsOf(cell) : "";
    if (!words || words === "–" || words.startsWith("!")) return null;
    const found = NUMBER.exec(words);
    return found ? Number(found[1].replaceAll(",", "").replace("−", "-")) : words;
  };
  const compared = (one, other, down) => {
    if (one === null || other === null) return (one === null) - (other === null);
    const order = typeof one === "number" && typeof other === "number" ? one - other : collator.compare(String(one), String(other));
    return down ? -order : order;
  };
  const headsOf = (table) => {
    const [upper, lower] = table.tHead.rows;
    return lower ? [upper.cells[0], ...lower.cells, upper.cells[upper.cells.length - 1]] : [...upper.cells];
  };
  const sortable = (table) => {
    const body = bodyOf(table);
    const first = [...body.rows];
    const heads = headsOf(table);
    heads.forEach((head, column) => {
      if (!head.textContent.trim()) return;
      const act = () => {
        const now = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        for (const other of heads) other.removeAttribute("aria-sort");
        if (now) head.setAttribute("aria-sort", now);
        const keyed = first.map((row) => [valueOf(row.cells[column]), row]);
        if (now) keyed.sort(([one], [other]) => compared(one, other, now === "descending"));
        body.append(...keyed.map(([, row]) => row));
        if (table.classList.contains("heatmap")) alike(table);
      };
      const made = button("", { class: "sort", title: "Sort by this column" }, act);
      made.append(...head.childNodes);
      head.append(made);
    });
  };
  // The heatmaps of a data set keep their rows in one order, so that models can be compared by eye.
  const alike = (table) => {
    const order = [...bodyOf(table).rows].map((row) => row.cells[0].textContent);
    for (const other of all(".heatmap")) {
      if (other === table || other.dataset.set !== table.dataset.set) continue;
      for (const head of headsOf(other)) head.removeAttribute("aria-sort");
      const rows = [...bodyOf(other).rows];
      bodyOf(other).append(...rows.sort((one, two) => order.indexOf(one.cells[0].textContent) - order.indexOf(two.cells[0].textContent)));
    }
  };

  // ---- filtering: words, and the standings of checks
  const STANDINGS = ["failed", "error", "skipped", "inconclusive", "passed", "measured"];
  const clearing = [];
  const filterable = (table, what) => {
    const rows = [...bodyOf(table).rows];
    const standings = rows.map((row) => STANDINGS.filter((one) => row.querySelector(`td.${one}`)));
    const wanted = new Set();
    let texts;
    const count = make("output", { class: "count" });
    const box = make("input", { type: "search", "aria-label": `Filter ${what} by words`, placeholder: `Filter ${what}`, spellcheck: "false" });
    const show = () => {
      texts ??= rows.map((row) => [...row.cells].map((cell) => cell.textContent).filter((text) => !NUMBER.test(text)).join(" ").toLowerCase());
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      rows.forEach((row, place) => {
        const kept = words.every((word) => texts[place].includes(word)) && (!wanted.size || standings[place].some((one) => wanted.has(one)));
        row.hidden = !kept;
        shown += kept;
      });
      count.textContent = shown === rows.length ? "" : `${shown} of ${rows.length} ${what}`;
    };
    const present = STANDINGS.filter((one) => standings.some((those) => those.includes(one)));
    const toggles = (present.length > 1 ? present : []).map((one) => {
      const number = standings.filter((those) => those.includes(one)).length;
      const toggle = button(`${one} ${number}`, { class: "toggle", "aria-pressed": "false" }, () => {
        if (!wanted.delete(one)) wanted.add(one);
        toggle.setAttribute("aria-pressed", String(wanted.has(one)));
        show();
      });
      return toggle;
    });
    box.addEventListener("input", show);
    clearing.push(() => {
      box.value = "";
      wanted.clear();
      for (const toggle of toggles) toggle.setAttribute("aria-pressed", "false");
      show();
    });
    table.closest(".scroll").before(make("div", { class: "tools", role: "group", "aria-label": `Filter ${what}` }, box, ...toggles, count));
  };

  // ---- heatmaps: accuracy, what was lost against clean, and the difference from the baseline or another model
  const heatmaps = () => {
    const tables = all(".heatmap");
    if (!tables.length) return;
    const cells = tables.map((table) =>
      [...table.tBodies, table.tFoot].flatMap((part) =>
        [...(part?.rows ?? [])].flatMap((row) =>
          [...row.cells].slice(1).map((cell, column) => ({
            cell,
            nodes: [...cell.childNodes],
            kind: cell.className,
            value: valueOf(cell),
            change: cell.dataset.change,
            place: `${part === table.tFoot ? "mean of all" : row.cells[0].textContent} ${row.className ? "" : column}`,
          }))
        )
      )
    );
    const values = cells.map((those) => new Map(those.map((one) => [one.place, one.value])));
    const cleans = tables.map((table) => valueOf(table.querySelector(".clean td") ?? make("td")));
    const models = [...new Set(tables.map((table) => table.dataset.model))];
    const choice = make("select", { id: "heat-view" }, new Option("accuracy", "accuracy"));
    if (cleans.some((clean) => clean !== null)) choice.append(new Option("lost against clean", "lost"));
    if (cells.flat().some((one) => one.change)) choice.append(new Option("against the baseline", "since"));
    if (models.length > 1) models.forEach((model, place) => choice.append(new Option(`against ${model}`, `model ${place}`)));
    if (choice.length < 2) return;
    const about = document.getElementById("heat-words");
    const absolute = [...about.childNodes];
    const told = {
      accuracy: absolute,
      lost: ["Percentage points of accuracy lost against the clean images; lower is better. The stronger the colour, the more is lost."],
    };
    const other = (model) => [`Percentage points of accuracy more (+, higher) or less (−, lower) than ${model}. The stronger the colour, the larger the difference.`];
    const paint = (one, difference, loss) => {
      if (typeof one.value !== "number") return;
      if (difference === null) {
        one.cell.textContent = "–";
        one.cell.className = "none";
        return;
      }
      const rounded = Math.abs(difference).toFixed(1);
      const sign = rounded === "0.0" ? "" : difference < 0 ? "−" : loss ? "" : "+";
      one.cell.textContent = sign + rounded;
      if (!one.kind.startsWith("heat")) return;
      one.cell.className = (loss ? difference > 0 : difference < 0) ? "heat" : "heat gain";
      one.cell.style.setProperty("--loss", `${Math.min(100, Math.abs(difference) * (loss ? 1 : 2))}%`);
    };
    choice.addEventListener("change", () => {
      const view = choice.value;
      const model = models[Number(view.split(" ")[1])];
      about.replaceChildren(...(told[view] ?? other(model ?? "the baseline")));
      tables.forEach((table, place) => {
        const twin = tables.findIndex((one) => one.dataset.model === model && one.dataset.set === table.dataset.set);
        for (const one of cells[place]) {
          if (view === "accuracy") {
            one.cell.replaceChildren(...one.nodes);
            one.cell.className = one.kind;
            one.cell.style.removeProperty("--loss");
          } else if (view === "lost") paint(one, minus(cleans[place], one.value), true);
          else if (view === "since") paint(one, one.change ? Number(one.change) : null, false);
          else paint(one, twin < 0 ? null : minus(one.value, values[twin].get(one.place)), false);
        }
      });
    });
    about.after(make("p", { class: "tools" }, make("label", { for: "heat-view" }, "Show"), choice));
  };
  const minus = (one, other) => (typeof one === "number" && typeof other === "number" ? one - other : null);

  // ---- pictures: enlarged in a dialog; arrow keys go on to the next
  const pictures = () => {
    const images = all(".view img:not(.over)");
    if (!images.length) return;
    let place = 0;
    const large = make("img", { alt: "" });
    const caption = make("figcaption");
    const close = button("Close", { class: "close" }, () => dialog.close());
    const turn = (step) => () => show((place + step + images.length) % images.length);
    const dialog = make("dialog", { class: "zoom", "aria-label": "Enlarged picture" },
      make("figure", {}, large, caption),
      make("div", { class: "tools" }, button("Previous", {}, turn(-1)), button("Next", {}, turn(1)), close));
    const show = (next) => {
      place = next;
      large.src = images[place].src;
      large.alt = images[place].alt;
      const told = all("ul, details", images[place].closest(".view")).map((one) => one.cloneNode(true));
      caption.replaceChildren(make("b", {}, images[place].alt), ...told);
      if (!dialog.isConnected) document.body.append(dialog);
      if (!dialog.open) dialog.showModal();
    };
    dialog.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) turn(step)();
    });
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    images.forEach((image, number) => {
      const opener = button("", { class: "enlarge", "aria-label": `Enlarge ${image.alt}` }, () => show(number));
      image.replaceWith(opener);
      opener.append(image);
    });
  };

  // ---- links: #check=NAME and #condition=NAME, however their names are spelt; what is folded or filtered away is shown
  const arrive = () => {
    const spelt = location.hash.slice(1);
    if (!spelt) return;
    let found = document.getElementById(spelt);
    if (!found) {
      const [, kind, name] = /^(check|condition)=(.*)$/.exec(spelt) ?? [];
      let plain = name;
      try { plain = decodeURIComponent(name ?? ""); } catch { /* a percent sign that means itself */ }
      const usual = kind && `${kind}=${encodeURIComponent(plain).replaceAll("%2F", "/")}`;
      found = usual && document.getElementById(usual);
      if (found) return location.replace(`#${usual}`); // the address that the page gives, so that :target marks the row; comes back here
    }
    if (!found) return;
    for (let fold = found.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    if (found.hidden) for (const clear of clearing) clear();
    found.scrollIntoView({ block: found.matches("tr") ? "center" : "start", behavior: "instant" });
  };

  for (const table of all("main table")) {
    if (table.tHead && bodyOf(table)?.rows.length > 1 && !table.matches(".small-multiples")) sortable(table);
  }
  for (const [selector, what] of [[".checks", "checks"], [".measurements", "measurements"]]) {
    const table = document.querySelector(selector);
    if (table && bodyOf(table).rows.length > 1) filterable(table, what);
  }
  heatmaps();
  pictures();
  addEventListener("hashchange", arrive);
  arrive();
  performance.mark("ready");
})();
