import { describeObjectStore, describeSweepableStore } from "../src/store/conformance.ts";
import { AgingStore } from "./aging-store.ts";

for (const describeStore of [describeObjectStore, describeSweepableStore])
	describeStore("AgingStore", async () => ({ store: new AgingStore(Date.now()), cleanup: async () => {} }));
