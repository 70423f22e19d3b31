// Show what went wrong, in words, with what can be done.
import { el, show } from "./dom.js";

const FIRST = 10;

export function showProblem(box, problem, { again, labels = {} } = {}) {
  const errors = problem.errors.slice(0, FIRST).map(({ pointer, parameter, detail }) => {
    const name = (pointer ?? parameter ?? "").split("/").pop();
    return el("li", {}, el("strong", {}, labels[name] ?? name), ` ${detail}`);
  });
  const retry = el("button", { type: "button" }, "Try again");
  if (again) retry.addEventListener("click", again);
  box.replaceChildren(
    el("p", { class: "head" }, problem.title),
    ...(problem.detail ? [el("p", {}, sentence(problem.detail))] : []),
    ...(errors.length ? [el("ul", {}, errors)] : []),
    ...(again ? [el("p", {}, retry)] : []),
    ...(problem.requestId
      ? [el("p", { class: "help" }, "Request ", el("code", {}, problem.requestId))]
      : []),
  );
  show(box);
}

// Whatever is no Problem is a fault of this page.
export function known(error) {
  if (error.errors) return error;
  console.error(error);
  return { title: "This page has a fault", detail: String(error.message), errors: [] };
}

function sentence(text) {
  const said = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(said) ? said : `${said}.`;
}
