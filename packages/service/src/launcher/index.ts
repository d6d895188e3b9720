export {
  type LaunchedServer,
  type LaunchOptions,
  launchCommand,
  launchServer,
  type ServerLimits,
  userNamespacesAllowed,
} from "./launch.js";
