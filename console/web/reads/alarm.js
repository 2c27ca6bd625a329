/** Makes a hit of a watch-list heard and seen, where the person wants that. */

const KEPT = "platelane.alarm";

export class Alarm {
  /** @param {Storage} storage */
  constructor(storage) {
    this.storage = storage;
    this.on = storage.getItem(KEPT) === "on";
    /** @type {AudioContext | null} */
    this.audio = null;
  }

  /** @param {boolean} on */
  async turn(on) {
    this.on = on;
    this.storage.setItem(KEPT, on ? "on" : "off");
    if (on && "Notification" in window && Notification.permission === "default") await Notification.requestPermission();
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  raise(title, text) {
    if (!this.on) return;
    this.sound();
    if ("Notification" in window && Notification.permission === "granted" && document.hidden)
      new Notification(title, { body: text, tag: "platelane-hit" });
  }

  sound() {
    this.audio ??= new AudioContext();
    const start = this.audio.currentTime;
    for (const [index, frequency] of [880, 660, 880].entries()) {
      const tone = this.audio.createOscillator();
      const volume = this.audio.createGain();
      tone.frequency.value = frequency;
      volume.gain.setValueAtTime(0.15, start + index * 0.18);
      volume.gain.exponentialRampToValueAtTime(0.001, start + index * 0.18 + 0.17);
      tone.connect(volume).connect(this.audio.destination);
      tone.start(start + index * 0.18);
      tone.stop(start + index * 0.18 + 0.18);
    }
  }
}
