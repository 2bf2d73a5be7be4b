// Drop or paste files anywhere in a .drop-target (the Edit and the Morph tab): they go the way of the upload button
// inside (facevae/ui/widgets/upload.js), so that a wrong file ends in the same sentence as one that was chosen.
(() => {
  const shown = (element) => element && element.offsetParent !== null;

  function targetOf(event) {
    const under = event.target instanceof Element ? event.target.closest(".drop-target") : null;
    if (under) return under;
    const all = [...document.querySelectorAll(".drop-target")].filter(shown);
    return all.find((target) => target.matches(":hover")) || all[0] || null;
  }

  function give(target, name, detail) {
    const field = target && target.querySelector(".open-photo input[type=file]");
    if (!field) return false;
    field.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
    return true;
  }

  // Fields that take files of their own get them the usual way.
  const ours = (event) => !(event.target instanceof Element && event.target.closest("#own-with, #own-without"));
  // A picture dragged from another tab comes as an address; text that is dragged is left alone.
  const carries = (event) => event.dataTransfer && ours(event) && ["Files", "text/uri-list"].some((type) => event.dataTransfer.types.includes(type));
  const typing = (target) => target instanceof Element && target.closest("input:not([type=file]):not([type=range]), textarea, [contenteditable]");
  const isAddress = (text) => /^(https?|file|data|blob):\S+$/i.test(text.trim());
  const mark = (target) => {
    document.querySelectorAll(".drop-over").forEach((element) => element !== target && element.classList.remove("drop-over"));
    if (target) target.classList.add("drop-over");
  };

  document.addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault(); // without this the browser would leave the page for the dropped file
    mark(targetOf(event));
  }, true);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) mark(null); }, true);
  document.addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    event.stopPropagation();
    mark(null);
    const files = [...event.dataTransfer.files];
    give(targetOf(event), files.length ? "facevae-files" : "facevae-address", files);
  }, true);
  document.addEventListener("paste", (event) => {
    const files = event.clipboardData ? [...event.clipboardData.files] : [];
    if (files.length && give(targetOf(event), "facevae-files", files)) event.preventDefault();
    else if (!typing(event.target) && isAddress(event.clipboardData?.getData("text") || "")) give(targetOf(event), "facevae-address");
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

// Undo and redo by keys, but not where a text is being written; and the button that shows the photo while it is held.
(() => {
  const typing = (element) => element instanceof Element && element.matches("input[type=text], input:not([type]), textarea, [contenteditable]");
  const press = (selector) => {
    const button = document.querySelector(selector);
    if (button && button.offsetParent !== null && !button.disabled) button.click();
  };
  document.addEventListener("keydown", (event) => {
    if (!(event.ctrlKey || event.metaKey) || event.altKey || typing(event.target)) return;
    const key = event.key.toLowerCase();
    if (key !== "z" && key !== "y") return;
    event.preventDefault();
    press(key === "y" || event.shiftKey ? "#redo" : "#undo");
  });

  let before = null; // what was shown before the button was pressed
  const show = (value) => document.querySelector(`#show input[value=${value}]`)?.click();
  const hold = () => {
    if (before !== null) return;
    before = document.querySelector("#show input:checked")?.value || "Edited";
    show("Original");
    document.querySelector("#hold")?.setAttribute("aria-pressed", "true");
  };
  const release = () => {
    if (before === null) return;
    show(before);
    before = null;
    document.querySelector("#hold")?.setAttribute("aria-pressed", "false");
  };
  const ours = (event) => event.target instanceof Element && event.target.closest("#hold");
  document.addEventListener("pointerdown", (event) => { if (ours(event) && event.button === 0) hold(); });
  document.addEventListener("pointerup", release);
  document.addEventListener("pointercancel", release);
  document.addEventListener("keydown", (event) => {
    if (!ours(event) || (event.key !== " " && event.key !== "Enter")) return;
    event.preventDefault();
    hold();
  });
  document.addEventListener("keyup", release);
  window.addEventListener("blur", release);
})();

// A slider can be held as it is by the lock beside its name (facevae/ui/edit/sliders.py listens); and sliders can be
// found by their names.
(() => {
  const LOCK = '<svg viewBox="0 0 16 16" aria-hidden="true"><rect x="3" y="7" width="10" height="7" rx="1.5"/><path d="M5 7V5a3 3 0 0 1 6 0v2"/></svg>';
  const sliders = () => document.querySelectorAll(".sigma[id^='slider-']");
  const name = (block) => block.querySelector("label span, .head span")?.textContent.trim() || "";

  function draw(block) {
    const head = block.querySelector(".head");
    if (!head) return;
    let button = block.querySelector("button.lock");
    if (!button) {
      button = document.createElement("button");
      button.type = "button";
      button.className = "lock";
      button.innerHTML = LOCK;
      head.append(button);
    }
    const held = getComputedStyle(block).getPropertyValue("--held").trim() === "1";
    button.setAttribute("aria-pressed", String(held));
    button.setAttribute("aria-label", `Keep ${name(block)} unchanged`);
    button.title = held ? "Let it change" : "Keep unchanged";
  }
  const drawAll = () => sliders().forEach(draw);
  let waiting = 0;

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest(".sigma button.lock") : null;
    if (button) document.dispatchEvent(new CustomEvent("facevae-lock", { detail: button.closest(".sigma").id }));
  });

  function find() { // an empty search leaves the groups as they are
    const words = (document.querySelector("#slider-search input, #slider-search textarea")?.value || "").trim().toLowerCase();
    const fits = (text) => text.toLowerCase().includes(words);
    document.querySelectorAll(".fold[id^='group-']").forEach((group) => {
      const found = [...group.querySelectorAll(".sigma")].filter((block) => {
        const fit = !words || fits(name(block));
        block.classList.toggle("missed", !fit);
        return fit;
      });
      const label = document.querySelector(`[aria-controls=${group.id}]`);
      [label, group].forEach((part) => part.classList.toggle("missed", !found.length));
      if (words && found.length) label.setAttribute("aria-expanded", "true");
    });
  }
  document.addEventListener("input", (event) => { if (event.target instanceof Element && event.target.closest("#slider-search")) find(); });
  new MutationObserver((changes) => {
    const place = (node) => (node instanceof Element ? node : node.parentElement);
    if (!changes.some(({ target }) => place(target)?.closest("#marks, .controls"))) return;
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(drawAll); // once the new style sheet counts
  }).observe(document.documentElement, { childList: true, characterData: true, subtree: true });
})();

