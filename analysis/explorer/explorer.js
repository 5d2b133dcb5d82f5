"use strict";
// The explorer of a release: a map on a plain canvas, filters that count, and selections.
// One pass over typed arrays draws everything, which is fast without a graphics processor.

const $ = id => document.getElementById(id);
const NONE = [150, 158, 166];
// Okabe & Ito's colours, then darker and lighter ones of theirs; categories beyond share them.
const CATEGORIES = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233],
  [140, 120, 20], [90, 60, 150], [0, 90, 70], [150, 30, 60]];
const SEQUENCE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const FEW = 30000;  // visible points up to which each is drawn larger
const SHOWN = 200;  // rows of the table of chosen images
const CLOSEST = 4096;  // most a map is magnified

let info, n, arrays = {}, channels = [];
let failed;  // Uint8Array [n]: one bit for each filter that an image does not pass
let chosen = null;  // Uint8Array [n]: 1 where an image was chosen
let view = {x: 0, y: 0, scale: 0};  // middle of what is seen, and pixels of the canvas a unit of the map
let extent = [1, 1];  // of the map, in its units
let palette, colours;
let image, pixels, counts, width = 0, height = 0;
let waiting = false;

// ---------------------------------------------------------------- unpacking

async function unpack(id) {
  const text = $(id).textContent;
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  $(id).remove();
  return new Response(stream).arrayBuffer();
}

async function start() {
  info = JSON.parse(new TextDecoder().decode(await unpack("header")));
  const buffer = await unpack("data");
  n = info.n;
  const types = {8: Uint8Array, 16: Uint16Array, 32: Uint32Array};
  for (const {name, bits, at} of info.arrays) arrays[name] = new types[bits](buffer, at, n);
  failed = new Uint8Array(n);
  extent = [arrays.x, arrays.y].map(values => values.reduce((most, value) => Math.max(most, value), 1));
  channels = info.channels.map(prepare);
  for (const channel of channels) $("colour").append(new Option(channel.title, channel.name));
  $("colour").addEventListener("change", recolour);
  buildFilters();
  recolour();
  listen();
  resize();
  new ResizeObserver(resize).observe($("stage"));
  document.title = document.title + " (ready)";
}

// A channel with its values, the bit of its filter, and how its values are counted in bars.
function prepare(channel, place) {
  const values = arrays[channel.name], missing = channel.missing;
  let largest = 0;
  if (channel.kind === "category") largest = channel.names.length - 1;
  else for (let i = 0; i < n; i++) if (values[i] !== missing && values[i] > largest) largest = values[i];
  const number = channel.kind === "number";
  // Likes are spread over powers of two; scores and names over their values.
  const logarithmic = number && channel.steps === 1;
  const bar = new Uint8Array(missing + 1);
  let bars = 0;
  for (let value = 0; value < missing; value++) {
    if (logarithmic) bar[value] = value ? Math.min(16, Math.floor(Math.log2(value)) + 1) : 0;
    else if (number) bar[value] = Math.min(19, Math.floor(value * 20 / channel.steps));
    else bar[value] = value;
    if (value <= largest) bars = Math.max(bars, bar[value] + 1);
  }
  bar[missing] = 255;
  return {...channel, values, largest, bar, bars, bit: 1 << place, totals: new Uint32Array(256)};
}

// ---------------------------------------------------------------- colours

function mixed(share) {
  const at = Math.min(SEQUENCE.length - 1.000001, Math.max(0, share) * (SEQUENCE.length - 1));
  const low = Math.floor(at), part = at - low;
  return SEQUENCE[low].map((value, i) => Math.round(value + (SEQUENCE[low + 1][i] - value) * part));
}

function isOrdered(channel) { return channel.kind === "number" || channel.name === "month"; }

function colourOf(channel, bar) {
  if (bar === 255) return NONE;
  if (isOrdered(channel)) return mixed(channel.bars > 1 ? bar / (channel.bars - 1) : 0.5);
  return CATEGORIES[bar % CATEGORIES.length];
}

