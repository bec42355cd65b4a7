"use strict";
// What makes the pages better where there is JavaScript; without it they do the same.
(function () {
  // A form that must not be sent twice: its button rests after the first tap.
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (!form.hasAttribute("data-once")) return;
    if (form.dataset.sent) {
      event.preventDefault();
      return;
    }
    form.dataset.sent = "1";
    var button = form.querySelector("button[type=submit]");
    button.setAttribute("aria-disabled", "true");
    button.classList.add("is-busy");
    if (form.dataset.busy) button.textContent = form.dataset.busy;
  });

  // Come back through the browser's memory, the page is asked for anew: what it says may be old.
  window.addEventListener("pageshow", function (event) {
    if (event.persisted) location.reload();
  });

  // Chips and amount keep in step: who types an amount means it, who chooses it may type at once.
  document.addEventListener("input", function (event) {
    if (!event.target.name || event.target.name.indexOf("amount.") !== 0) return;
    var own = document.getElementById("choice." + event.target.name.slice(7) + ".partial");
    if (own && event.target.value) own.checked = true;
  });
  document.addEventListener("change", function (event) {
    var chosen = event.target;
    if (chosen.type !== "radio" || chosen.name.indexOf("choice.") !== 0) return;
    var amount = document.getElementById("amount." + chosen.name.slice(7));
    if (!amount) return;
    if (chosen.value === "partial") amount.focus();
    else amount.value = "";
  });

  // The button of the first page says how many loans it takes along.
  var counting = document.querySelector("button[data-counts]");
  function count() {
    var picked = document.querySelectorAll(".pick:checked").length;
    counting.textContent = picked ? counting.dataset.counts.replace("#", picked) : plain;
  }
  if (counting) {
    var plain = counting.textContent;
    document.addEventListener("change", count);
    count();
  }

  // While an order is on its way: a lost network is said, and asked through again.
  var misses = 0;
  function missed(event) {
    var status = event.detail.xhr ? event.detail.xhr.status : 0;
    if (status === 401) return location.reload();
    misses += 1;
    toldOffline(true);
    setTimeout(function () {
      window.htmx.trigger("#poller", "again");
    }, Math.min(misses * 5, 30) * 1000);
  }
  function toldOffline(is) {
    var notice = document.getElementById("offline");
    if (notice) notice.hidden = !is;
  }
  ["htmx:sendError", "htmx:responseError", "htmx:timeout"].forEach(function (name) {
    document.addEventListener(name, missed);
  });
  document.addEventListener("htmx:beforeSwap", function (event) {
    if (event.detail.xhr.status === 200) {
      misses = 0;
      toldOffline(false);
    }
  });
})();
