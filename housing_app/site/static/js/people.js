// The demographics of a zipcode.
import { el } from "./dom.js";
import { count, money, number, percent, title } from "./words.js";

// By the names of the columns, which an operator chooses.
function told(name, value) {
  if (value == null) return "unknown";
  if (name.startsWith("pct_")) return percent(value);
  if (/income|value|rent/.test(name)) return money(value);
  return number(value, value >= 100 ? 0 : 2);
}

export function people(zipcode, found) {
  if (!found) return [el("p", {}, `No demographics are known for ${zipcode}.`)];
  const pairs = Object.entries(found.demographics).map(([name, value]) =>
    el("div", {}, el("dt", {}, title(name.replace(/^pct_/, "share "))), el("dd", {}, told(name, value))));
  return [
    el("p", {}, found.training_homes
      ? `The model learned from ${count(found.training_homes, "sale")} in ${zipcode}.`
      : `The model learned from no sales in ${zipcode}.`),
    el("dl", { class: "facts" }, pairs),
  ];
}
