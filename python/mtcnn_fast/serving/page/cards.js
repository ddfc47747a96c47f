// A card for each photo: picture, numbers, JSON.

import { drawPicture, scaled } from "./draw.js";

// Longer side in pixels of what is shown: photos of any size must fit into memory by the hundred.
const SHOWN = 1600;

export class Card {
  /** Show a file as waiting. `remove` is called when the user removes it. */
  constructor(file, remove) {
    this.file = file;
    this.record = null;
    this.preview = null;
    this.element = document.getElementById("card").content.firstElementChild.cloneNode(true);
    this.canvas = this.element.querySelector("canvas");
    const title = this.element.querySelector("h3");
    title.textContent = file.webkitRelativePath || file.name;
    this.part(".remove").setAttribute("aria-label", `Remove ${title.textContent}`);
    this.part(".remove").addEventListener("click", () => remove(this));
    this.part(".copy").addEventListener("click", () => this.copy());
    this.part(".save").addEventListener("click", () => this.save());
    this.say("Waiting…");
    this.enable(false);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  say(text) {
    this.part(".summary").textContent = text;
  }

  enable(done) {
    for (const selector of [".copy", ".save"]) this.part(selector).disabled = !done;
    this.part(".json").hidden = !done;
    this.element.classList.toggle("done", done);
  }

  /** Show that the photo could not be searched. */
  fail(message) {
    this.element.classList.add("failed");
    this.part(".summary").classList.add("error");
    this.say(message);
  }

  /** Show what was found; `milliseconds` is the time of the whole request. */
  async show(record, milliseconds, options) {
    this.record = record;
    this.milliseconds = milliseconds;
    this.element.classList.remove("failed");
    this.part(".summary").classList.remove("error");
    this.part("pre").textContent = JSON.stringify(record, null, 2);
    this.enable(true);
    if (!this.preview) {
      const factor = Math.min(1, SHOWN / Math.max(record.width, record.height));
      try {
        this.preview = await createImageBitmap(this.file, {
          resizeWidth: Math.max(1, Math.round(record.width * factor)),
          resizeHeight: Math.max(1, Math.round(record.height * factor)),
          resizeQuality: "high",
        });
      } catch {
        // The service reads formats that the browser does not.
        this.part(".stage").hidden = true;
        this.part(".save").hidden = true;
      }
    }
    this.draw(options);
  }

  /** Draw anew, after a change of options. */
  draw(options) {
    if (!this.record) return;
    const faces = this.faces(options);
    const { queue, decode, detect } = this.record.seconds;
    const [found, size] = [count(faces.length, "face"), `${this.record.width} × ${this.record.height}`];
    const times = `decode ${ms(decode)}, detect ${ms(detect)}, wait ${ms(queue)}, in all ${Math.round(this.milliseconds)} ms`;
    this.say(`${found} · ${size} · ${times}`);
    this.canvas.setAttribute("aria-label", `${this.file.name} with ${found}`);
    if (this.preview) {
      drawPicture(this.canvas, this.preview, scaled(faces, this.preview.width / this.record.width), options);
    }
  }

  faces({ least }) {
    return this.record.faces.filter((face) => face.score >= least);
  }

  async copy() {
    const text = JSON.stringify(this.record, null, 2);
    try {
      await navigator.clipboard.writeText(text);
      this.part(".copy").textContent = "Copied";
    } catch {
      // Without permission, or without TLS: the text is shown and selected instead.
      this.part(".json").open = true;
      getSelection().selectAllChildren(this.part("pre"));
    }
  }

  /** Save the picture as it is shown, in its full size. */
  async save() {
    const canvas = document.createElement("canvas");
    const whole = await createImageBitmap(this.file);
    drawPicture(canvas, whole, scaled(this.faces(this.options()), whole.width / this.record.width), this.options());
    whole.close();
    const blob = await new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", 0.92));
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = `${this.file.name.replace(/\.[^.]+$/, "")}_faces.jpg`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  close() {
    this.preview?.close();
    this.element.remove();
  }
}

/** Word a number of things. */
export function count(number, noun) {
  return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

function ms(seconds) {
  return `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}
