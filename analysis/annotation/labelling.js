// The labelling page. What the server sends is set as text, never as HTML.
"use strict";

const $ = (id) => document.getElementById(id);
const NAMES = [["1", "yes"], ["2", "no"], ["0", "cannot tell"]];
let name = "";
let items = [];
let labels = {};
let at = 0; // place of the picture that is shown
let past = []; // places that were labelled, in order
let busy = false;

async function send(path, body) {
  let answer;
  try {
    answer = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  } catch {
    throw new Error(
      "This was not stored: the server has stopped. Start `twigma label` again and open the address it prints; " +
        "what was stored before is there."
    );
  }
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
}

async function attempt(action) {
  if (busy) return;
  busy = true;
  try {
    await action();
    $("problem").hidden = true;
  } catch (error) {
    $("problem").textContent = error.message;
    $("problem").hidden = false;
  } finally {
    busy = false;
  }
}

async function begin() {
  const wanted = $("name").value;
  const data = await send("start", { name: wanted });
  name = wanted;
  items = data.items;
  labels = data.labels;
  past = [];
  items.forEach((each, place) => {
    if (each.item in labels) past.push(place);
  });
  $("question").textContent = data.question;
  $("who").textContent = "labelled by " + name.trim();
  $("welcome").hidden = true;
  next();
}

function next() {
  const place = items.findIndex((each) => !(each.item in labels));
  if (place < 0) return finish();
  show(place);
}

function show(place) {
  at = place;
  const each = items[place];
  $("done").hidden = true;
  $("work").hidden = false;
  $("frame").classList.toggle("blurred", each.blurred);
  $("show").hidden = !each.blurred;
  $("picture").alt = each.caption || "A picture without a caption";
  $("picture").src = "image/" + encodeURIComponent(each.item);
  $("picture").dataset.item = each.item;
  count();
}

function count() {
  const done = Object.keys(labels).length;
  $("bar").max = items.length;
  $("bar").value = done;
  $("progress").textContent = done + " of " + items.length;
  $("undo").disabled = past.length === 0;
}

function finish() {
  $("work").hidden = true;
  $("done").hidden = false;
  const parts = NAMES.map(([label, word]) => {
    const many = Object.values(labels).filter((each) => each === label).length;
    return many + " " + word;
  });
  $("summary").textContent = items.length + " pictures: " + parts.join(", ") + ".";
}

async function choose(label) {
  if ($("work").hidden) return;
  const item = items[at].item;
  await send("label", { name, item, label });
  labels[item] = label;
  past.push(at);
  next();
}

async function undo() {
  if (past.length === 0) return;
  const place = past[past.length - 1];
  const item = items[place].item;
  await send("label", { name, item, label: "" });
  past.pop();
  delete labels[item];
  show(place);
}

function reveal() {
  $("frame").classList.remove("blurred");
  $("show").hidden = true;
}

$("welcome").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(begin);
});
$("yes").addEventListener("click", () => attempt(() => choose("1")));
$("no").addEventListener("click", () => attempt(() => choose("2")));
$("unsure").addEventListener("click", () => attempt(() => choose("0")));
$("undo").addEventListener("click", () => attempt(undo));
$("back").addEventListener("click", () => attempt(undo));
$("show").addEventListener("click", reveal);
$("picture").addEventListener("error", () => {
  $("problem").textContent = "This picture is not stored: 0 (cannot tell) passes over it.";
  $("problem").hidden = false;
});
document.addEventListener("keydown", (event) => {
  const typing = !$("welcome").hidden;
  if (typing || event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (["1", "2", "0"].includes(event.key)) attempt(() => choose(event.key));
  else if (event.key === "u" || event.key === "Backspace") attempt(undo);
  else if (event.key === " " && !$("work").hidden) {
    event.preventDefault();
    reveal();
  }
});
