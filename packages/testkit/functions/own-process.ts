/**
 * Files of the default suite share a process, and handlers cache what they read from its
 * environment. This gives a test file fresh handlers, and restores the environment afterwards.
 */
import { afterAll, beforeAll, vi } from "vitest";

/** Call this before the file's other hooks. */
export function asInOwnProcess(): void {
	let before: NodeJS.ProcessEnv;
	beforeAll(() => {
		before = { ...process.env };
		vi.resetModules();
	});
	afterAll(() => {
		for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
		Object.assign(process.env, before);
		vi.doUnmock("../../infra/lambda/shared/log.ts");
		vi.resetModules();
	});
}
