// Keys that press what a page shows: `data-key` names the deed, the person's settings the key.

const TYPED = "input:not([type=range]):not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";

customElements.define("hot-keys", class extends HTMLElement {
  connectedCallback() {
    this.deeds = new Map();
    for (const [deed, key] of Object.entries(JSON.parse(this.dataset.keys))) {
      if (key) this.deeds.set(key, deed);
    }
    this.pressed = (event) => this.press(event);
    if ("on" in this.dataset) document.addEventListener("keydown", this.pressed);
  }

  disconnectedCallback() {
    document.removeEventListener("keydown", this.pressed);
  }

  press(event) {
    if (event.defaultPrevented || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest(TYPED) || document.querySelector("dialog[open]")) return;
    const deed = this.deeds.get(event.key.toLowerCase());
    if (!deed) return;
    event.preventDefault();
    if (deed === "help") document.getElementById("keys").showModal();
    else this.do(document.querySelector(`[data-key="${deed}"]:not(:disabled)`));
  }

  do(target) {
    if (!target) return;
    target.closest("details")?.setAttribute("open", "");
    target.focus();
    if (!target.matches(TYPED)) target.click();
  }
});
