// A stream that says that something has changed; `queue-change` is then sent to the body, where parts of pages hear it.

const TOGETHER = 250;  // Milliseconds within which changes are one.
const AGAIN = 30000;  // Milliseconds after which a stream that was refused is asked for again.

customElements.define("live-events", class extends HTMLElement {
  connectedCallback() {
    this.button = this.querySelector("button");
    this.button.addEventListener("click", () => this.turn(this.button.getAttribute("aria-pressed") !== "true"));
    this.shown = () => this.listen();
    document.addEventListener("visibilitychange", this.shown);
    this.listen();
  }

  disconnectedCallback() {
    document.removeEventListener("visibilitychange", this.shown);
    this.close();
  }

  turn(on) {
    this.button.setAttribute("aria-pressed", String(on));
    this.listen();
  }

  // A page that nobody sees needs no stream; when it is seen again, it asks at once.
  listen() {
    const wanted = !document.hidden && this.button.getAttribute("aria-pressed") === "true";
    if (!wanted) return this.close();
    if (this.stream) return;
    if (this.closed) this.tell();
    this.closed = false;
    this.stream = new EventSource(this.dataset.src);
    this.stream.addEventListener("queue-change", () => this.tell());
    this.stream.addEventListener("error", () => this.refused());
  }

  refused() {
    if (this.stream?.readyState !== EventSource.CLOSED) return;
    this.close();
    this.again = setTimeout(() => this.listen(), AGAIN);
  }

  close() {
    clearTimeout(this.again);
    this.stream?.close();
    this.stream = null;
    this.closed = true;
  }

  tell() {
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => document.body.dispatchEvent(new Event("queue-change")), TOGETHER);
  }
});
