// ---------------------------------------------------------------- colours of images, and what they mean

const NONE = [150, 158, 166];
// Okabe & Ito's colours, then darker and lighter ones of theirs; categories beyond share them.
const CATEGORIES = [[0, 114, 178], [230, 159, 0], [0, 158, 115], [204, 121, 167], [213, 94, 0], [86, 180, 233],
  [140, 120, 20], [90, 60, 150], [0, 90, 70], [150, 30, 60]];
const SEQUENCE = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const LISTED = 30;  // names of a legend

let palette;  // Uint32Array: the colour of each value, as a pixel
let colours;  // the value of each image [n]

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

// The map before the update is coloured by the clusters before it.
function colouringChannel() {
  const name = $("colour").value;
  const earlier = name === "cluster" && isShownBefore() ? channelOf("cluster_before") : undefined;
  return earlier || channelOf(name);
}

function recolour() {
  const channel = colouringChannel();
  colours = channel ? channel.values : new Uint8Array(n);
  const size = channel ? channel.missing + 1 : 1;
  palette = new Uint32Array(size);
  for (let value = 0; value < size; value++) {
    const [r, g, b] = channel ? colourOf(channel, channel.bar[value]) : CATEGORIES[0];
    palette[value] = 0xff000000 | b << 16 | g << 8 | r;
  }
  const items = channel ? legend(channel) : [];
  $("legend").replaceChildren(...items.map(([text, rgb]) => element("li", {}, swatch(rgb), text)));
  redraw();
}

function swatch(rgb) {
  const svg = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(svg, "svg"), square = document.createElementNS(svg, "rect");
  square.setAttribute("width", "100%");
  square.setAttribute("height", "100%");
  square.setAttribute("fill", `rgb(${rgb.join(",")})`);
  made.setAttribute("aria-hidden", "true");
  made.append(square);
  return made;
}

function legend(channel) {
  if (!isOrdered(channel)) return channel.names.slice(0, LISTED).map((name, i) => [name, colourOf(channel, i)]);
  const last = channel.bars - 1, middle = Math.floor(last / 2);
  const places = [...new Set([0, middle, last])];
  return places.map(bar => [barName(channel, bar), colourOf(channel, bar)]);
}

function barName(channel, bar) {
  if (channel.kind === "category") return channel.names[bar];
  if (channel.steps > 1) return (bar / 20).toFixed(2);
  return bar === 0 ? "0" : String(2 ** (bar - 1));
}
