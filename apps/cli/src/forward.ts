// What the proxies around a core and its vCPUs do with everything that they leave alone.

/** A property of `target`; methods come bound to it, since classes with private fields want themselves as `this`. */
export function forward(target: object, property: string | symbol): unknown {
  const value: unknown = Reflect.get(target, property, target);
  return typeof value === "function" ? value.bind(target) : value;
}
