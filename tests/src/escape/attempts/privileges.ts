import { Prctl } from "@bulkhead/linux";
import { type AttemptGroup, call, callNumber, execute, pointer, words } from "../attempt.js";

const PR_SET_PTRACER = 0x5961_6d61;
const READ_IMPLIES_EXEC = 0x40_0000;
/** A filter that allows everything. */
const allowAll = () => words(1, pointer(words(0x7fff_0000_0000_0006n)));

export const privileges: AttemptGroup = {
  name: "Privileges, and the walls themselves",
  attempts: [
    { name: "become root", outcome: "SIGSYS", run: () => call("setresuid", 0, 0, 0) },
    { name: "change its groups", outcome: "SIGSYS", run: () => call("setgroups", 0, 0) },
    {
      name: "take capabilities",
      outcome: "SIGSYS",
      run: () => call("capset", words(0x2008_0522), words(0x1_0000_0001n, 0, 0)),
    },
    { name: "be dumpable again", outcome: "SIGSYS", run: () => call("prctl", Prctl.SET_DUMPABLE, 1, 0, 0, 0) },
    {
      name: "let anybody trace it",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("prctl", PR_SET_PTRACER, -1, 0, 0, 0),
    },
    {
      name: "keep capabilities over a change of user",
      outcome: "SIGSYS",
      run: () => call("prctl", 8, 1, 0, 0, 0),
    },
    {
      name: "make readable memory executable (personality)",
      outcome: "SIGSYS",
      run: () => call("personality", READ_IMPLIES_EXEC),
    },
    {
      name: "put a filter above the filter",
      outcome: "SIGSYS",
      run: () => {
        call("prctl", Prctl.SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        return call("seccomp", 1, 0, allowAll());
      },
    },
    {
      name: "switch the filter off (prctl)",
      outcome: "SIGSYS",
      without: "reaches the kernel",
      run: () => call("prctl", 22, 0, 0, 0, 0),
    },
    {
      name: "make a landlock ruleset",
      outcome: "SIGSYS",
      run: () => call("landlock_create_ruleset", words(1), 8, 0),
    },
    {
      name: "raise its limit of descriptors",
      outcome: "EPERM",
      run: () => call("prlimit64", 0, 7, words(2_048, 2_048), 0),
    },
    {
      name: "raise its limit of memory",
      outcome: "EPERM",
      run: () => call("prlimit64", 0, 2, words(-1, -1), 0),
    },
    {
      name: "use a system call of x32",
      outcome: "SIGSYS",
      only: "x64",
      without: "reaches the kernel",
      run: () => x32(),
    },
    { name: "use a system call of i386", outcome: "SIGSYS", only: "x64", run: () => i386() },
  ],
};

function x32(): number {
  const X32 = 0x4000_0000;
  const GETPID = 39;
  return callNumber(X32 | GETPID);
}

function i386(): number {
  // mov eax, 20 (getpid); int 0x80; ret
  return execute(Uint8Array.of(0xb8, 20, 0, 0, 0, 0xcd, 0x80, 0xc3));
}
