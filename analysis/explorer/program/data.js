// ---------------------------------------------------------------- data: unpacked arrays, and the values of an image

async function unpack(id) {
  const text = $(id).textContent;
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  $(id).remove();
  return new Response(stream).arrayBuffer();
}

async function readData() {
  info = JSON.parse(new TextDecoder().decode(await unpack("header")));
  const buffer = await unpack("data");
  n = info.n;
  const types = {8: Uint8Array, 16: Uint16Array, 32: Uint32Array};
  for (const {name, bits, at} of info.arrays) arrays[name] = new types[bits](buffer, at, n);
  failed = new Uint8Array(n);
  extent = [arrays.x, arrays.y].map(values => values.reduce((most, value) => Math.max(most, value), 1));
  channels = info.channels.map(prepare);
}

// A channel with its values, the bit of its filter, and how its values are counted in bars.
function prepare(channel, place) {
  const values = arrays[channel.name], missing = channel.missing;
  let largest = 0;
  if (channel.kind === "category") largest = channel.names.length - 1;
  else for (let i = 0; i < n; i++) if (values[i] !== missing && values[i] > largest) largest = values[i];
  const number = channel.kind === "number";
  // Likes are spread over powers of two; scores and names over their values.
  const logarithmic = number && channel.steps === 1;
  const bar = new Uint8Array(missing + 1);
  let bars = 0;
  for (let value = 0; value < missing; value++) {
    if (logarithmic) bar[value] = value ? Math.min(16, Math.floor(Math.log2(value)) + 1) : 0;
    else if (number) bar[value] = Math.min(19, Math.floor(value * 20 / channel.steps));
    else bar[value] = value;
    if (value <= largest) bars = Math.max(bars, bar[value] + 1);
  }
  bar[missing] = 255;
  return {...channel, values, largest, bar, bars, bit: 1 << place, totals: new Uint32Array(256)};
}

function channelOf(name) { return channels.find(one => one.name === name); }

function valueOf(channel, i) {
  const value = channel.values[i];
  if (value === channel.missing) return "";
  if (channel.kind === "category") return channel.names[value];
  return channel.steps > 1 ? (value / channel.steps).toFixed(3) : String(value);
}

// Where an image is in the list of all: those that only the earlier release has come last.
function placeOf(i) { return i * info.step % n; }

function isGone(i) { return placeOf(i) >= info.kept; }

// The id of the image of a point; its row in the release where the page holds no ids.
function keyOf(i) {
  const place = placeOf(i);
  if (info.image_name) return info.image_name[place];
  return arrays.placed ? arrays.placed[place] : place;
}

// The part of a table that says which image a row is of.
function rowHead() { return [info.image_name ? "image_name" : "row", ...channels.map(one => one.name)]; }

function rowOf(i) { return [String(keyOf(i)), ...channels.map(channel => valueOf(channel, i))]; }