function recolour() {
  const channel = channels.find(one => one.name === $("colour").value);
  colours = channel ? channel.values : new Uint8Array(n);
  const size = channel ? channel.missing + 1 : 1;
  palette = new Uint32Array(size);
  for (let value = 0; value < size; value++) {
    const [r, g, b] = channel ? colourOf(channel, channel.bar[value]) : CATEGORIES[0];
    palette[value] = 0xff000000 | b << 16 | g << 8 | r;
  }
  const items = channel ? legend(channel) : [];
  $("legend").replaceChildren(...items.map(([text, rgb]) => {
    const item = document.createElement("li"), svg = "http://www.w3.org/2000/svg";
    const swatch = document.createElementNS(svg, "svg"), square = document.createElementNS(svg, "rect");
    square.setAttribute("width", "100%"); square.setAttribute("height", "100%");
    square.setAttribute("fill", `rgb(${rgb.join(",")})`);
    swatch.setAttribute("aria-hidden", "true");
    swatch.append(square);
    item.append(swatch, text);
    return item;
  }));
  redraw();
}

function legend(channel) {
  if (!isOrdered(channel)) return channel.names.slice(0, 30).map((name, i) => [name, colourOf(channel, i)]);
  const last = channel.bars - 1, middle = Math.floor(last / 2);
  const places = [...new Set([0, middle, last])];
  return places.map(bar => [barName(channel, bar), colourOf(channel, bar)]);
}

function barName(channel, bar) {
  if (channel.kind === "category") return channel.names[bar];
  if (channel.steps > 1) return (bar / 20).toFixed(2);
  return bar === 0 ? "0" : String(2 ** (bar - 1));
}

// ---------------------------------------------------------------- drawing

function resize() {
  const stage = $("stage"), ratio = Math.min(window.devicePixelRatio || 1, 2);
  const before = width;
  width = Math.max(1, Math.round(stage.clientWidth * ratio));
  height = Math.max(1, Math.round(stage.clientHeight * ratio));
  for (const canvas of [$("points"), $("drawn")]) { canvas.width = width; canvas.height = height; }
  image = new ImageData(width, height);
  pixels = new Uint32Array(image.data.buffer);
  counts = new Uint16Array(width * height);
  if (!before) showAll(); else redraw();
}

// The scale at which the whole map fits.
function smallest() { return 0.96 * Math.min(width / extent[0], height / extent[1]); }

function showAll() {
  view = {x: extent[0] / 2, y: extent[1] / 2, scale: smallest()};
  drawLine();
  redraw();
}

function redraw() {
  if (waiting || !image) return;
  waiting = true;
  requestAnimationFrame(() => { waiting = false; draw(); });
}

function draw() {
  const begun = performance.now();
  const {x, y} = arrays, {scale} = view;
  const left = width / 2 - view.x * scale, top = height / 2 - view.y * scale;
  pixels.fill(0);
  counts.fill(0);
  const seen = onMap(x, y, scale, left, top);
  let most = 1;
  for (let p = 0; p < counts.length; p++) if (counts[p] > most) most = counts[p];
  if (seen <= FEW) enlarge(x, y, scale, left, top, seen);
  else shade(most);
  $("points").getContext("2d").putImageData(image, 0, 0);
  document.body.dataset.frame = (performance.now() - begun).toFixed(1);
}

// Colours the pixel of every image that passes all filters, and counts them; returns how many are on the canvas.
function onMap(x, y, scale, left, top) {
  let seen = 0;
  const dimmed = chosen ? faint() : 0;
  for (let i = 0; i < n; i++) {
    if (failed[i]) continue;
    const px = (x[i] * scale + left) | 0, py = (y[i] * scale + top) | 0;
    if (px < 0 || py < 0 || px >= width || py >= height) continue;
    const p = py * width + px;
    seen++;
    if (counts[p] < 65535) counts[p]++;
    if (chosen && !chosen[i]) { if (!pixels[p]) pixels[p] = dimmed; continue; }
    pixels[p] = palette[colours[i]];
  }
  return seen;
}

function isDark() { return matchMedia("(prefers-color-scheme: dark)").matches; }
function faint() { return isDark() ? 0xff4a423a : 0xffd9d3cd; }

// Where many images share a pixel it is full, where one lies alone it is half transparent: the map shows density.
function shade(most) {
  const steps = new Uint32Array(most + 1);
  const full = Math.log1p(Math.min(most, 30));
  for (let count = 1; count <= most; count++) {
    const share = 0.45 + 0.55 * Math.min(1, Math.log1p(count) / full);
    steps[count] = Math.round(255 * share) << 24;
  }
  for (let p = 0; p < pixels.length; p++) {
    if (counts[p]) pixels[p] = (pixels[p] & 0xffffff | steps[counts[p]]) >>> 0;
  }
}

