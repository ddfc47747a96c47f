// The page: photos come in, cards go out.

import { ServiceError, detect, limits, useToken } from "./api.js";
import { Camera } from "./camera.js";
import { Card, count } from "./cards.js";

const element = (id) => document.getElementById(id);
const cards = [];
const waiting = [];
let running = 0;
let accepted = { slots: 2, max_body: Infinity };
let authorized = true;

function options() {
  return {
    view: document.querySelector('input[name="view"]:checked').value,
    landmarks: element("landmarks").checked,
    scores: element("scores").checked,
    least: Number(element("least").value),
    minFace: Number(element("min-face").value) || null,
  };
}

function add(files) {
  // Folders hold other things too; what has no type may still be an image (HEIC in some browsers).
  const images = [...files].filter((file) => file.type.startsWith("image/") || /\.(hei[cf]|avif|tiff?)$/i.test(file.name));
  if (!images.length) {
    report(files.length ? "There is no image among these files." : "There is no file.");
    return;
  }
  for (const file of images) {
    const card = new Card(file, remove);
    card.options = options;
    cards.push(card);
    waiting.push(card);
    element("results").append(card.element);
  }
  pump();
}

function remove(card) {
  const index = cards.indexOf(card);
  cards.splice(index, 1);
  if (waiting.includes(card)) waiting.splice(waiting.indexOf(card), 1);
  card.close();
  const next = cards[Math.min(index, cards.length - 1)];
  (next?.part(".remove") ?? element("choose-files")).focus();
  report();
}

/** Search the photos that wait, as many at once as the service has slots. */
function pump() {
  while (authorized && waiting.length && running < accepted.slots) {
    running += 1;
    search(waiting.shift()).finally(() => {
      running -= 1;
      report();
      pump();
    });
  }
  report();
}

async function search(card) {
  if (card.file.size > accepted.max_body) {
    card.fail(`The file has more than the ${Math.round(accepted.max_body / 1e6)} MB that are accepted.`);
    return;
  }
  card.say("Searching…");
  const start = performance.now();
  try {
    const record = await detect(card.file, options().minFace);
    await card.show(record, performance.now() - start, options());
  } catch (error) {
    if (error.status === 401) {
      ask();
      waiting.unshift(card);
      card.say("Waiting for the token…");
    } else {
      card.fail(error instanceof ServiceError ? error.message : `The page failed: ${error.message}`);
    }
  }
}

function report(text) {
  const done = cards.filter((card) => card.record);
  const faces = done.reduce((sum, card) => sum + card.faces(options()).length, 0);
  const state = waiting.length + running ? `${cards.length - waiting.length - running} of ${count(cards.length, "photo")}…` : "";
  const all = cards.length ? `${count(faces, "face")} in ${count(done.length, "photo")}` : "";
  element("status").textContent = text ?? (state || all);
}

function redraw() {
  element("least-value").textContent = options().least.toFixed(2);
  cards.forEach((card) => card.draw(options()));
  report();
}

function searchAgain() {
  for (const card of cards) if (!waiting.includes(card)) waiting.push(card);
  pump();
}

function ask() {
  authorized = false;
  if (!element("token-form").hidden) return;
  element("token-form").hidden = false;
  element("token").focus();
}

/** Return all files of what was dropped, those of folders too. */
async function dropped(items) {
  const entries = [...items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = [];
  const visit = async (entry) => {
    if (entry.isFile) {
      files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
      return;
    }
    const reader = entry.createReader();
    // A reader gives a hundred entries at a time, and none at the end.
    for (;;) {
      const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
      if (!part.length) return;
      for (const each of part) await visit(each);
    }
  };
  for (const entry of entries) await visit(entry);
  return files;
}

function listen() {
  for (const [button, input] of [["choose-files", "files"], ["choose-folder", "folder"]]) {
    element(button).addEventListener("click", () => element(input).click());
    element(input).addEventListener("change", (event) => {
      add(event.target.files);
      event.target.value = "";
    });
  }
  document.addEventListener("dragover", (event) => {
    event.preventDefault();
    element("drop").classList.add("over");
  });
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) element("drop").classList.remove("over");
  });
  document.addEventListener("drop", async (event) => {
    event.preventDefault();
    element("drop").classList.remove("over");
    const files = [...event.dataTransfer.files];
    const found = await dropped(event.dataTransfer.items);
    add(found.length ? found : files);
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) add(event.clipboardData.files);
  });
  for (const id of ["landmarks", "scores", "least"]) element(id).addEventListener("input", redraw);
  document.querySelectorAll('input[name="view"]').forEach((input) => input.addEventListener("change", redraw));
  element("min-face").addEventListener("change", searchAgain);
  element("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    useToken(element("token").value);
    element("token-form").hidden = true;
    authorized = true;
    pump();
  });
  new Camera(options, add);
}

async function start() {
  listen();
  try {
    accepted = await limits();
    element("min-face").placeholder = accepted.min_face_size;
    element("version").textContent = `· version ${accepted.version} on ${accepted.device}`;
    if (accepted.token) ask();
  } catch (error) {
    report(error.message);
  }
}

start();
