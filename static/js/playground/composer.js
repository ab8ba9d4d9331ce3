// Where the next message is written: text, pictures, and the button that sends or stops.
import { toast } from "../toasts.js";
import { h, icon, iconButton } from "./dom.js";
import { addressOf, isImage, MOST_IMAGES } from "./images.js";

const MOST_LINES_PX = 260;
const coarse = matchMedia("(pointer: coarse)");

export class Composer {
  // Calls `send(text, images)`, `stop()`, and `changed()` after each change of the draft.
  constructor(form, { send, stop, changed }) {
    Object.assign(this, { form, images: [], running: false, changed, send, stop, sees: false });
    this.area = form.querySelector("textarea");
    this.strip = form.querySelector("[data-images]");
    this.file = form.querySelector('input[type="file"]');
    this.attach = form.querySelector("[data-attach]");
    this.button = form.querySelector("[data-send]");
    this.hint = form.querySelector("[data-hint]");
    this.area.addEventListener("input", () => {
      this.fit();
      changed();
    });
    this.area.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing || event.shiftKey || (coarse.matches && !event.ctrlKey && !event.metaKey)) return;
      event.preventDefault();
      if (!this.running) this.submit();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (this.running) stop();
      else this.submit();
    });
    this.attach.addEventListener("click", () => this.file.click());
    this.file.addEventListener("change", () => this.add([...this.file.files]).then(() => (this.file.value = "")));
    this.area.addEventListener("paste", (event) => {
      const files = [...event.clipboardData.files].filter(isImage);
      if (!files.length) return;
      event.preventDefault();
      this.add(files);
    });
    this.takeDrops();
  }

  takeDrops() {
    const place = this.form.closest(".bench-main");
    const holds = (event) => [...event.dataTransfer.items].some(({ kind }) => kind === "file");
    place.addEventListener("dragover", (event) => {
      if (!holds(event)) return;
      event.preventDefault();
      this.form.dataset.drop = "";
    });
    place.addEventListener("dragleave", ({ relatedTarget }) => !place.contains(relatedTarget) && delete this.form.dataset.drop);
    place.addEventListener("drop", (event) => {
      delete this.form.dataset.drop;
      if (!event.dataTransfer.files.length) return;
      event.preventDefault();
      this.add([...event.dataTransfer.files]);
    });
  }

  async add(files) {
    if (!this.sees) return toast("error", "None of the chosen models can look at pictures. Choose one with vision.");
    for (const file of files) {
      if (this.images.length >= MOST_IMAGES) return toast("error", `A message holds at most ${MOST_IMAGES} pictures.`);
      try {
        this.images.push(await addressOf(file));
      } catch (reason) {
        toast("error", reason.message);
      }
    }
    this.drawImages();
    return this.changed();
  }

  drawImages() {
    this.strip.hidden = !this.images.length;
    this.strip.replaceChildren(
      ...this.images.map((url, at) => {
        const remove = iconButton("x", `Remove picture ${at + 1}`, () => {
          this.images.splice(at, 1);
          this.drawImages();
          this.changed();
        });
        return h("span", { class: "attached" }, h("img", { src: url, alt: `Picture ${at + 1}` }), remove);
      }),
    );
  }

  submit() {
    const text = this.area.value.trim();
    if (!text && !this.images.length) return this.area.focus();
    return this.send(text, this.images);
  }

  get draft() {
    return { text: this.area.value, images: [...this.images] };
  }

  set draft({ text = "", images = [] }) {
    this.area.value = text;
    this.images = [...images];
    this.drawImages();
    this.fit();
  }

  // The box grows with its text, up to a bound.
  fit() {
    this.area.style.blockSize = "auto";
    if (!this.area.value) return; // one line, which need not be measured
    this.area.style.blockSize = `${Math.min(this.area.scrollHeight + 2, MOST_LINES_PX)}px`;
  }

  // `names`: of the models the message goes to; `sees`: whether one of them takes pictures.
  show({ names, sees, running }) {
    Object.assign(this, { sees, running });
    const to = names.length === 1 ? names[0] : names.length === 2 ? "both models" : `all ${names.length} models`;
    this.area.placeholder = `Message ${to}`;
    this.hint.textContent = names.length === 1 ? "Enter sends, Shift Enter starts a line" : `Enter sends to ${names.length === 2 ? "both" : `all ${names.length}`}`;
    this.attach.disabled = !sees;
    this.attach.title = sees ? "Add a picture" : "None of the chosen models takes pictures";
    const label = running ? "Stop" : "Send";
    if (this.button.getAttribute("aria-label") === label) return;
    this.button.setAttribute("aria-label", label);
    this.button.title = label;
    this.button.classList.toggle("primary", !running);
    this.button.replaceChildren(icon(running ? "stop" : "send"));
  }
}
