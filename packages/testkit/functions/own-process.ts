/**
 * Files of the default suite share a process, and handlers read its environment once and keep what
 * they made of it. With this a file begins with handlers that nobody has used, and leaves the
 * environment as it found it.
 */
import { afterAll, beforeAll, vi } from "vitest";

/** To be called before the file's other hooks. */
export function asInOwnProcess(): void {
	let before: NodeJS.ProcessEnv;
	beforeAll(() => {
		before = { ...process.env };
		vi.resetModules();
	});
	afterAll(() => {
		for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
		Object.assign(process.env, before);
		vi.doUnmock("../../infra/lambda/log.ts");
		vi.resetModules();
	});
}
