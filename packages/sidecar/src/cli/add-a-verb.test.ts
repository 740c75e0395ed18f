/** The steps of "Add a verb" in CONTRIBUTING.md: a forgotten one fails here. */
import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Command } from "./command.ts";
import { COMMANDS } from "./program.ts";

const here = new URL("./", import.meta.url);
const library: Readonly<Record<string, unknown>> = { ...(await import("../index.ts")) };
const docs = new URL("../../../../docs/", here);

/** Verbs whose name is a word of JavaScript, or that stand for several functions. */
const FUNCTIONS: Readonly<Record<string, readonly string[]>> = {
	run: ["run", "serve"],
	// It prints a text of its own.
	completion: [],
	gc: ["retain", "namespaces"],
	export: ["exportTree"],
	import: ["importTree"],
	// A page for people, over the functions of the other verbs.
	ui: [],
	tag: ["tag", "tags", "untag"],
	service: ["installService", "serviceStatus", "removeService"],
	recover: [
		"listQuarantined",
		"recoverTo",
		"recoverApply",
		"recoverDrop",
		"listTrash",
		"trashTo",
		"emptyTrash",
	],
};

const isCommand = (value: unknown): value is Command =>
	typeof value === "object" && value !== null && "summary" in value && "run" in value;

test("takes every command of this directory", async () => {
	const files = readdirSync(here).filter(
		(file) => file.endsWith(".ts") && !file.includes(".test."),
	);
	const modules = await Promise.all(
		files
			// It runs the command line when it is loaded.
			.filter((file) => file !== "main.ts")
			.map(async (file) => (await import(new URL(file, here).href)) as object),
	);
	const found = modules.flatMap((module) => Object.values(module)).filter(isCommand);
	expect(found.map(({ name }) => name).sort()).toEqual(COMMANDS.map(({ name }) => name).sort());
});

describe.each(COMMANDS.map(({ name }) => name))("%s", (name) => {
	test("is a function of the library", () => {
		for (const exported of FUNCTIONS[name] ?? [name])
			expect(library[exported], exported).toBeTypeOf("function");
	});

	test("is explained in the docs", () => {
		const pages = readdirSync(docs).filter((file) => file.endsWith(".md"));
		const explained = new RegExp(`(?:openclaw-sidecar|sidecar) ${name}\\b|\`${name}[ \`]`);
		const found = pages.filter((page) => explained.test(readFileSync(new URL(page, docs), "utf8")));
		expect(found).not.toEqual([]);
	});
});
