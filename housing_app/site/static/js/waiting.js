// Tell that a limit is waited for; several requests may wait at once.
import { get, show } from "./dom.js";

const SAID =
  "Too many requests for now. The page waits, as the service asks, and goes on by itself";

let waiters = 0;
let until = 0;
let ticking = null;

// seconds > 0: one more waits so long; 0: one waits no more.
export function onWait(seconds) {
  waiters += seconds > 0 ? 1 : -1;
  until = waiters ? Math.max(until, Date.now() + seconds * 1000) : 0;
  if (waiters && !ticking) {
    get("waiting-text").textContent = SAID;
    get("said").textContent = `${SAID}.`;
    ticking = setInterval(tick, 250);
  }
  tick();
}

function tick() {
  const left = Math.ceil((until - Date.now()) / 1000);
  show(get("waiting"), waiters > 0);
  get("waiting-seconds").textContent = left > 0 ? `in ${left} s.` : "now.";
  if (!waiters) {
    clearInterval(ticking);
    ticking = null;
    if (get("said").textContent === `${SAID}.`) get("said").textContent = "";
  }
}
