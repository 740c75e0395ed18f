import { linkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { FoldedNames } from "./folded-names.ts";
import { statOf } from "./stat.ts";

// @id folded-name-lookup
test("treats a name that can be looked up but is not listed as another file if the directory folds names", () => {
	const root = testDirectory();
	writeFileSync(join(root, "readme"), "");
	const stat = statOf(join(root, "readme"));
	if (stat === undefined) throw new Error("it was just made");
	// No second name leads to it: nothing is folded here.
	expect(new FoldedNames(root).isOtherName("ReadMe", stat)).toBe(false);
	// A second name of the same file simulates a directory that folds.
	linkSync(join(root, "readme"), join(root, "README"));
	const folded = new FoldedNames(root);
	expect(folded.isOtherName("readme", stat)).toBe(false);
	expect(folded.isOtherName("ReadMe", stat)).toBe(true);
	writeFileSync(join(root, "ReadMe"), "");
	expect(folded.isOtherName("ReadMe", stat)).toBe(false);
	expect(folded.isOtherName("", stat)).toBe(false);
});
