/// <reference lib="dom" />
/** Elements in one expression. */

/**
 * Attributes and properties: `on…` listens, `class` and others are attributes, true and false set
 * or leave one out.
 */
export type Properties = Readonly<
  Record<string, string | number | boolean | ((event: Event) => void)>
>;

/** An element with attributes and children. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  properties: Properties = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children);
  return element;
}

/** A slider under its name, with what its value means beside it. */
export function slider(
  name: string,
  range: {
    readonly min: number;
    readonly max: number;
    readonly step: number;
    readonly value: number;
  },
  tell: (value: number) => string,
  onInput: (value: number) => void,
): HTMLLabelElement {
  const shown = h("output", {}, tell(range.value));
  const input = h("input", {
    type: "range",
    min: range.min,
    max: range.max,
    step: range.step,
    "aria-label": name,
    oninput: () => {
      shown.textContent = tell(input.valueAsNumber);
      onInput(input.valueAsNumber);
    },
  });
  input.valueAsNumber = range.value;
  return h("label", { class: "slider" }, h("span", {}, name), input, shown);
}

/** A choice of one of a few, side by side. */
export function choice<T extends string>(
  name: string,
  values: readonly (readonly [value: T, text: string])[],
  chosen: T,
  onChoose: (value: T) => void,
): HTMLFieldSetElement {
  const group = `${name}-${Math.random().toString(36).slice(2)}`;
  return h(
    "fieldset",
    { class: "choice" },
    h("legend", {}, name),
    ...values.map(([value, text]) =>
      h(
        "label",
        {},
        h("input", {
          type: "radio",
          name: group,
          value,
          checked: value === chosen,
          onchange: () => onChoose(value),
        }),
        h("span", {}, text),
      )
    ),
  );
}

/** The value of a CSS variable, as a colour that a canvas takes. */
export function color(variable: string): string {
  const probe = h("span", { style: `display: none; color: var(${variable})` });
  document.body.append(probe);
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}
