// Elements out of names, attributes and children; text never becomes markup.

const SVG = "http://www.w3.org/2000/svg";

export const get = (id) => document.getElementById(id);

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child != null && child !== false));
  return node;
}

export const el = (tag, attributes = {}, ...children) =>
  filled(document.createElement(tag), attributes, children);

export const svg = (tag, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, tag), attributes, children);

export function show(node, visible = true) {
  node.hidden = !visible;
  return node;
}

// A style that the content security policy lets through: by object, not by attribute.
export function styled(node, properties) {
  for (const [name, value] of Object.entries(properties)) node.style.setProperty(name, value);
  return node;
}

// A table in a box that scrolls by itself where it is too wide.
export function table(label, head, rows, options = {}) {
  const headers = head.map((text) => {
    const [said, numeric] = Array.isArray(text) ? text : [text, false];
    return el("th", { scope: "col", class: numeric && "number" }, said);
  });
  const body = rows.map((row) =>
    el("tr", {}, row.map((cell, i) => {
      const numeric = Array.isArray(head[i]) && head[i][1];
      return i === 0
        ? el("th", { scope: "row", class: numeric && "number" }, cell)
        : el("td", { class: numeric && "number" }, cell);
    })));
  const made = el("table", {},
    el("caption", { class: options.caption ? null : "hidden" }, label),
    el("thead", {}, el("tr", {}, headers)), el("tbody", {}, body));
  return el("div", { class: "wide", role: "region", "aria-label": label, tabindex: 0 }, made);
}

// What a chart shows, for those who would rather read it.
export const aside = (summary, ...children) =>
  el("details", {}, el("summary", {}, summary), ...children);
