// Where zipcodes are, by the API, and the outline of their county.
import { ask } from "./api.js";

const OUTLINE = new URL("../county.json", import.meta.url);
let found = null;

// Ask once; a map without them is better than no valuation.
export function places(options) {
  found ??= load(options).catch((error) => {
    found = null;
    if (error.name === "AbortError") throw error;
    return { zipcodes: [], county: null };
  });
  return found;
}

async function load(options) {
  const [listed, county] = await Promise.all([
    ask("/v1/zipcodes", options),
    fetch(OUTLINE).then((response) => response.json()),
  ]);
  return { zipcodes: listed.zipcodes, county };
}

// A home's own position, or the middle of its zipcode.
export function position(home, zipcodes) {
  if (home.lat != null && home.long != null) {
    return { lat: home.lat, long: home.long, known: true };
  }
  const zone = zipcodes.find(({ zipcode }) => zipcode === home.zipcode);
  return zone ? { lat: zone.lat, long: zone.long, known: false } : null;
}
