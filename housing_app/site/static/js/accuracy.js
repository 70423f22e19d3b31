// The page /accuracy: what was measured, as /v1/accuracy tells it.
import { ask } from "./api.js";
import { percentTicks, plot } from "./charts.js";
import { aside, el, get, show, svg, table } from "./dom.js";
import { around, map } from "./map.js";
import { places } from "./places.js";
import { known, showProblem } from "./problem.js";
import { onWait } from "./waiting.js";
import { count, day, month, number, percent } from "./words.js";

const ASSESSORS = {
  cod: ["COD", "scatter: how far ratios lie from their median, in percent"],
  prd: ["PRD", "above 1: cheap homes are valued higher, in proportion, than dear ones"],
  prb: ["PRB", "how the ratio changes as values double"],
};
// Classes of the map, by median error.
const CLASSES = [[0.06, "under 6 %"], [0.08, "6 to 8 %"], [0.1, "8 to 10 %"], [Infinity, "10 % and more"]];
const HEAD = [["Sales", true], ["Median error", true], ["Within 10 %", true], ["Within 20 %", true], ["Bias", true]];

const width = (box) => Math.min(640, Math.max(280, box.clientWidth));
const figures = (row) =>
  [number(row.n), percent(row.mdape, 1), percent(row.ppe10), percent(row.ppe20), percent(row.bias, 1)];

async function begin() {
  show(get("problem"), false);
  show(get("loading"));
  try {
    const [{ accuracy, limits }, info, land] = await Promise.all([
      ask("/v1/accuracy", { onWait }), ask("/v1/info", { onWait }), places({ onWait }),
    ]);
    show(get("figures"));
    choose(accuracy, limits, info.models, land);
  } catch (error) {
    showProblem(get("problem"), known(error), { again: begin });
  } finally {
    show(get("loading"), false);
  }
}

function choose(rows, limits, models, land) {
  const held = rows.filter(({ source }) => source === "holdout");
  const ids = [...new Map(held.map((row) => [`${row.model} ${row.version}`, row])).keys()];
  const roles = (id) => models.filter(({ name, version }) => `${name} ${version}` === id)
    .map(({ role, slot }) => `${role}, ${slot === "full" ? "all fields" : "core fields"}`);
  get("model").replaceChildren(...ids.map((id) =>
    el("option", { value: id }, `${id} (${roles(id).join("; ")})`)));
  const champion = models.find(({ slot, role }) => slot === "full" && role === "champion");
  if (champion) get("model").value = `${champion.name} ${champion.version}`;
  const tell = () => {
    const own = held.filter(({ model, version }) => `${model} ${version}` === get("model").value);
    const of = (segment) => own.filter((row) => row.segment === segment);
    overall(of("overall"));
    decile(of("decile"));
    coverage(of("decile"), of("overall"));
    zipcode(of("zipcode"), land);
    assessors(of("overall"), limits);
    listed("missing", of("missing"), "Unknown fields",
      "Fields were made unknown at random; the rest of the home was known.",
      (row) => row.value, (a, b) => a.value - b.value);
    listed("month", of("month"), "Month", "", (row) => el("span", { class: "whole" }, month(row.value)));
  };
  get("model").addEventListener("change", tell);
  tell();
  live(rows.filter(({ source }) => source === "live"));
}

const nothing = (box) => get(box).replaceChildren(el("p", {}, "Nothing was measured."));

function overall([row]) {
  if (!row) return nothing("overall");
  const tile = (value, said) => el("div", {}, el("dt", {}, said), el("dd", {}, value));
  return get("overall").replaceChildren(
    el("p", {}, `On ${count(row.n, "sale")} from ${day(row.from)} to ${day(row.to)}, by a model ` +
      "of the same recipe that had seen only earlier ones."),
    el("dl", { class: "tiles" },
      tile(percent(row.mdape, 1), "median error"), tile(percent(row.ppe10), "within 10 % of the price"),
      tile(percent(row.ppe20), "within 20 %"), tile(percent(row.bias, 1), "bias: below 0 is too low")));
}

function decile(rows) {
  if (!rows.length) return nothing("decile");
  const { Plot } = globalThis;
  const box = get("decile");
  const data = rows.map((row) => ({ ...row, tenth: Number(row.value), off: -row.mdape }));
  const label = "Tenths of the homes by valuation, cheapest first";
  const chart = plot("How far valuations lie from prices, by tenths of the valuation", {
    width: width(box), height: 260, marginBottom: 40,
    x: { label, type: "band" },
    y: { label: "Valuation against price", tickFormat: percentTicks, grid: true, zero: true, nice: true },
    marks: [
      Plot.barY(data, { x: "tenth", y1: "off", y2: "mdape", fill: "var(--accent)", fillOpacity: 0.2 }),
      Plot.ruleY([0], { stroke: "var(--text)" }),
      Plot.dot(data, { x: "tenth", y: "bias", r: 4.5, fill: "var(--accent)" }),
    ],
  });
  return box.replaceChildren(
    el("p", { class: "help" }, "0 % is the price that was paid. Dots: where the middle valuation " +
      "lies. Bars: half of the valuations are no further off than this."),
    chart, aside("As a table", table("Accuracy by tenths of the valuation", ["Tenth", ...HEAD],
      rows.map((row) => [row.value, ...figures(row)]))));
}

