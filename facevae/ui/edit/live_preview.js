// Live preview during a drag: requests one picture at a time and puts it over Gradio's own (live_preview.py says why).
// The last value is always requested, and Gradio's picture of it comes when the drag rests.
const TRACKS = ".sigma, #detail, #look-amount", REST_MS = 250;
let look = null; // values of the widgets by id, as Gradio reported them last
let changes = 0; // changes of the page by Gradio: an answer that was requested before the last one is dropped
let busy = false, again = false, resting = 0, dragging = false;
let requested = true, settled = true; // Gradio's own picture of the last value: was requested, has come
let covered = null; // Gradio's own picture below ours

const picture = () => [...document.querySelectorAll(look?.show === "Compare" ? "#slide img" : "#result img")].at(-1);

function uncover() {
  if (covered && covered.image.src === covered.ours) covered.image.src = covered.src;
  covered = null;
}

function cover({ picture: source, words }) {
  const image = picture();
  if (!image) return;
  if (covered?.image !== image || image.src !== covered.ours) covered = { image, src: image.src };
  covered.ours = image.src = source;
  if (look.show !== "Compare") image.alt = words;
}

// The values now: the number beside a track may be empty, which the track itself cannot be.
function readValues() {
  const values = { ...look };
  for (const block of document.querySelectorAll(TRACKS)) {
    const number = block.querySelector("input[type=number]");
    if (block.id in values && number) values[block.id] = number.value === "" ? null : Number(number.value);
  }
  return values;
}

async function requestPicture() {
  if (busy) { again = true; return; }
  again = false;
  if (!look || look.show === "Original" || settled) return;
  busy = true;
  const begun = changes;
  const answer = await server.draw(readValues()).catch(() => null);
  busy = false;
  if (begun === changes && answer?.picture) cover(answer);
  else if (!again) uncover(); // Gradio's picture comes; ours of an older value must not stay
  if (again) requestPicture();
}

function onRest() {
  clearTimeout(resting);
  requested = true;
  trigger("rest");
}

function onMove() {
  clearTimeout(resting);
  resting = setTimeout(onRest, REST_MS);
  requested = settled = false;
  trigger("move");
  requestPicture();
}

function onRelease() {
  onRest();
  trigger("release");
}

const ours = (event) => event.target instanceof Element && event.target.closest(TRACKS);
const soon = (act) => setTimeout(act, 0); // once the widgets have taken in what happened
document.addEventListener("input", (event) => { if (ours(event) && event.target.type === "range") soon(onMove); });
document.addEventListener("change", (event) => { if (ours(event) && event.target.type === "number") soon(onMove); });
document.addEventListener("click", (event) => {
  if (ours(event) && event.target.closest(".reset-button")) soon(() => { onMove(); onRelease(); });
});
document.addEventListener("pointerdown", (event) => { if (ours(event) && event.target.type === "range") dragging = true; });
for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => {
  if (dragging) soon(onRelease);
  dragging = false;
});
document.addEventListener("focusout", (event) => { if (ours(event) && !dragging) soon(() => trigger("release")); });
document.addEventListener("facevae-look", (event) => {
  look = event.detail;
  changes += 1;
});
new MutationObserver((seen) => {
  const theirs = ({ target }) => target.closest("#result, #slide") && target.src !== covered?.ours;
  if (!seen.some(theirs)) return;
  changes += 1;
  settled = requested;
  covered = null;
}).observe(document.documentElement, { subtree: true, attributes: true, attributeFilter: ["src"] });