// Close up every image is a square of several pixels.
function enlarge(x, y, scale, left, top, seen) {
  const size = seen < 2000 ? 3 : seen < 10000 ? 2 : 1;
  const dimmed = chosen ? faint() : 0;
  for (const second of [false, true]) {  // what was chosen lies on top
    if (second && !chosen) break;
    for (let i = 0; i < n; i++) {
      if (failed[i]) continue;
      const isChosen = !chosen || chosen[i] === 1;
      if (chosen && isChosen !== second) continue;
      const px = (x[i] * scale + left) | 0, py = (y[i] * scale + top) | 0;
      if (px < -size || py < -size || px >= width + size || py >= height + size) continue;
      const colour = isChosen ? palette[colours[i]] : dimmed;
      const fromX = Math.max(0, px - size), toX = Math.min(width - 1, px + size);
      for (let row = Math.max(0, py - size); row <= Math.min(height - 1, py + size); row++) {
        pixels.fill(colour, row * width + fromX, row * width + toX + 1);
      }
    }
  }
}

// ---------------------------------------------------------------- filters

function buildFilters() {
  for (const channel of channels) {
    const set = document.createElement("fieldset"), title = document.createElement("legend");
    title.textContent = channel.title;
    set.append(title);
    if (isOrdered(channel)) buildRange(channel, set); else buildNames(channel, set);
    $("filters").append(set);
  }
  count();
}

function buildRange(channel, set) {
  const bars = document.createElement("canvas");
  bars.className = "bars";
  bars.setAttribute("role", "img");
  channel.canvas = bars;
  set.append(bars);
  const row = document.createElement("div");
  row.className = "row";
  for (const end of ["from", "to"]) {
    const label = document.createElement("label"), input = rangeInput(channel, end);
    label.append(end + " ", input);
    input.setAttribute("aria-label", `${channel.title} ${end}`);
    input.addEventListener("change", () => filterRange(channel));
    channel[end] = input;
    row.append(label);
  }
  set.append(row);
}

function rangeInput(channel, end) {
  if (channel.kind === "category") {
    const select = document.createElement("select");
    channel.names.forEach((name, i) => select.append(new Option(name, i)));
    select.selectedIndex = end === "from" ? 0 : channel.names.length - 1;
    return select;
  }
  const input = document.createElement("input");
  Object.assign(input, {type: "number", min: 0, step: 1 / channel.steps, placeholder: "any"});
  return input;
}

function buildNames(channel, set) {
  const list = document.createElement("div");
  list.className = "names";
  channel.boxes = channel.names.map(name => {
    const label = document.createElement("label"), box = document.createElement("input");
    const total = document.createElement("output");
    Object.assign(box, {type: "checkbox", checked: true});
    box.addEventListener("change", () => filterNames(channel));
    label.append(box, name, total);
    list.append(label);
    return {box, total};
  });
  set.append(list);
}

// An image without a value passes only while nothing is asked of it.
function filterRange(channel) {
  const category = channel.kind === "category";
  const read = (input, otherwise) => input.value === "" ? otherwise : Math.round(input.value * channel.steps);
  const low = read(channel.from, 0), high = read(channel.to, channel.missing - 1);
  const everything = low <= 0 && high >= (category ? channel.names.length - 1 : channel.missing - 1);
  apply(channel, value => everything || value !== channel.missing && value >= low && value <= high);
}

function filterNames(channel) {
  const on = channel.boxes.map(({box}) => box.checked), everything = on.every(Boolean);
  apply(channel, value => everything || on[value] === true);
}

function apply(channel, passes) {
  const table = new Uint8Array(channel.missing + 1);
  for (let value = 0; value <= channel.missing; value++) table[value] = passes(value) ? 0 : channel.bit;
  const {values} = channel, keep = 255 & ~channel.bit;
  for (let i = 0; i < n; i++) failed[i] = failed[i] & keep | table[values[i]];
  count();
  redraw();
}

// Each filter shows the images that pass all the others.
function count() {
  let passing = 0;
  for (let i = 0; i < n; i++) if (!failed[i]) passing++;
  for (const channel of channels) {
    const {values, bar, totals} = channel, others = 255 & ~channel.bit;
    totals.fill(0);
    for (let i = 0; i < n; i++) if (!(failed[i] & others)) totals[bar[values[i]]]++;
    if (channel.boxes) channel.boxes.forEach(({total}, i) => { total.textContent = totals[i].toLocaleString("en"); });
    if (channel.canvas) drawBars(channel);
  }
  document.body.dataset.passing = passing;
  const all = passing === n ? "" : ` of ${n.toLocaleString("en")}`;
  $("status").textContent = `${passing.toLocaleString("en")}${all} images shown`;
}

