// ---------------------------------------------------------------- pictures: of the picked image, and on the map
// Far out the map shows density, nearer one picture stands for many images, close up it shows the images as points.

const SPRITE = 46;  // pixels of the page that a picture on the map is wide
const NEAR = 1.25;  // of the whole map's scale: from here on pictures are drawn
const POINTS_FROM = 60;  // images on the canvas below which they are shown as points only
const FRAME = 2;  // pixels of the page around a picture, in the colour of its image

let sprites = null;  // {image, size, columns, points}: pictures in one sheet, the most important first
let drawnSprites = [];  // [x, y, side, i] of those on the canvas

async function loadSprites() {
  tell("pictures-status", "Choosing pictures that stand for many …");
  try {
    const sheet = await ask("sprites");
    if (!sheet.points.length) { tell("pictures-status", sheet.why); return; }
    const image = new Image();
    image.src = "sprites.jpg";
    await image.decode();
    sprites = {...sheet, image};
    document.body.dataset.sprites = sheet.points.length;
    tell("pictures-status", "");
    $("pictures").disabled = false;
    redraw();
  } catch (error) {
    tell("pictures-status", `No pictures on the map: ${error.message}`);
  }
}

function showsSprites() {
  const near = view.scale >= NEAR * smallest();
  return sprites && near && seen > POINTS_FROM && $("pictures").getAttribute("aria-pressed") === "true";
}

// Draws as many pictures as fit without covering one another, each where its image is.
function drawSprites(context) {
  drawnSprites = [];
  if (showsSprites()) {
    const ratio = width / $("points").clientWidth, side = SPRITE * ratio, frame = FRAME * ratio;
    sprites.points.forEach((i, place) => {
      if (failed[i] || chosen && !chosen[i]) return;
      const [x, y] = onCanvas(i);
      if (x < 0 || y < 0 || x >= width || y >= height) return;
      if (drawnSprites.some(([ox, oy]) => Math.abs(x - ox) < side && Math.abs(y - oy) < side)) return;
      drawnSprites.push([x, y, side, i]);
      drawSprite(context, place, x - side / 2, y - side / 2, side, frame);
    });
  }
  document.body.dataset.drawn = drawnSprites.length;
}

function drawSprite(context, place, x, y, side, frame) {
  const {image, size, columns, points} = sprites;
  const column = place % columns, row = Math.floor(place / columns);
  const channel = colouringChannel(), i = points[place];
  const colour = channel ? colourOf(channel, channel.bar[channel.values[i]]) : NONE;
  context.fillStyle = `rgb(${colour.join(",")})`;
  context.fillRect(x, y, side, side);
  const inner = side - 2 * frame;
  context.drawImage(image, column * size, row * size, size, size, x + frame, y + frame, inner, inner);
}

function spriteUnder([px, py]) {
  const found = drawnSprites.find(([x, y, side]) => Math.abs(px - x) < side / 2 && Math.abs(py - y) < side / 2);
  return found && found[3];
}

// A picture that may be sensitive is a few blurred squares until the reader asks for it.
function frameOf(i, {alt, hidden, why}) {
  if (why) return element("p", {className: "missing", textContent: `No picture: ${why}`});
  const picture = element("img", {alt, src: hidden ? `thumbnail/${i}` : `picture/${i}`});
  const frame = element("figure", {}, picture);
  picture.addEventListener("error", () => frame.replaceWith(element("p", {
    className: "missing", textContent: "No picture: it is damaged, or was removed since this page was opened.",
  })));
  if (!hidden) return frame;
  const button = element("button", {type: "button", className: "reveal", textContent: "May be sensitive: show it"});
  picture.className = "blurred";
  picture.alt = "Hidden, as it may be sensitive";
  button.addEventListener("click", () => {
    Object.assign(picture, {src: `picture/${i}`, alt, className: ""});
    picture.tabIndex = -1;
    picture.focus();
    button.remove();
  });
  frame.append(button);
  return frame;
}

async function showDetails(i) {
  $("picture").replaceChildren();
  try {
    const found = await ask(`details/${i}`);
    // The reader may have gone on to another image.
    if (picked === i) fillDetails(i, found);
  } catch (error) {
    if (picked === i) $("picture").replaceChildren(element("p", {className: "missing", textContent: error.message}));
  }
}

function fillDetails(i, found) {
  const alt = found.caption || found.title;
  $("picture").replaceChildren(frameOf(i, {alt, hidden: found.sensitive, why: found.why}));
  $("details-title").textContent = found.title;
  showFacts(found.facts.map(([name, text, link]) => [name, link ? postLink(text, link) : text]));
}

// The server writes the address, from an id that is a number.
function postLink(text, link) {
  return element("a", {textContent: text, href: link, target: "_blank", rel: "noopener noreferrer"});
}

onPick.push(showDetails);
layers.push(drawSprites);
onStart.push(() => {
  spriteAt = spriteUnder;
  $("pictures").addEventListener("click", () => {
    const on = $("pictures").getAttribute("aria-pressed") !== "true";
    $("pictures").setAttribute("aria-pressed", String(on));
    redraw();
  });
  loadSprites();
});
