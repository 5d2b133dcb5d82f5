// ---------------------------------------------------------------- the map: all images on a plain canvas
// One pass over typed arrays draws everything, which is fast without a graphics processor.

const FEW = 30000;  // visible points up to which each is drawn larger
const CLOSEST = 4096;  // most a map is magnified

let image, pixels, counts, width = 0, height = 0;
let waiting = false;
let seen = 0;  // images on the canvas

function resize() {
  const stage = $("stage"), ratio = Math.min(window.devicePixelRatio || 1, 2);
  const before = width;
  width = Math.max(1, Math.round(stage.clientWidth * ratio));
  height = Math.max(1, Math.round(stage.clientHeight * ratio));
  for (const canvas of [$("points"), $("drawn")]) { canvas.width = width; canvas.height = height; }
  image = new ImageData(width, height);
  pixels = new Uint32Array(image.data.buffer);
  counts = new Uint16Array(width * height);
  if (!before) { showAll(); return; }
  drawMarks();
  redraw();
}

// The scale at which the whole map fits.
function smallest() { return 0.96 * Math.min(width / extent[0], height / extent[1]); }

function showAll() {
  view = {x: extent[0] / 2, y: extent[1] / 2, scale: smallest()};
  drawMarks();
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
  seen = onMap(x, y, scale, left, top);
  let most = 1;
  for (let p = 0; p < counts.length; p++) if (counts[p] > most) most = counts[p];
  if (seen <= FEW) enlarge(x, y, scale, left, top);
  else shade(most);
  const context = $("points").getContext("2d");
  context.putImageData(image, 0, 0);
  for (const layer of layers) layer(context);
  document.body.dataset.frame = (performance.now() - begun).toFixed(1);
}

// Where an image is on the canvas.
function onCanvas(i) {
  const {x, y} = arrays, {scale} = view;
  return [(x[i] - view.x) * scale + width / 2, (y[i] - view.y) * scale + height / 2];
}

// Colours the pixel of every image that passes all filters, and counts them; returns how many are on the canvas.
function onMap(x, y, scale, left, top) {
  let total = 0;
  const dimmed = chosen ? faint() : 0;
  for (let i = 0; i < n; i++) {
    if (failed[i]) continue;
    const px = (x[i] * scale + left) | 0, py = (y[i] * scale + top) | 0;
    if (px < 0 || py < 0 || px >= width || py >= height) continue;
    const p = py * width + px;
    total++;
    if (counts[p] < 65535) counts[p]++;
    if (chosen && !chosen[i]) { if (!pixels[p]) pixels[p] = dimmed; continue; }
    pixels[p] = palette[colours[i]];
  }
  return total;
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
function enlarge(x, y, scale, left, top) {
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

// What lies over the map: the line that is drawn around images, and a ring around the one that is picked.
function drawMarks() {
  const context = $("drawn").getContext("2d");
  context.clearRect(0, 0, width, height);
  context.lineWidth = 2;
  context.strokeStyle = isDark() ? "#fff" : "#000";
  if (line && line.length > 1) {
    context.beginPath();
    for (const [x, y] of line) {
      context.lineTo((x - view.x) * view.scale + width / 2, (y - view.y) * view.scale + height / 2);
    }
    context.closePath();
    context.stroke();
  }
  if (picked >= 0 && !(failed[picked] & ABSENT)) {
    context.beginPath();
    context.arc(...onCanvas(picked), 9, 0, 2 * Math.PI);
    context.stroke();
  }
}
