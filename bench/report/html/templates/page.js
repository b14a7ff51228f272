// All content comes from records: it is set as text, never as markup.
const gaps = JSON.parse(document.getElementById("gaps").textContent);
// Runs, classes and settings: unpacked when an entry is opened first.
let data = null;

function make(tag, text, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const shown = (value, digits = 2) => (value === null || value === undefined ? "n/a" : value.toFixed(digits));

// --- Libraries, pictures and details are packed in the page and unpacked when they are needed. ---

function unpacked(name) {
  const packed = Uint8Array.from(atob(document.getElementById(`packed-${name}`).textContent), (c) => c.charCodeAt(0));
  return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate")));
}

let plotly = null;
function loadPlotly() {
  plotly ??= unpacked("plots").text().then((text) => {
    document.head.append(make("script", text));
    return window.Plotly;
  });
  return plotly;
}

for (const picture of document.querySelectorAll(".picture")) {
  picture.addEventListener("toggle", async () => {
    if (!picture.open || picture.querySelector("img")) return;
    const image = make("img", null, { alt: picture.querySelector("summary").textContent });
    picture.append(image);
    const content = await unpacked(picture.dataset.picture).blob();
    image.src = URL.createObjectURL(new Blob([content], { type: "image/svg+xml" }));
  });
}

// --- Tabs: arrow keys, Home and End, as in the patterns of WAI-ARIA ---

const tabs = [...document.querySelectorAll("[role=tab]")];

function choose(tab) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
    document.getElementById(other.getAttribute("aria-controls")).hidden = other !== tab;
  }
}

for (const [place, tab] of tabs.entries()) {
  tab.addEventListener("click", () => choose(tab));
  tab.addEventListener("keydown", (event) => {
    const goal = { ArrowRight: place + 1, ArrowLeft: place - 1 + tabs.length, Home: 0, End: tabs.length - 1 }[event.key];
    if (goal === undefined) return;
    event.preventDefault();
    const next = tabs[goal % tabs.length];
    choose(next);
    next.focus();
  });
}
if (tabs.length) {
  document.querySelector("[role=tablist]").hidden = false;
  choose(tabs[0]);
}

// --- Tables: a press on a heading sorts, the best first; a method is found by its name. ---

function sortBy(heading) {
  const table = heading.closest("table");
  const column = [...heading.parentNode.children].indexOf(heading);
  const value = (row) => row.children[column].dataset.order ?? row.children[column].textContent;
  const rows = [...table.tBodies[0].rows];
  const numbers = rows.every((row) => row.children[column].dataset.order !== undefined);
  const rising = heading.ariaSort ? heading.ariaSort === "descending" : !numbers;
  const order = numbers ? (a, b) => Number(value(a)) - Number(value(b)) : (a, b) => value(a).localeCompare(value(b));
  rows.sort((a, b) => (rising ? order(a, b) : order(b, a)));
  for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
  table.tBodies[0].append(...rows);
}

for (const button of document.querySelectorAll(".sort")) {
  button.addEventListener("click", () => sortBy(button.closest("th")));
}

// The difference of the row from the baseline: its mean, ends of the interval, seeds and sign.
function gapOf({ rows, gaps: pairs }, row, baseline) {
  const [i, j] = [rows.indexOf(row), rows.indexOf(baseline)];
  const [first, second] = [Math.min(i, j), Math.max(i, j)];
  const found = first < 0 ? null : pairs[first * rows.length - (first * (first + 1)) / 2 + second - first - 1];
  if (!found || i < j) return found;
  const [mean, low, high, seeds, sign] = found;
  return [-mean, -high, -low, seeds, sign === null ? null : -sign];
}

const signed = (value) => `${value < 0 ? "-" : "+"}${Math.abs(value).toFixed(2)}`;