function coverage(rows, [whole]) {
  if (!whole?.coverage) return nothing("coverage");
  const { Plot } = globalThis;
  const box = get("coverage");
  const levels = Object.keys(whole.coverage);
  const data = rows.flatMap((row) => levels.map((level) => (
    { tenth: Number(row.value), level: `${100 * level} %`, achieved: row.coverage?.[level]?.achieved })));
  const chart = plot("Share of prices inside the ranges, by tenths of the valuation", {
    width: width(box), height: 260, marginBottom: 40, marginRight: 40,
    x: { label: "Tenths of the homes by valuation, cheapest first", ticks: 10, inset: 10, tickFormat: String },
    y: { label: "Prices inside", domain: [0, 1], tickFormat: percentTicks, grid: true, ticks: 5 },
    marks: [
      Plot.ruleY(levels.map(Number), { stroke: "var(--text)", strokeDasharray: "4 4" }),
      Plot.lineY(data, { x: "tenth", y: "achieved", z: "level", stroke: "var(--accent)" }),
      Plot.dot(data, { x: "tenth", y: "achieved", r: 3.5, fill: "var(--accent)" }),
    ],
  });
  return box.replaceChildren(
    el("p", { class: "help" }, "Dashed: what a range promises. Dots: what it held."),
    ...(rows.length ? [chart] : []),
    table("Coverage of the ranges", ["Range", ["Prices inside", true], ["Width to price", true]],
      levels.map((level) => [percent(level), percent(whole.coverage[level].achieved, 1),
        percent(whole.coverage[level].relative_width)])));
}

function zipcode(rows, { zipcodes, county }) {
  if (!rows.length) return nothing("zipcode");
  const box = get("zipcode");
  const kind = ({ mdape }) => `c${CLASSES.findIndex(([limit]) => mdape < limit)}`;
  const by = new Map(rows.map((row) => [row.value, row]));
  const drawn = zipcodes.map((one) => {
    const row = by.get(one.zipcode);
    return row
      ? { ...one, kind: kind(row), title: `${one.zipcode}: ${percent(row.mdape, 1)}, ${count(row.n, "sale")}` }
      : one;
  });
  const legend = el("ul", { class: "legend", "aria-hidden": "true" }, CLASSES.map(([, said], i) =>
    el("li", {}, svg("svg", { class: "map key", viewBox: "0 0 16 16" },
      svg("g", { class: `zipcode c${i}` }, svg("circle", { cx: 8, cy: 8, r: 6 }))), said)));
  return box.replaceChildren(
    el("p", { class: "help" }, "Median error where there are enough sales; small dots: too few."),
    ...(zipcodes.length ? [map({
      box: around(zipcodes, 0.1, 0.06), width: width(box), zipcodes: drawn, county,
      label: "Map of the median error by zipcode; the table below has the figures",
    }), legend] : []),
    aside("As a table", table("Accuracy by zipcode", ["Zipcode", ...HEAD],
      rows.map((row) => [row.value, ...figures(row)]))));
}

function assessors([row], limits) {
  if (!row) return nothing("assessors");
  const rows = Object.entries(ASSESSORS).filter(([name]) => name in limits && row[name] != null)
    .map(([name, [said, meaning]]) => {
      const [low, high] = limits[name];
      const inside = row[name] >= low && row[name] <= high;
      return [
        el("span", { class: "typical" }, el("strong", {}, said), el("span", { class: "help" }, ` ${meaning}`)),
        number(row[name], 3), `${number(low)} to ${number(high)}`,
        el("span", { class: `whole ${inside ? "good" : "bad"}` }, inside ? "within" : "outside"),
      ];
    });
  return get("assessors").replaceChildren(
    el("p", { class: "help" }, "What the International Association of Assessing Officers calls acceptable."),
    table("Measures of assessors", ["Measure", ["Measured", true], ["Limits", true], "Verdict"], rows));
}

function listed(box, rows, name, said, value, order) {
  if (!rows.length) return nothing(box);
  const sorted = order ? rows.toSorted(order) : rows;
  return get(box).replaceChildren(
    ...(said ? [el("p", { class: "help" }, said)] : []),
    table(`Accuracy by ${name.toLowerCase()}`, [name, ...HEAD],
      sorted.map((row) => [value(row), ...figures(row)])));
}

function live(rows) {
  if (!rows.length) {
    get("live").replaceChildren(el("p", {}, "No sale prices were reported yet, or fewer than it " +
      "takes to say something. They come in by ", el("code", {}, "POST /v1/outcomes"), "."));
    return;
  }
  const inside = ({ coverage: found }) => Object.entries(found ?? {})
    .map(([level, { achieved }]) => `${percent(achieved)} of ${percent(level)}`).join(", ") || "–";
  get("live").replaceChildren(
    el("p", { class: "help" }, "Valuations of this service beside the sale prices that were reported."),
    table("Accuracy in service", ["Model", "Sold", ...HEAD, "Inside the range"], rows.map((row) => [
      `${row.model} ${row.version}`,
      row.segment === "month" ? month(row.value) : `${day(row.from)} to ${day(row.to)}`,
      ...figures(row), inside(row)])));
}

begin();
