export { createSurvivalMemory } from "./memory.js";
export { Survival } from "./survival.js";
export { SurvivingSession } from "./surviving-session.js";
