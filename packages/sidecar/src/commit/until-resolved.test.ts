import { expect, it } from "vitest";
import { S3Failure, type Wire } from "../store/s3-failure.ts";
import { thisEnvironment } from "./environment.ts";
import { retryUnknown, undecided } from "./until-resolved.ts";

const failure = (name: string, status: number) => {
	const wire: Wire = { method: "put", sent: 1, verb: "PUT", status };
	return new S3Failure(Object.assign(new Error("no"), { name }), wire);
};

it("an undecided commit names the clock if the store complains about it, and the network otherwise", () => {
	for (const code of ["NOT_DURABLE", "STORE_UNREACHABLE"] as const) {
		expect(undecided(failure("RequestTimeTooSkewed", 403), code)).toMatchObject({
			code,
			message: expect.stringContaining("RequestTimeTooSkewed"),
			remedy: expect.stringContaining("clock"),
		});
		expect(undecided(failure("InternalError", 500), code).remedy).toContain("network");
	}
});

it("an unknown outcome is retried after 0.5, 1 and 2 s until it is known, and is then an error", async () => {
	const attempts = async (knownAt: number) => {
		const seen: string[] = [];
		const environment = {
			...thisEnvironment,
			sleep: async (ms: number) => {
				seen.push(`${ms} ms`);
			},
		};
		const attempt = async (retry: number) => {
			seen.push(`try ${retry}`);
			return retry === knownAt
				? { kind: "lost" }
				: { kind: "unknown", cause: new Error("no answer") };
		};
		const outcome = await retryUnknown(environment, attempt, {}).catch((error: unknown) => error);
		return { outcome, seen };
	};
	const twice = ["try 0", "500 ms", "try 1", "1000 ms", "try 2"];
	expect(await attempts(2)).toEqual({ outcome: { kind: "lost" }, seen: twice });
	expect(await attempts(4)).toEqual({
		outcome: expect.objectContaining({
			code: "NOT_DURABLE",
			message: expect.stringContaining("no answer"),
		}),
		seen: [...twice, "2000 ms", "try 3"],
	});
});
