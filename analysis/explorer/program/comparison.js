// ---------------------------------------------------------------- two maps: before and after an update, on the same axes

const maps = {};  // the places of all images on each map

function isShownBefore() { return document.body.dataset.map === "before"; }

function prepareMaps() {
  if (!arrays.dx) return;
  const shifted = (values, delta) => values.map((value, i) => value + delta[i]);  // modulo 2^16, as the type has it
  maps.after = {x: arrays.x, y: arrays.y};
  maps.before = {x: shifted(arrays.x, arrays.dx), y: shifted(arrays.y, arrays.dy)};
  for (const name of ["before", "after"]) $(`map-${name}`).addEventListener("change", () => showMap(name));
  extent = ["x", "y"].map(axis => [maps.before, maps.after].reduce(
    (most, places) => places[axis].reduce((a, b) => Math.max(a, b), most), 1));
  showMap("after");
}

// New images are not on the map before, images that are gone not on the map after.
function showMap(name) {
  document.body.dataset.map = name;
  Object.assign(arrays, maps[name]);
  const change = channelOf("change"), absent = change.names.indexOf(name === "before" ? "new" : "gone");
  for (let i = 0; i < n; i++) failed[i] = failed[i] & ~ABSENT | (change.values[i] === absent ? ABSENT : 0);
  if (!image) return;
  line = null;
  count();
  drawMarks();
  recolour();
}
