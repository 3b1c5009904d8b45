// The divider between before and after: by pointer anywhere on the picture, by keyboard through a
// range input, which also tells screen readers where it is.

export class Split {
  constructor({ root, before, after, handle, range, tags }) {
    Object.assign(this, { root, before, after, handle, range, tags });
    range.addEventListener('input', () => this.#moveTo(Number(range.value)));
    const drag = (event) => {
      const { left, width } = root.getBoundingClientRect();
      this.#moveTo(Math.min(100, Math.max(0, (100 * (event.clientX - left)) / width)));
    };
    root.addEventListener('pointerdown', (event) => {
      // at full size a finger scrolls the picture, unless it holds the handle
      const onHandle = handle.contains(event.target);
      const scrolls = root.classList.contains('full') && event.pointerType === 'touch';
      if (event.button !== 0 || after.hidden || (scrolls && !onHandle)) return;
      root.setPointerCapture(event.pointerId);
      drag(event);
    });
    root.addEventListener('pointermove', (event) => {
      if (root.hasPointerCapture(event.pointerId)) drag(event);
    });
  }

  #moveTo(percent) {
    this.root.style.setProperty('--at', `${percent}%`);
    this.range.value = percent;
  }

  /** Shows a picture alone (ImageData), until there is a result. */
  showBefore(pixels) {
    this.#draw(this.before, pixels);
    this.#size(pixels);
    this.root.hidden = false;
    this.showAfter(null);
  }

  /** Shows the result beside it; it may be larger. */
  showAfter(pixels) {
    if (pixels) {
      this.#draw(this.after, pixels);
      this.#size(pixels);
    }
    for (const part of [this.after, this.handle, ...this.tags]) part.hidden = !pixels;
  }

  #draw(canvas, pixels) {
    Object.assign(canvas, { width: pixels.width, height: pixels.height });
    canvas.getContext('2d').putImageData(pixels, 0, 0);
  }

  #size({ width, height }) {
    this.root.style.setProperty('--width', width);
    this.root.style.setProperty('--height', height);
  }
}
