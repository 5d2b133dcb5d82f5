// ---------------------------------------------------------------- files that the reader saves

function save(name, type, text) {
  const link = element("a", {href: URL.createObjectURL(new Blob([text], {type})), download: name});
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// Rows are those of the release: an image that it no longer has is named by its id only.
function saveSelection() {
  const found = {format: info.format, release: info.release};
  const places = chosenPlaces(n).filter(i => info.image_name || !isGone(i));
  found[info.image_name ? "image_name" : "rows"] = places.map(keyOf);
  save("selection.json", "application/json", JSON.stringify(found));
}

// A cell that a spreadsheet would run as a formula begins with an apostrophe, as `core/safety/spreadsheet.py` has it.
function csvCell(text) {
  const safe = /^[\s']*[=+\-@＝＋－＠\t\r\n\0]/.test(text) ? "'" + text : text;
  return `"${safe.replaceAll('"', '""')}"`;
}

function saveTable() {
  const rows = [rowHead(), ...chosenPlaces(n).map(rowOf)];
  save("selection.csv", "text/csv", rows.map(row => row.map(csvCell).join(",")).join("\r\n") + "\r\n");
}
