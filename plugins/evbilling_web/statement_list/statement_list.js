// What the ticked statements come to, by currency, while they are ticked. Without this the form asks for them all the same.
"use strict";

(() => {
  const form = document.querySelector("form[data-selection]");
  if (!form) return;
  const all = form.querySelector("[data-all]");
  const said = form.querySelector("[data-selected]");
  const buttons = [...form.querySelectorAll("button[formaction]:not(:disabled)")];
  const boxes = [...form.querySelectorAll("input[name=statement]:not(:disabled)")];
  const nothing = said.textContent;

  // Amounts are added up as whole numbers of the smallest unit that occurs: money is never a fraction.
  function sum(amounts) {
    const decimals = Math.max(...amounts.map((text) => (text.split(".")[1] || "").length));
    const whole = amounts.reduce((total, text) => {
      const [major, minor = ""] = text.split(".");
      return total + BigInt(major + minor.padEnd(decimals, "0"));
    }, 0n);
    const digits = String(whole < 0n ? -whole : whole).padStart(decimals + 1, "0");
    const major = digits.slice(0, digits.length - decimals).replace(/\B(?=(\d{3})+$)/g, ",");
    return `${whole < 0n ? "\u2212" : ""}${major}${decimals ? `.${digits.slice(-decimals)}` : ""}`;
  }

  function tell() {
    const ticked = boxes.filter((box) => box.checked);
    all.checked = ticked.length === boxes.length && boxes.length > 0;
    all.indeterminate = ticked.length > 0 && !all.checked;
    for (const button of buttons) button.disabled = ticked.length === 0;
    const sums = [...Map.groupBy(ticked, (box) => box.dataset.currency)].sort().map(([currency, those]) => {
      const [total, balance] = ["total", "balance"].map((name) => sum(those.map((box) => box.dataset[name])));
      return `${balance} ${currency} due, total ${total}`;
    });
    said.textContent = ticked.length ? `${ticked.length} selected: ${sums.join("; ")}` : nothing;
  }

  for (const hidden of [all, all.previousElementSibling]) hidden.hidden = boxes.length === 0;
  all.addEventListener("change", () => {
    for (const box of boxes) box.checked = all.checked;
    tell();
  });
  form.addEventListener("change", tell);
  // The browser may have kept what was ticked.
  tell();
})();
