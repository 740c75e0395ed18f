import { AgingStore } from "./aging-store.ts";
import { describeObjectStore, describeSweepableStore } from "./conformance.ts";

for (const describeStore of [describeObjectStore, describeSweepableStore])
	describeStore("AgingStore", async () => ({
		store: new AgingStore(Date.now()),
		cleanup: async () => {},
	}));
