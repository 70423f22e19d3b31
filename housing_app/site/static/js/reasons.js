// The way from the base price to the price, one reason a step.
import { el, styled } from "./dom.js";
import { change, money } from "./words.js";

export function waterfall({ explanation, price }) {
  if (!explanation) {
    return el("p", {}, "The model that answered cannot give its reasons.");
  }
  const steps = [];
  let reached = explanation.base_price;
  for (const { label, dollars } of explanation.reasons) {
    steps.push({ label, dollars, from: reached, to: reached + dollars });
    reached += dollars;
  }
  // Where bars begin and end; never shown as numbers.
  const ends = [explanation.base_price, price, ...steps.flatMap(({ from, to }) => [from, to])];
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const start = Math.max(0, low - (high - low) * 0.15);
  const at = (value) => (100 * (value - start)) / (high - start || 1);
  const bar = (from, to, kind) =>
    el("td", { class: "bar", "aria-hidden": "true" },
      styled(el("span", { class: `span ${kind}` }), {
        left: `${at(Math.min(from, to))}%`, right: `${100 - at(Math.max(from, to))}%`,
      }));
  const total = (label, amount) =>
    el("tr", { class: "total" }, el("th", { scope: "row" }, label), bar(start, amount, "whole"),
      el("td", { class: "number" }, money(amount)));
  const rows = steps.map(({ label, dollars, from, to }) =>
    el("tr", {}, el("th", { scope: "row" }, label), bar(from, to, dollars < 0 ? "down" : "up"),
      el("td", { class: "number" }, change(dollars))));
  return el("table", { class: "bars waterfall" },
    el("caption", {}, "What the model adds and takes away, in dollars, from its mean"),
    el("thead", { class: "hidden" }, el("tr", {}, el("th", { scope: "col" }, "Reason"),
      el("td", {}), el("th", { scope: "col" }, "Dollars"))),
    el("tbody", {}, total("Base price", explanation.base_price), rows, total("Price", price)));
}
