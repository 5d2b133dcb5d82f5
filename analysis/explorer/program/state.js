"use strict";
// What the parts of the explorer share: the data, what is filtered and chosen, and the part of the map that is seen.
// The files of this folder become one program, in the order that page.py names.

const $ = id => document.getElementById(id);

let info;  // the header of the data: channels, arrays, names
let n;  // images on the map
let arrays = {};  // by name, a typed array of n numbers each
let channels = [];  // properties of images, to filter and colour by
let failed;  // Uint8Array [n]: one bit for each filter that an image does not pass
let chosen = null;  // Uint8Array [n]: 1 where an image was chosen
let picked = -1;  // the image whose details are shown
let view = {x: 0, y: 0, scale: 0};  // middle of what is seen, and pixels of the canvas a unit of the map
let extent = [1, 1];  // of the map, in its units

// The last bit of `failed`: the image is not on the map that is shown, of two.
const ABSENT = 128;
// What the served page adds: called with a canvas context once the points are drawn, with an image once it is picked,
// and once everything is ready.
const layers = [], onPick = [], onStart = [];

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function counted(number, noun = "image") {
  return `${number.toLocaleString("en")} ${noun}${number === 1 ? "" : "s"}`;
}
