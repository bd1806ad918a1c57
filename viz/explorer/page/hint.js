// What a card stands for, beside it, while the pointer or the focus is on it.

/** Shows it for the card with this key; hides it, if there is none. */
function showHint(explorer, key) {
  const tip = byId("tip");
  const card = key && explorer.picture.cards.get(key);
  tip.hidden = !card;
  if (!card) return;
  tip.replaceChildren(...explorer.about(card));
  const box = card.group.getBoundingClientRect();
  const around = byId("canvas").getBoundingClientRect();
  const below = box.bottom + tip.offsetHeight + 12 < around.bottom;
  const left = Math.max(8, Math.min(box.left - around.left, around.width - tip.offsetWidth - 8));
  const top = below ? box.bottom - around.top + 8 : Math.max(8, box.top - around.top - tip.offsetHeight - 8);
  tip.style.left = `${left}px`;
  tip.style.top = `${top}px`;
}
