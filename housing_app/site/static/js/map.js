// A map without tiles: an outline, zipcodes where their homes are, and marks on them.
import { svg } from "./dom.js";

const KM_PER_DEGREE = 111.2;
const TALLEST = 0.85; // to the width
const NICE_KM = [0.2, 0.5, 1, 2, 5, 10, 20, 50];

// The box around places, with some room, no smaller than `least` degrees of latitude.
export function around(places, least = 0.03, room = 0.15) {
  const lats = places.map(({ lat }) => lat);
  const longs = places.map(({ long }) => long);
  const grown = (values, smallest) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const half = Math.max((high - low) * (0.5 + room), smallest / 2);
    const middle = (low + high) / 2;
    return [middle - half, middle + half];
  };
  const [south, north] = grown(lats, least);
  const [west, east] = grown(longs, least * 1.5);
  return { south, north, west, east };
}

// width: pixels; zipcodes may have a `kind` for their class. marks: { lat, long, text,
// title, kind }. onPick({ lat, long }): called where the map is clicked.
export function map({ box, width, tallest = TALLEST, label, zipcodes = [], county, marks = [], detail, onPick }) {
  const narrow = Math.cos((Math.PI / 360) * (box.north + box.south));
  const [wide, tall] = [(box.east - box.west) * narrow, box.north - box.south];
  const scale = Math.min(width / wide, (width * tallest) / tall);
  const height = Math.round(Math.max(tall * scale, width * 0.5));
  const middle = (box.north + box.south) / 2;
  const west = (box.east + box.west) / 2 - width / (2 * narrow * scale);
  const x = (long) => (long - west) * narrow * scale;
  const y = (lat) => height / 2 + (middle - lat) * scale;
  const inside = ({ lat, long }, edge = 0) =>
    x(long) > edge && x(long) < width - edge && y(lat) > edge && y(lat) < height - edge;

  const land = (county?.outline ?? []).map((ring) =>
    svg("path", { class: "land", d: `M${ring.map(([lat, long]) =>
      `${x(long).toFixed(1)} ${y(lat).toFixed(1)}`).join("L")}Z` }));
  const dots = zipcodes.filter((one) => inside(one)).map((one) =>
    svg("g", { class: `zipcode ${one.kind ?? ""}`, transform: `translate(${x(one.long)} ${y(one.lat)})` },
      svg("title", {}, one.title ?? one.zipcode),
      svg("circle", { r: one.kind ? 7 : 3 }),
      detail && svg("text", { y: -7 }, one.zipcode)));
  const towns = apart((county?.places ?? [])
    .map(([name, lat, long]) => ({ name, lat, long, x: x(long), y: y(lat) }))
    .filter((place) => inside(place, 24)))
    .map((town) => svg("text", { class: "town", x: town.x, y: town.y - 6 }, town.name));
  const pins = marks.map(({ lat, long, text, title, kind }) =>
    svg("g", { class: `mark ${kind}`, transform: `translate(${x(long)} ${y(lat)})` },
      svg("title", {}, title), svg("circle", { r: kind === "home" ? 8 : 10 }),
      text && svg("text", { y: 4 }, text)));

  const km = NICE_KM.findLast((one) => (one / KM_PER_DEGREE) * scale < width / 4) ?? NICE_KM[0];
  const bar = (km / KM_PER_DEGREE) * scale;
  const ruler = svg("g", { class: "ruler", transform: `translate(12 ${height - 12})` },
    svg("path", { d: `M0-5V0H${bar}V-5` }), svg("text", { x: bar / 2, y: -6 }, `${km} km`));

  const made = svg("svg", {
    class: `map${onPick ? " pick" : ""}`, viewBox: `0 0 ${width} ${height}`,
    role: "img", "aria-label": label,
  }, svg("rect", { class: "outside", width, height }), land, dots, towns, pins, ruler);
  if (onPick) {
    made.addEventListener("click", (event) => {
      const frame = made.getBoundingClientRect();
      const px = ((event.clientX - frame.left) / frame.width) * width;
      const py = ((event.clientY - frame.top) / frame.height) * height;
      onPick({ lat: middle + (height / 2 - py) / scale, long: west + px / (narrow * scale) });
    });
  }
  return made;
}

// The names that find room, the first ones first.
function apart(towns) {
  const placed = [];
  for (const town of towns) {
    const free = placed.every(({ x, y }) => Math.abs(x - town.x) > 56 || Math.abs(y - town.y) > 14);
    if (free) placed.push(town);
  }
  return placed;
}
