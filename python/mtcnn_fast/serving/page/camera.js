// The camera: frames go to the service one after the other, as fast as it answers.

import { detect } from "./api.js";
import { count } from "./cards.js";
import { drawFaces, scaled } from "./draw.js";

// Width in pixels of what is sent.
const SENT = 640;

export class Camera {
  /** `options` returns what to draw; `take` receives a photo as a file. */
  constructor(options, take) {
    this.options = options;
    this.take = take;
    this.stream = null;
    this.video = document.getElementById("video");
    this.overlay = document.getElementById("overlay");
    this.panel = document.getElementById("camera");
    this.toggle = document.getElementById("camera-toggle");
    this.state = document.getElementById("camera-state");
    this.frame = document.createElement("canvas");
    this.toggle.addEventListener("click", () => (this.stream ? this.stop() : this.start()));
    document.getElementById("camera-stop").addEventListener("click", () => this.stop());
    document.getElementById("snap").addEventListener("click", () => this.snap());
  }

  async start() {
    this.panel.hidden = false;
    this.toggle.setAttribute("aria-expanded", "true");
    this.state.textContent = "";
    if (!navigator.mediaDevices) {
      this.state.textContent = "The browser gives the camera to pages from this machine or by HTTPS only.";
      return;
    }
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "user" }, audio: false });
    } catch (error) {
      this.state.textContent = `The camera cannot be used (${error.name}).`;
      return;
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    this.search();
  }

  stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    this.panel.hidden = true;
    this.toggle.setAttribute("aria-expanded", "false");
    this.toggle.focus();
  }

  async search() {
    while (this.stream) {
      const start = performance.now();
      try {
        const file = await this.grab(SENT, 0.85);
        const record = await detect(file, this.options().minFace);
        if (!this.stream) return;
        this.show(record, performance.now() - start);
      } catch (error) {
        this.state.textContent = error.message;
        await new Promise((resolve) => setTimeout(resolve, 1000));
      }
    }
  }

  show(record, milliseconds) {
    const options = this.options();
    this.overlay.width = this.video.videoWidth;
    this.overlay.height = this.video.videoHeight;
    const faces = record.faces.filter((face) => face.score >= options.least);
    drawFaces(this.overlay.getContext("2d"), scaled(faces, this.overlay.width / record.width), options);
    this.state.textContent = `${count(faces.length, "face")}, ${Math.round(milliseconds)} ms a frame`;
  }

  /** Return what the camera shows as a JPEG file. */
  async grab(width, quality) {
    const factor = Math.min(1, width / this.video.videoWidth);
    this.frame.width = Math.round(this.video.videoWidth * factor);
    this.frame.height = Math.round(this.video.videoHeight * factor);
    this.frame.getContext("2d").drawImage(this.video, 0, 0, this.frame.width, this.frame.height);
    const blob = await new Promise((resolve) => this.frame.toBlob(resolve, "image/jpeg", quality));
    return new File([blob], "camera.jpg", { type: "image/jpeg" });
  }

  async snap() {
    if (this.stream) this.take([await this.grab(Infinity, 0.92)]);
  }
}
