// Move a value and see price and range follow. Requests wait for the hand to rest, and
// those that are out of date are cancelled.
import { ask, pause, predictPath } from "./api.js";
import { priceChart } from "./charts.js";
import { aside, el, table } from "./dom.js";
import { around, map } from "./map.js";
import { known, showProblem } from "./problem.js";
import { confidence } from "./result.js";
import { money, number } from "./words.js";

const OFFERED = {
  full: ["sqft_living", "grade", "condition", "yr_built", "lat", "long"],
  minimal: ["sqft_living", "bathrooms", "bedrooms", "sqft_lot"],
};
const REST = 150; // ms the hand rests before the price is asked for
const LONG_REST = 500; // and before the chart is, which costs a dozen homes
const POINTS = 11;

export class WhatIf {
  // inputs: those of the form, for limits; level: of the ranges.
  constructor(box, inputs, { level, onWait, onToken }) {
    Object.assign(this, { box, level, onWait, onToken });
    this.inputs = Object.fromEntries(inputs.map((input) => [input.dataset.field, input]));
    this.controllers = {};
  }

  // Begin anew with a home that was valued.
  start(home, slot, answer, places) {
    this.stop();
    Object.assign(this, { home, slot, answer, places, now: { ...home }, rows: null });
    [this.found] = answer.predictions;
    const names = OFFERED[slot].filter((name) => home[name] != null);
    if (!names.length) {
      this.box.replaceChildren(el("p", {}, "None of the fields that could be moved is known."));
      return;
    }
    const year = Number(this.found.valuation_date.slice(0, 4));
    this.ranges = Object.fromEntries(names.map((name) => [name, this.range(name, year)]));
    this.chosen = names[0];
    this.build(names);
    this.draw();
  }

  stop() {
    for (const controller of Object.values(this.controllers)) controller.abort();
  }

  // How far a field can be moved: some way about the home, within its limits.
  range(name, year) {
    const { low, high, step, unit } = this.inputs[name].dataset;
    const value = this.home[name];
    const limits = [Number(low), Number(high)];
    const by = Number(step) || 1;
    let ends = [value - 4 * by, value + 4 * by];
    let move = by;
    if (unit === "degrees") {
      const box = around([{ lat: value, long: value }, ...this.places.zipcodes
        .map((one) => ({ lat: one[name], long: one[name] }))], 0.1, 0.02);
      ends = [box.south, box.north];
      move = 0.001;
    } else if (unit === "sqft") {
      const base = name === "sqft_living" ? (this.home.sqft_basement ?? 0) + 100 : 0;
      ends = [Math.max(value / 2, base), Math.max(value * 2, base)];
      move = 10;
    } else if (unit === "year") ends = [value - 60, Math.min(value + 60, Math.max(year, value))];
    else if (limits[1] - limits[0] < 13) ends = limits;
    const snap = (end) => Math.round(end / move) * move;
    return {
      low: Number(Math.max(limits[0], snap(ends[0])).toFixed(3)),
      high: Number(Math.min(limits[1], snap(ends[1])).toFixed(3)), step: move,
    };
  }

  build(names) {
    this.outputs = {};
    this.sliders = {};
    const rows = names.map((name) => {
      const id = `w-${name}`;
      const { low, high, step } = this.ranges[name];
      const slider = el("input", { id, type: "range", min: low, max: high, step });
      slider.value = this.home[name];
      slider.addEventListener("input", () => this.move({ [name]: Number(slider.value) }));
      this.sliders[name] = slider;
      this.outputs[name] = el("output", { for: id });
      return el("div", { class: "slider" },
        el("label", { for: id }, this.inputs[name].dataset.label), slider, this.outputs[name]);
    });
    const choice = el("select", { id: "w-by" }, names.map((name) =>
      el("option", { value: name }, this.inputs[name].dataset.label)));
    choice.addEventListener("change", () => {
      this.chosen = choice.value;
      this.draw();
    });
    const reset = el("button", { type: "button", class: "plain" }, "Back to the home");
    reset.addEventListener("click", () => this.start(this.home, this.slot, this.answer, this.places));
    this.priced = el("div", { id: "w-price", "aria-live": "polite", "aria-atomic": "true" });
    this.chart = el("div", { id: "w-chart" });
    this.atlas = el("div", { id: "w-map" });
    this.problem = el("div", { class: "problem", role: "alert", hidden: true });
    const movesAbove = this.home.sqft_above != null && this.home.sqft_basement != null;
    this.box.replaceChildren(
      el("div", { class: "what-if" },
        el("div", {}, rows,
          names.includes("sqft_living") && movesAbove && el("p", { class: "help" },
            "Space above ground moves along with the living space; the basement stays."),
          el("p", {}, reset)),
        el("div", {}, this.priced, this.problem, names.includes("lat") && this.atlas)),
      el("div", { class: "row" }, el("label", { for: "w-by" }, "Chart the price by"), choice),
      this.chart);
    this.said();
    this.placed();
    this.tell(this.found);
  }

