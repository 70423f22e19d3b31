// A CSV of homes: check each row, value the good ones, mark the bad ones.
import { ask, predictPath } from "./api.js";
import { parse, write } from "./csv.js";
import { el, get, show, table } from "./dom.js";
import { refuse } from "./form.js";
import { known, showProblem } from "./problem.js";
import { area, count, money } from "./words.js";

const ADDED = ["price", "low", "high", "interval", "fsd", "confidence", "missing", "warnings", "error"];
const REFUSALS = 3; // how often rows that the service refuses are left out

// Read a file's text as homes. inputs: the form's, for names and limits. Throws an Error
// that says what is wrong with the file as a whole.
export function homes(text, inputs, most) {
  const [header, ...rows] = parse(text);
  if (!header || !rows.length) throw new Error("the file holds no homes");
  if (rows.length > most) {
    throw new Error(`the file holds ${count(rows.length, "home")}, and ${most} may be sent at once`);
  }
  const names = header.map((name) => name.trim());
  const twice = names.find((name, i) => name && names.indexOf(name) !== i);
  if (twice) throw new Error(`the column ${twice} comes twice`);
  const lacks = (asked) => asked.map(({ dataset }) => dataset.field)
    .filter((name) => name !== "valuation_date" && !names.includes(name));
  const core = inputs.filter(({ dataset }) => "core" in dataset);
  const slot = lacks(inputs).length ? "minimal" : "full";
  const missing = lacks(core);
  if (missing.length) throw new Error(`the first line lacks the columns ${missing.join(", ")}`);
  const asked = slot === "full" ? inputs : core;
  return {
    slot, header, unused: slot === "full" ? [] : lacks(inputs),
    rows: rows.map((cells, i) => ({ line: i + 2, cells, ...one(names, cells, asked) })),
  };
}

function one(names, cells, inputs) {
  const home = {};
  const errors = [];
  if (cells.length > names.length) errors.push("has more cells than the first line");
  for (const { dataset } of inputs) {
    const name = dataset.field;
    const text = (cells[names.indexOf(name)] ?? "").trim();
    const [value, said] = cell(name, text, dataset);
    if (said) errors.push(`${name} ${said}`);
    else if (value !== undefined) home[name] = value;
  }
  return { home, errors };
}

function cell(name, text, limits) {
  if (name === "zipcode") {
    // Spreadsheets take the zeros a zipcode begins with for nothing.
    return /^\d{3,5}$/.test(text) ? [text.padStart(5, "0")] : [null, "must be five digits"];
  }
  if (name === "valuation_date") {
    if (text === "") return [undefined];
    return /^\d{4}-\d{2}-\d{2}$/.test(text) ? [text] : [null, "must be a date as 2015-03-31"];
  }
  if (text === "") return [null];
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)) return [null, "must be a number"];
  const value = Number(text);
  return [value, refuse(limits, value)];
}

// Value the good rows, and put each one's prediction or errors into it.
export async function value({ slot, rows }, interval, options) {
  const path = predictPath(slot, { interval });
  for (let tries = 0; ; tries += 1) {
    const good = rows.filter(({ errors }) => !errors.length);
    if (!good.length) return;
    try {
      const answer = await ask(path, { ...options, body: { records: good.map(({ home }) => home) } });
      answer.predictions.forEach((prediction, i) => {
        good[i].prediction = prediction;
      });
      return;
    } catch (error) {
      if (error.status !== 422 || tries === REFUSALS || !blame(good, error.errors)) throw error;
    }
  }
}

// Note what the service says of single rows; false if it says nothing of any.
function blame(good, errors) {
  let found = false;
  for (const { pointer, detail } of errors) {
    const [, index, name] = /^\/records\/(\d+)(?:\/(.*))?$/.exec(pointer ?? "") ?? [];
    if (index === undefined || !good[index]) continue;
    good[index].errors.push(name ? `${name} ${detail}` : detail);
    found = true;
  }
  return found;
}

