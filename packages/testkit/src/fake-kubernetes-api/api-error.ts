/**
 * Refusals of the API server as `Status` bodies, with the words of the real one (1.36), so that
 * a client's error handling meets here what it will meet there.
 */
import { qualified } from "./resource.ts";
import type { FieldError, Resource } from "./resource.ts";

export interface StatusBody {
  readonly kind: "Status";
  readonly apiVersion: "v1";
  readonly metadata: Record<string, never>;
  readonly status: "Failure";
  readonly message: string;
  readonly reason?: string;
  readonly details?: Readonly<Record<string, unknown>>;
  readonly code: number;
}

/** It carries no code. */
export type SuccessBody = Omit<StatusBody, "status" | "message" | "code"> & {
  readonly status: "Success";
};

export class ApiError extends Error {
  readonly status: StatusBody;
  readonly retryAfterSeconds: number | null;

  constructor(status: StatusBody, retryAfterSeconds: number | null = null) {
    super(status.message);
    this.status = status;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const REASONS: Readonly<Record<number, string>> = {
  400: "BadRequest",
  401: "Unauthorized",
  403: "Forbidden",
  404: "NotFound",
  405: "MethodNotAllowed",
  409: "Conflict",
  410: "Expired",
  413: "RequestEntityTooLarge",
  415: "UnsupportedMediaType",
  422: "Invalid",
  429: "TooManyRequests",
  500: "InternalError",
  503: "ServiceUnavailable",
  504: "Timeout",
};

export interface FailureDetails {
  readonly reason?: string;
  readonly details?: Readonly<Record<string, unknown>>;
}

export function failure(code: number, message: string, more: FailureDetails = {}): StatusBody {
  return {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message,
    reason: more.reason ?? REASONS[code] ?? "Unknown",
    ...(more.details ? { details: more.details } : {}),
    code,
  };
}

export function notFound(resource: Resource, name: string): ApiError {
  const message = `${qualified(resource)} "${name}" not found`;
  return new ApiError(failure(404, message, { details: detailsOf(resource, name) }));
}

export function alreadyExists(resource: Resource, name: string): ApiError {
  const message = `${qualified(resource)} "${name}" already exists`;
  const details = detailsOf(resource, name);
  return new ApiError(failure(409, message, { reason: "AlreadyExists", details }));
}

export function conflict(resource: Resource, name: string, cause: string): ApiError {
  const message = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${cause}`;
  return new ApiError(failure(409, message, { details: detailsOf(resource, name) }));
}

export const MODIFIED =
  "the object has been modified; please apply your changes to the latest version and try again";

export function invalid(resource: Resource, name: string, errors: readonly FieldError[]): ApiError {
  const causes = errors.map(({ field, message }) => ({ reason: causeOf(message), field, message }));
  const listed = errors.map(({ field, message }) => `${field}: ${message}`);
  const words = listed.length === 1 ? listed[0] : `[${listed.join(", ")}]`;
  const kind = resource.group ? `${resource.kind}.${resource.group}` : resource.kind;
  const message = `${kind} "${name}" is invalid: ${words ?? "unknown"}`;
  const details = { ...detailsOf(resource, name), kind: resource.kind, causes };
  return new ApiError(failure(422, message, { details }));
}

/** By how the server begins its sentence. */
function causeOf(message: string): string {
  if (message.startsWith("Required value")) return "FieldValueRequired";
  if (message.startsWith("Duplicate value")) return "FieldValueDuplicate";
  if (message.startsWith("Unsupported value")) return "FieldValueNotSupported";
  if (message.startsWith("Too long")) return "FieldValueTooLong";
  if (message.startsWith("Forbidden")) return "FieldValueForbidden";
  return "FieldValueInvalid";
}

export function badRequest(message: string): ApiError {
  return new ApiError(failure(400, message));
}

export function expired(resourceVersion: string, oldest: number): StatusBody {
  return failure(410, `too old resource version: ${resourceVersion} (${oldest})`);
}

function detailsOf(resource: Resource, name: string): Record<string, unknown> {
  return { name, ...groupOf(resource), kind: resource.plural };
}

/** The core group is not named. */
export function groupOf({ group }: Resource): { readonly group?: string } {
  return group === "" ? {} : { group };
}
