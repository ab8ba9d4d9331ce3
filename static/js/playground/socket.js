// The one WebSocket of the page. It comes back by itself after it was lost; who listens then asks for what is missing.
//
// Events: "open", "lost" (it will try again), "ended" (it will not: detail is why), "frame" (detail is the frame).
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8_000;
const ENDS = {
  4401: "You have been logged out. Reload the page to log in again.",
  4403: "This page may not open a connection. Reload the page.",
  4429: "Too much was sent at once, so the connection was closed. Wait a moment, then reload the page.",
};

export class Link extends EventTarget {
  constructor(path) {
    super();
    this.address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.limits = null;
    this.socket = null;
    this.wait = FIRST_WAIT_MS;
    addEventListener("online", () => this.timer && this.open());
    // A page that is left for good says so (1001); one that is kept for going back opens anew when it is shown.
    addEventListener("pagehide", () => this.close());
    addEventListener("pageshow", ({ persisted }) => persisted && this.open());
  }

  get ready() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  open() {
    clearTimeout(this.timer);
    this.timer = null;
    const socket = new WebSocket(this.address);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.wait = FIRST_WAIT_MS;
      this.dispatchEvent(new Event("open"));
    });
    socket.addEventListener("message", ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "hello") this.limits = frame.limits;
      this.dispatchEvent(new CustomEvent("frame", { detail: frame }));
    });
    socket.addEventListener("close", ({ code }) => socket === this.socket && this.closed(code));
  }

  closed(code) {
    this.socket = null;
    if (code in ENDS) {
      this.dispatchEvent(new CustomEvent("ended", { detail: ENDS[code] }));
      return;
    }
    this.dispatchEvent(new Event("lost"));
    this.timer = setTimeout(() => this.open(), this.wait * (0.75 + Math.random() / 2));
    this.wait = Math.min(this.wait * 2, LONGEST_WAIT_MS);
  }

  close() {
    clearTimeout(this.timer);
    const { socket } = this;
    this.socket = null;
    socket?.close(1000);
  }

  // False when there is no connection: what was to be said is said after "open".
  send(frame) {
    if (!this.ready) return false;
    this.socket.send(JSON.stringify(frame));
    return true;
  }
}
