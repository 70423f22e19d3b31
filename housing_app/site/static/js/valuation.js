// The page `/`: a home goes in, all that is known of its value comes out.
import { ask, predictPath, useToken } from "./api.js";
import { comparables } from "./comparables.js";
import { command, copy } from "./curl.js";
import { get, show } from "./dom.js";
import * as form from "./form.js";
import * as list from "./list.js";
import { people } from "./people.js";
import { places } from "./places.js";
import { known, showProblem } from "./problem.js";
import { waterfall } from "./reasons.js";
import { announced, showFacts, showPrice } from "./result.js";
import { onWait } from "./waiting.js";
import { WhatIf } from "./whatif.js";
import { count } from "./words.js";

const COMPARABLES = 6;
const home = get("home");
const inputs = form.fields(home);
const labels = form.labels(home);
const levels = get("result").dataset.levels.split(" ").map(Number);
const widest = levels.at(-1);
const details = { interval: widest, explain: true, comparables: COMPARABLES };
const whatIf = new WhatIf(get("what-if-body"), inputs, { level: widest, onWait, onToken: askForToken });
let asking = null; // cancels the valuation that is under way
let waitsForToken = null; // what to do again once there is one

const slot = () => new FormData(home).get("slot");

// --- the form ------------------------------------------------------------------------

function setMode() {
  home.dataset.slot = slot();
  for (const input of inputs) {
    if (!("core" in input.dataset)) input.disabled = slot() === "minimal";
  }
}

function begin(example) {
  if (!example) return;
  form.fill(home, example);
  get("form-errors").textContent = "";
}

home.addEventListener("input", ({ target }) => {
  if (target.name === "slot") setMode();
  if (target.dataset.field) form.mark(target, form.complaint(target));
  if (!home.querySelector("[aria-invalid]")) get("form-errors").textContent = "";
});
get("example").addEventListener("change", ({ target }) => {
  const { home: text } = target.selectedOptions[0].dataset;
  begin(text && JSON.parse(text));
});
get("clear").addEventListener("click", () => {
  get("example").value = "";
  begin({});
  get("f-zipcode").focus();
});
home.addEventListener("submit", (event) => {
  event.preventDefault();
  const wrong = form.check(home, slot());
  if (wrong.length) return refuse(wrong);
  get("form-errors").textContent = "";
  return value(form.read(home, slot()), slot());
});

function refuse(wrong) {
  get("form-errors").textContent = `${count(wrong.length, "field")} to correct.`;
  wrong[0].focus();
}

// --- the valuation -------------------------------------------------------------------

async function value(one, where) {
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  waiting(true);
  try {
    const found = await valued(one, where, { signal, onWait });
    if (signal.aborted) return;
    waiting(false);
    tell(one, where, found);
  } catch (error) {
    if (signal.aborted) return;
    waiting(false);
    fail(known(error), () => value(one, where));
  }
}

async function valued(one, where, options) {
  const priced = (query) => ask(predictPath(where, query), { ...options, body: one });
  const demographics = ask(`/v1/zipcodes/${one.zipcode}`, options).catch((error) => {
    if (error.status === 404) return null;
    throw error;
  });
  const others = levels.filter((level) => level !== widest);
  const [zone, land, answer, ...narrower] = await Promise.all([
    demographics, places({ onWait }), priced(details),
    ...others.map((interval) => priced({ interval })),
  ]);
  // Models may change between two answers: ranges of another one are not mixed in.
  const by = ({ model }) => [model.name, model.version, model.variant].join();
  const ranges = [...narrower, answer]
    .filter((range) => by(range) === by(answer))
    .map(({ interval, predictions: [{ low, high }] }) => ({ level: interval, low, high }));
  return { zone, land, answer, ranges };
}

function waiting(is) {
  get("result").setAttribute("aria-busy", String(is));
  show(get("problem"), false);
  show(get("empty"), false);
  show(get("loading"), is && get("report").hidden);
  if (is) get("said").textContent = "Valuing …";
}

function tell(one, where, { zone, land, answer, ranges }) {
  const [found] = answer.predictions;
  show(get("report"));
  showPrice(one, answer, ranges, labels);
  showFacts(one, form.asked(home, where));
  get("reasons").replaceChildren(waterfall(found));
  const width = Math.min(640, Math.max(280, get("comparables").clientWidth));
  get("comparables").replaceChildren(...comparables(one, found, land, width));
  get("people").replaceChildren(...people(one.zipcode, zone));
  get("curl").textContent = command(one, where, details);
  get("copied").textContent = "";
  get("said").textContent = announced(answer, ranges.at(-1));
  whatIf.start(one, where, answer, land);
  const { top } = get("result").getBoundingClientRect();
  if (top > innerHeight * 0.6 || top < 0) get("result").scrollIntoView();
}

function fail(problem, again) {
  show(get("report"), false);
  whatIf.stop();
  get("said").textContent = "";
  const wrong = blamed(problem);
  if (wrong.length) refuse(wrong);
  if (problem.status === 401 || problem.status === 403) {
    waitsForToken = again;
    askForToken(problem);
  }
  showProblem(get("problem"), problem, { again, labels });
}

// Mark the fields that the service found fault with.
function blamed({ errors }) {
  const found = [];
  for (const { pointer, detail } of errors) {
    const input = inputs.find(({ dataset }) => `/${dataset.field}` === pointer);
    if (input) {
      form.mark(input, detail);
      found.push(input);
    }
  }
  return found;
}

// --- the token, the buttons, the list ------------------------------------------------

function askForToken(problem) {
  show(get("token-panel"));
  get("token-state").textContent = problem.detail;
  get("token").focus();
}

get("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useToken(get("token").value);
  get("token").value = "";
  get("token-state").textContent = "The token is used from now on.";
  const again = waitsForToken;
  waitsForToken = null;
  again?.();
});
get("copy").addEventListener("click", async () => {
  get("copied").textContent = await copy(get("curl"));
});
get("print").addEventListener("click", () => print());
list.init(inputs, { interval: widest, onWait, onToken: askForToken });

setMode();
const first = get("example").options[1];
if (first && !get("f-zipcode").value) {
  get("example").value = first.value;
  begin(JSON.parse(first.dataset.home));
}
