// All content comes from records: it is set as text, never as markup.
const data = JSON.parse(document.getElementById("cells").textContent);

function make(tag, text, attributes = {}, ...children) {
  const element = document.createElement(tag);
  if (text !== null) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const shown = (value, digits = 2) => (value === null || value === undefined ? "n/a" : value.toFixed(digits));

// --- Libraries are packed in the page and unpacked when they are needed. ---

async function unpack(name) {
  const packed = Uint8Array.from(atob(document.getElementById(name).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).text();
}

async function loadModule(name) {
  const address = URL.createObjectURL(new Blob([await unpack(name)], { type: "text/javascript" }));
  try {
    return await import(address);
  } finally {
    URL.revokeObjectURL(address);
  }
}

let plotly = null;
function loadPlotly() {
  plotly ??= unpack("plots").then((text) => {
    document.head.append(make("script", text));
    return window.Plotly;
  });
  return plotly;
}

// --- The table sorts and filters; without this it is a plain table. ---

async function enhance() {
  document.head.append(make("style", await unpack("tables-style")));
  const { default: DataTable } = await loadModule("tables");
  const table = new DataTable("#table2", {
    paging: false,
    order: [],
    autoWidth: false,
    layout: { topStart: "search", topEnd: "info", bottomStart: null, bottomEnd: null },
    language: { search: "Find", info: "_TOTAL_ lines", infoFiltered: "of _MAX_", infoEmpty: "No line" },
  });
  const form = document.getElementById("filters");
  for (const select of form.querySelectorAll("select")) {
    const column = table.column(Number(select.dataset.column));
    const values = new Set(column.nodes().toArray().map((cell) => cell.dataset.search ?? cell.textContent));
    for (const value of values) select.append(make("option", value, { value }));
    select.addEventListener("change", () => {
      column.search(select.value, { exact: select.value !== "" }).draw();
    });
  }
  form.hidden = false;
}

// --- Details of a cell ---

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
  const headings = ["Seed", "State", ...data.measures.map(([, heading]) => heading), "epoch", "seconds", "Reason"];
  const marks = { complete: "● complete", failed: "✕ failed", missing: "○ missing" };
  const rows = cell.runs.map((run) => [
    String(run.seed),
    marks[run.status],
    ...data.measures.map((_, place) => (run.figures ? shown(run.figures[place]) : "–")),
    run.figures ? String(run.selected) : "–",
    run.figures ? shown(run.seconds, 1) : "–",
    run.reason ?? "",
  ]);
  return tableOf("Runs: in percent but for log loss; the epoch is the one selected on validation", headings, rows);
}

function classTable(cell, run) {
  const names = data.classes[cell.dataset];
  const order = run.perClass.map((_, k) => k).sort((a, b) => run.perClass[b][0] - run.perClass[a][0] || a - b);
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
      ["Group", "Training samples", "Classes with test samples", "Recall"],
      groups.map(([name, words, classes, shares]) => [name, words, String(classes), shown(shares[0])])),
    tableOf("The largest and the smallest classes in training: recall in percent with Wilson’s 95 % interval",
      ["Class", "Training", "Test", "Recall", "Interval"], rows),
    make("p", `${left.toLocaleString("en-GB")} more classes lie between these. All of them as CSV: `, {},
      make("code", run.many.command),
      " with --out and the results folder."),
  ];
}

function manyConfusions(cell, run) {
  const { counts, groups, confusions } = run.many;
  const names = data.classes[cell.dataset];
  const { test } = data.facts[counts];
  return [
    tableOf("Where the samples of a class go: percent, mean over the classes of a row",
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
  const caption = "Confusion matrix: share of the true class in percent; row true, column predicted";
  const head = make("tr", null, {}, make("th", "true \\ predicted", { scope: "col" }),
    ...names.map((name, k) => make("th", String(k), { scope: "col", title: name })));
  const lines = run.confusion.map((counts, k) => {
    const whole = counts.reduce((a, b) => a + b, 0);
    const row = make("tr", null, {}, make("th", `${k}: ${names[k]}`, { scope: "row" }));
    counts.forEach((count, j) => {
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
    { x: epoch, y: score, name: "validation BA [%]", line: { color: "#0072B2" } },
    { x: epoch, y: loss, name: "training loss", yaxis: "y2", line: { color: "#D55E00", dash: "dash" } },
  ], {
    yaxis: { title: { text: "validation BA [%]" } },
    yaxis2: { title: { text: "training loss" }, overlaying: "y", side: "right", showgrid: false, tickmode: "auto", nticks: 5 },
  });
  const parts = [place];
  const headings = ["Epoch", "Training loss", "Validation BA"];
  const rows = epoch.map((number, i) => [String(number), shown(loss[i], 4), shown(score[i])]);
  if (omega) {
    const lines = omegaOf ?? data.classes[cell.dataset].map((_, k) => `class ${k}`);
    const weights = make("div", null, { class: "plot", role: "img",
      "aria-label": "Curves of the class weights omega; the figures follow as a table" });
    const dashes = ["solid", "dash", "dot", "dashdot"];
    const colours = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"];
    draw(weights, "Class weights omega, by epoch", lines.map((name, k) => ({
      x: epoch, y: omega.map((row) => row[k]), name,
      line: { color: colours[k % 7], dash: dashes[k % 4] },
    })), { yaxis: { title: { text: "omega" } }, showlegend: lines.length <= 12 });
    parts.push(weights);
    headings.push(...lines.map((name, k) => `omega ${omegaOf ? name : k}`));
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
    make("h3", "Curves"), ...curves(cell, run),
    make("h3", "Settings"), factsOf(data.facts[run.settings]),
    make("h3", "Provenance"), factsOf({ ...run.own, ...data.facts[run.provenance] }),
  ];
}

function open(key) {
  const cell = data.cells[key];
  const complete = cell.runs.filter((run) => run.status === "complete");
  const heading = document.getElementById("details-heading");
  heading.textContent = `${cell.method}: ${cell.dataset}, ${cell.split} split`;
  body.replaceChildren();
  if (cell.standIn) {
    body.append(make("p", `≠ ${cell.standIn}: this data set stands in the place of ${cell.standIn} and is another one.`));
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
  return [heading,
    make("p", "With the code named under Provenance, this command repeats the runs into a fresh folder. One press selects all of it."),
    make("pre", null, { class: "command", tabindex: "0", role: "region", "aria-label": "Command that repeats the runs" },
      make("code", null, {}, ...words))];
}

function announce(text) {
  document.getElementById("announcement").textContent = text;
}

document.getElementById("table2").addEventListener("click", (event) => {
  const button = event.target.closest("button[data-cell]");
  if (button) open(button.dataset.cell);
});
enhance();
