// ---------------------------------------------------------------- images that are similar: to one, to words, to a picture

// A list of buttons, each with the small picture of an image; which is described again once it is picked.
function strip(found) {
  return found.map(({point, name, similarity, hidden, why}) => {
    const label = `${similarity.toFixed(3)}`;
    const small = why ? element("span", {className: "missing", textContent: "no picture"})
      : element("img", {src: `thumbnail/${point}`, alt: "", className: hidden ? "blurred" : "", loading: "lazy"});
    const button = element("button", {type: "button", className: "tile"}, small, element("span", {textContent: label}));
    button.setAttribute("aria-label", `Image ${name}, similarity ${label}${hidden ? ", may be sensitive" : ""}`);
    button.addEventListener("click", () => {
      pick(point, true);
      centre(point);
    });
    return element("li", {}, button);
  });
}

// Brings an image into view, if it is not.
function centre(i) {
  const [px, py] = onCanvas(i);
  if (px >= 0 && py >= 0 && px < width && py < height) return;
  Object.assign(view, {x: arrays.x[i], y: arrays.y[i]});
  drawMarks();
  redraw();
}

let lastFound = [];

// Asks for images and lists them; `what` says which they are.
async function list(what, path, options) {
  tell("search-status", "Comparing with every image …");
  $("found").replaceChildren();
  $("choose-found").hidden = true;
  try {
    const {found} = await ask(path, options);
    lastFound = found.map(each => each.point);
    $("found").replaceChildren(...strip(found));
    $("choose-found").hidden = !found.length;
    tell("search-status", `${counted(found.length)} ${what}, the most similar first.`);
  } catch (error) {
    tell("search-status", error.message);
  }
  $("search-status").scrollIntoView({block: "nearest"});
}

function listSimilar() {
  const title = $("details-title").textContent;
  list(`similar to ${title[0].toLowerCase()}${title.slice(1)}`, `similar/${picked}`);
}

function searchWords() {
  const text = $("words").value.trim();
  if (!text) { tell("search-status", "Write what to look for, such as: a castle at night"); return; }
  const headers = {"Content-Type": "application/json"};
  list("found by words", "search", {method: "POST", headers, body: JSON.stringify({text})});
}

function searchPicture() {
  const [file] = $("example").files;
  const headers = {"Content-Type": "application/octet-stream"};
  if (file) list("found by a picture", "search-picture", {method: "POST", headers, body: file});
}

function chooseFound() {
  const result = new Uint8Array(n);
  for (const i of lastFound) result[i] = 1;
  setChosen(result, lastFound.length);
  $("chosen-title").scrollIntoView({block: "nearest"});
}

onStart.push(() => {
  $("find-similar").addEventListener("click", listSimilar);
  $("search").addEventListener("submit", event => { event.preventDefault(); searchWords(); });
  $("example").addEventListener("change", searchPicture);
  $("choose-found").addEventListener("click", chooseFound);
});
