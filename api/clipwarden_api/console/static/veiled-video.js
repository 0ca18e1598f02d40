// A video that shows nothing that its viewer has not asked for: blurred, grey and silent until they lift the veil.

const clock = (seconds) => {
  const whole = Math.max(0, Math.floor(seconds || 0));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
};

customElements.define("veiled-video", class extends HTMLElement {
  connectedCallback() {
    this.video = this.querySelector("video");
    this.style.setProperty("--blur", `${this.dataset.blur}px`);
    this.style.setProperty("--grey", "grey" in this.dataset ? "grayscale(1)" : "grayscale(0)");
    this.video.muted = "muted" in this.dataset;
    this.addEventListener("click", (event) => this.do(event.target.closest("button[data-do]")?.dataset.do));
    this.addEventListener("input", (event) => this.set(event.target));
    for (const name of ["timeupdate", "loadedmetadata", "play", "pause", "volumechange"]) {
      this.video.addEventListener(name, () => this.show());
    }
    this.video.addEventListener("error", () => { this.querySelector("[data-fault]").hidden = false; });
    this.show();
  }

  do(deed) {
    const video = this.video;
    if (deed === "play") video.paused ? video.play().catch(() => {}) : video.pause();
    if (deed === "back") video.currentTime -= 5;
    if (deed === "forward") video.currentTime += 5;
    if (deed === "frame") { video.pause(); video.currentTime += 1 / 25; }
    if (deed === "sound") video.muted = !video.muted;
    if (deed === "unveil") { this.toggleAttribute("veiled"); this.show(); }
  }

  set(control) {
    if (control.dataset.do === "seek") this.video.currentTime = Number(control.value);
    if (control.dataset.do === "speed") this.video.playbackRate = Number(control.value);
  }

  show() {
    const video = this.video, seek = this.querySelector("[data-do=seek]");
    const length = Number.isFinite(video.duration) ? video.duration : 0;
    seek.max = length || 100;
    seek.value = video.currentTime;
    seek.setAttribute("aria-valuetext", clock(video.currentTime));
    this.querySelector("[data-at]").textContent = `${clock(video.currentTime)} / ${clock(length)}`;
    this.name("play", video.paused ? "Play" : "Pause");
    this.name("unveil", this.hasAttribute("veiled") ? "Show" : "Hide");
    this.querySelector("[data-do=unveil]").setAttribute("aria-pressed", String(!this.hasAttribute("veiled")));
    this.querySelector("[data-do=sound]").setAttribute("aria-pressed", String(!video.muted));
  }

  name(deed, text) {
    const label = this.querySelector(`[data-do=${deed}]`).firstChild;
    if (label.data.trim() !== text) label.data = `${text} `;
  }
});