// The file as it was, with what was found.
export function result({ header, rows }, interval) {
  const told = rows.map(({ cells, prediction: p, errors }) => [
    ...header.map((_, i) => cells[i] ?? ""),
    ...(p ? [p.price, p.low, p.high, interval, p.fsd, p.confidence, p.missing.join(" "),
      p.warnings.map(({ code }) => code).join(" "), ""]
      : [...Array(ADDED.length - 1).fill(""), errors.join("; ")]),
  ]);
  return write([[...header, ...ADDED.map((name) => `predicted_${name}`)], ...told]);
}

const HEAD = ["Line", "Zipcode", ["Living space", true], ["Price", true], ["From", true],
  ["To", true], "Confidence", "Remarks"];

function shown({ line, home, prediction: p, errors }) {
  const bad = el("span", { class: "bad" }, errors.join("; "));
  const size = home.sqft_living == null ? "–" : area(home.sqft_living);
  const known = [String(line), home.zipcode ?? "–", size];
  if (!p) return [...known, "–", "–", "–", "–", bad];
  const remarks = [...p.warnings.map(({ detail }) => detail),
    ...(p.missing.length ? [`not known: ${p.missing.join(", ")}`] : [])];
  return [...known, money(p.price), money(p.low), money(p.high), p.confidence, remarks.join("; ")];
}

// Listen for files in the page. options: { interval, onWait, onToken }.
export function init(inputs, { interval, onWait, onToken }) {
  const [drop, file, box] = [get("drop"), get("file"), get("list-result")];
  const { most, mostBytes } = get("list").dataset;
  let controller = null;
  let address = null;

  async function take(chosen) {
    if (!chosen) return;
    controller?.abort();
    controller = new AbortController();
    const { signal } = controller;
    show(get("list-problem"), false);
    box.replaceChildren();
    try {
      if (chosen.size > Number(mostBytes)) throw new Error("the file is too large");
      const found = homes(await chosen.text(), inputs, Number(most));
      get("list-said").textContent = `Valuing ${count(found.rows.length, "home")} …`;
      await value(found, interval, { signal, onWait });
      if (!signal.aborted) tell(found, chosen.name);
    } catch (error) {
      if (signal.aborted) return;
      get("list-said").textContent = "";
      const problem = "errors" in error ? error
        : error instanceof TypeError ? known(error)
          : { title: `${chosen.name} cannot be used`, detail: error.message, errors: [] };
      if (problem.status === 401 || problem.status === 403) onToken(problem);
      const again = "status" in problem ? () => take(chosen) : undefined;
      showProblem(get("list-problem"), problem, { again });
    }
  }

  function tell(found, name) {
    const bad = found.rows.filter(({ errors }) => errors.length).length;
    const good = found.rows.length - bad;
    get("list-said").textContent = `${count(good, "home")} valued` +
      (bad ? `, ${count(bad, "row")} with errors.` : ".") +
      (found.unused.length ? " The file has the core fields only." : "");
    if (address) URL.revokeObjectURL(address);
    address = URL.createObjectURL(new Blob([result(found, interval)], { type: "text/csv" }));
    const save = el("a", { href: address, class: "button", id: "save",
      download: `${name.replace(/\.csv$/i, "")}-valued.csv` }, "Download the result");
    const rows = found.rows.map(shown);
    const made = table("The homes of the file", HEAD, rows);
    made.classList.add("tall");
    found.rows.forEach(({ errors }, i) => {
      if (errors.length) made.querySelectorAll("tbody tr")[i].classList.add("refused");
    });
    box.replaceChildren(el("p", {}, save), made);
  }

  file.addEventListener("change", () => {
    take(file.files[0]);
    file.value = ""; // the same file may be chosen again
  });
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) {
    drop.addEventListener(kind, () => drop.classList.remove("over"));
  }
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  });
}
