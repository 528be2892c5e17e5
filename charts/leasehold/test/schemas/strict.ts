/** Schemas as Kubernetes publishes them, made to refuse unknown fields. Pure. */

const LEFT_OUT = new Set(["description", "default", "format", "example"]);

/** A schema, or part of one. Below `properties`, keys are names and not words of the schema. */
export function strict(node: unknown, areNames = false): unknown {
  if (Array.isArray(node)) return node.map((item) => strict(item));
  if (typeof node === "string") return node.replace("#/components/schemas/", "#/definitions/");
  if (typeof node !== "object" || node === null) return node;
  const kept = Object.entries(node)
    .filter(([name]) => areNames || !(LEFT_OUT.has(name) || name.startsWith("x-")))
    .map(([name, value]) => [name, strict(value, !areNames && name === "properties")]);
  const isClosed = !areNames && "properties" in node && !("additionalProperties" in node);
  return { ...Object.fromEntries(kept), ...(isClosed ? { additionalProperties: false } : {}) };
}
