/**
 * Tests the image for AgentCore's architecture under emulation. That is slow, so it tests only that
 * the image is complete and starts.
 */
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { Container, runIn } from "./container.ts";

const image = process.env.OPENCLAW_TEST_IMAGE_ARM64;
const TIMEOUT_MS = 4 * 60_000;

describe.skipIf(image === undefined)("the image for arm64", () => {
	const inImage = (program: string, ...args: readonly string[]) =>
		runIn(image ?? "", program, ...args);

	test("contains native code of its own architecture only", { timeout: TIMEOUT_MS }, () => {
		// Bytes 18 and 19 of an ELF file: its machine, 183 for AArch64.
		const script =
			'find /opt -name "*.node" -path "*linux*" -exec sh -c \'od -An -tu2 -j18 -N2 "$1"\' sh {} \\;';
		const machines = inImage("sh", "-c", script).split("\n").map(Number);
		expect(machines.length).toBeGreaterThan(3);
		expect(new Set(machines)).toEqual(new Set([183]));
	});

	test("has a working OpenClaw", { timeout: TIMEOUT_MS }, () => {
		expect(inImage("openclaw", "--version")).toMatch(/^OpenClaw 20/);
	});

	test("answers its first ping, and ends", { timeout: TIMEOUT_MS }, async () => {
		const env = {
			OPENCLAW_SIDECAR_STORE: "s3://not-asked/for",
			OPENCLAW_SIDECAR_REGION: "us-east-1",
		};
		await using vm = new Container("arm64", {
			image: image ?? "",
			env,
			options: ["--platform", "linux/arm64"],
		});
		let status: unknown;
		while (status === undefined && vm.process.exit === undefined) {
			const answer = await fetch("http://127.0.0.1:8080/ping").catch(() => undefined);
			status = answer && ((await answer.json()) as { readonly status: string }).status;
			await delay(50);
		}
		expect([status, vm.process.tail]).toEqual(["Healthy", ""]);
		expect(await vm.end()).toEqual({ code: 0, signal: null });
	});
});
