export { createSurvivalMemory } from "./memory-file.js";
export { Survival } from "./survival.js";
export { SurvivingSession } from "./surviving-session.js";