function gapInWords(gap) {
  if (!gap) return "\u2013";
  const [mean, low, high, seeds, sign] = gap;
  const text = `${signed(mean)} [${signed(low)}, ${signed(high)}]`;
  if (seeds === 1) return `${text} one seed`;
  if (sign === null) return `${signed(mean)} no spread`;
  return `${text} ${"▼≈▲"[sign + 1]}`;
}

function compare(dataset, select) {
  const baseline = Number(select.value);
  for (const table of dataset.querySelectorAll(".results")) {
    const found = gaps[table.dataset.place];
    if (!found) continue;
    table.querySelector(".gap-head button").textContent = `minus ${select.selectedOptions[0].textContent}`;
    for (const row of table.tBodies[0].rows) {
      const gap = Number(row.dataset.row) === baseline ? null : gapOf(found, Number(row.dataset.row), baseline);
      const place = row.querySelector(".gap");
      place.textContent = Number(row.dataset.row) === baseline ? "baseline" : gapInWords(gap);
      place.dataset.order = Number(row.dataset.row) === baseline ? 0 : (gap?.[0] ?? -999);
    }
  }
}

for (const dataset of document.querySelectorAll(".dataset")) {
  const find = (selector) => dataset.querySelector(selector);
  find(".controls").hidden = false;
  find(".controls").addEventListener("submit", (event) => event.preventDefault());
  find(".baseline")?.addEventListener("change", (event) => compare(dataset, event.target));
  find(".unfold-measure")?.addEventListener("change", (event) => dataset.classList.toggle("with-folded", event.target.checked));
  find(".find").addEventListener("input", (event) => {
    const wanted = event.target.value.toLowerCase();
    for (const row of dataset.querySelectorAll(".results tbody tr")) {
      row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    }
    const none = !dataset.querySelector(".results tbody tr:not([hidden])");
    find(".found").textContent = none ? `No method has “${event.target.value}” in its name.` : "";
  });
}

for (const button of document.querySelectorAll(".unfold button")) {
  const chart = document.getElementById(button.getAttribute("aria-controls"));
  const more = button.textContent;
  button.hidden = false;
  button.addEventListener("click", () => {
    const folded = chart.classList.toggle("folded");
    button.setAttribute("aria-expanded", String(!folded));
    button.textContent = folded ? more : "Show the best alone";
  });
}

function copies(button, command) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    // The clipboard of pages that are files may be refused: then it is selected, to be copied.
    getSelection().selectAllChildren(command);
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
    }
  });
}

for (const button of document.querySelectorAll(".copy")) copies(button, button.parentNode.querySelector("code"));

for (const link of document.querySelectorAll("a.opens")) {
  link.addEventListener("click", () => { document.querySelector(link.getAttribute("href")).closest("details").open = true; });
}

// Commands are printed, too.
const commands = [...document.querySelectorAll("details.do")].filter((one) => !one.open);
addEventListener("beforeprint", () => commands.forEach((one) => { one.open = true; }));
addEventListener("afterprint", () => commands.forEach((one) => { one.open = false; }));

for (const button of document.querySelectorAll(".download")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const content = new Blob([await unpacked("csv").blob()], { type: "text/csv" });
    const link = make("a", null, { href: URL.createObjectURL(content), download: button.dataset.download });
    link.click();
  });
}

// --- Details of an entry ---

const dialog = document.getElementById("details");
const body = document.getElementById("details-body");

