/** How every command ends; the man page lists these. */
export const ExitCode = {
  success: 0,
  failure: 1,
  usage: 2,
  corrupt: 3,
  interrupted: 130,
  outputClosed: 141,
  terminated: 143,
} as const;

export const exitCodeMeanings: readonly (readonly [code: number, meaning: string])[] = [
  [ExitCode.success, "Everything that was asked for was done."],
  [ExitCode.failure, "Something could not be done; a line on standard error says what, where and why."],
  [ExitCode.usage, "The command line is wrong; nothing was done."],
  [ExitCode.corrupt, "The file system is damaged where it was read; what could be read was."],
  [ExitCode.interrupted, "Interrupted by Ctrl-C."],
  [ExitCode.outputClosed, "Whoever read the output stopped reading, as head does."],
  [ExitCode.terminated, "Terminated by a signal."],
];
