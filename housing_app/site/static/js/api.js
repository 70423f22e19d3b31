// The one place that talks to /v1. The token lives here, in memory, and nowhere else.

const SECONDS = 20;
const LONGEST_WAIT = 120; // seconds; a service that asks for more is asked by hand

let token = "";

export const hasToken = () => token !== "";
export function useToken(text) {
  token = text.trim();
}

// An error that the service, or the network, answered with.
export class Problem extends Error {
  constructor(status, told) {
    super(told.detail ?? told.title ?? "");
    this.status = status;
    this.title = told.title ?? `The service answered with ${status}`;
    this.detail = told.detail ?? "";
    this.errors = told.errors ?? [];
    this.requestId = told.request_id ?? null;
    this.type = told.type ?? null;
  }
}

// Ask, and wait where a limit says so. onWait(seconds) is called as the wait begins, and
// onWait(0) as it ends. Throws Problem, or AbortError once `signal` is aborted.
export async function ask(path, { body, signal, onWait = () => {} } = {}) {
  for (;;) {
    const response = await send(path, body, signal);
    const told = await read(response);
    if (response.ok) return told;
    const wait = Number(response.headers.get("Retry-After"));
    if (response.status !== 429 || !(wait > 0) || wait > LONGEST_WAIT) {
      throw new Problem(response.status, told);
    }
    onWait(wait);
    try {
      await pause(wait * 1000, signal);
    } finally {
      onWait(0);
    }
  }
}

async function send(path, body, signal) {
  const headers = { Accept: "application/json" };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const limit = AbortSignal.timeout(SECONDS * 1000);
  try {
    return await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = error.name === "TimeoutError";
    throw new Problem(0, {
      title: late ? "The service takes too long" : "The service cannot be reached",
      detail: late
        ? `No answer came within ${SECONDS} seconds.`
        : "It may be down, or the network is.",
    });
  }
}

async function read(response) {
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!response.ok) return {};
    throw new Problem(response.status, { title: "The answer cannot be read" });
  }
}

export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const ended = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", ended);
      resolve();
    }, milliseconds);
    if (signal?.aborted) ended();
    else signal?.addEventListener("abort", ended, { once: true });
  });
}

// Where homes of a slot are valued.
export function predictPath(slot, { interval, explain, comparables } = {}) {
  const query = new URLSearchParams();
  if (interval) query.set("interval", interval);
  if (explain) query.set("explain", "true");
  if (comparables) query.set("comparables", comparables);
  const path = slot === "full" ? "/v1/predict" : "/v1/predict/minimal";
  return query.size ? `${path}?${query}` : path;
}
