// ---------------------------------------------------------------- the image that is picked, and what is known of it

const REACH = 14;  // pixels of the page between a click and the image that it means

// The visible image nearest to a place of the canvas, at most so many of its pixels away; -1 where there is none.
function nearestTo([px, py], reach) {
  const {x, y} = arrays, {scale} = view;
  const atX = (px - width / 2) / scale + view.x, atY = (py - height / 2) / scale + view.y;
  let best = -1, least = (reach / scale) ** 2;
  for (let i = 0; i < n; i++) {
    if (failed[i]) continue;
    const dx = x[i] - atX, dy = y[i] - atY, distance = dx * dx + dy * dy;
    if (distance <= least) { least = distance; best = i; }
  }
  return best;
}

function pick(i, focus = false) {
  picked = i;
  document.body.dataset.picked = i;
  const facts = channels.map(channel => [channel.title, valueOf(channel, i) || "unknown"]);
  $("details-title").textContent = info.image_name ? `Image ${keyOf(i)}` : "Image";
  if (!info.image_name) facts.unshift([isGone(i) ? "Row of the earlier release" : "Row", String(keyOf(i))]);
  showFacts(facts);
  $("details").hidden = false;
  drawMarks();
  for (const show of onPick) show(i);
  if (focus) {
    $("details-title").focus();
    $("details").scrollIntoView({block: "nearest"});
  }
}

// Text of strangers is only ever set as text.
function showFacts(facts) {
  $("facts").replaceChildren(...facts.flatMap(([name, value]) =>
    [element("dt", {textContent: name}), element("dd", {}, value)]));
}

function closeDetails() {
  picked = -1;
  document.body.dataset.picked = -1;
  $("details").hidden = true;
  drawMarks();
  $("points").focus();
}

function listenToDetails() {
  $("close").addEventListener("click", closeDetails);
  $("details").addEventListener("keydown", event => { if (event.key === "Escape") closeDetails(); });
}
