// Zoom of the large picture on the Edit tab: Ctrl and the wheel, or the wheel alone in full screen; two fingers; a double click or tap
// resets it, and a drag moves what is enlarged. style.css applies --zoom. "Split" is Gradio's own, which zooms by itself: it is only
// kept from taking the page's scrolling.
(() => {
  const MOST = 8, WHEEL = 0.002, CLICK_PX = 5, TAP_MS = 300;
  let scale = 1, x = 0, y = 0; // the picture's top left corner lies at (x, y) of its frame
  let size = ""; // of the picture that was enlarged
  let mouse = null, touches = [], tapped = 0, dragged = false;

  const within = (event, place) => (event.target instanceof Element ? event.target.closest(place) : null);
  const stage = () => document.querySelector(".edit-row > .stage");
  const frame = () => document.querySelector("#result .image-frame");
  const alone = (picture) => picture.classList.contains("fullscreen");
  const busy = () => stage()?.classList.contains("reframing");

  function apply() {
    const place = stage();
    if (!place) return;
    place.classList.toggle("zoomed", scale > 1);
    const now = { "--zoom": scale, "--zoom-x": `${x}px`, "--zoom-y": `${y}px` };
    for (const [name, value] of Object.entries(now)) place.style.setProperty(name, value);
  }

  function reset() {
    [scale, x, y] = [1, 0, 0];
    apply();
    const split = document.querySelector("#slide .icon-button[title=Undo]:not(:disabled)");
    if (split) split.click();
  }

  function move(right, down) {
    const box = frame()?.getBoundingClientRect();
    if (!box) return;
    x = Math.min(0, Math.max(box.width * (1 - scale), x + right));
    y = Math.min(0, Math.max(box.height * (1 - scale), y + down));
    apply();
  }

  // Enlarge by a factor; what lies under this place of the window stays there.
  function zoom(factor, left, top) {
    const box = frame()?.getBoundingClientRect();
    if (!box) return;
    const next = Math.min(MOST, Math.max(1, scale * factor)), by = next / scale, at = [left - box.left, top - box.top];
    const to = [at[0] - (at[0] - x) * by, at[1] - (at[1] - y) * by];
    scale = next;
    move(to[0] - x, to[1] - y);
  }

  document.addEventListener("wheel", (event) => {
    const picture = within(event, "#result, #slide");
    if (!picture || !(event.ctrlKey || event.metaKey || alone(picture))) {
      if (picture?.id === "slide") event.stopImmediatePropagation(); // the page scrolls
      return;
    }
    if (picture.id === "slide") return;
    event.preventDefault();
    if (!busy()) zoom(Math.exp(-event.deltaY * WHEEL * (event.deltaMode ? 20 : 1)), event.clientX, event.clientY);
  }, { capture: true, passive: false });

  document.addEventListener("mousedown", (event) => {
    dragged = false;
    if (scale === 1 || event.button || !within(event, "#result .image-frame")) return;
    event.preventDefault(); // the browser would drag the picture out of the page
    mouse = event;
  });
  document.addEventListener("mousemove", (event) => {
    if (!mouse) return;
    if (!dragged && Math.hypot(event.clientX - mouse.clientX, event.clientY - mouse.clientY) < CLICK_PX) return;
    dragged = true;
    move(event.clientX - mouse.clientX, event.clientY - mouse.clientY);
    mouse = event;
  });
  document.addEventListener("mouseup", () => { mouse = null; });
  document.addEventListener("click", (event) => { // the end of a drag is no click on a face
    if (dragged && within(event, "#result .image-frame")) event.stopPropagation();
    dragged = false;
  }, true);
  document.addEventListener("dblclick", (event) => { if (within(event, "#result, #slide") && !busy()) reset(); });

  const enlarged = (picture) => new DOMMatrix(getComputedStyle(picture.querySelector("img")).transform).a > 1;
  const spread = ([a, b]) => Math.hypot(b.clientX - a.clientX, b.clientY - a.clientY);
  const middle = ([a, b = a]) => [(a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2];
  document.addEventListener("touchstart", (event) => {
    const split = within(event, "#slide");
    const scrolls = split && event.touches.length === 1 && !within(event, "[data-testid=slider]") && !enlarged(split);
    if (scrolls) event.stopPropagation(); // Gradio would keep the page from it
    touches = within(event, "#result .image-frame") && !busy() ? [...event.touches].slice(0, 2) : [];
  }, true);
  document.addEventListener("touchmove", (event) => {
    if (!touches.length || (scale === 1 && touches.length < 2)) return;
    if (event.cancelable) event.preventDefault();
    const now = [...event.touches].slice(0, touches.length), [left, top] = middle(now), [before, above] = middle(touches);
    if (now.length < touches.length) return;
    if (now.length > 1) zoom(spread(now) / Math.max(spread(touches), 1), left, top);
    move(left - before, top - above);
    touches = now;
    tapped = 0;
  }, { passive: false });
  document.addEventListener("touchend", (event) => {
    touches = touches.length ? [...event.touches].slice(0, 2) : [];
    if (event.touches.length || !within(event, "#result, #slide") || busy()) return;
    if (event.timeStamp - tapped < TAP_MS) reset();
    tapped = event.timeStamp;
  });

  // Another picture, or the same one elsewhere (in full screen, and back), begins as it is.
  const NEW = "#examples, #photo-faces, #view, #result .icon-button";
  document.addEventListener("click", (event) => { if (within(event, NEW)) reset(); }, true);
  document.addEventListener("change", (event) => { if (within(event, "#edit-upload, #view")) reset(); });
  for (const name of ["facevae-files", "facevae-address", "facevae-reframe"]) document.addEventListener(name, reset);
  document.addEventListener("keydown", ({ key }) => { if (key === "Escape") reset(); });
  window.addEventListener("resize", reset);
  document.addEventListener("load", ({ target }) => {
    if (!(target instanceof HTMLImageElement) || !target.closest("#result")) return;
    const now = `${target.naturalWidth} ${target.naturalHeight}`;
    if (now !== size) reset();
    size = now;
  }, true);
})();
