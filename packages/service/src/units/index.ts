export {
  type Installation,
  JITLESS,
  SERVICE_TYPES,
  SERVICE_UNIT,
  SOCKET_UNIT,
  serviceUnit,
  socketUnit,
} from "./description.js";
export { type ProgramFiles, packageOf, programFiles, type VisiblePath } from "./program-files.js";
export { type Directive, type DirectiveGroup, plainPath, renderUnit, type UnitFile } from "./unit-file.js";
