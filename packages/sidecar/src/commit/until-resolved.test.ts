import { expect, it } from "vitest";
import { S3Failure, type Wire } from "../store/s3-failure.ts";
import { undecided } from "./until-resolved.ts";

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
