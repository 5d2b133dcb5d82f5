// ---------------------------------------------------------------- moving, zooming and picking, by pointer and by keys

const STILL = 4;  // pixels that a pointer may move in a click

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
  drawMarks();
  redraw();
}

function move(dx, dy) { view.x -= dx / view.scale; view.y -= dy / view.scale; drawMarks(); redraw(); }

function isDrawing() { return $("lasso").getAttribute("aria-pressed") === "true"; }

function pickAt(place, reach, focus) {
  const found = spriteAt(place) ?? nearestTo(place, reach);
  if (found >= 0) pick(found, focus);
}

// The served page has pictures on the map, which are picked before points.
let spriteAt = () => undefined;

function listenToPointer(canvas) {
  const fingers = new Map();
  let drawing = false, begin = null;  // where a click began, until it becomes a drag
  canvas.addEventListener("pointerdown", event => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    drawing = fingers.size === 1 && (isDrawing() || event.shiftKey);
    line = drawing ? [toMap(at(event))] : line;
    begin = fingers.size === 1 && !drawing ? at(event) : null;
  });
  canvas.addEventListener("pointermove", event => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const now = at(event), others = [...fingers].filter(([id]) => id !== event.pointerId);
    if (begin && Math.hypot(now[0] - begin[0], now[1] - begin[1]) > STILL) begin = null;
    if (drawing) { line.push(toMap(now)); drawMarks(); }
    else if (others.length) {
      const [ox, oy] = others[0][1], distance = ([x, y]) => Math.hypot(x - ox, y - oy) || 1;
      zoom(distance(now) / distance(before), [ox, oy]);
    } else if (!begin) move(now[0] - before[0], now[1] - before[1]);
    fingers.set(event.pointerId, now);
  });
  const lift = event => {
    fingers.delete(event.pointerId);
    if (begin && event.type === "pointerup") pickAt(begin, REACH * width / canvas.clientWidth, false);
    begin = null;
    if (!drawing) return;
    drawing = false;
    if (line.length > 2) choose(line); else { line = null; drawMarks(); }
  };
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("wheel", event => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY / 400), at(event));
  }, {passive: false});
}

function listenToKeys(canvas) {
  canvas.addEventListener("keydown", event => {
    const step = width / 10, middle = [width / 2, height / 2];
    const keys = {
      ArrowLeft: () => move(step, 0), ArrowRight: () => move(-step, 0),
      ArrowUp: () => move(0, step), ArrowDown: () => move(0, -step),
      "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": showAll,
      Enter: () => pickAt(middle, Math.max(width, height), true),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    keys[event.key]();
  });
}

function listenToButtons(canvas) {
  $("lasso").addEventListener("click", () => {
    const on = !isDrawing();
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
  $("forget").addEventListener("click", forget);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawMarks(); redraw(); });
}
