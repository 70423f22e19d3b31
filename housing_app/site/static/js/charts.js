// Observable Plot, as this page uses it.

const compact = new Intl.NumberFormat("en-US", {
  style: "currency", currency: "USD", notation: "compact", maximumSignificantDigits: 3,
});
export const dollarTicks = (amount) => compact.format(amount);
export const percentTicks = (fraction) => `${+(100 * fraction).toFixed(1)} %`.replace("-", "−");

// Plot brings a style element, which the content security policy forbids; its rules are in
// style.css.
export function plot(label, options) {
  const made = globalThis.Plot.plot({ className: "plot", marginLeft: 56, ...options });
  for (const style of made.querySelectorAll("style")) style.remove();
  // An image has one name; those of its parts are no use within.
  for (const part of made.querySelectorAll("[aria-label]")) part.removeAttribute("aria-label");
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made;
}

// The price, with its range, as one field changes. rows: { value, price, low, high }.
export function priceChart(label, rows, now, { width, tick }) {
  const { Plot } = globalThis;
  const accent = "var(--accent)";
  return plot(`Price by ${label}`, {
    width, height: Math.min(280, width * 0.6), marginBottom: 40,
    x: { label, tickFormat: tick, ticks: Math.min(rows.length, width < 420 ? 5 : 9) },
    y: { label: "Price", tickFormat: dollarTicks, grid: true, ticks: 5 },
    marks: [
      Plot.areaY(rows, { x: "value", y1: "low", y2: "high", fill: accent, fillOpacity: 0.15 }),
      Plot.lineY(rows, { x: "value", y: "price", stroke: accent, strokeWidth: 2 }),
      Plot.dot(rows, { x: "value", y: "price", r: 3, fill: accent }),
      ...(now ? [
        Plot.ruleX([now], { x: "value", y1: "low", y2: "high", stroke: "var(--text)" }),
        Plot.dot([now], { x: "value", y: "price", r: 5, fill: "var(--text)" }),
      ] : []),
    ],
  });
}
