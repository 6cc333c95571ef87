// The sliders: one for the strength, one for each tradition; what they say, in numbers and in words.

const strength = document.getElementById("strength");

/** Builds a slider per culture; `changed` is called at every move. The first culture is full. */
export function buildControls(cultures, changed) {
  const list = document.getElementById("traditions");
  cultures.forEach((culture, index) => list.append(row(culture, index, changed)));
  watch(strength, document.getElementById("strength-value"), changed);
}

/** What the sliders say: `mixture`, one weight of 0 to 1 per culture, and `strength`, 0 to 1. */
export function readSettings() {
  const weights = traditionSliders().map((slider) => slider.valueAsNumber / 100);
  return { mixture: new Float32Array(weights), strength: strength.valueAsNumber / 100 };
}

/** The settings as words, such as "60 % Girih stars, 40 % Akan kente, strength 80 %". */
export function describeSettings(cultures, { mixture, strength }) {
  const total = mixture.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) return "no tradition chosen, so the picture is as it was";
  const shares = [...mixture]
    .map((weight, index) => ({ share: Math.round((100 * weight) / total), index }))
    .filter(({ share }) => share > 0)
    .map(({ share, index }) => `${share}\u00a0% ${cultures[index].title}`);
  return `${shares.join(", ")}, strength ${Math.round(100 * strength)}\u00a0%`;
}

function traditionSliders() {
  return [...document.querySelectorAll("#traditions input")];
}

function row(culture, index, changed) {
  const id = `tradition-${index}`;
  const place = [culture.region, culture.period].filter(Boolean).join(", ");
  const label = element("label", { htmlFor: id }, culture.title);
  const note = element("span", { className: "note", id: `${id}-note` }, place);
  // Hidden from screen readers, which hear the same from the slider itself.
  const shown = element("span", { id: `${id}-value`, className: "value", ariaHidden: "true" });
  const slider = element("input", { id, type: "range", min: 0, max: 100, step: 1 });
  slider.value = index === 0 ? 100 : 0;
  if (place) slider.setAttribute("aria-describedby", note.id);
  const only = element("button", { type: "button", className: "only" }, "only");
  only.setAttribute("aria-label", `Only ${culture.title}`);
  only.addEventListener("click", () => {
    for (const other of traditionSliders()) setTo(other, other === slider ? 100 : 0);
  });
  watch(slider, shown, changed);
  const group = element("div", { className: "slider" });
  group.append(label, only, shown, note, slider);
  return group;
}

function setTo(slider, value) {
  slider.value = value;
  slider.dispatchEvent(new Event("input", { bubbles: true }));
}

function watch(slider, shown, changed) {
  const say = () => {
    shown.textContent = `${slider.value}\u00a0%`;
    slider.setAttribute("aria-valuetext", shown.textContent);
    slider.style.setProperty("--filled", `${slider.value}%`);
  };
  slider.addEventListener("input", () => {
    say();
    changed();
  });
  say();
}

function element(name, properties, text = "") {
  const made = Object.assign(document.createElement(name), properties);
  if (text) made.textContent = text;
  return made;
}
