/**
 * Renders the chart as users do, with `helm template`, and reads the objects.
 *
 * Looks at nothing but Helm's output. Each call is a process of about 0.1 s, so tests that only
 * look at one set of values share one rendering.
 */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseAllDocuments } from "yaml";

export const CHART = fileURLToPath(new URL("..", import.meta.url));
export const RELEASE = "orders";
export const NAMESPACE = "shop";
/** A helm of one's own making takes an old one for granted. */
const KUBERNETES = ["--kube-version", "1.36"];
export const GROUP = "orders-leasehold";

/** Read as it comes; tests say what they expect of it. */
// oxlint-disable-next-line typescript/no-explicit-any -- rendered objects have no type here
export type Rendered = any;

export interface RenderOptions {
  /** A file of `ci/`, without `-values.yaml`. */
  readonly ci?: string;
  readonly values?: unknown;
  readonly release?: string;
  readonly flags?: readonly string[];
}

export interface HelmResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs Helm in the chart's folder; never rejects for a code other than 0. */
export function helm(args: readonly string[], stdin = ""): Promise<HelmResult> {
  return new Promise((resolve, reject) => {
    // So short a program loses more by its threads than it gains.
    const env = { ...process.env, GOMAXPROCS: "1" };
    const options = { cwd: CHART, env, timeout: 30_000, maxBuffer: 8 * 1024 * 1024 };
    const child = execFile("helm", args, options, (error, stdout, stderr) => {
      const code = error?.code ?? 0;
      if (typeof code === "number") resolve({ code, stdout, stderr });
      else reject(new Error(`helm did not run (${code}): npm test brings it.`, { cause: error }));
    });
    child.stdin?.end(stdin);
  });
}

export async function renderText(options: RenderOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await tryRender(options);
  if (code !== 0) throw new Error(`the chart was refused: ${stderr}`);
  return stdout;
}

export function tryRender(options: RenderOptions): Promise<HelmResult> {
  const { ci, values = {}, release = RELEASE, flags = [] } = options;
  const file = ci === undefined ? [] : ["-f", `ci/${ci}-values.yaml`];
  const args = ["template", release, ".", "-n", NAMESPACE, ...file, "-f", "-", ...KUBERNETES];
  return helm([...args, ...flags], JSON.stringify(values));
}

const RENDERED = new Map<string, Promise<readonly Rendered[]>>();

/** Once for each set of options: tests look at the objects and leave them as they are. */
export function render(options: RenderOptions = {}): Promise<readonly Rendered[]> {
  const key = JSON.stringify(options);
  const objects = RENDERED.get(key) ?? renderText(options).then(objectsIn);
  RENDERED.set(key, objects);
  return objects;
}

export function objectsIn(text: string): readonly Rendered[] {
  return parseAllDocuments(text)
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0]!;
      return document.toJS();
    })
    .filter((object) => object !== null);
}

/** The one object of a kind, and of a name where there are several. */
export function find(objects: readonly Rendered[], kind: string, name?: string): Rendered {
  const found = objects.filter(
    (object) => object.kind === kind && (name === undefined || object.metadata.name === name),
  );
  if (found.length !== 1) throw new Error(`${found.length} objects ${kind} ${name ?? ""}`);
  return found[0];
}

export function isHook(object: Rendered): boolean {
  return object.metadata.annotations?.["helm.sh/hook"] !== undefined;
}

export function podSpecs(objects: readonly Rendered[]): readonly Rendered[] {
  return objects.flatMap(({ kind, spec }) =>
    kind === "Pod" ? [spec] : kind === "StatefulSet" ? [spec.template.spec] : [],
  );
}

export function containersOf(spec: Rendered): readonly Rendered[] {
  return [...(spec.initContainers ?? []), ...spec.containers];
}

export function chartFile(path: string): string {
  return readFileSync(new URL(`../${path}`, import.meta.url), "utf8");
}

export function repositoryFile(path: string): string {
  return readFileSync(new URL(`../../../${path}`, import.meta.url), "utf8");
}
