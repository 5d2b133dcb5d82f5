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

async function showSimilar() {
  const i = picked;
  tell("similar-status", "Comparing with every image …");
  try {
    const {found} = await ask(`similar/${i}`);
    if (picked !== i) return;
    $("similar").replaceChildren(...strip(found));
    tell("similar-status", `${counted(found.length)}, the most similar first.`);
  } catch (error) {
    if (picked === i) tell("similar-status", error.message);
  }
}

let lastFound = [];

async function search(path, options) {
  tell("search-status", "Searching …");
  $("found").replaceChildren();
  $("choose-found").hidden = true;
  try {
    const {found} = await ask(path, options);
    lastFound = found.map(each => each.point);
    $("found").replaceChildren(...strip(found));
    $("choose-found").hidden = !found.length;
    tell("search-status", `${counted(found.length)}, the most similar first.`);
  } catch (error) {
    tell("search-status", error.message);
  }
}

function searchWords() {
  const text = $("words").value.trim();
  if (!text) { tell("search-status", "Write what to look for, such as: a castle at night"); return; }
  const headers = {"Content-Type": "application/json"};
  search("search", {method: "POST", headers, body: JSON.stringify({text})});
}

function searchPicture() {
  const [file] = $("example").files;
  const headers = {"Content-Type": "application/octet-stream"};
  if (file) search("search-picture", {method: "POST", headers, body: file});
}

function chooseFound() {
  const result = new Uint8Array(n);
  for (const i of lastFound) result[i] = 1;
  setChosen(result, lastFound.length);
  $("chosen-title").scrollIntoView({block: "nearest"});
}

onStart.push(() => {
  $("find-similar").addEventListener("click", showSimilar);
  $("search").addEventListener("submit", event => { event.preventDefault(); searchWords(); });
  $("example").addEventListener("change", searchPicture);
  $("choose-found").addEventListener("click", chooseFound);
});
