// ---------------------------------------------------------------- filters, which count

function buildFilters() {
  for (const channel of channels) {
    const set = element("fieldset", {}, element("legend", {textContent: channel.title}));
    if (isOrdered(channel)) buildRange(channel, set); else buildNames(channel, set);
    $("filters").append(set);
  }
  count();
}

function buildRange(channel, set) {
  const bars = element("canvas", {className: "bars"});
  bars.setAttribute("role", "img");
  channel.canvas = bars;
  const row = element("div", {className: "row"});
  for (const end of ["from", "to"]) {
    const input = rangeInput(channel, end);
    input.setAttribute("aria-label", `${channel.title} ${end}`);
    input.addEventListener("change", () => filterRange(channel));
    channel[end] = input;
    row.append(element("label", {}, end + " ", input));
  }
  set.append(bars, row);
}

function rangeInput(channel, end) {
  if (channel.kind !== "category") {
    return element("input", {type: "number", min: 0, step: 1 / channel.steps, placeholder: "any"});
  }
  const select = element("select", {}, ...channel.names.map((name, i) => new Option(name, i)));
  select.selectedIndex = end === "from" ? 0 : channel.names.length - 1;
  return select;
}

function buildNames(channel, set) {
  const list = element("div", {className: "names"});
  channel.boxes = channel.names.map(name => {
    const box = element("input", {type: "checkbox", checked: true}), total = element("output");
    box.addEventListener("change", () => filterNames(channel));
    list.append(element("label", {}, box, name, total));
    return {box, total};
  });
  set.append(list);
}

// An image without a value passes only while nothing is asked of it.
function filterRange(channel) {
  const category = channel.kind === "category";
  const read = (input, otherwise) => input.value === "" ? otherwise : Math.round(input.value * channel.steps);
  const low = read(channel.from, 0), high = read(channel.to, channel.missing - 1);
  const everything = low <= 0 && high >= (category ? channel.names.length - 1 : channel.missing - 1);
  apply(channel, value => everything || value !== channel.missing && value >= low && value <= high);
}

function filterNames(channel) {
  const on = channel.boxes.map(({box}) => box.checked), everything = on.every(Boolean);
  apply(channel, value => everything || on[value] === true);
}

function apply(channel, passes) {
  const table = new Uint8Array(channel.missing + 1);
  for (let value = 0; value <= channel.missing; value++) table[value] = passes(value) ? 0 : channel.bit;
  const {values} = channel, keep = 255 & ~channel.bit;
  for (let i = 0; i < n; i++) failed[i] = failed[i] & keep | table[values[i]];
  count();
  redraw();
}

// Each filter shows the images that pass all the others.
function count() {
  let passing = 0, present = 0;
  for (let i = 0; i < n; i++) {
    if (!failed[i]) passing++;
    if (!(failed[i] & ABSENT)) present++;
  }
  for (const channel of channels) {
    const {values, bar, totals} = channel, others = 255 & ~channel.bit;
    totals.fill(0);
    for (let i = 0; i < n; i++) if (!(failed[i] & others)) totals[bar[values[i]]]++;
    if (channel.boxes) channel.boxes.forEach(({total}, i) => { total.textContent = totals[i].toLocaleString("en"); });
    if (channel.canvas) drawBars(channel);
  }
  document.body.dataset.passing = passing;
  const all = passing === present ? "" : ` of ${present.toLocaleString("en")}`;
  $("status").textContent = `${passing.toLocaleString("en")}${all} images shown`;
}

function drawBars(channel) {
  const {canvas, totals, bars} = channel;
  canvas.width = Math.max(1, canvas.clientWidth || 260);
  canvas.height = 44;
  const context = canvas.getContext("2d"), step = canvas.width / bars;
  let most = 1;
  for (let bar = 0; bar < bars; bar++) most = Math.max(most, totals[bar]);
  for (let bar = 0; bar < bars; bar++) {
    const tall = totals[bar] ? Math.max(1, totals[bar] / most * 42) : 0;
    context.fillStyle = `rgb(${colourOf(channel, bar).join(",")})`;
    context.fillRect(bar * step, 44 - tall, Math.max(1, step - 1), tall);
  }
  canvas.setAttribute("aria-label", `${channel.title} of the images shown, from ${barName(channel, 0)} to ` +
    `${barName(channel, bars - 1)}; at most ${most.toLocaleString("en")} in one bar`);
}

function clearFilters() {
  for (const channel of channels) {
    if (channel.boxes) channel.boxes.forEach(({box}) => { box.checked = true; });
    else if (channel.kind === "category") {
      channel.from.selectedIndex = 0;
      channel.to.selectedIndex = channel.names.length - 1;
    } else channel.from.value = channel.to.value = "";
  }
  for (let i = 0; i < n; i++) failed[i] &= ABSENT;
  count();
  redraw();
}