// Parts of the page that are folded away (facevae/ui/components.py): style.css hides what follows a label that is not expanded.
document.addEventListener("click", ({ target }) => {
  const label = target instanceof Element && target.closest(".fold-label");
  if (label) label.setAttribute("aria-expanded", String(label.getAttribute("aria-expanded") !== "true"));
});

// Touch: a finger that scrolls the page over a slider leaves it where it was. Browsers say that it scrolls by "pointercancel".
(() => {
  let touched = null;
  document.addEventListener("pointerdown", ({ target, pointerType }) => {
    touched = pointerType === "touch" && target instanceof Element && target.matches("input[type=range]") ? { range: target, value: target.value } : null;
  }, true);
  document.addEventListener("pointercancel", () => {
    if (touched && touched.range.value !== touched.value) {
      touched.range.value = touched.value;
      touched.range.dispatchEvent(new Event("input", { bubbles: true }));
    }
    touched = null;
  }, true);
})();

// The page is in English, whatever the browser's language: Gradio would call it the browser's, and translates the footer alone.
(() => {
  const root = document.documentElement;
  const tell = () => { if (root.lang !== "en") root.lang = "en"; };
  new MutationObserver(tell).observe(root, { attributes: true, attributeFilter: ["lang"] });
  tell();
})();

// The camera in front is seen as in a mirror; a photo is never mirrored.
document.addEventListener("loadedmetadata", ({ target }) => {
  if (!(target instanceof HTMLVideoElement) || !target.closest("#camera")) return;
  const facing = target.srcObject?.getVideoTracks?.()[0]?.getSettings().facingMode;
  target.classList.toggle("mirrored", facing !== "environment");
}, true);

// Leaving the page with an edit that was not saved asks once; and a page that comes back from a server that was started again
// says what it has lost.
(() => {
  const KEPT = ["#download", "#save-recipe", "#copy-link"], NEW = ["#edit-upload", "#examples", "#camera"];
  const CHANGES = ["#tab-edit .controls"], ASIDE = ["#slider-search", "#as-png", ".label-wrap", ".fold-label"];
  const within = (target, places) => target instanceof Element && places.some((place) => target.closest(place));
  const appId = () => String(window.gradio_config?.app_id ?? "");
  let unsaved = false;
  const look = ({ target, isTrusted }) => {
    if (within(target, KEPT) || within(target, NEW)) unsaved = false;
    else if (isTrusted && within(target, CHANGES) && !within(target, ASIDE)) unsaved = true;
  };
  document.addEventListener("input", look, true);
  document.addEventListener("click", (event) => { if (within(event.target, ["button", ...KEPT, ...NEW])) look(event); }, true);
  document.addEventListener("facevae-files", () => { unsaved = false; }, true);
  window.addEventListener("beforeunload", (event) => {
    sessionStorage.setItem("facevae-left", JSON.stringify({ app: appId(), unsaved }));
    if (!unsaved) return;
    unsaved = false;
    event.preventDefault();
    event.stopImmediatePropagation(); // Gradio's own listener closes its connection, also of those who stay
  }, true);
  const left = JSON.parse(sessionStorage.getItem("facevae-left") || "null"); // this script runs after the page was loaded
  sessionStorage.removeItem("facevae-left");
  const tellLoss = () => {
    const note = document.querySelector("#edit-upload .note");
    if (!note) setTimeout(tellLoss, 500);
    else note.textContent = "The page was restarted, and your edit is lost. Open your photo again.";
  };
  if (left?.unsaved && left.app !== appId()) tellLoss();
})();

// One Tab stop for each row of choices, and arrows within it: the tabs, the examples, and choices side by side. Enter or Space chooses.
(() => {
  const ROWS = "[role=tablist], #examples .grid-container, .segmented .wrap";
  const KEYS = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }, CHOSEN = "[aria-selected=true], .selected, :checked";
  const choices = (row) => [...row.querySelectorAll("button, input[type=radio]")].filter((choice) => choice.offsetParent !== null);
  let waiting = 0;
  const settle = () => document.querySelectorAll(ROWS).forEach((row) => {
    const all = choices(row), first = all.find((choice) => choice.matches(CHOSEN)) ?? all[0];
    all.forEach((choice) => { choice.tabIndex = choice === first || choice === document.activeElement ? 0 : -1; });
  });
  document.addEventListener("keydown", (event) => {
    const row = KEYS[event.key] && event.target instanceof Element && event.target.closest(ROWS), all = row ? choices(row) : [];
    const at = all.indexOf(event.target);
    if (at < 0) return;
    event.preventDefault();
    all[(at + KEYS[event.key] + all.length) % all.length].focus();
  });
  new MutationObserver(() => {
    cancelAnimationFrame(waiting);
    waiting = requestAnimationFrame(settle);
  }).observe(document.documentElement, { childList: true, subtree: true, attributes: true, attributeFilter: ["class", "aria-selected"] });
})();