function drawBars(channel) {
  const {canvas, totals, bars} = channel;
  canvas.width = Math.max(1, canvas.clientWidth || 260);
  canvas.height = 44;
  const context = canvas.getContext("2d"), step = canvas.width / bars;
  let most = 1;
  for (let bar = 0; bar < bars; bar++) most = Math.max(most, totals[bar]);
  for (let bar = 0; bar < bars; bar++) {
    const tall = totals[bar] ? Math.max(1, totals[bar] / most * 42) : 0;
    context.fillStyle = `rgb(${colourOf(channel, bar).join(",")})`;
    context.fillRect(bar * step, 44 - tall, Math.max(1, step - 1), tall);
  }
  canvas.setAttribute("aria-label", `${channel.title} of the images shown, from ${barName(channel, 0)} to ` +
    `${barName(channel, bars - 1)}; at most ${most.toLocaleString("en")} in one bar`);
}

function clearFilters() {
  for (const channel of channels) {
    if (channel.boxes) channel.boxes.forEach(({box}) => { box.checked = true; });
    else if (channel.kind === "category") {
      channel.from.selectedIndex = 0;
      channel.to.selectedIndex = channel.names.length - 1;
    } else channel.from.value = channel.to.value = "";
  }
  failed.fill(0);
  count();
  redraw();
}

// ---------------------------------------------------------------- choosing

let line = null;  // [x, y] in units of the map, while it is drawn

function drawLine() {
  const context = $("drawn").getContext("2d");
  context.clearRect(0, 0, width, height);
  if (!line || line.length < 2) return;
  context.beginPath();
  for (const [x, y] of line) {
    context.lineTo((x - view.x) * view.scale + width / 2, (y - view.y) * view.scale + height / 2);
  }
  context.closePath();
  context.lineWidth = 2;
  context.strokeStyle = isDark() ? "#fff" : "#000";
  context.stroke();
}

// Chooses the images inside a closed line that pass all filters. The line is filled in a grid of its own extent, and
// an image is inside where its cell is.
function choose(outline) {
  const begun = performance.now(), grid = 512;
  const xs = outline.map(point => point[0]), ys = outline.map(point => point[1]);
  const x0 = Math.min(...xs), y0 = Math.min(...ys);
  const x1 = Math.max(...xs, x0 + 1), y1 = Math.max(...ys, y0 + 1);
  const perX = grid / (x1 - x0), perY = grid / (y1 - y0);
  const canvas = new OffscreenCanvas(grid, grid);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.beginPath();
  for (const [x, y] of outline) context.lineTo((x - x0) * perX, (y - y0) * perY);
  context.fill("evenodd");
  const inside = new Uint32Array(context.getImageData(0, 0, grid, grid).data.buffer);
  const {x, y} = arrays, result = new Uint8Array(n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const px = x[i], py = y[i];
    if (failed[i] || px < x0 || px >= x1 || py < y0 || py >= y1) continue;
    const cell = ((py - y0) * perY | 0) * grid + ((px - x0) * perX | 0);
    if (inside[cell] >>> 24 < 128) continue;
    result[i] = 1;
    total++;
  }
  document.body.dataset.lasso = (performance.now() - begun).toFixed(1);
  setChosen(total ? result : null, total);
}

function setChosen(result, total) {
  chosen = result;
  $("chosen").hidden = !chosen;
  document.body.dataset.chosen = chosen ? total : 0;
  if (chosen) fillTable(total);
  redraw();
}

function chosenPlaces(limit) {
  const places = [];
  for (let i = 0; i < n && places.length < limit; i++) if (chosen[i]) places.push(i);
  return places;
}

function valueOf(channel, i) {
  const value = channel.values[i];
  if (value === channel.missing) return "";
  if (channel.kind === "category") return channel.names[value];
  return channel.steps > 1 ? (value / channel.steps).toFixed(3) : String(value);
}

// The id of the image of a point; its row in the release where the page holds no ids.
function keyOf(i) {
  const place = i * info.step % n;
  if (info.image_name) return info.image_name[place];
  return arrays.placed ? arrays.placed[place] : place;
}

