// ---------------------------------------------------------------- the selection: images inside a line that is drawn

const SHOWN = 200;  // rows of the table of chosen images

let line = null;  // [x, y] in units of the map

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

function forget() {
  line = null;
  drawMarks();
  setChosen(null, 0);
}

function chosenPlaces(limit) {
  const places = [];
  for (let i = 0; i < n && places.length < limit; i++) if (chosen[i]) places.push(i);
  return places;
}

function fillTable(total) {
  const table = document.querySelector("#chosen table");
  const head = rowHead().map(name => element("th", {textContent: name, scope: "col"}));
  const rows = chosenPlaces(SHOWN).map(i => {
    const [key, ...values] = rowOf(i);
    const button = element("button", {type: "button", className: "plain", textContent: key});
    button.setAttribute("aria-label", `Show image ${key}`);
    button.addEventListener("click", () => pick(i, true));
    const cells = values.map(text => element("td", {textContent: text}));
    return element("tr", {}, element("td", {}, button), ...cells);
  });
  table.tHead.replaceChildren(element("tr", {}, ...head));
  table.tBodies[0].replaceChildren(...rows);
  const first = total > SHOWN ? `; the first ${SHOWN} are shown` : "";
  $("chosen-title").textContent = `${counted(total)} chosen${first}`;
}
