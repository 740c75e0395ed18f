/** What apt says of an image whose packages are old; `pnpm image:test` asks the real one. */
import { expect, test } from "vitest";
import { updatesIn } from "../build/security-updates.ts";

const LISTING = `Listing...
libssl3t64/stable-security 3.5.4-1~deb13u2 amd64 [upgradable from: 3.5.4-1~deb13u1]
perl-base/stable,stable-updates 5.40.1-6+deb13u1 amd64 [upgradable from: 5.40.1-6]
tzdata/stable-updates 2026b-0+deb13u1 all [upgradable from: 2026a-0+deb13u1]
`;

test("fixes of the security archive and of point releases count, other updates do not", () => {
	expect(updatesIn(LISTING)).toEqual([
		"libssl3t64 3.5.4-1~deb13u1 -> 3.5.4-1~deb13u2",
		"perl-base 5.40.1-6 -> 5.40.1-6+deb13u1",
	]);
	expect(updatesIn("Listing...\n")).toEqual([]);
});
