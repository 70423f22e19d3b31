// What like homes were sold for: a table and a map.
import { el, table } from "./dom.js";
import { around, map } from "./map.js";
import { position } from "./places.js";
import { area, count, money, month, number } from "./words.js";

const HEAD = [
  "No.", "Zipcode", ["Sales", true], ["Median price", true], "Sold",
  "Typical home", ["Distance", true], ["Likeness", true],
];

export function comparables(home, { comparables: found }, { zipcodes, county }, width) {
  if (!found) return [el("p", {}, "The model that answered keeps no sales to compare with.")];
  if (!found.length) return [el("p", {}, "None were found.")];
  return [
    el("p", { class: "help" }, "Each row stands for a group of like sales in one zipcode; what " +
      "it shows are medians, at the prices of the time."),
    ...drawn(home, found, zipcodes, county, width),
    table("Sales like this home", HEAD, found.map(row)),
  ];
}

function row(group, i) {
  const { bedrooms, bathrooms, sqft_living: living, grade, yr_built: built } = group.typical_home;
  return [
    String(i + 1), group.zipcode, number(group.sales),
    el("span", {}, money(group.median_price),
      el("span", { class: "under" }, `${money(group.price_per_sqft)} per sqft`)),
    el("span", { class: "whole" }, month(group.month)),
    el("span", { class: "typical" }, `${number(bedrooms)} bd, ${number(bathrooms)} ba, ` +
      `${area(living)}, grade ${number(grade)}, built ${number(built, 0)}`),
    group.distance_km == null ? "–" : `${number(group.distance_km, 1)} km`,
    number(group.similarity, 2),
  ];
}

function drawn(home, found, zipcodes, county, width) {
  const here = position(home, zipcodes);
  const marks = found.map(({ lat, long, zipcode, median_price: paid, sales }, i) => ({
    lat, long, kind: "group", text: String(i + 1),
    title: `${i + 1}: ${count(sales, "sale")} in ${zipcode}, median ${money(paid)}`,
  })).reverse(); // the most similar on top
  if (here) marks.push({ ...here, kind: "home", title: "This home" });
  const near = map({
    box: around(marks), width, tallest: 0.6, zipcodes, county, marks,
    detail: true,
    label: `Map of the ${count(found.length, "group")} of sales around the home`,
  });
  const caption = !here
    ? "Where the groups of sales are; the position of the home is not known."
    : `The dot is ${here.known ? "this home" : `the middle of ${home.zipcode}`}, numbers are the groups of sales.`;
  const overview = here && zipcodes.length
    ? map({
      box: around(zipcodes, 0.03, 0.06), width: Math.min(width, 240), zipcodes, county,
      marks: [{ ...here, kind: "home", title: "This home" }],
      label: "Where in the area the home is",
    }) : null;
  return [el("figure", { class: "maps" },
    el("div", { class: "near" }, near), overview && el("div", { class: "overview" }, overview),
    el("figcaption", {}, caption))];
}