function rowHead() { return [info.image_name ? "image_name" : "row", ...channels.map(one => one.name)]; }

function rowOf(i) {
  return [String(keyOf(i)), ...channels.map(channel => valueOf(channel, i))];
}

function fillTable(total) {
  const cells = (tag, texts) => {
    const row = document.createElement("tr");
    for (const text of texts) {
      const cell = document.createElement(tag);
      cell.textContent = text;
      row.append(cell);
    }
    return row;
  };
  const table = document.querySelector("#chosen table");
  table.tHead.replaceChildren(cells("th", rowHead()));
  table.tBodies[0].replaceChildren(...chosenPlaces(SHOWN).map(i => cells("td", rowOf(i))));
  const first = total > SHOWN ? `; the first ${SHOWN} are shown` : "";
  $("chosen-title").textContent = `${total.toLocaleString("en")} images chosen${first}`;
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function saveSelection() {
  const places = chosenPlaces(n), found = {format: info.format, release: info.release};
  found[info.image_name ? "image_name" : "rows"] = places.map(keyOf);
  save("selection.json", "application/json", JSON.stringify(found));
}

// A cell that a spreadsheet would run as a formula begins with an apostrophe, as `core/safety/spreadsheet.py` has it.
function csvCell(text) {
  const safe = /^[\s']*[=+\-@＝＋－＠\t\r\n\0]/.test(text) ? "'" + text : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function saveTable() {
  const rows = [rowHead(), ...chosenPlaces(n).map(rowOf)];
  save("selection.csv", "text/csv", rows.map(row => row.map(csvCell).join(",")).join("\r\n") + "\r\n");
}

// ---------------------------------------------------------------- moving

function at(event) {
  const box = $("points").getBoundingClientRect(), ratio = width / box.width;
  return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
}

function toMap([px, py]) { return [(px - width / 2) / view.scale + view.x, (py - height / 2) / view.scale + view.y]; }

function zoom(factor, place = [width / 2, height / 2]) {
  const [x, y] = toMap(place), least = smallest() / 2;
  view.scale = Math.min(Math.max(view.scale * factor, least), smallest() * CLOSEST);
  view.x = x - (place[0] - width / 2) / view.scale;
  view.y = y - (place[1] - height / 2) / view.scale;
  drawLine();
  redraw();
}

function move(dx, dy) { view.x -= dx / view.scale; view.y -= dy / view.scale; drawLine(); redraw(); }

function listen() {
  const canvas = $("points"), fingers = new Map();
  let drawing = false;
  const lassoing = () => $("lasso").getAttribute("aria-pressed") === "true";
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    drawing = fingers.size === 1 && (lassoing() || event.shiftKey);
    line = drawing ? [toMap(at(event))] : line;
  });
  canvas.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event), others = [...fingers].filter(([id]) => id !== event.pointerId);
    if (drawing) { line.push(toMap(now)); drawLine(); }
    else if (others.length) {
      const [ox, oy] = others[0][1], distance = ([x, y]) => Math.hypot(x - ox, y - oy) || 1;
      zoom(distance(now) / distance(before), [ox, oy]);
    } else move(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
  });
  const lift = event => {
    fingers.delete(event.pointerId);
    if (!drawing) return;
    drawing = false;
    if (line.length > 2) choose(line); else { line = null; drawLine(); }
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), at(event));
  }, {passive: false});
  canvas.addEventListener("keydown", event => {
    const step = width / 10;
    const keys = {
      ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0),
      ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": showAll,
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  $("lasso").addEventListener("click", () => {
    const on = !lassoing();
    $("lasso").setAttribute("aria-pressed", String(on));
    canvas.classList.toggle("lasso", on);
  });
  $("in").addEventListener("click", () => zoom(1.5));
  $("out").addEventListener("click", () => zoom(1 / 1.5));
  $("all").addEventListener("click", showAll);
  $("clear").addEventListener("click", clearFilters);
  $("filters").addEventListener("submit", event => event.preventDefault());
  $("save").addEventListener("click", saveSelection);
  $("table").addEventListener("click", saveTable);
  $("forget").addEventListener("click", () => { line = null; drawLine(); setChosen(null, 0); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
}

start().catch(error => { $("status").textContent = `This page could not be read: ${error.message}`; throw error; });
