// The frame of "Reframe" on the photo: dragged, resized, turned by mouse, touch and keys (reframe.py says what its value holds).
// All places are in pixels of the photo; `shown` says how large one is on the screen, and where the photo begins there.
const panel = element.querySelector(".reframe"), range = panel.querySelector("input"), number = panel.querySelector("output");
const KEYS = "Frame. Arrow keys move it, plus and minus resize it, the square brackets turn it, Enter is done.";
const LEAST = 1 / 200, MOST = 2; // sides, in longer sides of the photo
const SNAP = 3; // degrees around the quarters of a turn, for the handle
let state = null; // the value, parsed; null where there is nothing to move
let isOpen = false, back = "Face"; // what was shown before
let layer = null, waiting = 0, focusWanted = false;

const block = () => document.querySelector("#result");
const chosen = (switches) => document.querySelector(`#${switches} input:checked`)?.value;
const choose = (switches, value) => {
  if (chosen(switches) !== value) document.querySelector(`#${switches} input[value=${value}]`)?.click();
};
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const wrap = (turn) => ((((turn + 180) % 360) + 360) % 360) - 180; // degrees, from -180 to 180
const radians = (degrees) => (degrees * Math.PI) / 180;

// ---- from the photo to the screen

function shown() {
  const image = block()?.querySelector("img"), [width, height] = state.size;
  if (!image?.naturalWidth) return null;
  if (Math.abs((image.naturalWidth * height) / (image.naturalHeight * width) - 1) > 0.02) return null; // not the whole photo
  const box = image.getBoundingClientRect(), around = block().getBoundingClientRect();
  const scale = Math.min(box.width / width, box.height / height);
  const left = box.left + (box.width - scale * width) / 2, top = box.top + (box.height - scale * height) / 2;
  return { scale, left, top, x: left - around.left - block().clientLeft, y: top - around.top - block().clientTop };
}

function makeLayer() {
  const found = document.createElement("div");
  found.className = "frame-layer";
  found.innerHTML = `<svg aria-hidden="true"><path class="shade" fill-rule="evenodd"/></svg>
<div class="frame" tabindex="0" role="application" aria-label="${KEYS}" data-grab="move"><i class="face"></i><i class="stem"></i>
${["turn", "nw", "ne", "se", "sw"].map((at) => `<i class="handle ${at}" data-grab="${at}"></i>`).join("")}</div>`;
  const frame = found.querySelector(".frame");
  frame.addEventListener("pointerdown", grab);
  for (const end of ["pointerup", "pointercancel"]) frame.addEventListener(end, letGo);
  frame.addEventListener("pointermove", drag);
  frame.addEventListener("keydown", onKey);
  return found;
}

function draw() {
  number.textContent = `${state ? Math.round(state.frame[3] * 2) / 2 : 0}°`;
  if (state && document.activeElement !== range) range.value = state.frame[3];
  if (!isOpen) return;
  const at = shown();
  layer ??= makeLayer();
  if (layer.parentElement !== block()) block()?.append(layer); // the picture was taken away, and is back
  layer.hidden = !at;
  if (!at) return;
  const [x, y, side, turn] = state.frame, frame = layer.querySelector(".frame"), long = side * at.scale;
  const middle = [at.x + x * at.scale, at.y + y * at.scale], [left, top] = middle.map((value) => value - long / 2);
  frame.style.cssText = `width: ${long}px; height: ${long}px; transform: translate(${left}px, ${top}px) rotate(${turn}deg)`;
  const [over, up] = ahead(middle, 0, -long / 2 - 32, turn), room = block().getBoundingClientRect();
  frame.classList.toggle("inward", up < 0 || over < 0 || over > room.width || up > room.height); // or nobody could reach the handle
  frame.style.setProperty("--reach", `${clamp(long / 4, 8, 20)}px`); // of a finger at a corner: small frames can still be moved
  const corners = [[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([u, v]) => ahead([x, y], (u * side) / 2, (v * side) / 2, turn));
  const line = corners.map(([u, v]) => `${at.x + u * at.scale} ${at.y + v * at.scale}`).join("L");
  layer.querySelector("path").setAttribute("d", `M0 0H9999V9999H0ZM${line}Z`);
  if (focusWanted) frame.focus({ preventScroll: true });
  focusWanted = false;
}

// The place that lies so far right and down of another one, along the axes of the frame.
function ahead([x, y], right, down, turn) {
  const cos = Math.cos(radians(turn)), sin = Math.sin(radians(turn));
  return [x + cos * right - sin * down, y + sin * right + cos * down];
}

// ---- what the visitor does

function place([x, y, side, turn]) {
  const [width, height] = state.size, longer = Math.max(width, height);
  const next = [clamp(x, 0, width), clamp(y, 0, height), clamp(side, LEAST * longer, MOST * longer), wrap(turn)];
  state.frame = next.map((value) => Math.round(value * 100) / 100);
  draw();
  waiting ||= requestAnimationFrame(send); // at most once a picture, and always the last one
}

function send() {
  cancelAnimationFrame(waiting);
  waiting = 0;
  tellLost(false);
  props.value = JSON.stringify(state);
  trigger("move");
}

// Where no face was found there is nothing to edit, until the visitor has said where one is.
function tellLost(lost) {
  if (state) state.lost = lost;
  const controls = document.querySelector(".edit-row > .controls");
  if (controls) controls.inert = lost;
}

const fingers = new Map(); // pointers on the frame, where they are in the photo
let held = null; // what was grabbed, and the frame and the pointers then

function where(event) {
  const at = shown();
  return at && [(event.clientX - at.left) / at.scale, (event.clientY - at.top) / at.scale];
}

function hold(kind) {
  held = { kind, frame: [...state.frame], from: [...fingers.values()] };
}

function grab(event) {
  const point = where(event);
  if (!point || event.button || fingers.size > 1) return;
  event.preventDefault(); // no text is chosen meanwhile
  event.currentTarget.focus({ preventScroll: true });
  event.currentTarget.setPointerCapture(event.pointerId);
  fingers.set(event.pointerId, point);
  hold(fingers.size > 1 ? "pinch" : event.target.dataset.grab || "move");
}

function letGo(event) {
  if (fingers.delete(event.pointerId)) fingers.size ? hold("move") : (held = null);
}

function drag(event) {
  const point = where(event);
  if (!held || !point || !fingers.has(event.pointerId)) return;
  fingers.set(event.pointerId, point);
  const [x, y, side, turn] = held.frame, [first] = held.from;
  if (held.kind === "move") place([x + point[0] - first[0], y + point[1] - first[1], side, turn]);
  else if (held.kind === "turn") {
    const to = (Math.atan2(point[1] - y, point[0] - x) * 180) / Math.PI + 90, quarter = Math.round(to / 90) * 90;
    place([x, y, side, Math.abs(to - quarter) < SNAP ? quarter : to]);
  } else if (held.kind === "pinch") pinch([...fingers.values()]);
  else { // a corner: the opposite one stays
    const u = held.kind.includes("e") ? 1 : -1, v = held.kind.includes("s") ? 1 : -1;
    const [fixedX, fixedY] = ahead([x, y], (-u * side) / 2, (-v * side) / 2, turn);
    const [right, down] = ahead([0, 0], point[0] - fixedX, point[1] - fixedY, -turn);
    const longer = Math.max(...state.size), next = clamp((u * right + v * down) / 2, LEAST * longer, MOST * longer);
    place([...ahead([fixedX, fixedY], (u * next) / 2, (v * next) / 2, turn), next, turn]);
  }
}

// Two fingers move, resize and turn it at once.
function pinch([a, b]) {
  const [x, y, side, turn] = held.frame, [from, to] = held.from;
  const before = [to[0] - from[0], to[1] - from[1]], now = [b[0] - a[0], b[1] - a[1]];
  const by = ((Math.atan2(now[1], now[0]) - Math.atan2(before[1], before[0])) * 180) / Math.PI;
  const factor = Math.hypot(...now) / Math.max(Math.hypot(...before), 1e-6);
  const middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2], next = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
  const [right, down] = ahead([0, 0], (x - middle[0]) * factor, (y - middle[1]) * factor, by);
  place([next[0] + right, next[1] + down, side * factor, turn + by]);
}

