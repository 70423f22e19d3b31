// The form: read it, fill it, check it by the limits that the service itself put there.

export const fields = (form) => [...form.querySelectorAll("[data-field]")];

export const asked = (form, slot) =>
  fields(form).filter((input) => slot === "full" || "core" in input.dataset);

export const labels = (form) =>
  Object.fromEntries(fields(form).map(({ dataset }) => [dataset.field, dataset.label]));

// Say why a number cannot be a field's value, as the service would; "" if it can.
export function refuse({ low, high, step, zero }, value) {
  const [least, most] = [Number(low), Number(high)];
  const inside = value >= least && value <= most;
  if (!inside && !(zero !== undefined && value === 0)) {
    const also = zero === undefined ? "" : "0 or ";
    return `must be ${also}between ${least} and ${most}`;
  }
  if (step && value % Number(step)) {
    return Number(step) === 1 ? "must be a whole number" : `must be a multiple of ${step}`;
  }
  return "";
}

// Check one input as it is.
export function complaint(input) {
  const { field } = input.dataset;
  if (field === "zipcode") {
    if (/^\d{5}$/.test(input.value.trim())) return "";
    return input.value.trim() ? "must be five digits" : "is needed";
  }
  if (input.validity.badInput) return field === "valuation_date" ? "must be a date" : "must be a number";
  if (input.value === "") return "";
  if (field === "valuation_date") {
    return input.validity.valid ? "" : `must be between ${input.min} and ${input.max}`;
  }
  return refuse(input.dataset, Number(input.value));
}

export function mark(input, said) {
  const error = document.getElementById(`e-${input.dataset.field}`);
  error.textContent = said;
  if (said) input.setAttribute("aria-invalid", "true");
  else input.removeAttribute("aria-invalid");
}

// Check all that is asked for and return the inputs that are wrong.
export function check(form, slot) {
  return asked(form, slot).filter((input) => {
    const said = complaint(input);
    mark(input, said);
    return said;
  });
}

// Return the home as the API takes it: what is empty is null.
export function read(form, slot) {
  const home = {};
  for (const input of asked(form, slot)) {
    const { field } = input.dataset;
    const text = input.value.trim();
    if (field === "zipcode") home[field] = text;
    else if (field === "valuation_date") {
      if (text) home[field] = text; // never null
    } else home[field] = text === "" ? null : Number(text);
  }
  return home;
}

export function fill(form, home) {
  for (const input of fields(form)) {
    input.value = home[input.dataset.field] ?? "";
    mark(input, "");
  }
}
