/**
 * Kubernetes' MicroTime: exactly six fractional digits, or the API server answers 400. For people
 * and other clients to read; nothing here decides by it.
 */
export function formatMicroTime(time: Date): string {
  return time.toISOString().replace("Z", "000Z");
}
