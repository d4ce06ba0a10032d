/** Tests that need a permission are ignored without it, so that a plain `deno test` passes. */

/** Whether any of these permissions is not granted. */
export function missingPermissions(...names: readonly Deno.PermissionName[]): boolean {
  return names.some((name) => Deno.permissions.querySync({ name }).state !== "granted");
}

/**
 * A test that reads YAML: the library asks for an environment variable (LOG_TOKENS) while it
 * parses.
 */
export function yamlTest(name: string, test: () => void | Promise<void>): void {
  Deno.test({ name, ignore: missingPermissions("env"), fn: test });
}
