// A valuation, in words and bars.
import { el, get, show, styled } from "./dom.js";
import { area, count, day, money, number, percent, title } from "./words.js";

const CONFIDENCE = { high: "High confidence", medium: "Medium confidence", low: "Low confidence" };

export function showPrice(home, answer, ranges, labels) {
  const [found] = answer.predictions;
  get("what").textContent = headline(home);
  get("price").textContent = money(found.price);
  get("confidence").replaceChildren(confidence(found));
  get("ranges").replaceChildren(rangeBars(found.price, ranges));
  showDoubts(found, labels);
  const { name, version, variant } = answer.model;
  const by = variant === "champion" ? "" : ` (${variant})`;
  get("origin").textContent =
    `Valued at ${day(found.valuation_date)} by ${name} ${version}${by}. ` +
    `Request ${answer.request_id}.`;
}

function headline(home) {
  const size = home.sqft_living == null ? "A home" : `${area(home.sqft_living)}`;
  const built = home.yr_built == null ? "" : `, built ${home.yr_built}`;
  return `${size} in ${home.zipcode}${built}`;
}

export function confidence({ confidence: grade, fsd }) {
  return el("span", {},
    el("strong", { class: `grade ${grade}` }, CONFIDENCE[grade] ?? grade),
    ` Two of three prices lie within about ${percent(fsd)} of such a valuation.`);
}

// Levels as bars on one scale, from the widest range; the price is a line across.
function rangeBars(price, ranges) {
  const low = Math.min(...ranges.map((range) => range.low));
  const high = Math.max(...ranges.map((range) => range.high));
  const at = (value) => `${(100 * (value - low)) / (high - low || 1)}%`;
  const rows = ranges.map(({ level, low: from, high: to }) =>
    el("tr", {},
      el("th", { scope: "row" }, `${number(100 * level)} %`),
      el("td", { class: "number" }, money(from)),
      el("td", { class: "bar", "aria-hidden": "true" },
        styled(el("span", { class: "span" }), { left: at(from), right: `calc(100% - ${at(to)})` }),
        styled(el("span", { class: "line" }), { left: at(price) })),
      el("td", { class: "number" }, money(to))));
  return el("table", { class: "bars" },
    el("caption", {}, "So many of such homes sell for a price in the range"),
    el("thead", { class: "hidden" }, el("tr", {}, el("th", { scope: "col" }, "Share"),
      el("th", { scope: "col" }, "From"), el("td", {}), el("th", { scope: "col" }, "To"))),
    el("tbody", {}, rows));
}

function showDoubts({ warnings, missing }, labels) {
  const list = get("warnings");
  list.replaceChildren(...warnings.map(({ code, detail }) =>
    el("li", {}, el("strong", {}, title(code.replaceAll("-", "_"))), `: ${detail}.`)));
  show(list, warnings.length > 0);
  get("missing").textContent = missing.length
    ? `Not known, and paid for with a wider range: ${missing.map((n) => labels[n] ?? n).join(", ")}.`
    : "";
  show(get("missing"), missing.length > 0);
}

// The home as it was sent, for the printed page.
export function showFacts(home, inputs) {
  const pairs = inputs
    .filter(({ dataset }) => dataset.field in home)
    .map((input) => {
      const value = home[input.dataset.field];
      const chosen = input.tagName === "SELECT" && value != null
        ? input.querySelector(`option[value="${value}"]`)?.textContent : null;
      const unit = input.dataset.unit === "sqft" && value != null ? " sqft" : "";
      const said = chosen ?? (typeof value === "number" ? number(value) : value ?? "unknown");
      return el("div", {}, el("dt", {}, input.dataset.label), el("dd", {}, said + unit));
    });
  get("facts").replaceChildren(...pairs);
}

export function announced(answer, range) {
  const [found] = answer.predictions;
  const doubts = found.warnings.length ? ` ${count(found.warnings.length, "warning")}.` : "";
  return `Worth ${money(found.price)}; ${number(100 * range.level)} % of such homes sell ` +
    `between ${money(range.low)} and ${money(range.high)}.${doubts}`;
}
