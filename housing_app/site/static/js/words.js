// Numbers and dates as text. Nothing is computed here: figures are shown as they came.

const dollars = new Intl.NumberFormat("en-US", {
  style: "currency", currency: "USD", maximumFractionDigits: 0,
});
const signed = new Intl.NumberFormat("en-US", {
  style: "currency", currency: "USD", maximumFractionDigits: 0, signDisplay: "exceptZero",
});
const months = new Intl.DateTimeFormat("en-US", {
  month: "short", year: "numeric", timeZone: "UTC",
});
const days = new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeZone: "UTC" });
const LONG = 10_000; // less, such as a year, is read without commas

export const money = (amount) => dollars.format(amount);
export const change = (amount) => signed.format(amount).replace("-", "−");
export const month = (text) => months.format(new Date(`${text}-01T00:00:00Z`));
export const day = (text) => days.format(new Date(`${text}T00:00:00Z`));

export function number(value, digits = 4) {
  const grouped = Math.abs(value) >= LONG;
  return value.toLocaleString("en-US", {
    maximumFractionDigits: digits, useGrouping: grouped,
  }).replace("-", "−");
}

export const area = (value) => `${Math.round(value).toLocaleString("en-US")} sqft`;

// A fraction as percent.
export function percent(fraction, digits = 0) {
  const text = (100 * fraction).toFixed(digits);
  return `${text.replace("-", "−")} %`;
}

export const count = (n, one, many = `${one}s`) =>
  `${n.toLocaleString("en-US")} ${n === 1 ? one : many}`;

// "living_space_x" as "Living space x"
export function title(name) {
  const text = name.replaceAll("_", " ").trim();
  return text.charAt(0).toUpperCase() + text.slice(1);
}
