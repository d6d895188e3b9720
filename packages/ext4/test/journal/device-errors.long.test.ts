// Oracles: what was vouched for before and after a failure; e2fsck of what is left on the disk.
import { failSteps } from "./fail-steps.js";

failSteps(1);
