// Work that follows the sliders: at most one run at a time, and the newest wish wins.

export class Live {
  /**
   * @param {{work: function, idle: function, failed: function}} calls `work` is async and reads
   *   what is wished for when it begins; `idle` is told false before runs and true after them;
   *   `failed` is given an error of `work`, after which runs stop until the next request
   */
  constructor({ work, idle, failed }) {
    Object.assign(this, { work, idle, failed });
    this.wanted = false;
    this.running = false;
  }

  /** Asks for a run; during one, asks for exactly one more. */
  async request() {
    this.wanted = true;
    if (this.running) return;
    this.running = true;
    this.idle(false);
    try {
      while (this.wanted) {
        this.wanted = false;
        await painted();
        await this.work();
      }
    } catch (error) {
      this.wanted = false;
      this.failed(error);
    }
    this.running = false;
    this.idle(true);
  }
}

/** Waits until the browser has painted, so that sliders move smoothly between runs. */
function painted() {
  return new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
}
