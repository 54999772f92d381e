// The texts that stand out from their ground by less than 4.5 to 1, as WCAG counts.
(() => {
  const channels = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
  const isClear = (color) => channels(color)[3] === 0;
  const luminance = ([red, green, blue]) => {
    const linear = (value) => (value <= 0.04045 * 255 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);
  };
  const contrast = (one, other) => {
    const [bright, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (bright + 0.05) / (dark + 0.05);
  };
  const ground = (element) => {
    const filled = (at) => (at.namespaceURI.endsWith("svg") ? null : getComputedStyle(at).backgroundColor);
    for (let at = element; at; at = at.parentElement) {
      const color = filled(at);
      if (color && !isClear(color)) return channels(color);
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = new Set();
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    // What stands in a shape of the map has that shape's colours, which are those of the page.
    if (!texts.currentNode.textContent.trim() || !element.checkVisibility() || element.closest("svg")) continue;
    const color = channels(getComputedStyle(element).color);
    if (contrast(color, ground(element)) < 4.5) faint.add(`${element.className || element.tagName}: ${element.textContent}`);
  }
  return [...faint];
})()
