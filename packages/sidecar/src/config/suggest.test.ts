import { expect, test } from "vitest";
import { didYouMean } from "./suggest.ts";

test.each([
	["exsting", "; did you mean existing?"],
	["EXISTING", "; did you mean existing?"],
	["nwe", "; did you mean new?"],
	["wen", ""],
	["ne", "; did you mean new?"],
	["something", ""],
	["", ""],
])("%s%s", (typed, expected) =>
	expect(didYouMean(typed, ["new", "existing", "any"])).toBe(expected),
);
