// Drop or paste a file anywhere in a .drop-target (the Edit tab; each end of the Morph tab): it goes the way of the
// upload button inside, so that a wrong file ends in the same sentence as one that was chosen.
(() => {
  const shown = (element) => element && element.offsetParent !== null;

  function targetOf(event) {
    const under = event.target instanceof Element ? event.target.closest(".drop-target") : null;
    if (under) return under;
    const all = [...document.querySelectorAll(".drop-target")].filter(shown);
    return all.find((target) => target.matches(":hover")) || all[0] || null;
  }

  function give(target, files) {
    const input = target && target.querySelector("input.open-photo, .open-photo input[type=file], input[type=file]");
    if (!input || !files.length) return false;
    const one = new DataTransfer();
    one.items.add(files[0]);
    input.files = one.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
    return true;
  }

  // Fields that take files of their own get them the usual way.
  const ours = (event) => !(event.target instanceof Element && event.target.closest("#own-with, #own-without"));
  const carriesFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes("Files") && ours(event);
  const mark = (target) => {
    document.querySelectorAll(".drop-over").forEach((element) => element !== target && element.classList.remove("drop-over"));
    if (target) target.classList.add("drop-over");
  };

  document.addEventListener("dragover", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault(); // without this the browser would leave the page for the dropped file
    mark(targetOf(event));
  }, true);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(null); }, true);
  document.addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(null);
    give(targetOf(event), [...event.dataTransfer.files]);
  }, true);
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData ? [...event.clipboardData.files] : [];
    if (files.length && give(targetOf(event), files)) event.preventDefault();
  }, true);
})();

// Sliders of attributes: the arrow goes back to where the face stands and not to where the page began, and what is painted
// beside a slider is part of what a screen reader says about it.
(() => {
  const property = (block, name) => getComputedStyle(block).getPropertyValue(name).trim().replace(/^"|"$/g, "");

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".sigma .reset-button") : null;
    const start = button && property(button.closest(".sigma"), "--start");
    if (!start) return;
    event.preventDefault();
    event.stopPropagation();
    const range = button.closest(".sigma").querySelector("input[type=range]");
    range.value = start;
    range.dispatchEvent(new Event("input", { bubbles: true }));
  }, true);

  function describe(block) {
    const range = block.querySelector("input[type=range]"), photo = property(block, "--photo"), seen = property(block, "--seen");
    if (!range) return;
    const parts = [range.value, photo && `the photo ${photo}`, seen && `the classifier sees ${seen}`, property(block, "--words")];
    range.setAttribute("aria-valuetext", parts.filter(Boolean).join(", "));
  }

  document.addEventListener("input", (event) => {
    const block = event.target instanceof Element ? event.target.closest(".sigma") : null;
    if (block) describe(block);
  });
  const describeAll = () => document.querySelectorAll(".sigma").forEach(describe);
  new MutationObserver((changes) => {
    if (changes.some(({ target }) => target instanceof Element && target.closest("#marks"))) describeAll();
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
