// Where in a video something was seen: the server has written every hit as a button; here they get their places.

const LEAD = 0.5; // Seconds before a hit at which one begins to look.
const SLACK = 0.05; // Players do not stop exactly where they are told to.

customElements.define("label-timeline", class extends HTMLElement {
  connectedCallback() {
    this.length = Number(this.dataset.length);
    this.video = document.getElementById("video");
    this.hits = [...this.querySelectorAll(".hit")];
    this.lanes = [...this.querySelectorAll(".lane")];
    for (const hit of this.hits) this.place(hit);
    for (const line of this.querySelectorAll("[data-limit]")) {
      line.style.bottom = `${line.closest(".lane").dataset.threshold}%`;
    }
    this.addEventListener("click", (event) => this.seek(event.target.closest(".hit")));
    this.video?.addEventListener("timeupdate", () => this.follow());
    this.querySelector("[data-whatif]").addEventListener("input", (event) => this.judge(Number(event.target.value)));
    this.judge(Number(this.querySelector("[data-whatif]").value), true);
    this.keys();
  }

  place(hit) {
    const { start, end, confidence } = hit.dataset, bar = hit.firstElementChild;
    const width = Math.max(0.4, (end - start) / this.length * 100);
    hit.style.left = `min(${start / this.length * 100}%, calc(100% - 24px))`;
    hit.style.width = `${width}%`;
    bar.style.width = "100%";
    bar.style.height = `${confidence}%`;
  }

  keys() {
    // Two buttons that only keys press: the hit before and the next one.
    for (const [deed, step] of [["previous-hit", -1], ["next-hit", 1]]) {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sr";
      button.tabIndex = -1;
      button.ariaHidden = "true";
      button.dataset.key = deed;
      button.addEventListener("click", () => this.go(step));
      this.append(button);
    }
  }

  seek(hit) {
    if (!hit || !this.video) return;
    this.video.currentTime = Math.max(0, hit.dataset.start / 1000 - LEAD);
    this.at = Number(hit.dataset.start);
  }

  go(step) {
    const now = this.at ?? ((this.video?.currentTime ?? 0) + LEAD) * 1000;
    const there = this.hits.filter((hit) => !hit.hidden && !hit.closest(".lane").hidden)
      .sort((one, other) => one.dataset.start - other.dataset.start);
    const found = step > 0
      ? there.find((hit) => Number(hit.dataset.start) > now + SLACK)
      : there.findLast((hit) => Number(hit.dataset.start) < now - SLACK);
    if (!found) return;
    found.focus();
    this.seek(found);
  }

  follow() {
    const share = this.video.currentTime * 1000 / this.length * 100;
    for (const cursor of this.querySelectorAll(".cursor")) cursor.style.left = `${Math.min(100, share)}%`;
    if (!this.video.paused) this.at = undefined;
  }

  // Say what the verdict would be if every category that is not ignored had this limit.
  judge(limit, silent = false) {
    const judged = this.hits.filter((hit) => hit.closest(".lane").dataset.threshold !== "");
    const over = judged.filter((hit) => Number(hit.dataset.confidence) > limit);
    this.querySelector("[data-limit-shown]").textContent = `${limit} %`;
    if (silent) return;
    for (const hit of this.hits) hit.hidden = Number(hit.dataset.confidence) <= limit && !hit.matches(":focus");
    const lanes = new Set(over.map((hit) => hit.closest(".lane"))).size;
    this.querySelector("[data-told]").textContent = over.length
      ? `Rejected: ${over.length} of ${this.hits.length} stretches, in ${lanes} of ${this.lanes.length} categories, exceed it.`
      : "Approved: nothing exceeds it.";
  }
});