function onKey(event) {
  const [x, y, side, turn] = state.frame, far = event.shiftKey ? 0.1 : 0.02;
  const steps = {
    ArrowLeft: [x - far * side, y, side, turn], ArrowRight: [x + far * side, y, side, turn],
    ArrowUp: [x, y - far * side, side, turn], ArrowDown: [x, y + far * side, side, turn],
    "+": [x, y, side * 1.05, turn], "=": [x, y, side * 1.05, turn], "-": [x, y, side / 1.05, turn],
    "[": [x, y, side, turn - 1], "]": [x, y, side, turn + 1], "{": [x, y, side, turn - 15], "}": [x, y, side, turn + 15],
  };
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (steps[event.key]) place(steps[event.key]);
  else if (event.key === "Enter" || event.key === "Escape") close();
  else return;
  event.preventDefault();
}

// ---- open and close

function open(focused) {
  if (!state || isOpen) return;
  back = focused ? chosen("view") || "Face" : "Face";
  isOpen = true;
  focusWanted = focused; // once the whole photo is there
  choose("view", "Photo");
  choose("show", "Edited");
  tellOpen();
}

function tellOpen() {
  panel.hidden = !isOpen;
  document.querySelector(".edit-row > .stage")?.classList.toggle("reframing", isOpen);
  document.dispatchEvent(new CustomEvent("facevae-reframe", { detail: isOpen }));
  if (isOpen) draw();
  else layer?.remove();
}

function close() {
  const inside = panel.contains(document.activeElement) || layer?.contains(document.activeElement);
  if (state?.lost) send(); // left where it is: the visitor says that a face is there
  isOpen = false;
  tellOpen();
  choose("view", back);
  if (inside) document.querySelector("#reframe")?.focus({ preventScroll: true });
}

watch("value", () => {
  const next = props.value ? JSON.parse(props.value) : null;
  if (held && next && String(next.size) === String(state?.size)) next.frame = state.frame; // a late answer ends no drag
  else {
    fingers.clear();
    held = null;
  }
  state = next;
  tellLost(Boolean(state?.lost));
  if (state?.lost) open(false);
  else if (isOpen && !state) leave();
  draw();
});

// Another picture is shown: another photo, another face, or two to compare.
function leave() {
  isOpen = false;
  tellOpen();
}
document.addEventListener("facevae-look", ({ detail }) => {
  if (isOpen && (detail.view !== "Photo" || detail.show === "Compare")) leave();
});
document.addEventListener("click", ({ target }) => {
  if (target instanceof Element && target.closest("#reframe:not(:disabled)")) open(true);
});
panel.addEventListener("click", ({ target }) => {
  const turn = target.closest("[data-turn]")?.dataset.turn, [x, y, side, at] = state?.frame || [];
  if (target.closest(".done")) close();
  else if (turn && state) place([x, y, side, at + Number(turn)]);
});
range.addEventListener("input", () => state && place([...state.frame.slice(0, 3), Number(range.value)]));
document.addEventListener("load", ({ target }) => { if (isOpen && target.closest?.("#result")) draw(); }, true);
new ResizeObserver(() => { if (isOpen) draw(); }).observe(document.documentElement);
window.addEventListener("resize", () => { if (isOpen) draw(); });