function tableOf(caption, headings, rows, numbers = true) {
  const kind = numbers ? { class: "number" } : {};
  const head = make("tr", null, {}, ...headings.map((text, place) =>
    make("th", text, { scope: "col", ...(place ? kind : {}) })));
  const lines = rows.map(([first, ...rest]) =>
    make("tr", null, {}, make("th", first, { scope: "row" }),
      ...rest.map((text) => make("td", text, kind))));
  const table = make("table", null, {}, make("caption", null, {}, make("span", caption)), make("thead", null, {}, head),
    make("tbody", null, {}, ...lines));
  return make("div", null, { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" }, table);
}

function factsOf(facts) {
  const list = make("dl", null, { class: "facts" });
  for (const [name, value] of Object.entries(facts)) {
    list.append(make("dt", name), make("dd", String(value ?? "not recorded")));
  }
  return list;
}

function runsTable(cell) {
  // Columns without any figure, such as the middle of two classes, are left out.
  const measures = data.measures.map(([heading, decimals], place) => [heading, place, decimals])
    .filter(([, place]) => cell.runs.some((run) => (run.figures?.[place] ?? null) !== null));
  const reasons = cell.runs.some((run) => run.status !== "complete") ? ["Reason"] : [];
  const headings = ["Seed", "State", ...measures.map(([heading]) => heading), "epoch", "seconds", ...reasons];
  const marks = { complete: "● complete", failed: "✕ failed", missing: "○ missing" };
  const rows = cell.runs.map((run) => [
    String(run.seed),
    marks[run.status],
    ...measures.map(([, place, decimals]) => (run.figures ? shown(run.figures[place], decimals) : "–")),
    run.figures ? (run.history.epoch.length ? String(run.selected) : "n/a") : "–",
    run.figures ? shown(run.seconds, 1) : "–",
    ...reasons.map(() => run.reason || (run.status === "missing" ? "no record: the command below runs it" : "")),
  ]);
  return tableOf(`Runs: in ${data.unit}; the epoch is the one selected on validation, the seconds with the runs that it depends on`, headings, rows);
}

// The largest in training first.
const bySize = (run) => run.perClass.map((_, k) => k)
  .sort((a, b) => run.perClass[b][0] - run.perClass[a][0] || a - b);

function classTable(cell, run) {
  const names = data.classes[cell.dataset];
  const order = bySize(run);
  const rows = order.map((k) => {
    const [train, test, recall, low, high] = run.perClass[k];
    return [names[k], train.toLocaleString("en-GB"), test.toLocaleString("en-GB"), shown(recall),
      `${shown(low, 1)} to ${shown(high, 1)}`];
  });
  return tableOf("Classes, the largest in training first: recall in percent with Wilson’s 95 % interval",
    ["Class", "Training", "Test", "Recall", "Interval"], rows);
}

// Of many classes: all of them as dots, a row for the largest and the smallest.
function manyClasses(cell, run) {
  const { listed, perClass, counts, right, groups } = run.many;
  const names = data.classes[cell.dataset];
  const { train, test } = data.facts[counts];
  const dots = train.map((_, k) => k).filter((k) => train[k] && test[k]);
  const place = make("div", null, { class: "plot", role: "img",
    "aria-label": "Recall of each class against its training samples; figures of groups of classes follow as a table" });
  draw(place, "Recall by training samples, a dot a class", [{
    x: dots.map((k) => train[k]), y: dots.map((k) => (100 * right[k]) / test[k]),
    text: dots.map((k) => `${names[k]}: ${right[k]} of ${test[k]}`), hoverinfo: "text+x", mode: "markers",
    marker: { color: "#0072B2", opacity: 0.4 },
  }], { xaxis: { type: "log", title: { text: "samples of the class in training" } },
    yaxis: { title: { text: "recall [%]" } } });
  const rows = listed.map((k, i) => {
    const [inTraining, inTest, recall, low, high] = perClass[i];
    return [names[k], inTraining.toLocaleString("en-GB"), inTest.toLocaleString("en-GB"), shown(recall),
      `${shown(low, 1)} to ${shown(high, 1)}`];
  });
  const left = names.length - listed.length;
  return [
    place,
    tableOf("Classes by their training samples: mean recall in percent",
      ["Frequency group", "Training samples", "Classes with test samples", "Recall"],
      groups.map(([name, words, classes, shares]) => [name, words, String(classes), shown(shares[0])])),
    tableOf("The largest and the smallest classes in training: recall in percent with Wilson’s 95 % interval",
      ["Class", "Training", "Test", "Recall", "Interval"], rows),
    make("p", `${left.toLocaleString("en-GB")} more classes lie between these. All of them as CSV: `, {},
      make("code", `${data.show} ${run.job} --classes classes.csv ${data.out}`)),
  ];
}

function manyConfusions(cell, run) {
  const { counts, groups, confusions } = run.many;
  const names = data.classes[cell.dataset];
  const { test } = data.facts[counts];
  return [
    tableOf("Where the samples of a class go: percent, mean over the classes of a frequency group",
      ["True class", "right", ...groups.map(([name]) => `wrong: ${name}`)],
      groups.map(([name, , , shares]) => [name, ...shares.map((share) => shown(share, 1))])),
    tableOf("The largest confusions: test samples of the true class that are taken for the other",
      ["True class", "Predicted class", "Samples", "of"],
      confusions.map(([k, j, samples]) => [names[k], names[j], samples.toLocaleString("en-GB"),
        test[k].toLocaleString("en-GB")])),
  ];
}

function confusionTable(cell, run) {
  const names = data.classes[cell.dataset];
  const order = bySize(run);
  const caption = "Confusion matrix: share of the true class in percent; row true, column predicted";
  const head = make("tr", null, {}, make("th", "true \\ predicted", { scope: "col" }),
    ...order.map((k) => make("th", names[k], { scope: "col" })));
  const lines = order.map((k) => {
    const counts = run.confusion[k];
    const whole = counts.reduce((a, b) => a + b, 0);
    const row = make("tr", null, {}, make("th", names[k], { scope: "row" }));
    order.forEach((j) => {
      const count = counts[j];
      const share = whole ? count / whole : 0;
      // White to dark blue; the text turns white where black would not be read.
      const style = `background:rgb(${255 - 255 * share},${255 - 141 * share},${255 - 77 * share});color:${share > 0.92 ? "white" : "black"}`;
      row.append(make("td", whole ? (100 * share).toFixed(1) : "n/a",
        { style, title: `${count} of ${whole}`, ...(j === k ? { class: "right" } : {}) }));
    });
    return row;
  });
  const table = make("table", null, { class: "confusion" }, make("caption", null, {}, make("span", caption)),
    make("thead", null, {}, head), make("tbody", null, {}, ...lines));
  return make("div", null, { class: "scroll", role: "region", "aria-label": caption, tabindex: "0" }, table);
}

async function draw(place, title, traces, layout) {
  const Plotly = await loadPlotly();
  if (!place.isConnected) return;
  await Plotly.newPlot(place, traces, {
    title: { text: title, font: { size: 14 } }, margin: { l: 55, r: 55, t: 40, b: 45 }, height: 300,
    legend: { orientation: "h", y: -0.15 }, ...layout,
  }, { responsive: true, displayModeBar: false });
}

function curves(cell, run) {
  const { epoch, loss, score, omega, omegaOf } = run.history;
  if (!epoch.length) return [make("p", "The method does not train by epochs: there are no curves.")];
  const place = make("div", null, { class: "plot", role: "img",
    "aria-label": "Curves of training loss and validation balanced accuracy; the figures follow as a table" });
  draw(place, "Training and validation, by epoch", [
    { x: epoch, y: score, name: "validation balanced accuracy [%]", line: { color: "#0072B2" } },
    { x: epoch, y: loss, name: "training loss", yaxis: "y2", line: { color: "#D55E00", dash: "dash" } },
  ], {
    yaxis: { title: { text: "validation [%]" } },
    yaxis2: { title: { text: "training loss" }, overlaying: "y", side: "right", showgrid: false, tickmode: "auto", nticks: 5 },
  });
  const parts = [place];
  const headings = ["Epoch", "Training loss", "Validation balanced accuracy"];
  const rows = epoch.map((number, i) => [String(number), shown(loss[i], 4), shown(score[i])]);
  if (omega) {
    const lines = omegaOf ?? data.classes[cell.dataset];
    const weights = make("div", null, { class: "plot", role: "img",
      "aria-label": "Curves of the class weights omega; the figures follow as a table" });
    const dashes = ["solid", "dash", "dot", "dashdot"];
    const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
    draw(weights, "Class weights omega, by epoch", lines.map((name, k) => ({
      x: epoch, y: omega.map((row) => row[k]), name,
      line: { color: colours[k % 7], dash: dashes[k % 4] },
    })), { yaxis: { title: { text: "omega" } }, showlegend: lines.length <= 12 });
    parts.push(weights);
    headings.push(...lines.map((name) => `omega ${name}`));
    rows.forEach((row, i) => row.push(...omega[i].map((weight) => shown(weight, 3))));
  }
  parts.push(make("details", null, {}, make("summary", "The curves as a table"),
    tableOf("Figures of the curves, by epoch", headings, rows)));
  return parts;
}

function runDetails(cell, run) {
  return [
    make("h3", "Classes"), ...(run.many ? manyClasses(cell, run) : [classTable(cell, run)]),
    make("h3", "Confusion matrix"), ...(run.many ? manyConfusions(cell, run) : [confusionTable(cell, run)]),
    make("p", "Which samples were missed, as CSV: ", {},
      make("code", `${data.show} ${run.job} --csv missed.csv --missed ${data.out}`)),
    make("h3", "Curves"), ...curves(cell, run),
    make("h3", "Settings"), factsOf(data.facts[run.settings]),
    make("h3", "Provenance"), factsOf({ ...run.own, ...data.facts[run.provenance] }),
  ];
}

async function open(key) {
  data ??= await unpacked("details").json();
  const cell = data.cells[key];
  const complete = cell.runs.filter((run) => run.status === "complete");
  const heading = document.getElementById("details-heading");
  // Two presses in a row open it once.
  if (dialog.open) return;
  heading.textContent = `${cell.method}: ${cell.dataset}, ${cell.split} split`;
  body.replaceChildren();
  if (cell.standIn) {
    body.append(make("p", `≠ ${cell.standIn}: this data set is a proxy for ${cell.standIn}, and another one.`));
  }
  body.append(runsTable(cell), ...repeatDetails(cell));
  const part = make("div", null);
  if (complete.length) {
    const choice = make("select", null, {}, ...complete.map((run, place) =>
      make("option", `seed ${run.seed}`, { value: String(place) })));
    const show = () => part.replaceChildren(...runDetails(cell, complete[Number(choice.value)]));
    choice.addEventListener("change", () => {
      show();
      announce(`Seed ${complete[Number(choice.value)].seed} is shown.`);
    });
    body.append(make("p", null, {}, make("label", "Run shown below: ", {}, choice)));
    body.append(part);
    dialog.showModal();
    show();
  } else {
    body.append(make("p", "No run is complete: there is nothing more to show."));
    dialog.showModal();
  }
  dialog.scrollTop = 0;
  heading.focus();
  announce(`${heading.textContent}: ${complete.length} of ${cell.runs.length} runs complete.`);
}

function repeatDetails(cell) {
  const heading = make("h3", "Repeat");
  if (cell.command === null) return [heading, make("p", "The command is not known: the plan is of an earlier version. Run the benchmark command again; finished runs are reused.")];
  // An option is not broken after its dashes.
  const words = cell.command.split(/(--[a-z-]+)/).map((part, place) =>
    (place % 2 ? make("span", part, { class: "option" }) : part));
  const code = make("code", null, {}, ...words);
  const button = make("button", "Copy", { type: "button", class: "copy" });
  copies(button, code);
  return [heading, make("div", null, { class: "command-box" },
    make("p", "With the code named under Provenance, this command repeats the runs into a fresh folder:"),
    make("pre", null, { class: "command", tabindex: "0", role: "region", "aria-label": "Command that repeats the runs" }, code),
    button)];
}

function announce(text) {
  document.getElementById("announcement").textContent = text;
}

for (const table of document.querySelectorAll(".results")) {
  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-cell]");
    if (button) open(button.dataset.cell);
  });
}