  // Take new values for some fields and ask what the home would be worth with them.
  move(values) {
    this.now = { ...this.now, ...values, ...this.above(values) };
    this.said();
    this.placed();
    this.value();
    const others = Object.keys(values).some((name) => name !== this.chosen);
    if (others) this.draw(LONG_REST);
  }

  above({ sqft_living: living }) {
    const { sqft_above: above, sqft_basement: basement } = this.home;
    if (living === undefined || above == null || basement == null) return {};
    return { sqft_above: living - basement };
  }

  said() {
    for (const [name, output] of Object.entries(this.outputs)) {
      output.textContent = number(this.now[name], 3);
    }
  }

  placed() {
    if (!("lat" in this.outputs) || !("long" in this.outputs)) return;
    const { zipcodes, county } = this.places;
    const here = { lat: this.now.lat, long: this.now.long };
    this.atlas.replaceChildren(
      map({
        box: around(zipcodes.length ? zipcodes : [here], 0.1, 0.06), width: 300, zipcodes, county,
        marks: [{ ...here, kind: "home", title: "Where the home would be" }],
        label: "Map of the area; a click moves the home, as the sliders do",
        onPick: (place) => this.pick(place),
      }),
      el("p", { class: "help" }, "Click to move the home; its zipcode stays."));
  }

  pick(place) {
    const values = {};
    for (const name of ["lat", "long"]) {
      this.sliders[name].value = place[name].toFixed(3);
      values[name] = Number(this.sliders[name].value);
    }
    this.move(values);
  }

  // Run a task after a rest; a later one of its kind takes its place.
  async rested(kind, rest, task) {
    this.controllers[kind]?.abort();
    const controller = new AbortController();
    this.controllers[kind] = controller;
    try {
      await pause(rest, controller.signal);
      await task({ signal: controller.signal, onWait: this.onWait });
    } catch (error) {
      if (controller.signal.aborted) return;
      const problem = known(error);
      if (problem.status === 401 || problem.status === 403) this.onToken(problem);
      const again = () => this.rested(kind, 0, task);
      const labels = Object.fromEntries(
        Object.entries(this.inputs).map(([name, { dataset }]) => [name, dataset.label]));
      showProblem(this.problem, problem, { again, labels });
    }
  }

  value() {
    this.priced.setAttribute("aria-busy", "true");
    this.rested("value", REST, async (options) => {
      const path = predictPath(this.slot, { interval: this.level });
      const answer = await ask(path, { ...options, body: this.now });
      this.problem.hidden = true;
      [this.found] = answer.predictions;
      this.tell(this.found);
      this.redraw();
    });
  }

  tell(found) {
    this.priced.removeAttribute("aria-busy");
    const warnings = found.warnings.map(({ detail }) => el("li", {}, detail));
    this.priced.replaceChildren(
      el("p", { class: "worth" }, money(found.price)),
      el("p", {}, `${money(found.low)} to ${money(found.high)}, at ${number(100 * this.level)} %`),
      el("p", { class: "help" }, confidence(found)),
      ...(warnings.length ? [el("ul", { class: "warnings" }, warnings)] : []));
  }

  draw(rest = 0) {
    const name = this.chosen;
    const values = points(this.ranges[name]);
    this.rested("chart", rest, async (options) => {
      const records = values.map((value) => {
        const one = { [name]: value };
        return { ...this.now, ...one, ...this.above(one) };
      });
      const path = predictPath(this.slot, { interval: this.level });
      const answer = await ask(path, { ...options, body: { records } });
      this.problem.hidden = true;
      this.rows = answer.predictions.map(({ price, low, high }, i) =>
        ({ value: values[i], price, low, high }));
      this.charted = name;
      this.redraw();
    });
  }

  redraw() {
    if (!this.rows || this.charted !== this.chosen) return;
    const { label: name, unit } = this.inputs[this.chosen].dataset;
    const label = unit === "sqft" ? `${name}, sqft` : name;
    const { price, low, high } = this.found;
    const now = { value: this.now[this.chosen], price, low, high };
    const width = Math.max(280, this.chart.clientWidth || 560);
    const tick = (value) => number(value, 2);
    const rows = this.rows.map((row) =>
      [number(row.value, 3), money(row.price), money(row.low), money(row.high)]);
    const open = this.chart.querySelector("details")?.open;
    const told = aside("As a table", table(`Price by ${label}`,
      [label, ["Price", true], ["From", true], ["To", true]], rows));
    told.open = open ?? false;
    this.chart.replaceChildren(priceChart(label, this.rows, now, { width, tick }), told);
  }
}

// Values to ask for: all of them if they are few.
function points({ low, high, step }) {
  const steps = Math.round((high - low) / step);
  const made = Math.min(steps + 1, steps <= 12 ? 13 : POINTS);
  const at = (i) => low + Math.round((i * steps) / Math.max(1, made - 1)) * step;
  return Array.from({ length: made }, (_, i) => Number(Math.min(high, at(i)).toFixed(3)));
}
