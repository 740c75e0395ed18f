import { expect, test } from "vitest";
import { Turns } from "./turns.ts";

const never = new AbortController().signal;

/** A run that ends when it is told to, and says when it began. */
function run() {
	const began = Promise.withResolvers<void>();
	const { promise, resolve } = Promise.withResolvers<string>();
	const signal = Promise.withResolvers<AbortSignal>();
	return {
		began: began.promise,
		signal: signal.promise,
		end: () => resolve("ended"),
		run: async (given: AbortSignal = never) => {
			began.resolve();
			signal.resolve(given);
			return await promise;
		},
	};
}
const settled = async (promise: Promise<unknown>) =>
	await Promise.race([
		promise.then(
			() => true,
			() => true,
		),
		new Promise((resolve) => setImmediate(() => resolve(false))),
	]);

test("a command waits for the turns before it, and turns wait for it", async () => {
	const turns = new Turns();
	const [first, second, command, later] = [run(), run(), run(), run()];
	const ends = [turns.turn("a", never, first.run), turns.turn("a", never, second.run)];
	await Promise.all([first.began, second.began]);
	ends.push(turns.command("a", never, command.run), turns.turn("a", never, later.run));
	first.end();
	await ends[0];
	expect(await settled(command.began)).toBe(false);
	second.end();
	await command.began;
	expect(await settled(later.began)).toBe(false);
	command.end();
	await later.began;
	later.end();
	expect(await Promise.all(ends)).toEqual(["ended", "ended", "ended", "ended"]);
});

test("commands run one after another", async () => {
	const turns = new Turns();
	const [first, second] = [run(), run()];
	const ends = [turns.command("a", never, first.run), turns.command("a", never, second.run)];
	await first.began;
	expect(await settled(second.began)).toBe(false);
	first.end();
	await second.began;
	second.end();
	await Promise.all(ends);
});

test("another conversation waits for nothing", async () => {
	const turns = new Turns();
	const [turn, command] = [run(), run()];
	const ended = turns.turn("a", never, turn.run);
	const other = turns.command("b", never, command.run);
	await command.began;
	command.end();
	await other;
	turn.end();
	await ended;
});

test("a failed command lets the turns after it run", async () => {
	const turns = new Turns();
	const failed = turns.command("a", never, async () => {
		throw new Error("it fails");
	});
	const turn = turns.turn("a", never, async () => "ran");
	await expect(failed).rejects.toThrow("it fails");
	expect(await turn).toBe("ran");
});

test("who gives up while waiting leaves the others their order", async () => {
	const turns = new Turns();
	const [turn, later] = [run(), run()];
	const ended = turns.turn("a", never, turn.run);
	const caller = new AbortController();
	const command = turns.command("a", caller.signal, async () => "ran");
	caller.abort(new Error("gone"));
	await expect(command).rejects.toThrow("gone");
	const next = turns.turn("a", never, later.run);
	await later.began;
	turn.end();
	later.end();
	await Promise.all([ended, next]);
});

test("stop ends every turn of the conversation, those that wait as well, and returns when they have ended", async () => {
	const turns = new Turns();
	const [running, other, command] = [run(), run(), run()];
	const began = Promise.withResolvers<void>();
	const ended = turns.turn("a", never, async (signal) => {
		began.resolve();
		await new Promise((resolve) => signal.addEventListener("abort", resolve));
		throw signal.reason;
	});
	await began.promise;
	const elsewhere = turns.turn("b", never, other.run);
	const waits = turns.command("a", never, command.run);
	const queued = turns.turn("a", never, running.run);
	const failures = Promise.allSettled([ended, queued]);
	expect(await turns.stop("a", new Error("stopped"))).toBe(2);
	expect((await failures).map((each) => each.status === "rejected" && each.reason.message)).toEqual(
		["stopped", "stopped"],
	);
	expect(await settled(running.began)).toBe(false);
	command.end();
	await waits;
	other.end();
	expect(await elsewhere).toBe("ended");
	expect(await turns.stop("a", new Error("stopped"))).toBe(0);
});

// @id command-outlives-caller
test("a command whose caller gives up goes on, and the turns after it wait for it", async () => {
	const turns = new Turns();
	const [command, later] = [run(), run()];
	const caller = new AbortController();
	const given = turns.command("a", caller.signal, command.run);
	await command.began;
	caller.abort(new Error("gone"));
	await expect(given).rejects.toThrow("gone");
	const end = turns.turn("a", never, later.run);
	expect(await settled(later.began)).toBe(false);
	command.end();
	await later.began;
	later.end();
	await end;
});

test("a command whose caller gives up while it waits does not let later turns pass the one before", async () => {
	const turns = new Turns();
	const [first, second, later] = [run(), run(), run()];
	const caller = new AbortController();
	const one = turns.command("a", never, first.run);
	await first.began;
	const two = turns.command("a", caller.signal, second.run);
	caller.abort(new Error("gone"));
	await expect(two).rejects.toThrow("gone");
	const end = turns.turn("a", never, later.run);
	expect(await settled(later.began)).toBe(false);
	first.end();
	await one;
	await later.began;
	later.end();
	await end;
});
